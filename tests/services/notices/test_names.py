"""What the check says about a name is true when the letter is rendered."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy import Engine, text

from cast import ADA, SAM
from factories import make_request
from koha_ill_sidecar.domain.letter_syntax import LetterToken
from koha_ill_sidecar.domain.notices import Letter
from koha_ill_sidecar.services.notices.kinds import KINDS, VARIABLES
from koha_ill_sidecar.services.notices.names import NoticeNames, nearest
from koha_ill_sidecar.services.notices.records import (
    RECORD_METHODS,
    SET_METHODS,
    KohaRecord,
    KohaRecords,
    RecordKind,
    Shape,
    ValueType,
)
from koha_ill_sidecar.services.notices.rendering import NoticeRenderer
from koha_ill_sidecar.storage.koha import comments, requests
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.template_toolkit import EACH, MISSING, TemplateError

Path = tuple[str, ...]

ARGUMENTS: Mapping[str, list[object]] = {
    "find": [{}],
    "get_extended_attribute": ["SHOE"],
    "search": [{}],
}
TOKEN_ROOTS = {
    "illrequests": "illrequest",
    "borrowers": "borrower",
    "biblio": "biblio",
    "branches": "branch",
}
LETTER = Letter(
    code="TRY",
    branchcode="",
    name="",
    transport="email",
    lang="default",
    title="",
    content="",
    is_html=False,
    letter_id=1,
)


@pytest.fixture
def biblionumber(admin: Engine) -> int:
    """A record with an item; the patron has an attribute whose value is an authorised one."""
    with admin.begin() as connection:
        for table_and_columns, values in (
            ("authorised_value_categories (category_name)", "'SHOES'"),
            ("authorised_values (category, authorised_value, lib)", "'SHOES', '42', 'Large'"),
            (
                "borrower_attribute_types (code, description, authorised_value_category)",
                "'SHOE', '', 'SHOES'",
            ),
            ("borrower_attributes (borrowernumber, code, attribute)", f"{SAM}, 'SHOE', '42'"),
        ):
            connection.execute(text(f"INSERT INTO {table_and_columns} VALUES ({values})"))
        number = connection.execute(
            text("INSERT INTO biblio (title, frameworkcode, datecreated) VALUES ('Dune', '', NOW())")
        ).lastrowid
        item_number = connection.execute(
            text(f"INSERT INTO biblioitems (biblionumber) VALUES ({number})")
        ).lastrowid
        connection.execute(
            text(
                "INSERT INTO items (biblionumber, biblioitemnumber, homebranch, holdingbranch)"
                f" VALUES ({number}, {item_number}, '{ADA}', '{ADA}')"
            )
        )
    return int(number)


@pytest.fixture
def batch(admin: Engine, koha_version: str) -> int | None:
    if float(koha_version) < 23.11:
        return None
    with admin.begin() as connection:
        connection.execute(text("INSERT INTO illbatch_statuses (name, code) VALUES ('Waiting', 'WAITALL')"))
        added = connection.execute(
            text(
                "INSERT INTO illbatches (name, backend, patron_id, library_id, status_code)"
                f" VALUES ('Batch', 'Standard', {SAM}, '{ADA}', 'WAITALL')"
            )
        )
        return int(added.lastrowid)


@pytest.fixture
def rendering(biblionumber: int, batch: int | None, tx: Transaction) -> NoticeRenderer:
    """The rendering of a letter on a request that leads to a record of every kind."""
    columns: dict[str, Any] = {} if batch is None else {"batch_id": batch}
    number = make_request(
        tx.connection,
        tx.koha,
        biblio_id=biblionumber,
        status_alias="WAITING",
        attributes={"title": "Dune"},
        **columns,
    )
    comments.add(tx, number, borrowernumber=SAM, comment="Asked again")
    return NoticeRenderer(tx, requests.get(tx, number))


def variables(rendering: NoticeRenderer) -> dict[str, object]:
    """Return the variables of a template, those included that are read only when they are used."""
    given = rendering._variables(rendering._substitutes(LETTER))
    return {
        name: value() if callable(value) else value
        for name, value in given.items()
        if not name.startswith("_")
    }


def objects(rendering: NoticeRenderer) -> Iterator[tuple[Path, KohaRecord | KohaRecords]]:
    """Yield a record and a set of each kind, with the path by which a template reaches it."""
    waiting: list[tuple[Path, object]] = [((name,), value) for name, value in variables(rendering).items()]
    seen = set()
    while waiting:
        path, found = waiting.pop(0)
        if not isinstance(found, KohaRecord | KohaRecords):
            continue
        known = (type(found), kind_of(found).name)
        if known in seen:
            continue
        seen.add(known)
        yield path, found
        names = found.kind.accessors if isinstance(found, KohaRecord) else ["first"]
        waiting += [((*path, name), asked(found, name)) for name in names]


def kind_of(found: KohaRecord | KohaRecords) -> RecordKind:
    return found.kind if isinstance(found, KohaRecord) else found._kind


def asked(found: KohaRecord | KohaRecords, name: str) -> object:
    arguments: Mapping[str, list[object]] = {**ARGUMENTS, "get_column": [kind_of(found).key]}
    return found.template_get(name, arguments.get(name, []))


def answers(found: KohaRecord | KohaRecords, name: str) -> bool:
    try:
        return asked(found, name) is not MISSING
    except TemplateError:
        return False


def promises(found: KohaRecord | KohaRecords) -> dict[str, ValueType]:
    if isinstance(found, KohaRecords):
        return {name: method.value_type(kind_of(found).name) for name, method in SET_METHODS.items()}
    return {name: accessor.returns for name, accessor in {**RECORD_METHODS, **found.kind.accessors}.items()}


def is_kept(promise: ValueType, answer: object) -> bool:
    match answer:
        case None:
            return promise.shape in {Shape.TEXT, Shape.RECORD}
        case str() | int():
            return promise == ValueType(Shape.TEXT)
        case KohaRecord():
            return promise == ValueType(Shape.RECORD, answer.kind.name)
        case KohaRecords():
            return promise == ValueType(Shape.SET, kind_of(answer).name)
        case [KohaRecord() as first, *_]:
            return promise == ValueType(Shape.LIST, first.kind.name)
        case _:
            return promise == ValueType(Shape.ANYTHING)


@pytest.mark.all_versions
def test_a_name_has_a_value_of_its_declared_type(rendering: NoticeRenderer, batch: int | None) -> None:
    met = set()
    for path, found in objects(rendering):
        met.add(kind_of(found).name)
        for name, promise in promises(found).items():
            assert is_kept(promise, asked(found, name)), (path, name)

    assert met == KINDS.keys() - ({"batch", "batch status"} if batch is None else set())


@pytest.mark.all_versions
def test_a_name_is_known_where_an_object_answers_to_it_and_nowhere_else(
    rendering: NoticeRenderer, tx: Transaction
) -> None:
    known = NoticeNames.read(tx)
    met = list(objects(rendering))
    columns = [found.row() for _, found in met if isinstance(found, KohaRecord)]
    members = [*columns, *(kind.accessors for kind in KINDS.values()), RECORD_METHODS, SET_METHODS]
    every = {name for names in members for name in names} | {"0", "delete", "nosuch", "password"}

    for path, found in met:
        mistaken = {
            name for name in every if (known.find_unknown((*path, name)) is None) != answers(found, name)
        }
        assert mistaken == set(), path


@pytest.mark.all_versions
def test_every_variable_that_a_notice_is_given_is_known(rendering: NoticeRenderer, tx: Transaction) -> None:
    known = NoticeNames.read(tx)
    given = variables(rendering)

    assert [name for name in given if known.find_unknown((name,)) is not None] == []
    for name, promise in VARIABLES.items():
        assert is_kept(promise, given[name]), name


@pytest.mark.all_versions
def test_every_token_with_a_value_is_known(rendering: NoticeRenderer, tx: Transaction) -> None:
    known = NoticeNames.read(tx)
    values = rendering._letter_values(rendering._substitutes(LETTER))

    def shown(name: str) -> Path | None:
        return known.token_path(LetterToken(name=name, offset=0), "title")

    assert [shown(name) for name in values.substitutes] == [(name,) for name in values.substitutes]
    met: dict[str, Path] = {}
    for table, row in values.rows.items():
        for column in row() or {}:
            path = (TOKEN_ROOTS[table], column)
            assert shown(f"{table}.{column}") == path
            assert shown(column) == met.setdefault(column, path)


@pytest.mark.parametrize(
    ("path", "position", "near"),
    [
        (["borrower", "firstnam"], 1, "firstname"),
        (["borrower", "unbless"], 1, "unblessed"),
        (["borrower", "overdrive_auth_tokn"], 1, None),
        (["illrequest", "pattron", "surname"], 1, "patron"),
        (["illrequest", "patron", "categry"], 2, "category"),
        (["illrequest", "comments", "frist"], 2, "first"),
        (["illrequest", "comments", "search", "last", "coment"], 4, "comment"),
        (["illrequest", "statusalias", "opac_describtion"], 2, "opac_description"),
        (["biblio", "items", EACH, "homebranch", "branchname"], 4, None),
        (["biblio", "items", "as_list", "0", "barcod"], 4, "barcode"),
        (["today", "lenght"], 1, "length"),
        (["bransh"], 0, "branch"),
        (["emailpro"], 0, "borrower.emailpro"),
        (["greting"], 0, "greeting"),
    ],
)
def test_the_nearest_name_is_suggested_for_an_unknown_one(
    tx: Transaction, path: Sequence[str], position: int, near: str | None
) -> None:
    unknown = NoticeNames.read(tx).find_unknown(tuple(path), own={"greeting"})

    assert unknown is not None
    assert (unknown.position, unknown.suggestion) == (position, near)


@pytest.mark.parametrize(
    "path",
    [
        ["borrower", "id"],
        ["borrower", "unblessed", "whatever"],
        ["borrower", "get_extended_attribute", "type", "description"],
        ["biblio", "items", EACH, "home_branch", "branchname"],
        ["illrequest", "ill_batch", "status", "name"],
        ["illrequest", "comments", "as_list", "reverse", "0", "patron", "surname", "upper"],
        ["illrequest", "extended_attributes", "get_column", "join"],
        ["illrequestattributes", "whatever", "length"],
        ["KohaDates"],
    ],
)
def test_everything_that_a_letter_can_reach_is_known(tx: Transaction, path: Sequence[str]) -> None:
    assert NoticeNames.read(tx).find_unknown(tuple(path)) is None


@pytest.mark.all_versions
def test_the_columns_of_the_installed_version_are_known_and_those_of_others_are_empty(
    admin: Engine, tx: Transaction
) -> None:
    with admin.begin() as connection:
        connection.execute(text("ALTER TABLE items ADD COLUMN shelf_colour int"))
    try:
        known = NoticeNames.read(tx)
    finally:
        with admin.begin() as connection:
            connection.execute(text("ALTER TABLE items DROP COLUMN shelf_colour"))

    assert known.find_unknown(("biblio", "items", EACH, "shelf_colour")) is None
    assert known.find_unknown(("illrequest", "due_date")) is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["borrower", "surname"], "borrower.surname"),
        (["borrower", "surname", "upper", "length"], "borrower.surname"),
        (["illrequest", "patron", "surname"], "borrower.surname"),
        (["illrequest", "patron", "library", "branchname"], "borrower.library.branchname"),
        (["illrequest", "comments", EACH, "patron", "surname"], "illrequest.comments.[].patron.surname"),
        (["illrequestattributes", "doi", "length"], "illrequestattributes.doi"),
        (["ill_bib_title", "length"], "ill_bib_title"),
        (["borrower", "unblessed", "surname"], "borrower.unblessed.surname"),
        (["illrequest"], None),
        (["illrequest", "comments"], None),
        (["borrower", "nosuch"], None),
        (["nosuch", "surname"], None),
    ],
)
def test_a_value_has_one_path(tx: Transaction, path: Sequence[str], value: str | None) -> None:
    found = NoticeNames.read(tx).value_path(tuple(path))

    assert (None if found is None else ".".join(found)) == value


@pytest.mark.parametrize(
    ("name", "near"),
    [("Firstnam", "firstname"), ("SURNAME", "surname"), ("zzz", None)],
)
def test_the_nearest_name_is_found_in_any_case(name: str, near: str | None) -> None:
    assert nearest(name, ["surname", "firstname"]) == near
