from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from sqlalchemy import Engine, text

from cast import CLARA, NORTH, SAM
from factories import make_request
from koha_ill_sidecar.domain.actors import Actor, Interface
from koha_ill_sidecar.errors import RequestNotFound
from koha_ill_sidecar.resources import notice_templates
from koha_ill_sidecar.services.requests.comments import add_comment
from koha_ill_sidecar.services.requests.editing import edit
from koha_ill_sidecar.services.requests.lifecycle import change_status_alias, confirm, revert
from koha_ill_sidecar.services.requests.log import LogSource, full_log, request_log
from koha_ill_sidecar.services.requests.notices import send_notice
from koha_ill_sidecar.storage.koha import action_logs, letters
from koha_ill_sidecar.storage.sidecar import history
from koha_ill_sidecar.storage.transaction import Transaction
from messaging import choose_transports, with_preferences

STAFF = Actor(interface=Interface.INTRANET, borrowernumber=CLARA)


def test_rows_read_as_on_kohas_page(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha)
    action_logs.add_status_change(tx, number, before=None, after="NEW", actor=STAFF)
    confirm(tx, number, STAFF)
    change_status_alias(tx, number, "WAITING", STAFF)
    action_logs.add_patron_notice(tx, number, "ILL_HOUSE_NOTICE", Actor(interface=Interface.CRON))

    entries = request_log(tx, number)

    assert [(entry.text, entry.author) for entry in entries] == [
        ("Notice sent to patron: ILL_HOUSE_NOTICE", ""),
        ("Status changed from Requested to Waiting for supplier", "Clara Birchwood [20000002]"),
        ("Status changed from New request to Requested", "Clara Birchwood [20000002]"),
        ("Status changed to New request", "Clara Birchwood [20000002]"),
    ]


def test_a_notice_goes_by_the_name_of_its_letter_in_kohas_default_language(tx: Transaction) -> None:
    letters.add(tx, notice_templates())
    number = make_request(tx.connection, tx.koha)
    action_logs.add_patron_notice(tx, number, "ILL_PICKUP_READY", STAFF)

    (entry,) = request_log(tx, number)

    assert entry.text == "Notice sent to patron: ILL request ready for pickup"


@pytest.mark.parametrize(
    "info",
    [
        None,
        "",
        "not JSON",
        "[1]",
        "3",
        '{"log_origin": "Gone", "x": 1}',
        '{"log_origin": "core", "status_before": {"a": 1}, "status_after": ["NEW"]}',
        '{"log_origin": "core"}',
    ],
)
def test_rows_that_break_kohas_page_are_read(tx: Transaction, info: str | None) -> None:
    number = make_request(tx.connection, tx.koha)
    for action in ("STATUS_CHANGE", "PATRON_NOTICE", "batch_create", None):
        tx.connection.execute(
            text(
                "INSERT INTO action_logs (module, action, object, info, user) VALUES ('ILL', :a, :n, :i, 4711)"
            ),
            {"a": action, "n": number, "i": info},
        )

    entries = request_log(tx, number)

    assert len(entries) == 4
    assert all(entry.author == "" for entry in entries)


def test_the_number_of_queries_stays_the_same(
    tx: Transaction, queries: Callable[[], AbstractContextManager[list[str]]]
) -> None:
    number = make_request(tx.connection, tx.koha)
    for _ in range(20):
        action_logs.add_status_change(tx, number, before="NEW", after="REQ", actor=STAFF)
        action_logs.add_patron_notice(tx, number, "ILL_PICKUP_READY", STAFF)

    with queries() as seen:
        request_log(tx, number)

    assert len(seen) == 5


def test_a_request_that_does_not_exist_has_no_log(tx: Transaction) -> None:
    with pytest.raises(RequestNotFound):
        request_log(tx, 4711)


def test_the_full_log_has_changes_of_both_logs_once(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha)
    confirm(tx, number, STAFF)
    add_comment(tx, number, "Asked twice", STAFF)

    entries = full_log(tx, number)

    assert [(entry.text, entry.source, entry.author) for entry in entries] == [
        ("Comment added", LogSource.SIDECAR, "Clara Birchwood [20000002]"),
        ("Status changed from New request to Requested", LogSource.KOHA, "Clara Birchwood [20000002]"),
    ]


def test_the_full_log_has_what_koha_does_not_log(tx: Transaction) -> None:
    tx = with_preferences(tx, IllLog="0")
    number = make_request(tx.connection, tx.koha)
    confirm(tx, number, STAFF)
    revert(tx, number, STAFF)
    edit(tx, number, STAFF, notesstaff="Ring them", price_paid="3")
    change_status_alias(tx, number, "WAITING", STAFF)
    history.add(tx, number, "placed_with_partners", actor=STAFF, detail={"partners": [NORTH, 4711]})
    history.add(tx, number, "something_else", actor=STAFF)

    texts = [entry.text for entry in full_log(tx, number)]

    assert texts == [
        "something_else",
        "Placed with partners: North Partner [20000011], 4711",
        "Status changed from Request reverted to Waiting for supplier",
        "Status changed from Request reverted to Request reverted",
        "Edited: Staff notes, Price paid",
        "Status changed from Requested to Request reverted",
        "Status changed from New request to Requested",
    ]


def test_the_full_log_names_the_notices_that_were_queued(admin: Engine, tx: Transaction) -> None:
    choose_transports(admin, tx.koha, "Ill_ready", "email", "sms", borrowernumber=SAM)
    letters.add(tx, notice_templates())
    number = make_request(tx.connection, tx.koha)
    send_notice(tx, number, "ILL_PICKUP_READY", STAFF)

    texts = {entry.text for entry in full_log(tx, number)}

    assert texts == {
        "Notice sent to patron: ILL request ready for pickup",
        "Notice queued: ILL request ready for pickup (email, sms)",
    }


def test_the_full_log_accepts_any_entry_of_ours(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha)
    for kind in ("notice", "edited", "migrated", "created", "status", "placed_with_partners", "%(x)s"):
        for detail in ({}, {"messages": 3, "columns": [1], "partners": "x", "to": None, "status": []}):
            history.add(tx, number, kind, actor=STAFF, detail=detail)

    assert len(full_log(tx, number)) == 14


def test_the_full_log_takes_seven_queries(
    tx: Transaction, queries: Callable[[], AbstractContextManager[list[str]]]
) -> None:
    number = make_request(tx.connection, tx.koha)
    for _ in range(20):
        confirm(tx, number, STAFF)
        revert(tx, number, STAFF)
        action_logs.add_patron_notice(tx, number, "ILL_PICKUP_READY", STAFF)

    with queries() as seen:
        full_log(tx, number)

    assert len(seen) == 7
