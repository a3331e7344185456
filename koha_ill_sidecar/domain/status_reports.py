"""What a supplier reports about a request: the canonical body of a callback, read strictly."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlsplit

from koha_ill_sidecar.domain import request_ids
from koha_ill_sidecar.domain.request_ids import WrittenID
from koha_ill_sidecar.domain.strict_json import JSONValue
from koha_ill_sidecar.errors import InvalidReport

MAX_TEXT = 4000
"""Longer messages are cut; the receipt has the whole body."""

MAX_NAME = 191
"""Longer names and IDs are cut, so that an index can hold them."""


class ReportedStatus(StrEnum):
    """
    The canonical statuses, to which every supplier's own are mapped.

    UNKNOWN stands for every status that the mapping lacks; suppliers never send it.
    """

    RECEIVED = "received"
    QUEUED = "queued"
    IN_PROCESS = "in_process"
    NEEDS_INFORMATION = "needs_information"
    CONDITIONAL = "conditional"
    WILL_SUPPLY = "will_supply"
    RETRY_POSSIBLE = "retry_possible"
    UNFILLED = "unfilled"
    EXPIRED = "expired"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    ARRIVED = "arrived"
    NOT_RECEIVED = "not_received"
    RENEWED = "renewed"
    RENEWAL_DENIED = "renewal_denied"
    OVERDUE = "overdue"
    RECALLED = "recalled"
    RETURNED = "returned"
    LOST = "lost"
    CANCELLED = "cancelled"
    CANCEL_DENIED = "cancel_denied"
    COMPLETED = "completed"
    COMPLETED_WITHOUT_RETURN = "completed_without_return"
    FORWARDED = "forwarded"
    NOTE = "note"
    ERROR = "error"
    UNKNOWN = "unknown"

    @property
    def label(self) -> str:
        """The status for people, as in the catalogues."""
        return self.value.replace("_", " ")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What the supplier charges."""

    amount: Decimal
    currency: str | None = None  # ISO 4217

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}" if self.currency else str(self.amount)


@dataclass(frozen=True, kw_only=True, slots=True)
class StatusReport:
    """One event from a supplier, with its canonical status; at least one of the two IDs is given."""

    status: ReportedStatus
    status_text: str | None = None  # as the supplier has it
    event_id: str | None = None
    occurred_at: datetime | None = None  # None: not reported
    illrequest_id: int | None = None
    id_prefix: str | None = None  # the library's, in front of the ID
    order_id: str | None = None
    supplier: str | None = None
    attempt: int | None = None
    message: str | None = None
    cost: Cost | None = None
    due: date | datetime | None = None  # a date means the end of that day at the library
    access_url: str | None = None
    access_expires_at: datetime | None = None
    tracking: str | None = None
    reason: str | None = None


def read_report(document: JSONValue, *, event_id_required: bool = True) -> StatusReport:
    """
    Check a canonical body and make a report of it.

    Unknown members are ignored and long texts are truncated: the receipt has the original body. An unknown status is no
    error: it becomes ReportedStatus.UNKNOWN, with the original in *status_text*.

    Args:
        event_id_required: False if a header, or only the content, identifies the event.

    Raises:
        InvalidReport: Names all mistakes, each with its JSON pointer.
    """
    if not isinstance(document, dict):
        raise InvalidReport([("", "must be a JSON object")])
    reader = _Reader()
    report = _read(reader, document, event_id_required=event_id_required)
    if reader.errors:
        raise InvalidReport(reader.errors, event_id=report.event_id)
    return report


def read_event_id(value: JSONValue) -> str | None:
    """Return the event ID of a body whose other members cannot be read; None if it is no event ID either."""
    try:
        return None if value is None else _event_id(value)
    except _MistakeError:
        return None


def status_named(word: str) -> ReportedStatus:
    """Return the canonical status of that name, in any case; UNKNOWN if there is none."""
    try:
        return ReportedStatus(re.sub(r"[ _-]+", "_", fold(word)))
    except ValueError:
        return ReportedStatus.UNKNOWN


def fold(word: str) -> str:
    """Normalise a supplier's status: case, and spaces around and inside, do not matter."""
    return " ".join(word.casefold().split())


def _read(reader: "_Reader", body: Mapping[str, JSONValue], *, event_id_required: bool) -> StatusReport:
    reference = reader.read(body, "request", _members, required=True) or {}
    written_id = reader.read(reference, "ill_request_id", _request_id, under="/request")
    order_id = reader.read(reference, "order_id", _name, under="/request")
    if written_id is None and order_id is None and not reader.errors:
        reader.errors.append(("/request", "must hold ill_request_id or order_id"))
    word = reader.read(body, "status", _name, required=True) or ""
    status = status_named(word)
    unknown_word = word if status is ReportedStatus.UNKNOWN else None
    return StatusReport(
        status=status,
        status_text=reader.read(body, "status_text", _name) or unknown_word,
        event_id=reader.read(body, "event_id", _event_id, required=event_id_required),
        occurred_at=reader.read(body, "occurred_at", _instant, required=event_id_required),
        illrequest_id=None if written_id is None else written_id.illrequest_id,
        id_prefix=None if written_id is None else written_id.prefix or None,
        order_id=order_id,
        supplier=reader.read(body, "supplier", _name),
        attempt=reader.read(body, "attempt", _positive_integer),
        message=reader.read(body, "message", _message),
        cost=_cost(reader, body),
        due=reader.read(body, "due_date", _day_or_instant),
        access_url=reader.read(body, "access_url", _url),
        access_expires_at=reader.read(body, "access_expires_at", _instant),
        tracking=reader.read(body, "tracking", _name),
        reason=reader.read(body, "reason", _name),
    )


