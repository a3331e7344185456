import base64
import contextlib
import gzip
import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from conftest import KohaDatabase
from koha_ill_sidecar.config.settings import BackendSettings, IllSite
from koha_ill_sidecar.errors import ReceiptNotReplayable
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.callbacks.replaying import replay
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.web.app import create_app
from koha_ill_sidecar.web.callbacks.answers import answer_status
from supplier import TOKEN, callback_settings, mapped_by, report, signed_headers

Post = Callable[..., TestResponse]
PREFIX = "urn:koha-ill-sidecar:problem:"
JSON = "application/json"


def problem(response: TestResponse) -> tuple[int, str]:
    """Return status and type of a problem document, after checking that it is one."""
    assert response.content_type == "application/problem+json"
    document = response.get_json()
    assert document["status"] == response.status_code
    assert document["title"]
    assert document["detail"]
    return response.status_code, document["type"].removeprefix(PREFIX)


def count(admin: Engine, query: str, **values: Any) -> int:
    with admin.connect() as connection:
        return int(connection.scalar(text(query), values) or 0)


def receipts(admin: Engine) -> int:
    return count(admin, "SELECT COUNT(*) FROM ill_sidecar_receipts")


def test_a_callback_is_applied_and_answered(
    post: Post, new_request: Callable[..., int], status_of: Callable[[int], str]
) -> None:
    number = new_request()

    response = post(report(number, "evt_1", "received"))

    assert (response.status_code, response.content_type) == (200, JSON)
    assert response.get_json() == {
        "receipt_id": response.get_json()["receipt_id"],
        "event_id": "evt_1",
        "outcome": "applied",
        "ill_request_id": number,
        "status": "REQ",
        "detail": "The report was applied.",
        "duplicate": False,
    }
    assert status_of(number) == "REQ"


def test_a_repeat_is_answered_alike_and_says_so(post: Post, new_request: Callable[..., int]) -> None:
    number = new_request()
    first = post(report(number)).get_json()

    again = post(report(number))

    assert (again.status_code, again.get_json()) == (200, first | {"duplicate": True})


def test_a_used_event_id_with_another_body_is_refused(post: Post, new_request: Callable[..., int]) -> None:
    number = new_request()
    post(report(number))

    assert problem(post(report(number, status="delivered"))) == (409, "event-id-reused")


def test_the_headers_event_id_is_the_key(post: Post, new_request: Callable[..., int]) -> None:
    number = new_request()
    post(report(number, "in the body"[:2]), event_id="evt_header")

    assert post(report(number, "in the body"[:2]), event_id="evt_header").get_json()["duplicate"] is True
    assert post(report(number, "in the body"[:2]), event_id="evt_other").get_json()["duplicate"] is False


def test_an_unknown_request_is_404_and_kept(post: Post, admin: Engine) -> None:
    response = post(report(2**40))

    assert problem(response) == (404, "unknown-request")
    kept = count(admin, "SELECT COUNT(*) FROM ill_sidecar_receipts WHERE verdict = 'unknown_request'")
    assert (kept, response.get_json()["event_id"]) == (1, "evt_1")


def test_a_body_that_is_no_report_is_422_with_every_mistake(post: Post) -> None:
    response = post({"event_id": "evt_1", "request": {}, "status": 5})

    assert problem(response) == (422, "invalid-report")
    assert {error["pointer"] for error in response.get_json()["errors"]} == {"/status", "/request"}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"a":1,"a":2}', b"[" * 1000, b'{"a": NaN}'])
def test_a_body_that_is_no_json_is_400(post: Post, body: bytes) -> None:
    assert problem(post(body)) == (400, "not-json")


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": "v1,AAAA"},
        {"webhook-timestamp": "1"},
        {"webhook-id": "evt.1"},
        {"webhook-id": "é"},
        {"webhook-id": ""},
        {"authorization": f"Bearer {TOKEN}", "webhook-id": "x"},
    ],
)
def test_every_wrong_signature_gets_one_and_the_same_answer(
    client: FlaskClient, admin: Engine, caplog: pytest.LogCaptureFixture, change: dict[str, str]
) -> None:
    body = json.dumps(report(1)).encode()
    wrong = signed_headers(body, "evt_1", key=b"another key")
    nothing = client.post("/callbacks/acme", data=body, headers=wrong)
    with caplog.at_level(logging.INFO):
        response = client.post("/callbacks/acme", data=body, headers=signed_headers(body, "evt_1") | change)

    assert problem(response) == (401, "unauthenticated")
    assert response.data == nothing.data
    assert response.headers["WWW-Authenticate"] == 'Signature realm="callbacks"'
    assert receipts(admin) == 0
    assert [record.__dict__["refused"] for record in caplog.records if "refused" in record.__dict__]


