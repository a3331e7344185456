import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from cast import ADA, CLARA, NORTH, RIVERSIDE, SAM, WEN
from factories import kinds, make_request, steps
from koha_ill_sidecar.domain.actors import Actor, Interface
from koha_ill_sidecar.domain.callbacks import Verdict
from koha_ill_sidecar.errors import ActionNotAllowed, RequestNotFound, RequestRefused
from koha_ill_sidecar.messages import lazy
from koha_ill_sidecar.services.notices.metadata import metadata, notice_metadata, supplier_metadata_text
from koha_ill_sidecar.services.partners import placing
from koha_ill_sidecar.services.request_index import indexing
from koha_ill_sidecar.services.requests import comments, creation, editing, notices, patron_actions
from koha_ill_sidecar.services.requests import lifecycle as service
from koha_ill_sidecar.storage.koha import attributes, requests
from koha_ill_sidecar.storage.koha.features import KohaVersion
from koha_ill_sidecar.storage.sidecar import history, partner_enquiries, receipts
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.sidecar.receipts import NewReceipt
from koha_ill_sidecar.storage.transaction import Transaction

STAFF = Actor(interface=Interface.INTRANET, borrowernumber=CLARA, branchcode=ADA)

ExecuteAsKoha = Callable[..., None]


@pytest.mark.all_versions
def test_confirming_makes_the_requests_id_its_order_id(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha)

    confirmed = service.confirm(tx, number, STAFF)

    assert (confirmed.status, confirmed.orderid) == ("REQ", str(number))
    assert steps(tx, number) == [("NEW", "REQ")]
    assert tx.connection.scalar(text("SELECT order_id FROM ill_sidecar_requests")) == str(number)


@pytest.mark.all_versions
def test_reverting_removes_the_order_id(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, status="REQ", orderid="17")

    reverted = service.revert(tx, number, STAFF)

    assert (reverted.status, reverted.orderid) == ("REQREV", None)
    assert tx.connection.scalar(text("SELECT order_id FROM ill_sidecar_requests")) is None


@pytest.mark.all_versions
def test_completing_sets_the_date_and_is_counted(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, status="REQ")

    completed = service.mark_completed(tx, number, STAFF, status_alias="WAITING")

    today = tx.connection.scalar(text("SELECT CURDATE()"))
    assert (completed.status, completed.status_alias, completed.completed) == ("COMP", "WAITING", today)
    assert steps(tx, number) == [("REQ", "COMP"), ("COMP", "WAITING")]
    counted = tx.connection.execute(text("SELECT * FROM statistics")).mappings().all()
    if tx.koha.has("statistics", "illrequest_id"):
        (row,) = counted
        assert (row["type"], row["illrequest_id"], row["categorycode"]) == ("illreq_comp", number, "PT")
    else:
        assert counted == []


@pytest.mark.parametrize(
    ("action", "status"),
    [
        (service.confirm, "COMP"),
        (service.revert, "NEW"),
        (service.mark_completed, "NEW"),
        (service.delete, "REQ"),
    ],
)
def test_an_action_that_the_status_forbids_changes_nothing(
    tx: Transaction, action: Callable[..., object], status: str
) -> None:
    number = make_request(tx.connection, tx.koha, status=status)

    with pytest.raises(ActionNotAllowed, match="Allowed now: "):
        action(tx, number, STAFF)

    assert requests.get(tx, number).status == status
    assert steps(tx, number) == []


@pytest.mark.all_versions
def test_deleting_removes_everything_but_the_log(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, status="QUEUED")
    comments.add_comment(tx, number, "To be deleted.", STAFF)
    service.change_status_alias(tx, number, "WAITING", STAFF)
    partner_enquiries.add(tx, number, borrowernumber=NORTH, address="a@b.example", message_id=None)
    sidecar_requests.add_alert(tx, requests.get(tx, number), [lazy("Look!")])
    receipt = receipts.add(
        tx,
        NewReceipt(
            backend="acme",
            event_id="evt_1",
            occurred_at=None,
            illrequest_id=number,
            order_id=None,
            authentication="bearer",
            remote_address="192.0.2.1",
            headers={},
            body=b"{}",
            body_sha256="0" * 64,
            verdict=Verdict.APPLIED,
            answer_status=200,
            answer={},
        ),
    )
    assert receipt is not None

    service.delete(tx, number, STAFF)

    indexing.index_queue(tx, limit=1000)
    naming = tx.connection.scalars(
        text(
            "SELECT table_name FROM information_schema.columns"
            " WHERE table_schema = DATABASE() AND column_name = 'illrequest_id'"
        )
    )
    kept = [
        table
        for table in naming
        if tx.connection.scalar(text(f"SELECT COUNT(*) FROM {table} WHERE illrequest_id = {number}"))
    ]
    assert sorted(kept) == ["ill_sidecar_history", "ill_sidecar_receipts"]
    assert receipts.get(tx, receipt).illrequest_id == number, "what a supplier sent stays as evidence"
    assert steps(tx, number) == [("QUEUED", "WAITING")]
    assert history.find_for_request(tx, number)[0].kind == "deleted"
    with pytest.raises(RequestNotFound):
        service.confirm(tx, number, STAFF)


