"""Reading the fields of forms and the parameters of URLs."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flask import request
from werkzeug.datastructures import MultiDict

from koha_ill_sidecar.domain import strict_json
from koha_ill_sidecar.domain.concurrent_changes import ConcurrentChange
from koha_ill_sidecar.errors import NotStrictJSON

_VERSION = "version"
_MAX_ID = 2**63 - 1


@dataclass(kw_only=True)
class FormErrors:
    """
    What is wrong with a form.

    Attributes:
        by_field: Messages by field.
        by_row: Messages about the custom fields, by row.
        problem: A message about the form as a whole.
        changed: What someone else has changed in the meantime.
    """

    by_field: dict[str, str] = field(default_factory=dict)
    by_row: Mapping[int, str] = field(default_factory=dict)
    problem: str = ""
    changed: ConcurrentChange | None = None

    def of(self, name: str) -> str:
        """Return the message about a field; "" if it is correct."""
        return self.by_field.get(name, "")

    @property
    def status(self) -> int:
        """HTTP status of the page that shows the form again."""
        if self.changed is not None:
            return 409
        return 422 if self.by_field or self.by_row or self.problem else 200


def text(name: str) -> str:
    """Return the text of a field without spaces around it."""
    return request.form.get(name, "").strip()


def number(name: str, source: MultiDict[str, str] | None = None) -> int | None:
    """Return the number in a field (:func:`as_number`)."""
    return as_number((request.form if source is None else source).get(name, "").strip())


def as_number(entry: str) -> int | None:
    """Return a whole number of at most ten digits; None for anything else."""
    return int(entry) if entry.isascii() and entry.isdigit() and len(entry) <= 10 else None


def as_id(entry: str | None) -> int | None:
    """Return a number from 1 to the largest that MariaDB stores; None for anything else."""
    entry = (entry or "").strip()
    if not (entry.isascii() and entry.isdigit()) or len(entry) > len(str(_MAX_ID)):
        return None
    return int(entry) if 0 < int(entry) <= _MAX_ID else None


def as_ids(entries: Iterable[str], *, limit: int) -> list[int]:
    """Return the IDs among the entries, each once and at most *limit*."""
    found = dict.fromkeys(value for entry in entries if (value := as_id(entry)) is not None)
    return list(found)[:limit]


def pressed_button() -> tuple[str, str]:
    """Return the name of the pressed button and its argument: ``choose:5`` is (choose, 5)."""
    name, _, argument = text("do").partition(":")
    return name, argument


def version_field(values: Mapping[str, str]) -> str:
    """Return the value of the hidden field that carries which version of the request a form shows."""
    return json.dumps(dict(values), ensure_ascii=False, separators=(",", ":"))


def posted_version() -> dict[str, str]:
    """
    Return the version that the form showed when it was opened.

    An unreadable field counts as an empty version: then everything has changed since, and nothing is overwritten
    unseen.
    """
    try:
        values = strict_json.loads(request.form.get(_VERSION, "").encode())
    except (NotStrictJSON, ValueError):
        return {}
    if not isinstance(values, dict):
        return {}
    return {str(name): value for name, value in values.items() if isinstance(value, str)}


def next_version(current: Mapping[str, str], changed: ConcurrentChange | None) -> str:
    """
    Return the hidden field of a form that may be shown again.

    A form that is shown again because of a mistake keeps the version it showed first. Otherwise a change by someone
    else in between would go unnoticed.

    Args:
        changed: The change that this page reports.
    """
    is_new = request.method == "GET" or changed is not None
    return version_field(current if is_new else posted_version())
