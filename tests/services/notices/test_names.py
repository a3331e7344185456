"""What the check of letters takes for known is what notices really know."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import Engine, text

from cast import ADA, SAM
from factories import make_request
from koha_ill_sidecar.domain.letter_syntax import LetterToken
from koha_ill_sidecar.domain.notices import Letter
from koha_ill_sidecar.services.notices.names import (
    HASH,
    PLUGIN_METHODS,
    RECORDS,
    ROOTS,
    SET_METHODS,
    SETS,
    TEXT,
    TOKEN_TABLES,
    TOKEN_TEXTS,
    NoticeNames,
    nearest,
)
from koha_ill_sidecar.services.notices.objects import KohaRecord, KohaRecords
from koha_ill_sidecar.services.notices.plugins import PLUGIN_NAMES, MethodPlugin, make_plugins
from koha_ill_sidecar.services.notices.sending import _Rendering
from koha_ill_sidecar.storage.koha import comments, requests
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.template_toolkit import EACH, MISSING, TemplateError

ARGUMENTS: dict[str, list[object]] = {
    "find": [{}],
    "get_extended_attribute": ["SHOE"],
    "search": [{}],
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
def everything(admin: Engine) -> int:
    """The number of a record; what else a request can lead to is there as well."""
    with admin.begin() as connection:
        for statement in (
            "INSERT INTO borrower_attribute_types (code, description) VALUES ('SHOE', 'Shoe size')",
            f"INSERT INTO borrower_attributes (borrowernumber, code, attribute) VALUES ({SAM}, 'SHOE', '42')",
        ):
            connection.execute(text(statement))
        record = connection.execute(
            text("INSERT INTO biblio (title, frameworkcode, datecreated) VALUES ('Dune', '', NOW())")
        )
        number = int(record.lastrowid)
        connection.execute(text(f"INSERT INTO biblioitems (biblionumber) VALUES ({number})"))
    return number


@pytest.fixture
def batch(admin: Engine, koha_version: str) -> int | None:
    if float(koha_version) < 23.11:
        return None
    with admin.begin() as connection:
        added = connection.execute(
            text(
                "INSERT INTO illbatches (name, backend, patron_id, library_id)"
                f" VALUES ('Batch', 'Standard', {SAM}, '{ADA}')"
            )
        )
        return int(added.lastrowid)


@pytest.fixture
def rendering(everything: int, batch: int | None, tx: Transaction) -> _Rendering:
    columns: dict[str, Any] = {} if batch is None else {"batch_id": batch}
    number = make_request(tx.connection, tx.koha, biblio_id=everything, status_alias="WAITING", **columns)
    comments.add(tx, number, borrowernumber=SAM, comment="Asked again")
    return _Rendering(tx, requests.get(tx, number))


def objects(rendering: _Rendering) -> Iterator[tuple[str, KohaRecord | KohaRecords]]:
    """Give an object of each kind, found by what the tables say leads to it."""
    request = rendering._objects.request()
    waiting: list[tuple[str, Any]] = [("illrequest", request)]
    seen: set[str] = set()
    while waiting:
        kind, found = waiting.pop()
        if kind in (TEXT, HASH) or kind in seen or found is None:
            continue
        seen.add(kind)
        yield kind, found
        if kind in SETS:
            waiting.append((SETS[kind], found.template_get("first", [])))
        else:
            for name, following in RECORDS[kind].leads_to.items():
                waiting.append((following, found.template_get(name, ARGUMENTS.get(name, []))))


def answers(found: KohaRecord | KohaRecords, name: str) -> bool:
    try:
        return found.template_get(name, ARGUMENTS.get(name, [])) is not MISSING
    except TemplateError:
        return False


@pytest.mark.all_versions
def test_the_known_names_of_each_kind_are_those_that_its_objects_have(
    rendering: _Rendering, tx: Transaction, batch: int | None
) -> None:
    names = NoticeNames.read(tx)
    members = {kind: names.members(kind) for kind in RECORDS} | {kind: SET_METHODS.keys() for kind in SETS}
    every = {name for known in members.values() for name in known} | {"0", "delete", "nosuch"}

    met = dict(objects(rendering))

    assert met.keys() == members.keys() - ({"batch"} if batch is None else set())
    for kind, found in met.items():
        assert {name for name in every if answers(found, name)} == set(members[kind]), kind
        if isinstance(found, KohaRecord):
            assert found._accessors.keys() == RECORDS[kind].leads_to.keys(), kind
            assert found._row().keys() <= members[kind], kind


@pytest.mark.all_versions
def test_accessors_lead_to_the_kinds_that_the_tables_say(rendering: _Rendering) -> None:
    for kind, found in objects(rendering):
        leads_to = RECORDS[kind].leads_to if kind in RECORDS else {}
        for name, following in leads_to.items():
            led_to = found.template_get(name, ARGUMENTS.get(name, []))
            if led_to is None:
                continue
            expected = {TEXT: str, HASH: dict}.get(following) or (
                KohaRecords if following in SETS else KohaRecord
            )
            assert isinstance(led_to, expected), (kind, name)


def test_what_sets_give_is_what_the_table_says(rendering: _Rendering) -> None:
    found = rendering._objects.request().template_get("comments", [])
    assert isinstance(found, KohaRecords)

    kinds = {"element": KohaRecord, "list": list, "set": KohaRecords, TEXT: int}
    for name, given in SET_METHODS.items():
        found.template_get("reset", [])
        assert isinstance(found.template_get(name, ARGUMENTS.get(name, [])), kinds[given]), name


def test_the_variables_are_those_that_a_notice_is_given(rendering: _Rendering) -> None:
    given = rendering._variables("biblio today", rendering._substitutes(LETTER))

    assert {name for name in given if not name.startswith("_")} == ROOTS.keys()


@pytest.mark.all_versions
def test_the_tokens_are_those_that_a_notice_is_given(rendering: _Rendering, tx: Transaction) -> None:
    names = NoticeNames.read(tx)
    values = rendering._letter_values(rendering._substitutes(LETTER))

    assert values.substitutes.keys() == TOKEN_TEXTS
    assert [table.name for table in values.tables] == list(TOKEN_TABLES)
    for table in values.tables:
        for column in table.row() or {}:
            token = LetterToken(name=f"{table.name}.{column}", offset=0)
            assert names.value_of_token(token, "content") == (TOKEN_TABLES[table.name], column)


def test_the_plugins_have_the_methods_that_the_table_says(tx: Transaction) -> None:
    plugins = make_plugins(tx, None)

    methods = {
        name: plugin._methods.keys() for name, plugin in plugins.items() if isinstance(plugin, MethodPlugin)
    }
    assert methods == PLUGIN_METHODS
    assert set(plugins) == set(PLUGIN_NAMES)


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
        (["illrequest"], None),
        (["illrequest", "comments"], None),
        (["borrower", "nosuch"], None),
        (["nosuch", "surname"], None),
    ],
)
def test_a_value_has_one_path_whichever_way_leads_to_it(
    tx: Transaction, path: Sequence[str], value: str | None
) -> None:
    found = NoticeNames.read(tx).value(tuple(path))

    assert (None if found is None else ".".join(found)) == value


@pytest.mark.parametrize(
    ("name", "near"),
    [("Firstnam", "firstname"), ("SURNAME", "surname"), ("zzz", None)],
)
def test_the_nearest_name_is_found_in_any_case(name: str, near: str | None) -> None:
    assert nearest(name, ["surname", "firstname"]) == near
