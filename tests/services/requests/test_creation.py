from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from cast import ADA, CLARA, EAST_WITHOUT_EMAIL, RIVERSIDE, SAM, WEN
from factories import kinds, make_request, steps
from koha_ill_sidecar.backends.standard.forms import FIELD_SETS
from koha_ill_sidecar.config.settings import IllSite, LimitMethod, RequestLimit
from koha_ill_sidecar.domain.actors import Actor, Interface
from koha_ill_sidecar.domain.attributes import MaterialType
from koha_ill_sidecar.domain.requests import ILLRequest, values_by_type
from koha_ill_sidecar.errors import ActionNotAllowed, RequestRefused
from koha_ill_sidecar.services.requests.creation import QUEUED, NewRequest, Visitor, create, switch_provider
from koha_ill_sidecar.storage.koha import attributes, requests
from koha_ill_sidecar.storage.koha.features import KohaVersion
from koha_ill_sidecar.storage.koha.preferences import Preferences
from koha_ill_sidecar.storage.sidecar import history
from koha_ill_sidecar.storage.transaction import Transaction

STAFF = Actor(interface=Interface.INTRANET, borrowernumber=CLARA, branchcode=ADA)
VISITOR = Visitor(first_name="Vera", last_name="Visitor", email="vera@example.org")

ExecuteAsKoha = Callable[..., None]


def ask(tx: Transaction, **given: Any) -> ILLRequest:
    asked = {
        "type": "article",
        "branchcode": ADA,
        "borrowernumber": SAM,
        "fields": {"title": "Nature"},
        **given,
    }
    return create(tx, NewRequest(**asked), STAFF)


def with_preferences(tx: Transaction, **values: str) -> Transaction:
    known = {"IllLog": "1", "marcflavour": "MARC21", **values}
    return replace(tx, preferences=Preferences(known))


def with_limit(tx: Transaction, **limits: Any) -> Transaction:
    return replace(tx, site=IllSite(**limits))


@pytest.mark.all_versions
def test_a_new_request_is_like_one_that_koha_creates(tx: Transaction) -> None:
    made = ask(tx, fields={"title": "Nature", "article_title": "Bees"}, custom={"shelf": "3"})

    today = tx.connection.scalar(text("SELECT CURDATE()"))
    assert (made.status, made.backend, made.branchcode, made.borrowernumber, made.placed) == (
        "NEW",
        tx.koha.generic_backend,
        ADA,
        SAM,
        today,
    )
    assert (made.biblio_id, made.orderid, made.completed, made.medium) == (None, None, None, None)
    assert kinds(tx, made.illrequest_id) == {
        "type": "article",
        "title": "Nature",
        "article_title": "Bees",
        "shelf": "3",
    }
    assert steps(tx, made.illrequest_id) == [(None, "NEW")]
    assert tx.connection.scalar(text("SELECT COUNT(*) FROM message_queue")) == 0


@pytest.mark.parametrize("kind", MaterialType)
def test_every_type_keeps_every_field_of_its_form(tx: Transaction, kind: MaterialType) -> None:
    fields = {field.key: f"{field.label} 値" for field in FIELD_SETS[kind].fields}

    made = ask(tx, type=kind.value, fields=fields)

    assert kinds(tx, made.illrequest_id) == {"type": kind.value, **fields}
    assert (made.biblio_id is not None) == (kind is MaterialType.BOOK)


@pytest.mark.all_versions
def test_fields_sent_empty_leave_rows_up_to_25_05_only(tx: Transaction) -> None:
    made = ask(tx, fields={"title": "Nature", "issn": ""})

    stores_empty = tx.koha.version < KohaVersion(25, 11)
    assert ("issn" in kinds(tx, made.illrequest_id)) == stores_empty
    assert "issn" not in values_by_type(attributes.find(tx, made.illrequest_id))


def test_a_core_field_wins_over_a_custom_one_of_the_same_key(tx: Transaction) -> None:
    made = ask(tx, fields={"title": "Core"}, custom={"Title": "custom", "tïtle": "accent", "TYPE": "odd"})

    assert kinds(tx, made.illrequest_id) == {"type": "article", "title": "Core"}


