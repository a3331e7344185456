import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine, text

from cast import ADA, PAT_WITHOUT_EMAIL, SAM
from factories import make_request
from koha_ill_sidecar.backends.http.callback_formats import CanonicalFormat, MappedFormat
from koha_ill_sidecar.config.settings import (
    BackendCallbackSettings,
    BackendSettings,
    BearerAuthentication,
    CallbackMapping,
    IllSite,
)
from koha_ill_sidecar.config.values import Secret
from koha_ill_sidecar.domain.callbacks import Verdict
from koha_ill_sidecar.domain.notices import MESSAGE_NAMES
from koha_ill_sidecar.errors import ReceiptNotReplayable
from koha_ill_sidecar.services.callbacks import replaying
from koha_ill_sidecar.services.callbacks.processing import Callback, read_callback
from koha_ill_sidecar.services.callbacks.receiving import Received, receive
from koha_ill_sidecar.storage.koha import comments, requests
from koha_ill_sidecar.storage.sidecar import receipts
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.sidecar.receipts import ReceiptFilter
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.web.callbacks.answers import answer_status
from messaging import add_letter, choose_transports, with_preferences

pytestmark = pytest.mark.all_versions

ACME = "acme"


def event(event_id: str, status: str, *, minutes: int = 0, **members: Any) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "occurred_at": f"2026-03-01T12:{minutes:02}:00Z",
        "request": {},
        "status": status,
    } | members


def send(
    tx: Transaction,
    document: Mapping[str, Any],
    illrequest_id: int | None = None,
    *,
    backend: str = ACME,
    **options: Any,
) -> Received:
    document = dict(document)
    if illrequest_id is not None:
        document["request"] = document["request"] | {"ill_request_id": illrequest_id}
    body = json.dumps(document).encode()
    event_id, reading = read_callback(CanonicalFormat().read, body, None)
    callback = Callback(
        backend=backend,
        event_id=event_id,
        body=body,
        headers={"content-type": "application/json"},
        authentication="bearer",
        remote_address="192.0.2.1",
        reading=reading,
        **options,
    )
    return receive(tx, callback, answer_status=answer_status)


def replay(tx: Transaction, receipt_id: int, mapping: CallbackMapping | None = None) -> Received:
    callbacks = BackendCallbackSettings(
        authentication=(BearerAuthentication(tokens=(Secret("t"),)),), mapping=mapping
    )
    backends = {ACME: BackendSettings(callbacks=callbacks)}
    return replaying.replay(tx, receipt_id, backends, answer_status=answer_status)


def acme_request(tx: Transaction, **columns: Any) -> int:
    number = make_request(tx.connection, tx.koha, **({"status": "REQ"} | columns))
    sidecar_requests.set_supplier_backend(tx, number, ACME)
    return number


def words(tx: Transaction, illrequest_id: int) -> str:
    """Return the staff alerts, in English."""
    return " ".join(map(str, sidecar_requests.get(tx, illrequest_id).alerts))


def log_of(tx: Transaction, illrequest_id: int) -> list[tuple[Any, Any]]:
    rows = tx.connection.execute(
        text("SELECT info FROM action_logs WHERE module = 'ILL' AND object = :id ORDER BY action_id"),
        {"id": illrequest_id},
    )
    infos = [json.loads(info) for (info,) in rows]
    return [(info.get("status_before"), info.get("status_after")) for info in infos]


def messages_to(tx: Transaction, borrowernumber: int) -> list[tuple[str, str]]:
    rows = tx.connection.execute(
        text("SELECT letter_code, content FROM message_queue WHERE borrowernumber = :id ORDER BY message_id"),
        {"id": borrowernumber},
    )
    return [(row.letter_code, row.content) for row in rows]


def wants_notices(admin: Engine, tx: Transaction, borrowernumber: int) -> None:
    """The patron chose email for every ILL notice; the letters are there."""
    for code, name in MESSAGE_NAMES.items():
        choose_transports(admin, tx.koha, name, "email", borrowernumber=borrowernumber)
        add_letter(tx, code, content="[% additional_text %] Hello")


