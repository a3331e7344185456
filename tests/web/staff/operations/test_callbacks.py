"""The inbox of callbacks."""

import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from sqlalchemy import Engine, text
from web.conftest import Desk
from web.staff.operations.conftest import Send
from web.staff.pages import link

from supplier import report

HOSTILE = "\"'><script>alert(1)</script>"
NewRequest = Callable[..., int]


def shown_in(clara: Desk, query: str, receipt_ids: dict[str, int]) -> set[str]:
    shown = clara.get(f"/operations/callbacks{query}").text
    return {name for name, number in receipt_ids.items() if f'/operations/callbacks/{number}"' in shown}


def test_the_inbox_shows_callbacks_with_their_results(
    clara: Desk, send: Send, new_request: NewRequest
) -> None:
    request = new_request()
    send(report(request, "evt_1", "in_process"), "evt_1")

    shown = clara.get("/operations/callbacks").text

    assert "evt_1" in shown
    assert '<span class="state applied">Applied</span>' in shown
    assert f'href="/requests/{request}"' in shown


def test_the_inbox_can_be_narrowed(clara: Desk, send: Send, new_request: NewRequest, admin: Engine) -> None:
    request = new_request()
    receipts = {
        "applied": send(report(request, "evt_1", "in_process"), "evt_1"),
        "unknown": send(report(999_999, "evt_2"), "evt_2"),
        "invalid": send(b"{", "evt_3"),
    }
    with admin.begin() as connection:
        connection.execute(
            text("UPDATE ill_sidecar_receipts SET backend = 'plain' WHERE verdict = 'invalid'")
        )

    assert shown_in(clara, "", receipts) == {"applied", "unknown", "invalid"}
    assert shown_in(clara, "?verdict=unknown_request", receipts) == {"unknown"}
    assert shown_in(clara, "?backend=plain", receipts) == {"invalid"}
    assert shown_in(clara, "?backend=acme&verdict=applied", receipts) == {"applied"}
    assert shown_in(clara, f"?request={request}", receipts) == {"applied"}
    assert shown_in(clara, "?verdict=nonsense&request=nonsense&before=x", receipts) == set(receipts)
    assert shown_in(clara, f"?before={receipts['unknown']}", receipts) == {"applied"}
    assert shown_in(clara, "?before=4711", receipts) == set()


def test_a_request_that_is_invalid_is_reported_and_ignored(clara: Desk, send: Send) -> None:
    receipt = send(report(999_999, "evt_1"), "evt_1")

    shown = clara.get("/operations/callbacks?request=ILL-7").text

    assert "Request: “ILL-7” is not valid and was ignored." in shown
    assert 'value="ILL-7" aria-invalid="true"' in shown
    assert f'/operations/callbacks/{receipt}"' in shown


def test_a_request_that_koha_does_not_have_is_told(clara: Desk, send: Send, new_request: NewRequest) -> None:
    send(report(new_request(), "evt_1"), "evt_1")

    assert "Koha has no request 4711." in clara.get("/operations/callbacks?request=4711").text
    assert "Koha has no request" not in clara.get(f"/operations/callbacks?request={new_request()}").text


def test_times_are_told_to_the_second(clara: Desk, send: Send) -> None:
    receipt = send(report(999_999, "evt_1"), "evt_1")

    for address in ("/operations/callbacks", f"/operations/callbacks/{receipt}"):
        assert re.search(r" \d\d:\d\d:\d\d<", clara.get(address).text)


def test_a_long_inbox_is_paged_in_the_order_of_arrival(clara: Desk, send: Send, admin: Engine) -> None:
    numbers = [send(report(999_999, f"evt_{number}"), f"evt_{number}") for number in range(52)]
    with admin.begin() as connection:  # two at the same instant
        connection.execute(text("UPDATE ill_sidecar_receipts SET received_at = '2026-03-01 12:00:00'"))

    first = clara.get("/operations/callbacks?backend=acme").text
    older = link(first, "a[rel=next]")
    second = clara.get(older).text

    assert older.endswith(f"before={numbers[2]}")
    assert [f'/operations/callbacks/{number}"' in second for number in numbers[:3]] == [True, True, False]