@pytest.mark.all_versions
def test_a_creation_is_counted_where_koha_counts(tx: Transaction) -> None:
    made = ask(tx)

    if not tx.koha.has("statistics", "illrequest_id"):
        assert tx.connection.scalar(text("SELECT COUNT(*) FROM statistics")) == 0
        return
    row = tx.connection.execute(text("SELECT * FROM statistics")).mappings().one()
    filled = {name: value for name, value in row.items() if value is not None and name != "datetime"}
    assert filled == {
        "type": "illreq_created",
        "branch": ADA,
        "borrowernumber": SAM,
        "categorycode": "PT",
        "illrequest_id": made.illrequest_id,
        "interface": "intranet",
    }


def test_counting_can_be_off(tx: Transaction) -> None:
    ask(with_preferences(tx, DisableStatistics="1"))

    assert tx.connection.scalar(text("SELECT COUNT(*) FROM statistics")) == 0


def test_the_third_request_of_a_patron_waits_with_a_limit_of_three(tx: Transaction) -> None:
    limited = with_limit(tx, category_limits={"PT": RequestLimit(count=3)})

    made = [ask(limited) for _ in range(3)]

    assert [request.status for request in made] == ["NEW", "NEW", "QUEUED"]
    assert steps(tx, made[2].illrequest_id) == [(None, "NEW"), ("NEW", "QUEUED")]


def test_completed_and_queued_requests_do_not_count(tx: Transaction) -> None:
    for status in ("COMP", "QUEUED"):
        make_request(tx.connection, tx.koha, status=status)
    limited = with_limit(tx, category_limits={"PT": RequestLimit(count=2)})

    assert ask(limited).status == "NEW"
    assert ask(limited).status == "QUEUED"


def test_an_annual_limit_counts_what_was_placed_this_year(tx: Transaction) -> None:
    make_request(tx.connection, tx.koha, status="COMP")
    make_request(tx.connection, tx.koha, status="NEW", placed="2001-05-05")
    annual = RequestLimit(method=LimitMethod.ANNUAL, count=2)

    assert ask(with_limit(tx, category_limits={"PT": annual})).status == "QUEUED"


def test_a_library_limit_counts_everybodys_requests_at_the_patrons_home(tx: Transaction) -> None:
    make_request(tx.connection, tx.koha, branchcode=RIVERSIDE, borrowernumber=EAST_WITHOUT_EMAIL)
    limited = with_limit(tx, branch_limits={RIVERSIDE: RequestLimit(count=2)})

    assert ask(limited, borrowernumber=SAM, branchcode=RIVERSIDE).status == "NEW"
    assert ask(limited, borrowernumber=WEN, branchcode=RIVERSIDE).status == "QUEUED"


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"branch_limits": {ADA: RequestLimit(count=1)}}, {"limit_of": "library", "code": ADA, "count": 1}),
        (
            {"category_limits": {"PT": RequestLimit(count=1)}},
            {"limit_of": "patron", "code": "PT", "count": 1},
        ),
    ],
)
def test_our_history_has_the_limit_that_was_reached(
    tx: Transaction, limits: dict[str, Any], reason: dict[str, object]
) -> None:
    queued = ask(with_limit(tx, **limits))

    entries = history.find_for_request(tx, queued.illrequest_id)
    assert [entry.detail for entry in entries if entry.kind == QUEUED] == [reason]


def test_a_library_without_its_own_limit_has_the_default(tx: Transaction) -> None:
    assert ask(with_limit(tx, default_limit=RequestLimit(count=1))).status == "QUEUED"


def test_a_visitor_needs_no_account_where_koha_allows_it(tx: Transaction) -> None:
    allowed = with_limit(
        with_preferences(tx, ILLOpacUnauthenticatedRequest="1"), default_limit=RequestLimit(count=1)
    )

    made = ask(allowed, borrowernumber=None, visitor=VISITOR)

    assert (made.status, made.borrowernumber) == ("UNAUTH", None)
    assert steps(tx, made.illrequest_id) == [(None, "UNAUTH")]
    known = kinds(tx, made.illrequest_id)
    assert known["unauthenticated_first_name"] == "Vera"
    assert known["unauthenticated_email"] == "vera@example.org"
    assert tx.connection.scalar(text("SELECT borrowernumber FROM statistics")) is None