def test_a_report_moves_the_request_as_koha_would(tx: Transaction) -> None:
    number = acme_request(tx, status="NEW", status_alias="WAITING")

    received = send(tx, event("e1", "received", request={"order_id": "A-1"}), number)

    ill_request = requests.get(tx, number)
    assert (ill_request.status, ill_request.status_alias, ill_request.orderid) == ("REQ", None, "A-1")
    assert log_of(tx, number) == [("WAITING", "REQ")]
    assert received.verdict is Verdict.APPLIED
    assert received.answer == {
        "outcome": "applied",
        "ill_request_id": number,
        "status": "REQ",
        "detail": "The report was applied.",
    }


def test_a_delivery_completes_the_request_and_keeps_the_facts(tx: Transaction) -> None:
    number = acme_request(tx, orderid="A-1")
    delivery = event(
        "e1",
        "delivered",
        cost={"amount": "12.50", "currency": "EUR"},
        access_url="https://example.org/a",
        tracking="1Z",
    )

    send(tx, delivery, number)

    ill_request = requests.get(tx, number)
    assert (ill_request.status, ill_request.cost, ill_request.accessurl) == (
        "COMP",
        "12.50",
        "https://example.org/a",
    )
    assert ill_request.completed == tx.connection.scalar(text("SELECT CURDATE()"))
    assert sidecar_requests.get(tx, number).long_values == {"cost": "12.50 EUR", "tracking": "1Z"}
    if tx.koha.has("statistics", "illrequest_id"):
        counted = text("SELECT COUNT(*) FROM statistics WHERE illrequest_id = :id AND type = 'illreq_comp'")
        assert tx.connection.scalar(counted, {"id": number}) == 1


def test_a_first_report_of_a_later_stage_leaves_no_gap_in_the_log(tx: Transaction) -> None:
    number = acme_request(tx, status="NEW")

    send(tx, event("e1", "delivered"), number)

    assert log_of(tx, number) == [("NEW", "REQ"), ("REQ", "COMP")]


def test_a_repeat_gets_the_first_answer_and_changes_nothing(tx: Transaction) -> None:
    number = acme_request(tx, status="NEW")
    first = send(tx, event("e1", "received", message="Hello"), number)

    again = send(tx, event("e1", "received", message="Hello"), number)

    assert (again.is_repeat, again.receipt_id, again.answer) == (True, first.receipt_id, first.answer)
    assert log_of(tx, number) == [("NEW", "REQ")]
    assert [comment.comment for comment in comments.find(tx, number)] == ["received: Hello"]
    assert receipts.get(tx, first.receipt_id).repeats == 1


def test_a_used_event_id_with_another_body_is_a_conflict(tx: Transaction) -> None:
    number = acme_request(tx)
    first = send(tx, event("e1", "in_process"), number)

    second = send(tx, event("e1", "delivered"), number)

    receipt = receipts.get(tx, first.receipt_id)
    assert (second.is_conflict, second.receipt_id) == (True, first.receipt_id)
    assert (receipt.conflicts, json.loads(receipt.conflicting_body or b"")["status"]) == (1, "delivered")
    assert requests.get(tx, number).status == "REQ"
    assert "two different events" in words(tx, number)


def test_two_backends_may_use_the_same_event_id(tx: Transaction) -> None:
    number = acme_request(tx)
    send(tx, event("e1", "in_process"), number)

    other = send(tx, event("e1", "in_process"), number, backend="other")

    assert (other.is_repeat, other.verdict) == (False, Verdict.UNKNOWN_REQUEST)


def test_a_late_event_is_recorded_and_reverts_nothing(tx: Transaction) -> None:
    number = acme_request(tx)
    send(tx, event("e2", "delivered", minutes=5), number)

    late = send(tx, event("e1", "in_process", cost={"amount": "1.00"}), number)

    assert late.verdict is Verdict.LATE
    assert (requests.get(tx, number).status, requests.get(tx, number).cost) == ("COMP", None)
    assert receipts.get(tx, late.receipt_id).verdict is Verdict.LATE


def test_progress_survives_from_one_event_to_the_next(tx: Transaction) -> None:
    number = acme_request(tx)
    send(tx, event("e1", "unfilled", supplier="North", request={"order_id": "N-1"}), number)

    send(tx, event("e2", "received", minutes=5, supplier="South", request={"order_id": "S-1"}), number)
    late = send(tx, event("e3", "shipped", minutes=1, supplier="North"), number)

    assert late.verdict is Verdict.LATE
    assert (requests.get(tx, number).status, requests.get(tx, number).orderid) == ("REQ", "S-1")