def test_a_receipt_shows_body_answer_and_headers(clara: Desk, send: Send) -> None:
    receipt = send(report(999_999, "evt_1"), "evt_1")

    shown = clara.get(f"/operations/callbacks/{receipt}").text

    assert "&#34;ill_request_id&#34;: 999999" in shown
    assert "HTTP 404" in shown
    assert "<dt>webhook-id</dt><dd>evt_1</dd>" in shown.lower()


def test_a_key_that_was_used_twice_shows_both_bodies(
    clara: Desk, send: Send, new_request: NewRequest
) -> None:
    request = new_request()
    receipt = send(report(request, "evt_1", "in_process"), "evt_1")
    send(report(request, "evt_1", "shipped"), "evt_1")

    shown = clara.get(f"/operations/callbacks/{receipt}").text

    assert "Another body with the same event ID" in shown
    assert "shipped" in shown


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"event_id": HOSTILE, "note": HOSTILE}).encode(),
        f"<html>{HOSTILE}</html>".encode(),
        b'{"half": "\\ud800", "x": "<script>alert"}',
        b'{"twice": 1, "twice": "<script>alert"}',
        b"[" * 5000 + b"<script>alert",
        b"\xff\xfe<script>alert",
        b'{"number": ' + b"9" * 5000 + b', "x": "<script>alert"}',
    ],
)
def test_whatever_was_sent_is_shown_and_not_run(clara: Desk, send: Send, body: bytes) -> None:
    receipt = send(body)

    for address in (f"/operations/callbacks/{receipt}", f"/operations/callbacks?backend={HOSTILE}"):
        answer = clara.get(address)

        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert" in clara.get(f"/operations/callbacks/{receipt}").text


def test_what_is_shown_of_a_body_is_what_it_says(clara: Desk, send: Send) -> None:
    receipt = send(b'{"twice": 1, "twice": 2, "price": 1.10}')

    assert "{&#34;twice&#34;: 1, &#34;twice&#34;: 2, &#34;price&#34;: 1.10}" in (
        clara.get(f"/operations/callbacks/{receipt}").text
    )


def test_a_callback_that_came_before_its_request_is_replayed(
    clara: Desk, send: Send, new_request: NewRequest, admin: Engine
) -> None:
    request = new_request()
    receipt = send(report(request + 1, "evt_1", "in_process"), "evt_1")
    assert "Replay" in clara.get(f"/operations/callbacks/{receipt}").text
    assert new_request() == request + 1

    shown = clara.post(f"/operations/callbacks/{receipt}/replay", follow=True).text

    assert f"Callback {receipt} was replayed: Applied." in shown
    assert 'action="/operations/callbacks' not in shown
    with admin.connect() as connection:
        status = connection.scalar(
            text("SELECT status FROM illrequests WHERE illrequest_id = :id"), {"id": request + 1}
        )
    assert status == "REQ"


def test_what_was_applied_is_not_applied_twice(clara: Desk, send: Send, new_request: NewRequest) -> None:
    receipt = send(report(new_request(), "evt_1", "in_process"), "evt_1")

    assert "there is nothing to replay" in (
        clara.post(f"/operations/callbacks/{receipt}/replay", follow=True).text
    )


def test_a_backend_that_is_no_longer_set_up_cannot_be_replayed(
    clara: Desk, send: Send, admin: Engine
) -> None:
    receipt = send(report(999_999, "evt_1"), "evt_1")
    with admin.begin() as connection:
        connection.execute(text("UPDATE ill_sidecar_receipts SET backend = 'gone'"))

    assert 'action="/operations/callbacks' not in clara.get(f"/operations/callbacks/{receipt}").text
    assert "Callbacks for this backend are no longer configured" in (
        clara.post(f"/operations/callbacks/{receipt}/replay", follow=True).text
    )


def test_a_receipt_that_is_gone_is_not_found(clara: Desk) -> None:
    assert clara.get("/operations/callbacks/4711").status_code == 404
    assert clara.post("/operations/callbacks/4711/replay").status_code == 404


def test_the_inbox_costs_a_fixed_number_of_queries(
    clara: Desk, send: Send, queries: Callable[[], AbstractContextManager[list[str]]]
) -> None:
    for number in range(20):
        send(report(999_999, f"evt_{number}"), f"evt_{number}")
    clara.get("/operations/callbacks")

    with queries() as seen:
        clara.get("/operations/callbacks")

    assert len(seen) <= 8