@pytest.mark.all_versions
def test_editing_writes_the_changes_and_logs_the_alias(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, notesstaff="old", price_paid="3.00", cost="9")

    edited = editing.edit(tx, number, STAFF, branchcode="mpl", notesopac="Hello", notesstaff="")

    assert (edited.branchcode, edited.notesopac, edited.notesstaff) == (RIVERSIDE, "Hello", None)
    assert (edited.price_paid, edited.cost) == ("3.00", "9")
    assert steps(tx, number) == [("NEW", "NEW")]
    entry = next(entry for entry in history.find_for_request(tx, number) if entry.kind == "edited")
    assert entry.detail == {"columns": ["branchcode", "notesopac", "notesstaff"]}
    assert entry.happened_at.tzinfo is not None


def test_an_alias_is_kept_at_a_save_that_does_not_name_it(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, status_alias="CHASED")

    edited = editing.edit(tx, number, STAFF, price_paid="1.50")

    assert edited.status_alias == "CHASED"
    assert steps(tx, number) == [("CHASED", "CHASED")]


def test_an_alias_that_was_removed_does_not_stop_a_save(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, status_alias="FORGOTTEN")

    assert editing.edit(tx, number, STAFF, notesstaff="x").status_alias == "FORGOTTEN"
    assert editing.edit(tx, number, STAFF, status_alias=None).status_alias is None


def test_another_patron_takes_over_the_holds_on_the_record(
    execute_as_koha: ExecuteAsKoha, tx: Transaction
) -> None:
    execute_as_koha("INSERT INTO biblio (biblionumber, datecreated) VALUES (40, NOW()), (41, NOW())")
    for record in (40, 41):
        execute_as_koha(
            "INSERT INTO reserves (borrowernumber, biblionumber, reservedate, branchcode, priority)"
            " VALUES (:patron, :record, CURDATE(), :branch, 1)",
            patron=SAM,
            record=record,
            branch=ADA,
        )
    number = make_request(tx.connection, tx.koha, biblio_id=40)

    editing.edit(tx, number, STAFF, borrowernumber=WEN)

    holds = tx.connection.execute(
        text("SELECT biblionumber, borrowernumber FROM reserves ORDER BY biblionumber")
    ).all()
    assert [tuple(hold) for hold in holds] == [(40, WEN), (41, SAM)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"borrowernumber": 4711}, "invalid_patron"),
        ({"biblio_id": 4711}, "invalid_biblio"),
        ({"batch_id": 4711}, "invalid_batch"),
        ({"branchcode": "NOWHERE"}, "invalid_branch"),
        ({"status_alias": "NOPE"}, "unknown_status_alias"),
        ({"price_paid": "9" * 21}, "too_long"),
        ({"price_paid": "much"}, "invalid_price"),
    ],
)
def test_an_invalid_edit_is_refused(tx: Transaction, changes: dict[str, Any], code: str) -> None:
    number = make_request(tx.connection, tx.koha)

    with pytest.raises(RequestRefused) as error:
        editing.edit(tx, number, STAFF, **changes)

    assert error.value.code == code
    assert steps(tx, number) == []


@pytest.mark.all_versions
def test_batches_are_refused_where_koha_has_none(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha)

    with pytest.raises(RequestRefused, match="batch"):
        editing.edit(tx, number, STAFF, batch_id=1)


@pytest.mark.all_versions
def test_item_metadata_is_replaced_or_merged_as_the_version_does(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, attributes={"type": "book", "title": "Old", "shelf": "3"})

    editing.edit_item(
        tx, number, {"type": "book", "title": "New", "author": "", "year": "0", "colour": "red"}, STAFF
    )

    expected = {"type": "book", "title": "New", "colour": "red"}
    if tx.koha.version >= KohaVersion(25, 11):
        expected["shelf"] = "3"
    assert kinds(tx, number) == expected
    readonly = {attribute.type: attribute.readonly for attribute in attributes.find(tx, number)}
    assert readonly["colour"] is False
    assert steps(tx, number) == []


def test_an_attribute_is_found_as_mariadb_compares(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, attributes={"type": "book", "Título": "Old"})

    editing.edit_item(tx, number, {"type": "book", "titulo": "New"}, STAFF)

    assert kinds(tx, number) == {"type": "book", "Título": "New"}