def test_a_sender_whose_clock_is_ahead_makes_nobody_late(tx: Transaction) -> None:
    number = acme_request(tx, status="CHK")
    send(tx, event("e1", "renewal_denied", occurred_at="2099-01-01T00:00:00Z"), number)

    now = tx.connection.scalar(text("SELECT UTC_TIMESTAMP(3) + INTERVAL 1 SECOND"))
    assert isinstance(now, datetime)
    received = send(tx, event("e2", "renewed", occurred_at=now.isoformat() + "Z"), number)

    assert received.verdict is Verdict.APPLIED


def test_a_time_in_the_future_makes_no_later_event_late(tx: Transaction) -> None:
    number = acme_request(tx, status="CHK")
    first = send(tx, event("e1", "overdue", occurred_at="2090-01-01T00:00:00Z"), number)

    received = send(tx, event("e2", "renewed", due_date="2026-05-01"), number)

    assert received.verdict is Verdict.APPLIED
    occurred_at = receipts.get(tx, first.receipt_id).occurred_at
    assert occurred_at is not None
    assert occurred_at.year == 2090


def test_an_impossible_report_alerts_staff(tx: Transaction) -> None:
    number = acme_request(tx, status="CANCREQ")

    received = send(tx, event("e1", "delivered", message="Enjoy"), number)

    assert received.verdict is Verdict.ATTENTION
    assert requests.get(tx, number).status == "CANCREQ"
    assert "Supplier's message: Enjoy" in words(tx, number)


def test_an_unknown_status_is_stored_and_alerts_staff(tx: Transaction) -> None:
    number = acme_request(tx)

    received = send(tx, event("e1", "Gone fishing"), number)

    assert received.verdict is Verdict.UNKNOWN_STATUS
    assert "Gone fishing" in words(tx, number)


def test_alerts_can_be_dismissed(tx: Transaction) -> None:
    number = acme_request(tx)
    send(tx, event("e1", "conditional"), number)

    assert sidecar_requests.dismiss_alerts(tx, number)
    assert words(tx, number) == ""


@pytest.mark.parametrize(
    ("languages", "news"),
    [("en,zh-Hant-TW", "The supplying library has sent it."), ("zh-Hant-TW,en", "提供館已寄出資料。")],
)
def test_news_is_worded_in_the_language_of_the_letter(
    admin: Engine, tx: Transaction, languages: str, news: str
) -> None:
    """Letters for every language are in the first one of the OPAC."""
    wants_notices(admin, tx, SAM)
    number = acme_request(tx)
    there = with_preferences(tx, OPACLanguages=languages)

    send(there, event("e1", "shipped"), number)

    assert messages_to(tx, SAM) == [("ILL_REQUEST_UPDATE", f"{news} Hello")]


def test_a_letter_in_another_language_gets_the_news_in_that_language(admin: Engine, tx: Transaction) -> None:
    with admin.begin() as koha:
        koha.execute(text("UPDATE borrowers SET lang = 'zh-Hant-TW' WHERE borrowernumber = :id"), {"id": SAM})
    wants_notices(admin, tx, SAM)
    add_letter(tx, "ILL_REQUEST_UPDATE", content="[% additional_text %] 您好", lang="zh-Hant-TW")
    number = acme_request(tx)
    there = with_preferences(tx, OPACLanguages="en", TranslateNotices="1")

    send(there, event("e1", "shipped"), number)

    assert messages_to(tx, SAM) == [("ILL_REQUEST_UPDATE", "提供館已寄出資料。 您好")]


def test_the_patron_is_notified_once_per_status(admin: Engine, tx: Transaction) -> None:
    wants_notices(admin, tx, SAM)
    number = acme_request(tx)

    send(tx, event("e1", "shipped", due_date="2026-04-01"), number)
    send(tx, event("e2", "shipped", minutes=1, tracking="1Z"), number)
    send(tx, event("e3", "delivered", minutes=2), number)

    assert [code for code, _ in messages_to(tx, SAM)] == ["ILL_REQUEST_UPDATE", "ILL_PICKUP_READY"]
    assert "Due date: 2026-04-01." in messages_to(tx, SAM)[0][1]


