"""Reading what a form holds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import request
from werkzeug.datastructures import MultiDict

from koha_ill_sidecar.domain.snapshots import ConcurrentChange

_SEEN = "seen"


@dataclass(kw_only=True)
class FormErrors:
    """
    What a form says about what it holds.

    Attributes:
        by_field: What is wrong, by field.
        by_row: What is wrong with the custom fields, by row.
        problem: What is wrong with the whole.
        changed: What somebody else has changed meanwhile.
    """

    by_field: dict[str, str] = field(default_factory=dict)
    by_row: Mapping[int, str] = field(default_factory=dict)
    problem: str = ""
    changed: ConcurrentChange | None = None

    def of(self, name: str) -> str:
        """Return what is wrong with a field; nothing if nothing is."""
        return self.by_field.get(name, "")

    @property
    def status(self) -> int:
        """What the page is answered with."""
        if self.changed is not None:
            return 409
        return 422 if self.by_field or self.by_row or self.problem else 200


def text(name: str) -> str:
    """Return what was typed into a field, without spaces around it."""
    return request.form.get(name, "").strip()


def number(name: str, source: MultiDict[str, str] | None = None) -> int | None:
    """Read a field that holds a number (:func:`as_number`)."""
    return as_number((request.form if source is None else source).get(name, "").strip())


def as_number(given: str) -> int | None:
    """Return a whole number of at most ten digits; None for anything else."""
    return int(given) if given.isascii() and given.isdigit() and len(given) <= 10 else None


def pressed_button() -> tuple[str, str]:
    """Return which button was pressed, and what it speaks of: ``choose:5`` is (choose, 5)."""
    wanted, _, about = text("do").partition(":")
    return wanted, about


def version_fields(values: Mapping[str, str]) -> str:
    """Return what a form carries to remember what it showed."""
    return json.dumps(dict(values), ensure_ascii=False, separators=(",", ":"))


def posted_version() -> dict[str, str]:
    """
    Return what the form showed when it was opened.

    If that cannot be read, it is as if nothing had been shown: then everything has changed since, and nothing is
    overwritten unseen.
    """
    try:
        values = json.loads(request.form.get(_SEEN, ""))
    except ValueError:
        return {}
    if not isinstance(values, dict):
        return {}
    return {str(name): value for name, value in values.items() if isinstance(value, str)}


def seen_since(shown: Mapping[str, str], changed: ConcurrentChange | None) -> str:
    """
    Return what a page carries to remember what was seen of a request.

    A form that is shown again, because it lacks something, remembers what it showed at first: what changes meanwhile is
    not seen until it is told.

    Args:
        shown: What there is now.
        changed: What has just been told.
    """
    is_first_look = request.method == "GET" or changed is not None
    return version_fields(shown if is_first_look else posted_version())


def endpoint_url(illrequest_id: int) -> str:
    """Return the address of a request's page."""
    return f"{request.script_root}/requests/{illrequest_id}"
