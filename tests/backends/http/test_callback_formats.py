import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.backends.http.callback_formats import callback_format
from koha_ill_sidecar.config.settings import CallbackMapping
from koha_ill_sidecar.domain.status_reports import Cost, ReportedStatus, StatusReport
from koha_ill_sidecar.errors import ConfigurationError, InvalidReport, NotStrictJSON

MAPPING = CallbackMapping(
    fields={
        "event_id": "id",
        "occurred_at": "data.changed",
        "ill_request_id": "data.customer_reference",
        "order_id": "data.order.number",
        "status": "data.order.state",
        "message": "data.notes[0].text",
        "cost.amount": "data.order.price",
        "cost.currency": "data.order.currency",
        "due_date": "data.order.due",
        "access_url": "data.order.links[?rel=='content'].href | [0]",
    },
    statuses={"Order Complete": "delivered", "Sourcing": "in_process"},
)
SUPPLIER_BODY: dict[str, Any] = {
    "id": 4711,
    "data": {
        "changed": 1772366400,
        "customer_reference": "7",
        "order": {
            "number": 1001,
            "state": "order  COMPLETE",
            "price": 12.50,
            "currency": "EUR",
            "due": "2026-04-01",
            "links": [{"rel": "self", "href": "x"}, {"rel": "content", "href": "https://example.org/a"}],
        },
        "notes": [{"text": "Enjoy"}],
    },
}


def read(document: object, mapping: CallbackMapping | None = MAPPING) -> StatusReport:
    body = json.dumps(document).encode()
    return callback_format("acme", mapping).read(body, event_id_in_header=False)


def test_a_suppliers_own_format_is_read_without_code() -> None:
    assert read(SUPPLIER_BODY) == StatusReport(
        status=ReportedStatus.DELIVERED,
        status_text="order COMPLETE",
        event_id="4711",
        occurred_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
        illrequest_id=7,
        order_id="1001",
        message="Enjoy",
        cost=Cost(amount=Decimal("12.5"), currency="EUR"),
        due=date(2026, 4, 1),
        access_url="https://example.org/a",
    )


def test_a_price_keeps_the_cents_that_were_sent() -> None:
    body = b'{"data": {"customer_reference": 7, "order": {"state": "x", "price": 12.50}}}'

    report = callback_format("acme", MAPPING).read(body, event_id_in_header=False)

    assert str(report.cost) == "12.50"


def test_a_status_that_is_not_in_the_table_keeps_its_text() -> None:
    document = {"data": {"customer_reference": 7, "order": {"state": "Lost in the post"}}}

    report = read(document)

    assert (report.status, report.status_text) == (ReportedStatus.UNKNOWN, "Lost in the post")


def test_milliseconds_are_distinguished_from_seconds() -> None:
    in_milliseconds = SUPPLIER_BODY | {"data": SUPPLIER_BODY["data"] | {"changed": 1772366400123}}

    assert read(in_milliseconds).occurred_at == datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)


def test_the_canonical_body_needs_an_event_id_unless_the_header_has_it() -> None:
    body = b'{"request": {"ill_request_id": 7}, "status": "shipped"}'
    canonical = callback_format("acme", None)

    with pytest.raises(InvalidReport, match="event_id"):
        canonical.read(body, event_id_in_header=False)
    assert canonical.read(body, event_id_in_header=True).status is ReportedStatus.SHIPPED


@pytest.mark.parametrize("mapping", [MAPPING, None])
def test_what_is_not_json_is_refused_in_every_format(mapping: CallbackMapping | None) -> None:
    with pytest.raises(NotStrictJSON):
        callback_format("acme", mapping).read(b"<xml/>", event_id_in_header=False)


def test_every_mistake_of_a_mapping_is_reported_with_its_path() -> None:
    mapping = CallbackMapping(
        fields={"state": "x", "message": "]["}, statuses={"Sent": "shiped", "SENT ": "shipped"}
    )

    with pytest.raises(ConfigurationError) as caught:
        callback_format("acme", mapping)

    assert [problem.partition(": ")[0] for problem in caught.value.problems] == [
        "backends.acme.callbacks.mapping.fields.state",
        "backends.acme.callbacks.mapping.fields.message",
        "backends.acme.callbacks.mapping.fields.status",
        "backends.acme.callbacks.mapping.fields",
        "backends.acme.callbacks.mapping.statuses.Sent",
        "backends.acme.callbacks.mapping.statuses.SENT ",
    ]


@pytest.mark.parametrize(
    "expression", ["upper(state)", "items[?upper(code) == 'A'].x | [0]", "{a: upper(b)}.a"]
)
def test_a_function_that_jmespath_does_not_have_is_reported_before_any_event(expression: str) -> None:
    mapping = CallbackMapping(fields={"status": expression, "order_id": "to_string(order)"})

    with pytest.raises(ConfigurationError) as caught:
        callback_format("acme", mapping)

    (problem,) = caught.value.problems
    assert problem.startswith("backends.acme.callbacks.mapping.fields.status: calls upper()")


@pytest.mark.parametrize("name", ["m n", "m/n", "ä", "", "..", "m?", "m%20n", "x" * 81])
def test_a_backend_whose_name_cannot_be_part_of_a_url_is_reported(name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be part of the URL"):
        callback_format(name, None)


def test_canonical_words_count_beside_a_table_of_statuses() -> None:
    fields = {"status": "state", "order_id": "order", "metadata": "extra"}
    mapping = CallbackMapping(fields=fields, statuses={"Refused": "unfilled", "Received": "note"})

    found = [
        read({"state": word, "order": "A", "extra": {"x": 1}}, mapping).status
        for word in ("refused", "In-Process", "received", "Gone fishing")
    ]

    assert found == ["unfilled", "in_process", "note", "unknown"]


def test_an_expression_that_does_not_fit_the_body_is_reported() -> None:
    mapping = CallbackMapping(fields={"status": "length(state)", "order_id": "order"})

    with pytest.raises(InvalidReport, match="status cannot be read"):
        read({"state": None, "order": "A"}, mapping)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "data", "order", "state", "changed", "number"]), inner)
    ),
    max_leaves=12,
)


@given(_JSON)
def test_any_body_is_read_or_refused_and_never_crashes(document: Any) -> None:
    try:
        report = read(document)
    except (InvalidReport, NotStrictJSON):
        return

    assert report.order_id or report.illrequest_id
