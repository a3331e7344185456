"""
How callbacks are read: the canonical body, or a supplier's own format that the configuration describes.

A body in a supplier's own format is first mapped to the canonical one and then checked like it, so both obey the same
rules.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Protocol

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions

from koha_ill_sidecar.config.settings import CallbackMapping
from koha_ill_sidecar.domain import strict_json
from koha_ill_sidecar.domain.status_reports import (
    ReportedStatus,
    StatusReport,
    fold,
    read_event_id,
    read_report,
)
from koha_ill_sidecar.domain.strict_json import JSONValue
from koha_ill_sidecar.errors import ConfigurationError, InvalidReport

FIELDS: Final = (
    "event_id",
    "occurred_at",
    "ill_request_id",
    "order_id",
    "status",
    "status_text",
    "message",
    "cost.amount",
    "cost.currency",
    "due_date",
    "access_url",
    "access_expires_at",
    "tracking",
    "supplier",
    "attempt",
    "reason",
    "metadata",
)
"""What a mapping may name."""

_NAME_IN_URL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", re.ASCII)
_FUNCTIONS: Final = frozenset(Functions.FUNCTION_TABLE)
_INTEGERS: Final = frozenset({"ill_request_id", "attempt"})
_INSTANTS: Final = frozenset({"occurred_at", "access_expires_at"})
_EPOCH_IN_SECONDS: Final = 10**11  # larger numbers count milliseconds, until the year 5138


class CallbackFormat(Protocol):
    """Reads the body of a callback."""

    def read(self, body: bytes, *, event_id_in_header: bool) -> StatusReport:
        """
        Read a report from a body.

        Raises:
            NotStrictJSON: It is not JSON.
            InvalidReport: It is JSON, but does not have this format.
        """


class CanonicalFormat:
    """The body that the sidecar itself documents."""

    def read(self, body: bytes, *, event_id_in_header: bool) -> StatusReport:
        """Read a report from a body; see :class:`CallbackFormat`."""
        return read_report(strict_json.loads(body), event_id_required=not event_id_in_header)


class MappedFormat:
    """
    A supplier's own format.

    The supplier's statuses are compared without regard to case and spaces; one that is not in the table may be a
    canonical one. Any other becomes ``unknown``, and its text is kept. A number is accepted for a text, and a text of
    digits for a number. A number for an instant counts the seconds, or milliseconds, since 1970.
    """

    def __init__(self, mapping: CallbackMapping) -> None:
        self._fields = {name: jmespath.compile(expression) for name, expression in mapping.fields.items()}
        self._statuses = {fold(word): canonical for word, canonical in mapping.statuses.items()}

    def read(self, body: bytes, *, event_id_in_header: bool) -> StatusReport:
        """Read a report from a body; see :class:`CallbackFormat`."""
        del event_id_in_header  # without event IDs, the body itself identifies the event
        document = strict_json.loads(body)
        if not isinstance(document, dict | list):
            raise InvalidReport([("", "must be a JSON object")])
        return read_report(self._canonical(document), event_id_required=False)

    def _canonical(self, document: JSONValue) -> JSONValue:
        found: dict[str, JSONValue] = {}
        mistakes = []
        for name in self._fields:
            try:
                found[name] = self._value(name, document)
            except JMESPathError as error:
                mistakes.append(("", f"{name} cannot be read from it: {error}"))
        if mistakes:
            raise InvalidReport(mistakes, event_id=read_event_id(found.get("event_id")))
        word = found.get("status")
        if isinstance(word, str):
            found["status"] = self._statuses.get(fold(word), word)
            found["status_text"] = found.get("status_text") or word
        reference = {name: found.pop(name, None) for name in ("ill_request_id", "order_id")}
        amount = found.pop("cost.amount", None)
        currency = found.pop("cost.currency", None)
        cost = None if amount is None else {"amount": amount, "currency": currency}
        return {**found, "request": reference, "cost": cost}

    def _value(self, name: str, document: JSONValue) -> JSONValue:
        value: JSONValue | float = self._fields[name].search(document)
        match value:
            case str() if name in _INTEGERS and value.strip().isdecimal():
                return int(value) if len(value) < 20 else value  # 2**63 has 19 digits
            case Decimal() | int() if name in _INSTANTS and not isinstance(value, bool):
                return _instant(value)
            case Decimal() | int() | float() if name not in _INTEGERS and not isinstance(value, bool):
                return _plain(value)
            case float():
                return None  # an expression computed a fraction for a whole number
            case _:
                return value


def _instant(number: Decimal | int) -> JSONValue:
    seconds = Decimal(number)
    if abs(seconds) >= _EPOCH_IN_SECONDS:
        seconds /= 1000
    try:
        return datetime.fromtimestamp(float(seconds), UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return _plain(number)


def _plain(number: Decimal | float) -> str:
    return format(number, "f") if isinstance(number, Decimal) else str(number)


def callback_format(backend: str, mapping: CallbackMapping | None) -> CallbackFormat:
    """
    Return the reader for a backend's callbacks.

    Raises:
        ConfigurationError: The backend's name cannot be part of a URL, or the mapping names an unknown field, canonical
            status or function, lacks a required field, or has an invalid expression.
    """
    problems = []
    if not _NAME_IN_URL.fullmatch(backend):
        problems.append(
            f"backends.{backend}: cannot be part of the URL /callbacks/NAME; use at most 80 ASCII letters, digits,"
            " '-', '_' and '.', of which the first is a letter or digit"
        )
    if mapping is not None:
        path = f"backends.{backend}.callbacks.mapping"
        mistakes = [*_field_mistakes(mapping), *_status_mistakes(mapping)]
        problems += [f"{path}.{key}: {problem}" for key, problem in mistakes]
    if problems:
        raise ConfigurationError(problems)
    return CanonicalFormat() if mapping is None else MappedFormat(mapping)


def _field_mistakes(mapping: CallbackMapping) -> Iterator[tuple[str, str]]:
    for name, expression in mapping.fields.items():
        if name not in FIELDS:
            yield f"fields.{name}", f"is not a field; the fields are {', '.join(FIELDS)}"
            continue
        try:
            parsed = jmespath.compile(expression).parsed
        except JMESPathError as error:
            yield f"fields.{name}", f"is not a JMESPath expression: {str(error).splitlines()[0]}"
            continue
        for function in sorted(_functions_in(parsed) - _FUNCTIONS):
            yield (
                f"fields.{name}",
                f"calls {function}(), which JMESPath does not have; there are {', '.join(sorted(_FUNCTIONS))}",
            )
    if "status" not in mapping.fields:
        yield "fields.status", "is missing; say where the supplier puts its status"
    if not {"ill_request_id", "order_id"} & mapping.fields.keys():
        yield "fields", "names neither ill_request_id nor order_id; one of them identifies the request"


def _functions_in(node: Mapping[str, Any]) -> set[str]:
    # JMESPath looks a function up only when it evaluates the expression, which would be at the first callback.
    found = {str(node["value"])} if node["type"] == "function_expression" else set()
    return found.union(*(_functions_in(child) for child in node["children"] if isinstance(child, dict)))


def _status_mistakes(mapping: CallbackMapping) -> Iterator[tuple[str, str]]:
    seen: dict[str, str] = {}
    for word, canonical in mapping.statuses.items():
        if canonical not in set(ReportedStatus):
            yield f"statuses.{word}", f"{canonical!r} is not one of {', '.join(ReportedStatus)}"
        if (same := seen.setdefault(fold(word), word)) != word:
            yield f"statuses.{word}", f"is the same as {same!r}: case and spaces do not count"