def _cost(reader: "_Reader", body: Mapping[str, JSONValue]) -> Cost | None:
    members = reader.read(body, "cost", _members)
    if members is None:
        return None
    amount = reader.read(members, "amount", _amount, required=True, under="/cost")
    currency = reader.read(members, "currency", _currency, under="/cost")
    return None if amount is None else Cost(amount=amount, currency=currency)


_T = TypeVar("_T")


class _MistakeError(Exception):
    """What is wrong with one value."""


class _Reader:
    """Reads values from JSON objects and collects what is wrong with them."""

    def __init__(self) -> None:
        self.errors: list[tuple[str, str]] = []

    def read(
        self,
        body: Mapping[str, JSONValue],
        key: str,
        parse: Callable[[JSONValue], _T | None],
        *,
        required: bool = False,
        under: str = "",
    ) -> _T | None:
        """Return the value that *parse* makes of a member; None if it is absent, blank or wrong."""
        member = body.get(key)
        try:
            value = None if member is None else parse(member)
        except _MistakeError as mistake:
            self.errors.append((f"{under}/{key}", str(mistake)))
            return None
        if value is None and required:
            self.errors.append((f"{under}/{key}", "is required"))
        return value


_EVENT_ID = re.compile(r"[!-~]{1,191}", re.ASCII)
_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,4})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_TIME = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
_INSTANT = re.compile(rf"{_DATE.pattern}[Tt ]{_TIME}", re.ASCII)
_EARLIEST, _LATEST = 1970, 9998  # a day at the edge may lie in the next year in another time zone
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
# What nobody sees and what turns the direction of the text around it. Joiners (U+200C, U+200D) stay: Persian and emoji
# need them.
_INVISIBLE = re.compile(r"[\xad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
_LARGEST_KEY = 2**63 - 1
_NOT_IN_URL = re.compile(r"[\x00-\x20\x7f-\x9f\\<>\"]")


def _members(value: JSONValue) -> Mapping[str, JSONValue]:
    if not isinstance(value, dict):
        raise _MistakeError("must be an object")
    return value


def _text(value: JSONValue) -> str | None:
    if not isinstance(value, str):
        raise _MistakeError("must be a string")
    visible = _INVISIBLE.sub("", value.replace("\r\n", "\n").replace("\r", "\n"))
    return _CONTROL.sub(" ", visible).strip() or None


def _message(value: JSONValue) -> str | None:
    text = _text(value)
    return text and text[:MAX_TEXT]


def _name(value: JSONValue) -> str | None:
    text = _text(value)
    return text and " ".join(text.split())[:MAX_NAME].rstrip()


def _event_id(value: JSONValue) -> str | None:
    if not isinstance(value, str) or not _EVENT_ID.fullmatch(value):
        raise _MistakeError(f"must be a string of at most {MAX_NAME} ASCII characters without spaces")
    return value


def _positive_integer(value: JSONValue) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _LARGEST_KEY:
        raise _MistakeError("must be a whole number above 0, and not a string")
    return value


def _request_id(value: JSONValue) -> WrittenID:
    written = request_ids.parse(value) if isinstance(value, str) else None
    if written is None and isinstance(value, str):
        raise _MistakeError(
            'must be the ID of a request as a number, or as a string such as "201" or "CPL-201"'
        )
    return written or WrittenID(_positive_integer(value))


def _instant(value: JSONValue, *, expected: str = "an RFC 3339 date-time") -> datetime | None:
    text = _text(value)
    if text is None:
        return None
    if not _INSTANT.fullmatch(text):
        raise _MistakeError(f"must be {expected} such as 2026-01-31T09:30:00Z")
    try:
        instant = datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise _MistakeError("is not a valid date and time") from error
    _check_year(instant.year)
    return instant.astimezone(UTC)


def _day_or_instant(value: JSONValue) -> date | datetime | None:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return _instant(value, expected="a day such as 2026-01-31 or an RFC 3339 date-time")
    try:
        day = date.fromisoformat(value)
    except ValueError as error:
        raise _MistakeError("is not a valid date") from error
    _check_year(day.year)
    return day


def _check_year(year: int) -> None:
    if not _EARLIEST < year < _LATEST:
        raise _MistakeError(f"is in the year {year}, which is not plausible")


def _amount(value: JSONValue) -> Decimal:
    if not isinstance(value, str) or not _AMOUNT.fullmatch(value):
        raise _MistakeError('must be a decimal number as a text, such as "12.50"')
    return Decimal(value)


def _currency(value: JSONValue) -> str:
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        raise _MistakeError('must be an ISO 4217 code, such as "EUR"')
    return value


def _url(value: JSONValue) -> str | None:
    text = _text(value)
    if text is None:
        return None
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or _NOT_IN_URL.search(text):
        raise _MistakeError("must be an http or https address")
    if "@" in parts.netloc:
        raise _MistakeError("must not hold a user name or a password")
    return text