def test_a_patron_who_cannot_be_notified_does_not_fail_the_callback(tx: Transaction) -> None:
    number = acme_request(tx, borrowernumber=PAT_WITHOUT_EMAIL)

    assert send(tx, event("e1", "shipped"), number).verdict is Verdict.APPLIED


def test_a_due_date_is_the_end_of_that_day_at_the_library(tx: Transaction) -> None:
    number = acme_request(tx, status="CHK")

    send(tx, event("e1", "renewed", due_date="2026-04-01"), number)

    if tx.koha.has("illrequests", "due_date"):
        assert str(requests.get(tx, number).due_date) == "2026-04-01 23:59:00"
    else:
        assert sidecar_requests.get(tx, number).long_values == {"due_date": "2026-04-01"}


def test_a_due_time_is_written_in_the_librarys_time(tx: Transaction) -> None:
    if not tx.koha.has("illrequests", "due_date"):
        pytest.skip("this Koha has no due date on requests")
    number = acme_request(tx, status="CHK")
    tx.connection.execute(text("SET time_zone = '+08:00'"))

    send(tx, event("e1", "renewed", due_date="2026-04-01T20:00:00Z"), number)

    assert str(requests.get(tx, number).due_date) == "2026-04-02 04:00:00"
    tx.connection.execute(text("SET time_zone = DEFAULT"))


def test_values_longer_than_kohas_columns_never_fail_a_callback(tx: Transaction) -> None:
    number = acme_request(tx)
    order_id, url = "9" * 80, "https://example.org/" + "x" * 600

    received = send(
        tx,
        event("e1", "delivered", request={"order_id": order_id}, access_url=url, message="m" * 9000),
        number,
    )

    ill_request, kept = requests.get(tx, number), sidecar_requests.get(tx, number)
    assert received.verdict is Verdict.APPLIED
    assert (ill_request.orderid, ill_request.accessurl) == ("9" * 50, None)
    assert (kept.order_id, kept.long_values) == (order_id, {"access_url": url})
    assert "620 characters" in words(tx, number)


def test_a_long_order_id_stays_complete_through_later_changes(tx: Transaction) -> None:
    number = acme_request(tx)
    order_id = "9" * 80
    send(tx, event("e1", "received", request={"order_id": order_id}), number)

    send(tx, event("e2", "delivered", minutes=1, request={"order_id": order_id}))

    assert sidecar_requests.get(tx, number).order_id == order_id
    assert requests.get(tx, number).status == "COMP"


# Which request is meant


def test_a_request_is_found_by_the_order_id(tx: Transaction) -> None:
    number = acme_request(tx, status="NEW")
    send(tx, event("e1", "received", request={"order_id": "A-1"}), number)

    received = send(tx, event("e2", "shipped", minutes=1, request={"order_id": "A-1"}))

    assert received.answer["ill_request_id"] == number


def test_a_confirmed_request_is_found_by_its_own_id(tx: Transaction) -> None:
    number = acme_request(tx)
    requests.update(tx, number, orderid=str(number))

    received = send(tx, event("e1", "shipped", request={"order_id": str(number)}))

    assert received.answer["ill_request_id"] == number


def test_an_order_id_that_only_koha_has_is_found_last(tx: Transaction) -> None:
    number = acme_request(tx, orderid="only in Koha")

    received = send(tx, event("e1", "shipped", request={"order_id": "only in Koha"}))

    assert received.answer["ill_request_id"] == number


def test_a_void_order_is_still_known_by_its_earlier_events(tx: Transaction) -> None:
    number = acme_request(tx)
    send(tx, event("e1", "received", request={"order_id": "A-1"}), number)
    send(tx, event("e2", "cancelled", minutes=1, request={"order_id": "A-1"}))

    received = send(tx, event("e3", "note", minutes=2, message="Sorry", request={"order_id": "A-1"}))

    assert requests.get(tx, number).orderid is None
    assert received.answer["ill_request_id"] == number


