"""
What someone has typed, saved while they sign in again.

A form that arrives after its session has ended is not lost: after signing in, its author sees what was typed and
decides whether it is sent. It is stored in the pages themselves, so nothing remains of those that nobody comes back to.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import request

from koha_ill_sidecar.domain import strict_json
from koha_ill_sidecar.domain.attributes import LABELS, label
from koha_ill_sidecar.errors import NotStrictJSON
from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.web.ui import csrf
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.urls import current_url, safe_target

FIELD = "saved_form"

_MAX_BYTES = 500_000  # each may be sent as three, and a form may have two million
_MAX_FIELDS = 500

_LABELS: Mapping[str, str] = {
    "additional_text": N_("Your text"),
    "body": N_("Message"),
    "comment": N_("New comment"),
    "custom_key": N_("Name of a custom field"),
    "custom_value": N_("Value of a custom field"),
    "name": N_("Name"),
    "notesopac": N_("OPAC notes"),
    "notesstaff": N_("Staff notes"),
    "patron": N_("Patron"),
    "price_paid": N_("Price paid"),
    "reference": N_("Reference"),
    "subject": N_("Subject"),
}
"""Of the fields that are shown again; the others were chosen or hidden, and are sent along without being shown."""


@dataclass(frozen=True, slots=True)
class SavedForm:
    """A form that has not been accepted yet: its URL, and its fields in order without the CSRF token."""

    url: str
    fields: Sequence[tuple[str, str]]

    def as_text(self) -> str:
        """Return the value of the hidden field that carries the form."""
        return json.dumps([self.url, self.fields], ensure_ascii=False, separators=(",", ":"))

    def shown(self) -> Iterator[tuple[str, str]]:
        """Yield the label and the text of each field that was typed."""
        for name, value in self.fields:
            key = name.removeprefix("field.")
            if value.strip() and (name in _LABELS or (key in LABELS and key != name)):
                yield _(_LABELS[name] if name in _LABELS else label(key)), value


def posted() -> SavedForm | None:
    """Return the form that was just posted to this page; None if it is too large to be saved."""
    fields = [(name, value) for name, value in request.form.items(multi=True) if name != csrf.FIELD]
    size = sum(len(name.encode()) + len(value.encode()) for name, value in fields)
    return SavedForm(current_url(), fields) if size <= _MAX_BYTES and len(fields) <= _MAX_FIELDS else None


def carried() -> SavedForm | None:
    """Return the saved form that the posted form carries in a hidden field, if any."""
    try:
        document: Any = strict_json.loads(request.form.get(FIELD, "").encode())
        url, fields = document
        pairs = [(str(name), str(value)) for name, value in fields]
    except (NotStrictJSON, ValueError, TypeError):
        return None
    target = safe_target(url) if isinstance(url, str) else None
    return SavedForm(target, pairs) if target else None
