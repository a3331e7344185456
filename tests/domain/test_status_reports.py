from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.domain.status_reports import (
    Cost,
    ReportedStatus,
    StatusReport,
    read_report,
    status_named,
)
from koha_ill_sidecar.errors import InvalidReport

MINIMAL: dict[str, Any] = {
    "event_id": "evt-1",
    "occurred_at": "2026-03-01T12:00:00Z",
    "request": {"ill_request_id": 7},
    "status": "shipped",
}


def errors_of(document: Any) -> dict[str, str]:
    with pytest.raises(InvalidReport) as caught:
        read_report(document)
    return dict(caught.value.errors)


def test_the_smallest_report_is_read() -> None:
    assert read_report(MINIMAL) == StatusReport(
        status=ReportedStatus.SHIPPED,
        event_id="evt-1",
        occurred_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
        illrequest_id=7,
    )


def test_everything_a_supplier_may_report_is_read() -> None:
    report = read_report(
        MINIMAL
        | {
            "request": {"order_id": "  A   1 "},
            "status": "Delivered",
            "status_text": "Order complete",
            "message": "Line one\r\nline\x00two\t.",
            "cost": {"amount": "12.50", "currency": "EUR"},
            "due_date": "2026-04-01",
            "access_url": "https://example.org/a?b=c#d",
            "access_expires_at": "2026-03-01t12:00:00.123456+02:00",
            "tracking": "1Z",
            "supplier": "North",
            "attempt": 2,
            "reason": "filled",
            "metadata": {"anything": [1, None]},
            "unheard_of": True,
        }
    )

    assert report == StatusReport(
        status=ReportedStatus.DELIVERED,
        status_text="Order complete",
        event_id="evt-1",
        occurred_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
        order_id="A 1",
        supplier="North",
        attempt=2,
        message="Line one\nline two\t.",
        cost=Cost(amount=Decimal("12.50"), currency="EUR"),
        due=date(2026, 4, 1),
        access_url="https://example.org/a?b=c#d",
        access_expires_at=datetime(2026, 3, 1, 10, 0, 0, 123456, tzinfo=UTC),
        tracking="1Z",
        reason="filled",
    )


def test_a_due_moment_is_kept_as_a_moment() -> None:
    report = read_report(MINIMAL | {"due_date": "2026-04-01T23:00:00+02:00"})

    assert report.due == datetime(2026, 4, 1, 21, tzinfo=UTC)


def test_all_mistakes_are_told_together() -> None:
    assert errors_of({"request": {}, "cost": {"amount": 3}, "attempt": "2"}) == {
        "/event_id": "is required",
        "/occurred_at": "is required",
        "/status": "is required",
        "/request": "must hold ill_request_id or order_id",
        "/cost/amount": 'must be a decimal number as a text, such as "12.50"',
        "/attempt": "must be a whole number above 0, and not a string",
    }


@pytest.mark.parametrize("document", [None, [], "text", 1, True])
def test_a_body_that_is_no_object_is_refused(document: Any) -> None:
    assert errors_of(document) == {"": "must be a JSON object"}


@pytest.mark.parametrize(
    ("pointer", "wrong"),
    [
        ("/request", None),
        ("/request", "7"),
        ("/event_id", ""),
        ("/event_id", "with space"),
        ("/event_id", "é"),
        ("/event_id", "x" * 192),
        ("/event_id", 12),
        ("/occurred_at", "2026-03-01"),
        ("/occurred_at", "2026-03-01T12:00:00"),
        ("/occurred_at", "2026-02-30T12:00:00Z"),
        ("/occurred_at", "0001-01-01T00:00:00+14:00"),
        ("/occurred_at", "9999-12-31T23:59:59-14:00"),
        ("/occurred_at", 1772366400),
        ("/status", "  "),
        ("/status", ["shipped"]),
        ("/due_date", "2026-02-30"),
        ("/due_date", "tomorrow"),
        ("/due_date", "9999-01-01"),
        ("/access_url", "ftp://example.org/a"),
        ("/access_url", "https://"),
        ("/access_url", "javascript:alert(1)"),
        ("/access_url", "https://user:secret@example.org/"),
        ("/access_url", "https://example.org/a b"),
        ("/access_url", "http://[::1"),
        ("/access_url", "https://example.org:99999/"),
        ("/attempt", True),
        ("/attempt", 0),
        ("/cost", "12.50"),
        ("/tracking", {}),
    ],
)
def test_a_wrong_value_is_named_by_its_pointer(pointer: str, wrong: Any) -> None:
    assert set(errors_of(MINIMAL | {pointer[1:]: wrong})) == {pointer}