def test_visitors_are_refused_with_the_preference_off(tx: Transaction) -> None:
    with pytest.raises(RequestRefused, match="ILLOpacUnauthenticatedRequest"):
        ask(tx, borrowernumber=None, visitor=VISITOR)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"type": " "}, "missing_type"),
        ({"branchcode": ""}, "missing_branch"),
        ({"branchcode": "NOWHERE"}, "invalid_branch"),
        ({"borrowernumber": 4711}, "invalid_borrower"),
        ({"borrowernumber": None, "patron": "nobody"}, "invalid_borrower"),
        ({"borrowernumber": None, "patron": ""}, "invalid_borrower"),
        ({"backend": "BLDSS"}, "unknown_backend"),
        ({"batch_id": 4711}, "invalid_batch"),
        ({"fields": {"colour": "red"}}, "invalid_field"),
        ({"custom": {"": "red"}}, "invalid_field"),
        ({"custom": {"x" * 192: "red"}}, "invalid_field"),
    ],
)
def test_an_invalid_request_is_refused_and_leaves_nothing(
    tx: Transaction, given: dict[str, Any], code: str
) -> None:
    with pytest.raises(RequestRefused) as error:
        ask(tx, **{"type": "book", **given})

    assert error.value.code == code
    for table in ("illrequests", "biblio", "action_logs"):
        assert tx.connection.scalar(text(f"SELECT COUNT(*) FROM {table}")) == 0


def test_incomplete_visitors_are_refused(tx: Transaction) -> None:
    allowed = with_preferences(tx, ILLOpacUnauthenticatedRequest="1")

    with pytest.raises(RequestRefused) as error:
        ask(allowed, borrowernumber=None, visitor=replace(VISITOR, email=" "))

    assert error.value.code == "missing_unauth_data"


def test_staff_find_patrons_by_card_then_surname_then_userid_then_first_name(
    execute_as_koha: ExecuteAsKoha, tx: Transaction
) -> None:
    execute_as_koha("UPDATE borrowers SET cardnumber = 'Birchwood' WHERE borrowernumber = :n", n=WEN)

    found = [
        ask(tx, borrowernumber=None, patron=entry).borrowernumber for entry in ("birchwood", "PAGE", "sam")
    ]

    assert found == [WEN, SAM, SAM]


def test_two_patrons_of_the_same_name_are_ambiguous(execute_as_koha: ExecuteAsKoha, tx: Transaction) -> None:
    execute_as_koha("UPDATE borrowers SET surname = 'Page' WHERE borrowernumber = :n", n=WEN)

    with pytest.raises(RequestRefused, match=r"2 patrons match “Page”.*20000005, 20000006") as error:
        ask(tx, borrowernumber=None, patron="Page")

    assert error.value.code == "ambiguous_borrower"


def test_switching_the_provider_starts_again(tx: Transaction) -> None:
    old = make_request(
        tx.connection,
        tx.koha,
        status="REQ",
        orderid="17",
        notesstaff="private",
        attributes={"type": "article", "title": "Nature", "editor": "not copied", "isbn": ""},
    )

    made = switch_provider(tx, old, STAFF, supplier_backend="Supplier")

    assert (made.status, made.notesstaff, made.borrowernumber) == ("NEW", None, SAM)
    assert kinds(tx, made.illrequest_id) == {"type": "article", "title": "Nature", "migrated_from": str(old)}
    former = requests.get(tx, old)
    assert (former.status, former.orderid, former.notesstaff) == ("REQREV", None, "private")
    assert steps(tx, old) == [("REQ", "REQREV")]
    assert steps(tx, made.illrequest_id) == [(None, "NEW")]
    assert tx.connection.scalar(text("SELECT COUNT(*) FROM statistics")) == 0
    supplier = tx.connection.scalar(
        text("SELECT supplier_backend FROM ill_sidecar_requests WHERE illrequest_id = :id"),
        {"id": made.illrequest_id},
    )
    assert supplier == "Supplier"


def test_a_completed_request_cannot_switch_provider(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, status="COMP")

    with pytest.raises(ActionNotAllowed):
        switch_provider(tx, number, STAFF)


def test_a_request_of_a_foreign_backend_is_not_taken_over(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, status="NEW", backend="BLDSS")

    with pytest.raises(ActionNotAllowed):
        switch_provider(tx, number, STAFF)

    assert requests.get(tx, number).backend == "BLDSS"