@pytest.mark.parametrize("event_id", ["evt.1", "evt:1", "x" * 192])
def test_a_signed_event_id_that_cannot_be_used_is_named(post: Post, admin: Engine, event_id: str) -> None:
    response = post(report(1), event_id=event_id)

    assert problem(response) == (400, "bad-request")
    assert "webhook-id" in response.get_json()["detail"]
    assert receipts(admin) == 0


def test_a_signed_event_id_may_be_as_long_as_documented(post: Post) -> None:
    assert problem(post(report(2**40), event_id="x" * 191)) == (404, "unknown-request")


def test_headers_that_are_missing_are_named(client: FlaskClient) -> None:
    body = json.dumps(report(1)).encode()
    headers = signed_headers(body, "evt_1")
    del headers["webhook-timestamp"]

    signed = client.post("/callbacks/acme", data=body, headers=headers).get_json()["detail"]
    token = client.post("/callbacks/plain", data=body, content_type=JSON).get_json()["detail"]
    wrong = client.post("/callbacks/plain", data=body, headers={"authorization": "Bearer x"}).get_json()[
        "detail"
    ]

    assert signed.startswith("Missing: webhook-timestamp. ")
    assert token == "Missing: Authorization. Check the token in 'Authorization: Bearer TOKEN'."
    assert wrong == "Check the token in 'Authorization: Bearer TOKEN'."


def test_a_compressed_body_is_415_and_names_the_header(client: FlaskClient) -> None:
    body = gzip.compress(json.dumps(report(1)).encode())

    response = client.post(
        "/callbacks/acme", data=body, headers=signed_headers(body, "evt_1") | {"content-encoding": "gzip"}
    )

    assert problem(response) == (415, "unsupported-media-type")
    assert "Content-Encoding" in response.get_json()["detail"]
    assert response.headers["Accept-Encoding"] == "identity"


def test_svix_names_of_the_headers_are_accepted(client: FlaskClient, admin: Engine) -> None:
    body = json.dumps(report(2**40)).encode()
    headers = {
        name.replace("webhook-", "svix-"): value for name, value in signed_headers(body, "evt_1").items()
    }

    response = client.post("/callbacks/acme", data=body, headers=headers)

    assert problem(response) == (404, "unknown-request")
    stored = count(admin, "SELECT COUNT(*) FROM ill_sidecar_receipts WHERE headers LIKE '%v1,%'")
    assert (response.get_json()["event_id"], stored) == ("evt_1", 0)


def test_distrust_comes_before_any_reading_of_the_body(client: FlaskClient) -> None:
    response = client.post("/callbacks/acme", data=b"<xml/>", content_type="text/xml")

    assert problem(response) == (401, "unauthenticated")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (JSON, 200),
        ("application/json; charset=UTF-8", 200),
        ("application/vnd.acme.event+json", 200),
        ("application/json; charset=utf-16", 415),
        ("text/xml", 415),
        ("application/x-www-form-urlencoded", 415),
        ("", 415),
    ],
)
def test_only_json_in_utf_8_is_read(
    client: FlaskClient, new_request: Callable[..., int], content_type: str, status: int
) -> None:
    body = json.dumps(report(new_request())).encode()
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": content_type}

    response = client.post("/callbacks/plain", data=body, headers=headers)

    assert response.status_code == status
    if status == 415:
        assert problem(response) == (415, "unsupported-media-type")


def test_a_suppliers_own_format_is_applied(
    client: FlaskClient, new_request: Callable[..., int], status_of: Callable[[int], str]
) -> None:
    number = new_request(status="REQ")
    credentials = base64.b64encode(b"mapped:open").decode()

    response = client.post(
        "/callbacks/mapped",
        json={"id": 1, "reference": str(number), "state": "ORDER COMPLETE"},
        headers={"authorization": f"Basic {credentials}"},
    )

    assert (response.status_code, status_of(number)) == (200, "COMP")


@pytest.mark.parametrize("name", ["nobody", "silent", "off", "ACME", "acme%00"])
def test_a_backend_without_callbacks_is_404(client: FlaskClient, name: str) -> None:
    assert problem(client.post(f"/callbacks/{name}", data=b"{}")) == (404, "unknown-backend")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"])
def test_only_post_is_taken(client: FlaskClient, method: str) -> None:
    response = client.open("/callbacks/acme", method=method)

    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/nowhere", "/callbacks", "/callbacks/acme/x", "/static/x", "/%ff"])
def test_any_other_address_is_404(client: FlaskClient, path: str) -> None:
    assert problem(client.get(path)) == (404, "not-found")