def test_an_event_of_a_former_order_does_not_change_the_current_one(tx: Transaction) -> None:
    number = acme_request(tx)
    send(tx, event("e1", "received", request={"order_id": "A-1"}), number)
    send(tx, event("e2", "received", minutes=1, request={"order_id": "A-2"}, supplier="South"), number)

    received = send(tx, event("e3", "delivered", minutes=2, request={"order_id": "A-1"}))

    assert received.verdict is Verdict.LATE
    assert requests.get(tx, number).status == "REQ"


@pytest.mark.parametrize("form", ["{}", "#{}", "ADA-{}", "ada-{}"])
def test_the_request_id_may_have_the_form_of_a_mail(tx: Transaction, form: str) -> None:
    number = acme_request(tx)
    with_prefixes = replace(tx, site=IllSite(prefixes={ADA: "ADA"}))

    received = send(with_prefixes, event("e1", "in_process", request={"ill_request_id": form.format(number)}))

    assert (received.verdict, received.answer["ill_request_id"]) == (Verdict.APPLIED, number)


def test_a_prefix_that_no_library_has_is_refused(tx: Transaction) -> None:
    number = acme_request(tx)
    with_prefixes = replace(tx, site=IllSite(prefixes={ADA: "ADA"}))

    received = send(with_prefixes, event("e1", "in_process", request={"ill_request_id": f"XYZ-{number}"}))

    assert received.verdict is Verdict.INVALID
    assert received.answer["errors"] == [
        {
            "pointer": "/request/ill_request_id",
            "detail": "No library here has request IDs that begin with XYZ-. There are: ADA-.",
        }
    ]


def test_an_order_id_of_several_requests_is_ambiguous(tx: Transaction) -> None:
    acme_request(tx, orderid="A-1")
    number = acme_request(tx, orderid="A-1")

    received = send(tx, event("e1", "shipped", request={"order_id": "A-1"}))

    assert received.verdict is Verdict.AMBIGUOUS_ORDER
    assert "send ill_request_id" in received.answer["detail"]
    assert receipts.get(tx, received.receipt_id).answer_status == 409
    assert send(tx, event("e2", "shipped", request={"order_id": "A-1"}), number).verdict is Verdict.APPLIED


def test_a_deleted_request_is_gone_for_the_backend_that_reported_on_it(tx: Transaction) -> None:
    number = acme_request(tx, orderid="A-1")
    send(tx, event("e1", "in_process", request={"order_id": "A-1"}))
    requests.delete(tx, number)
    sidecar_requests.delete(tx, number)

    by_id = send(tx, event("e2", "shipped"), number)
    by_order = send(tx, event("e3", "shipped", request={"order_id": "A-1"}))
    repeated = send(tx, event("e2", "shipped"), number)
    of_another = send(tx, event("e4", "shipped"), number, backend="other")

    assert (by_id.verdict, by_order.verdict) == (Verdict.DELETED_REQUEST, Verdict.DELETED_REQUEST)
    assert receipts.get(tx, by_id.receipt_id).answer_status == 410
    assert repeated.is_repeat
    assert of_another.verdict is Verdict.UNKNOWN_REQUEST


def test_a_backend_cannot_touch_the_requests_of_another(tx: Transaction) -> None:
    number = acme_request(tx, orderid="A-1")

    by_number = send(tx, event("e1", "delivered"), number, backend="other", accept_any_request=True)
    by_order = send(tx, event("e2", "delivered", request={"order_id": "A-1"}), backend="other")

    assert (by_number.verdict, by_order.verdict) == (Verdict.UNKNOWN_REQUEST, Verdict.UNKNOWN_REQUEST)
    assert requests.get(tx, number).status == "REQ"


def test_a_request_without_a_recorded_supplier_can_be_changed_by_its_own_backend_only(
    tx: Transaction,
) -> None:
    number = make_request(tx.connection, tx.koha, status="REQ")

    assert send(tx, event("e1", "in_process"), number).verdict is Verdict.UNKNOWN_REQUEST
    assert send(tx, event("e2", "in_process"), number, accept_any_request=True).verdict is Verdict.APPLIED
    own = send(tx, event("e3", "will_supply"), number, backend=tx.koha.generic_backend)
    assert own.verdict is Verdict.APPLIED


