"""
What somebody has typed, kept while they sign in again.

A form that comes after its session has ended, or from one before this, is not lost: whoever signs in sees what was
typed and decides whether it is sent. It travels in the pages themselves: nothing is kept for who never comes back.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flask import request

from koha_ill_sidecar.domain.attributes import LABELS, label
from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.web.ui.access import CSRF_FIELD, current_url, safe_target
from koha_ill_sidecar.web.ui.i18n import gettext as _

FIELD = "kept_form"

_MOST_BYTES = 500_000  # each is sent as three at most, and a form may have two million
_MOST_FIELDS = 500

_LABELS: Mapping[str, str] = {
    "additional_text": N_("Your words"),
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
"""Of what is shown again; what else a form holds is chosen or carried by it, and goes along unseen."""


@dataclass(frozen=True, slots=True)
class SavedForm:
    """A form that has not been sent yet: where to, and its fields in their order, but for the proof that it is ours."""

    url: str
    fields: Sequence[tuple[str, str]]

    def as_text(self) -> str:
        """Return what a page carries it in."""
        return json.dumps([self.url, self.fields], ensure_ascii=False, separators=(",", ":"))

    def shown(self) -> Iterator[tuple[str, str]]:
        """Yield what people typed, by what it is called."""
        for name, value in self.fields:
            key = name.removeprefix("field.")
            if value.strip() and (name in _LABELS or (key in LABELS and key != name)):
                yield _(_LABELS[name] if name in _LABELS else label(key)), value


def sent_now() -> SavedForm | None:
    """Return the form that was sent to this page; None if it is too large to be kept."""
    fields = [(name, value) for name, value in request.form.items(multi=True) if name != CSRF_FIELD]
    size = sum(len(name.encode()) + len(value.encode()) for name, value in fields)
    return SavedForm(current_url(), fields) if size <= _MOST_BYTES and len(fields) <= _MOST_FIELDS else None


def carried() -> SavedForm | None:
    """Return the form that a page of ours has carried here, if it did."""
    try:
        address, fields = json.loads(request.form.get(FIELD, ""))
        pairs = [(str(name), str(value)) for name, value in fields]
    except (ValueError, TypeError):
        return None
    target = safe_target(address) if isinstance(address, str) else None
    return SavedForm(target, pairs) if target else None