def test_a_body_over_the_limit_is_413_and_not_read(client: FlaskClient) -> None:
    body = b" " * 262_145

    assert problem(client.post("/callbacks/acme", data=body, headers=signed_headers(body, "evt_1"))) == (
        413,
        "body-too-large",
    )


def test_a_database_that_is_away_is_503_with_a_time_to_come_back(
    koha_database: KohaDatabase, tmp_path: Path
) -> None:
    nowhere = replace(koha_database.settings, socket=tmp_path / "none.sock")
    away = Database(nowhere, site=IllSite())
    client = create_app(Runtime(settings=callback_settings(nowhere), database=away)).test_client()
    body = json.dumps(report(1)).encode()

    response = client.post("/callbacks/acme", data=body, headers=signed_headers(body, "evt_1"))

    assert problem(response) == (503, "database-away")
    assert response.headers["Retry-After"] == "30"
    assert "none.sock" not in response.text


def test_a_fault_of_ours_is_500_without_a_trace_and_rolled_back(
    post: Post, admin: Engine, new_request: Callable[..., int], caplog: pytest.LogCaptureFixture
) -> None:
    number = new_request()
    with admin.begin() as connection:
        connection.execute(text("ALTER TABLE ill_sidecar_requests RENAME COLUMN patron_told TO elsewhere"))
    try:
        response = post(report(number))
    finally:
        with admin.begin() as connection:
            connection.execute(
                text("ALTER TABLE ill_sidecar_requests RENAME COLUMN elsewhere TO patron_told")
            )

    assert problem(response) == (500, "internal-error")
    assert "patron_told" not in response.text
    assert receipts(admin) == 0
    assert any(record.exc_info for record in caplog.records)


def test_secrets_are_masked_in_the_receipt(
    client: FlaskClient, admin: Engine, new_request: Callable[..., int]
) -> None:
    headers = {"authorization": f"Bearer {TOKEN}", "user-agent": "acme/1", "cookie": "private"}
    client.post("/callbacks/plain", json=report(new_request()), headers=headers)

    with admin.connect() as connection:
        kept = json.loads(connection.scalar(text("SELECT headers FROM ill_sidecar_receipts")) or "")
    assert kept == {"authorization": "***", "user-agent": "acme/1", "content-type": JSON}


def test_the_log_has_one_line_per_callback_without_its_body(
    post: Post, new_request: Callable[..., int], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="koha_ill_sidecar.web"):
        post(report(new_request(), message="Sam Page wants it"))

    (line,) = [record for record in caplog.records if record.name == "koha_ill_sidecar.web.app"]
    assert line.__dict__["route"] == "/callbacks/<backend_name>"
    assert (line.__dict__["backend"], line.__dict__["outcome"]) == ("acme", "applied")
    assert "Sam" not in str(line.__dict__)


def test_every_answer_has_the_headers_that_keep_browsers_safe(client: FlaskClient) -> None:
    for path in ("/healthz", "/nowhere"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Cache-Control"] == "no-store"
        assert len(headers["X-Request-Id"]) == 16


# Many at once


def at_once(number: int, send: Callable[[int], TestResponse]) -> list[TestResponse]:
    barrier = threading.Barrier(number)

    def one(position: int) -> TestResponse:
        barrier.wait()
        return send(position)

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(one, range(number)))


@pytest.mark.parametrize("turn", range(10))
def test_the_same_event_from_two_sides_at_once_is_applied_once(
    client: FlaskClient, admin: Engine, new_request: Callable[..., int], turn: int
) -> None:
    body = json.dumps(report(new_request(), f"evt_{turn}", "received")).encode()
    headers = signed_headers(body, f"evt_{turn}")

    answers = at_once(
        2, lambda _: client.application.test_client().post("/callbacks/acme", data=body, headers=headers)
    )

    assert [answer.status_code for answer in answers] == [200, 200]
    assert sorted(answer.get_json()["duplicate"] for answer in answers) == [False, True]
    assert count(admin, "SELECT COUNT(*) FROM action_logs WHERE module = 'ILL'") == 1