def test_a_request_that_koha_is_still_making_is_not_known_yet(tx: Transaction) -> None:
    number = acme_request(tx, backend=None)

    assert send(tx, event("e1", "in_process"), number).verdict is Verdict.UNKNOWN_REQUEST


# Repeats and replays of what was not decided


def test_an_unknown_request_is_applied_when_the_supplier_repeats_it_later(tx: Transaction) -> None:
    early = send(tx, event("e1", "received", request={"order_id": "A-1"}))
    number = acme_request(tx, status="NEW", orderid="A-1")

    later = send(tx, event("e1", "received", request={"order_id": "A-1"}))
    once_more = send(tx, event("e1", "received", request={"order_id": "A-1"}))

    assert early.verdict is Verdict.UNKNOWN_REQUEST
    assert (later.receipt_id, later.verdict, later.is_repeat) == (early.receipt_id, Verdict.APPLIED, False)
    assert once_more.is_repeat
    assert requests.get(tx, number).status == "REQ"


def test_an_unknown_request_is_applied_by_a_replay(tx: Transaction) -> None:
    early = send(tx, event("e1", "delivered", request={"order_id": "A-1"}))
    number = acme_request(tx, orderid="A-1")

    replayed = replay(tx, early.receipt_id)

    receipt = receipts.get(tx, early.receipt_id)
    assert (replayed.verdict, receipt.verdict, receipt.illrequest_id) == (
        Verdict.APPLIED,
        Verdict.APPLIED,
        number,
    )
    assert receipt.replayed_at is not None
    assert requests.get(tx, number).status == "COMP"


def test_a_replay_reads_the_body_with_the_current_mapping(tx: Transaction) -> None:
    number = acme_request(tx)
    kept = send(tx, event("e1", "Order complete"), number)
    mapping = CallbackMapping(
        fields={"event_id": "event_id", "ill_request_id": "request.ill_request_id", "status": "status"},
        statuses={"order complete": "delivered"},
    )

    replayed = replay(tx, kept.receipt_id, mapping)

    assert (kept.verdict, replayed.verdict) == (Verdict.UNKNOWN_STATUS, Verdict.APPLIED)
    assert requests.get(tx, number).status == "COMP"


def test_an_applied_callback_is_not_replayed(tx: Transaction) -> None:
    received = send(tx, event("e1", "in_process"), acme_request(tx))

    with pytest.raises(ReceiptNotReplayable):
        replay(tx, received.receipt_id)


def test_a_body_that_cannot_be_read_is_stored_and_may_be_corrected_by_the_sender(tx: Transaction) -> None:
    number = acme_request(tx)
    wrong = send(tx, event("e1", "in_process", cost="much"), number)

    right = send(tx, event("e1", "in_process"), number)

    assert wrong.verdict is Verdict.INVALID
    assert wrong.answer["errors"][0]["pointer"] == "/cost"
    assert (right.receipt_id, right.verdict) != (wrong.receipt_id, Verdict.INVALID)


MEMO = {"id": "N-1", "reference": 0, "state": "memo", "text": "Hello", "due": "15/01/2027"}
MEMO_FIELDS = {"event_id": "id", "ill_request_id": "reference", "status": "state", "message": "text"}
TOO_STRICT = CallbackMapping(fields=MEMO_FIELDS | {"due_date": "due"}, statuses={"memo": "note"})
CORRECTED = CallbackMapping(fields=MEMO_FIELDS, statuses={"memo": "note"})


def send_memo(tx: Transaction, illrequest_id: int, mapping: CallbackMapping, **members: Any) -> Received:
    """Send the same bytes, read by a mapping."""
    body = json.dumps(MEMO | {"reference": illrequest_id} | members).encode()
    event_id, reading = read_callback(MappedFormat(mapping).read, body, None)
    callback = Callback(
        backend=ACME,
        event_id=event_id,
        body=body,
        headers={},
        authentication="bearer",
        remote_address="192.0.2.1",
        reading=reading,
    )
    return receive(tx, callback, answer_status=answer_status)


def comments_of(tx: Transaction, illrequest_id: int) -> list[str]:
    return [comment.comment for comment in comments.find(tx, illrequest_id)]