def test_long_texts_are_cut_and_never_refused() -> None:
    url = "https://example.org/" + "x" * 10_000
    report = read_report(
        MINIMAL
        | {
            "request": {"order_id": "1" * 500},
            "message": "m" * 5000,
            "tracking": "t" * 500,
            "access_url": url,
        }
    )

    assert (report.order_id, report.tracking) == ("1" * 191, "t" * 191)
    assert (report.message, report.access_url) == ("m" * 4000, url)


@pytest.mark.parametrize("wrong", ["seven", "-7", "", 0, -1, 7.5, True, 2**63])
def test_a_request_number_is_a_whole_number(wrong: Any) -> None:
    assert "/request/ill_request_id" in errors_of(MINIMAL | {"request": {"ill_request_id": wrong}})


@pytest.mark.parametrize("wrong", ["-1.00", "1e3", "1,50", "NaN", "12.", "1" * 10, ""])
def test_an_amount_is_a_plain_decimal_number(wrong: str) -> None:
    assert "/cost/amount" in errors_of(MINIMAL | {"cost": {"amount": wrong}})


def test_a_status_without_a_rule_is_kept_by_its_word() -> None:
    report = read_report(MINIMAL | {"status": "Gone fishing"})

    assert (report.status, report.status_text) == (ReportedStatus.UNKNOWN, "Gone fishing")


@pytest.mark.parametrize("word", ["will_supply", "Will Supply", " WILL-SUPPLY "])
def test_a_status_is_found_however_it_is_spelt(word: str) -> None:
    assert status_named(word) is ReportedStatus.WILL_SUPPLY


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def mistakes(document: Any) -> set[str]:
    try:
        read_report(document)
    except InvalidReport as refused:
        return {pointer for pointer, _ in refused.errors}
    return set()


@given(st.fixed_dictionaries({}, optional=dict.fromkeys([*MINIMAL, "cost", "due_date", "access_url"], _JSON)))
def test_any_document_is_read_or_refused_and_never_crashes(document: Any) -> None:
    assert all(pointer.startswith("/") for pointer in mistakes(document))


@given(st.text(), st.sampled_from(["access_url", "occurred_at", "due_date", "event_id", "status"]))
def test_any_text_is_read_or_refused_and_never_crashes(text: str, member: str) -> None:
    assert mistakes(MINIMAL | {member: text}) <= {f"/{member}"}


def test_any_number_of_separators_is_one() -> None:
    assert status_named("IN - Process") is ReportedStatus.IN_PROCESS


@pytest.mark.parametrize("character", ["\u202e", "\u2066", "\u200b", "\u200f", "\ufeff", "\u00ad"])
def test_characters_that_nobody_sees_are_removed_from_texts(character: str) -> None:
    document: dict[str, Any] = {"request": {"order_id": "A"}, "status": "note"}

    read = read_report(document | {"message": f"gn{character}p.exe"}, event_id_required=False)

    assert read.message == "gnp.exe"


def test_the_mistake_of_a_due_date_says_that_a_day_will_do() -> None:
    document: dict[str, Any] = {
        "request": {"order_id": "A"},
        "status": "renewed",
        "due_date": "15/01/2027",
    }

    with pytest.raises(InvalidReport, match="a day such as 2026-01-31"):
        read_report(document, event_id_required=False)