@pytest.mark.parametrize("turn", range(5))
def test_the_same_bytes_read_by_two_mappings_and_replayed_at_once_are_applied_once(
    koha_database: KohaDatabase, database: Database, admin: Engine, new_request: Callable[..., int], turn: int
) -> None:
    """As while a corrected configuration is loaded: one process reads an event ID, another none, staff replay."""
    strict, plain = (
        mapped_by({"ill_request_id": "reference", "status": "state", "message": "text"} | more)
        for more in ({"due_date": "due"}, {"event_id": "id"})
    )
    apps = [
        create_app(
            Runtime(settings=callback_settings(koha_database.settings, mapped=settings), database=database)
        )
        for settings in (strict, plain)
    ]
    document = {"id": f"N-{turn}", "reference": new_request(), "state": "note", "text": "Once", "due": "soon"}
    sending = {"json": document, "auth": ("mapped", "open")}
    refused = apps[0].test_client().post("/callbacks/mapped", **sending).get_json()
    backends = {"mapped": BackendSettings(callbacks=plain)}

    def send_or_replay(position: int) -> None:
        if position % 3:
            apps[position % 2].test_client().post("/callbacks/mapped", **sending)
        else:
            with contextlib.suppress(ReceiptNotReplayable):
                database.transact(replay, refused["receipt_id"], backends, answer_status=answer_status)

    with ThreadPoolExecutor(9) as threads:
        list(threads.map(send_or_replay, range(9)))

    assert receipts(admin) == 1
    assert count(admin, "SELECT COUNT(*) FROM illcomments") == 1


def test_an_unknown_request_from_two_sides_at_once_is_kept_once(client: FlaskClient, admin: Engine) -> None:
    body = json.dumps(report(2**40)).encode()

    answers = at_once(
        8,
        lambda _: client.application.test_client().post(
            "/callbacks/acme", data=body, headers=signed_headers(body, "evt_1")
        ),
    )

    assert {problem(answer) for answer in answers} == {(404, "unknown-request")}
    assert receipts(admin) == 1


def test_a_hundred_threads_on_one_request_leave_a_log_without_a_gap(
    client: FlaskClient, admin: Engine, new_request: Callable[..., int], status_of: Callable[[int], str]
) -> None:
    number = new_request()
    words = ["received", "in_process", "needs_information", "will_supply", "unfilled", "shipped", "delivered"]

    def send(position: int) -> TestResponse:
        document = report(number, f"evt_{position}", words[position % len(words)], attempt=1 + position // 20)
        body = json.dumps(document).encode()
        return client.application.test_client().post(
            "/callbacks/acme", data=body, headers=signed_headers(body, f"evt_{position}")
        )

    answers = at_once(100, send)

    with admin.connect() as connection:
        rows = connection.scalars(
            text("SELECT info FROM action_logs WHERE module = 'ILL' AND object = :id ORDER BY action_id"),
            {"id": number},
        )
        changes = [(json.loads(row)["status_before"], json.loads(row)["status_after"]) for row in rows]
    assert {answer.status_code for answer in answers} == {200}
    assert receipts(admin) == 100
    assert [before for before, _ in changes] == ["NEW", *[after for _, after in changes[:-1]]]
    assert changes[-1][1] == status_of(number)


# Hostile bodies


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=300))
def test_no_bytes_of_a_believed_sender_are_a_fault_of_ours(post: Post, body: bytes) -> None:
    assert post(body, event_id="evt_fuzz").status_code in (200, 400, 404, 409, 422)


_MEMBERS = st.dictionaries(
    st.sampled_from(
        ["event_id", "occurred_at", "request", "status", "cost", "due_date", "access_url", "attempt"]
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["ill_request_id", "order_id", "amount"]), inner, max_size=3)
        ),
        max_leaves=6,
    ),
)


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(_MEMBERS, st.uuids())
def test_no_members_of_a_believed_sender_are_a_fault_of_ours(
    post: Post, members: dict[str, Any], event_id: object
) -> None:
    document = report(1) | members

    assert post(document, event_id=str(event_id)).status_code in (200, 404, 409, 422)


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_repeated_callback_changes_nothing(
    post: Post, admin: Engine, new_request: Callable[..., int], data: st.DataObject
) -> None:
    number = new_request(status=data.draw(st.sampled_from(["NEW", "REQ", "REQREV", "CANCREQ", "CHK"])))
    word = data.draw(
        st.sampled_from(["received", "unfilled", "delivered", "renewed", "note", "cancelled", "?"])
    )
    document = report(number, f"evt_{number}", word, message="m", cost={"amount": "3"})
    first = post(document)
    before = state(admin, number)

    again = post(document)

    assert state(admin, number) == before
    assert again.get_json() == first.get_json() | {"duplicate": True}


def state(admin: Engine, number: int) -> list[object]:
    """Everything that a callback may write, but for the count of repeats."""
    queries = [
        "SELECT * FROM illrequests WHERE illrequest_id = :id",
        "SELECT * FROM illcomments WHERE illrequest_id = :id",
        "SELECT * FROM action_logs WHERE object = :id",
        "SELECT * FROM statistics WHERE illrequest_id = :id",
        "SELECT * FROM ill_sidecar_requests WHERE illrequest_id = :id",
        "SELECT * FROM ill_sidecar_history WHERE illrequest_id = :id",
        "SELECT message_id FROM message_queue",
    ]
    with admin.connect() as connection:
        return [connection.execute(text(query), {"id": number}).all() for query in queries]