def without(mapping: CallbackMapping, name: str) -> CallbackMapping:
    """Return a mapping that lacks a field."""
    fields = {field: expression for field, expression in mapping.fields.items() if field != name}
    return CallbackMapping(fields=fields, statuses=mapping.statuses)


def test_the_event_id_of_a_body_that_is_no_report_is_stored_if_it_can_be_read(tx: Transaction) -> None:
    refused = send_memo(tx, acme_request(tx), TOO_STRICT)

    assert (refused.verdict, refused.event_id) == (Verdict.INVALID, "N-1")


@pytest.mark.parametrize("first", [TOO_STRICT, without(TOO_STRICT, "event_id")])
def test_an_event_that_is_refused_then_replayed_then_repeated_is_applied_once(
    tx: Transaction, first: CallbackMapping
) -> None:
    number = acme_request(tx)
    refused = send_memo(tx, number, first)
    replayed = replay(tx, refused.receipt_id, CORRECTED)

    repeated = send_memo(tx, number, CORRECTED)

    assert (refused.verdict, replayed.verdict) == (Verdict.INVALID, Verdict.APPLIED)
    assert (repeated.is_repeat, repeated.receipt_id, repeated.event_id) == (True, refused.receipt_id, "N-1")
    assert comments_of(tx, number) == ["memo: Hello"]


@pytest.mark.parametrize("first", [TOO_STRICT, without(TOO_STRICT, "event_id")])
def test_an_event_that_is_refused_then_repeated_cannot_be_replayed(
    tx: Transaction, first: CallbackMapping
) -> None:
    number = acme_request(tx)
    refused = send_memo(tx, number, first)

    repeated = send_memo(tx, number, CORRECTED)

    assert (repeated.verdict, repeated.receipt_id) == (Verdict.APPLIED, refused.receipt_id)
    with pytest.raises(ReceiptNotReplayable):
        replay(tx, refused.receipt_id, CORRECTED)
    assert comments_of(tx, number) == ["memo: Hello"]


@pytest.mark.parametrize(
    ("first", "second"),
    [(CORRECTED, without(CORRECTED, "event_id")), (without(CORRECTED, "event_id"), CORRECTED)],
)
def test_the_same_bytes_are_one_event_whatever_id_a_mapping_reads(
    tx: Transaction, first: CallbackMapping, second: CallbackMapping
) -> None:
    number = acme_request(tx)
    applied = send_memo(tx, number, first)

    repeated = send_memo(tx, number, second)

    assert (repeated.is_repeat, repeated.receipt_id) == (True, applied.receipt_id)
    assert comments_of(tx, number) == ["memo: Hello"]


def test_a_replay_does_not_apply_an_event_whose_id_another_receipt_has(tx: Transaction) -> None:
    number = acme_request(tx)
    refused = send_memo(tx, number, without(TOO_STRICT, "event_id"))
    send_memo(tx, number, CORRECTED, text="Other")

    with pytest.raises(ReceiptNotReplayable):
        replay(tx, refused.receipt_id, CORRECTED)
    again = send_memo(tx, number, CORRECTED)

    assert again.is_conflict
    assert comments_of(tx, number) == ["memo: Other"]


def test_receipts_are_listed_by_verdict(tx: Transaction) -> None:
    number = acme_request(tx)
    applied = send(tx, event("e1", "in_process"), number)
    send(tx, event("e2", "in_process", request={"ill_request_id": 2**40}))

    found = receipts.find(tx, ReceiptFilter(verdicts=(Verdict.APPLIED,)), limit=10)

    assert [(one.receipt_id, one.illrequest_id) for one in found] == [(applied.receipt_id, number)]


def test_a_plain_report_takes_few_statements(
    tx: Transaction, queries: Callable[[], AbstractContextManager[list[str]]]
) -> None:
    number = acme_request(tx, status="NEW")
    send(tx, event("warm", "note", message="x"), number)
    with queries() as moving:
        send(tx, event("e1", "received"), number)
    with queries() as repeating:
        send(tx, event("e1", "received"), number)
    with queries() as staying:
        send(tx, event("e2", "in_process", minutes=1), number)

    assert (len(moving), len(repeating), len(staying)) == (10, 5, 4)
