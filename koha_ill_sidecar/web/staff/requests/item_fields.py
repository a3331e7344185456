"""The part of a form that describes the requested item."""

from collections.abc import Mapping

from flask import request

from koha_ill_sidecar.domain.attributes import LABELS
from koha_ill_sidecar.domain.item_form import FieldSet, ItemEntry
from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.web.ui.i18n import gettext as _

BLANK_ROWS = 2
"""Empty rows for custom fields that a form has at first."""

_MAX_BLANK_ROWS = 50

_PREFIX = "field."

_MISTAKES: Mapping[str, str] = {
    "no_key": N_("Enter a name for this field, or clear its value."),
    "too_long": N_("The name is too long: the maximum is 191 characters."),
    "reserved": N_("This name is reserved by Koha. Choose another."),
    "repeated": N_("There is already a field with this name."),
}


def read_entry(field_sets: Mapping[str, FieldSet]) -> ItemEntry:
    """Return what was typed into a backend's form, with each value in its place."""
    form = request.form
    # in this order, so that values of another type become custom fields in the same order each time
    names = dict.fromkeys((*LABELS, *(field.key for one in field_sets.values() for field in one.fields)))
    pairs = zip(form.getlist("custom_key"), form.getlist("custom_value"), strict=False)
    return ItemEntry(
        type=form.get("type", "").strip(),
        values={key: form[_PREFIX + key].strip() for key in names if _PREFIX + key in form},
        custom=tuple((key.strip(), value.strip()) for key, value in pairs),
        field_sets=field_sets,
    ).arranged()


def blank_rows(*, add_one: bool = False) -> int:
    """Return how many empty rows the form shows."""
    before = sum(not key.strip() for key in request.form.getlist("custom_key"))
    rows = max(BLANK_ROWS, before + 1) if add_one else BLANK_ROWS
    return min(rows, _MAX_BLANK_ROWS)


def row_errors(entry: ItemEntry) -> dict[int, str]:
    """Return the messages about custom fields, by row."""
    return {mistake.row: _(_MISTAKES[mistake.code]) for mistake in entry.mistakes()}
