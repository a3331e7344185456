from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from sqlalchemy import text

from cast import CLARA
from factories import make_request
from koha_ill_sidecar.domain.actors import Actor, Interface
from koha_ill_sidecar.errors import RequestNotFound
from koha_ill_sidecar.resources import notice_templates
from koha_ill_sidecar.services.request_log import request_log
from koha_ill_sidecar.services.requests import change_status_alias, confirm
from koha_ill_sidecar.storage.koha import action_logs, letters
from koha_ill_sidecar.storage.transaction import Transaction

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
def test_rows_that_would_take_kohas_page_down_are_read(tx: Transaction, info: str | None) -> None:
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


def test_the_number_of_queries_does_not_grow(
    tx: Transaction, queries: Callable[[], AbstractContextManager[list[str]]]
) -> None:
    number = make_request(tx.connection, tx.koha)
    for _ in range(20):
        action_logs.add_status_change(tx, number, before="NEW", after="REQ", actor=STAFF)
        action_logs.add_patron_notice(tx, number, "ILL_PICKUP_READY", STAFF)

    with queries() as seen:
        request_log(tx, number)

    assert len(seen) == 5


def test_there_is_no_log_of_no_request(tx: Transaction) -> None:
    with pytest.raises(RequestNotFound):
        request_log(tx, 4711)