def test_item_metadata_is_edited_in_a_new_request_only(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, status="REQ")

    with pytest.raises(ActionNotAllowed):
        editing.edit_item(tx, number, {"title": "New"}, STAFF)


def test_comments_are_added_and_listed_with_their_authors(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha)
    comments.add_comment(tx, number, "First. 第一", STAFF)
    comments.add_comment(tx, number, "Second", replace(STAFF, borrowernumber=NORTH))

    found = comments.list_comments(tx, number)

    assert [(comment.comment, comment.author) for comment in found] == [
        ("First. 第一", "Clara Birchwood [20000002]"),
        ("Second", "North Partner [20000011]"),
    ]
    assert steps(tx, number) == []


@pytest.mark.parametrize(
    ("words", "author", "code"), [(" \n", CLARA, "empty_comment"), ("Hello", 0, "no_author")]
)
def test_a_comment_needs_words_and_an_author(tx: Transaction, words: str, author: int, code: str) -> None:
    number = make_request(tx.connection, tx.koha)

    with pytest.raises(RequestRefused) as error:
        comments.add_comment(tx, number, words, replace(STAFF, borrowernumber=author))

    assert error.value.code == code


def test_koha_can_show_the_log_after_everything_that_can_be_done(tx: Transaction) -> None:
    """Koha's page of a request fails with any other row under module ILL."""
    number = make_request(tx.connection, tx.koha)
    editing.edit_item(tx, number, {"type": "book", "title": "New"}, STAFF)
    editing.edit(tx, number, STAFF, notesstaff="x", status_alias="WAITING")
    patron_actions.ask_to_cancel(tx, number, STAFF)
    service.confirm(tx, number, STAFF)
    service.revert(tx, number, STAFF)
    placing.place_with_partners(tx, number, STAFF, borrowernumbers=[NORTH], subject="S", body="B")
    comments.add_comment(tx, number, "c", STAFF)
    patron_actions.edit_note(tx, number, "n", STAFF)
    service.mark_completed(tx, number, STAFF)
    notices.send_notice(tx, number, "ILL_PICKUP_READY", STAFF)
    other = make_request(tx.connection, tx.koha)
    creation.switch_provider(tx, other, STAFF)
    service.delete(tx, other, STAFF)

    rows = tx.connection.execute(text("SELECT * FROM action_logs WHERE module = 'ILL'")).mappings().all()
    assert {row["action"] for row in rows} == {"STATUS_CHANGE"}
    for row in rows:
        info = json.loads(row["info"])
        assert info.keys() == {"log_origin", "status_before", "status_after"}
        assert info["log_origin"] == "core"
    backends = tx.connection.scalars(text("SELECT DISTINCT backend FROM illrequests")).all()
    assert backends == [tx.koha.generic_backend]


def test_metadata_is_sorted_by_label_without_case(tx: Transaction) -> None:
    number = make_request(
        tx.connection,
        tx.koha,
        attributes={
            "type": "article",
            "title": "Nature",
            "eissn": "1234-5678",
            "author": "Ng",
            "shelf_mark": "A 1",
            "issue": "",
        },
    )
    ill_request = requests.get(tx, number)

    noticed = notice_metadata(tx, ill_request)

    assert noticed.lines == "- Author: Ng\n- eISSN: 1234-5678\n- Shelf_mark: A 1\n- Title: Nature"
    assert (noticed.title, noticed.author) == ("Nature", "Ng")
    assert noticed.attributes["type"] == "article"
    assert list(metadata(tx, number)) == ["Author", "eISSN", "Shelf mark", "Title"]
    assert supplier_metadata_text(tx, number).splitlines()[2] == "Shelf mark: A 1"


@pytest.mark.all_versions
def test_a_manager_is_stored_where_koha_has_the_column(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha)

    if tx.koha.has("illrequests", "managedby"):
        assert editing.edit(tx, number, STAFF, managedby=CLARA).managedby == CLARA
    else:
        with pytest.raises(RequestRefused) as refused:
            editing.edit(tx, number, STAFF, managedby=CLARA)
        assert refused.value.code == "invalid_manager"
    assert editing.edit(tx, number, STAFF, managedby=None).managedby is None


@pytest.mark.parametrize("nobody", [SAM, 999_999])
def test_only_staff_with_the_permission_can_manage_a_request(tx: Transaction, nobody: int) -> None:
    number = make_request(tx.connection, tx.koha)

    with pytest.raises(RequestRefused) as refused:
        editing.edit(tx, number, STAFF, managedby=nobody)

    assert refused.value.code == "invalid_manager"
