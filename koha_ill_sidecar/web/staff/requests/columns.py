"""The columns of the list: labels, values, and which ones are shown."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from koha_ill_sidecar.domain.attributes import MaterialType
from koha_ill_sidecar.domain.request_index.documents import Column
from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.services.requests.listing import ListedRequest
from koha_ill_sidecar.web.staff.session import current
from koha_ill_sidecar.web.ui.i18n import gettext as _

_TYPES = {kind.value: kind.label for kind in MaterialType}
_MAX_LENGTH = 200
_MAX_STAFF_NOTE_LENGTH = 100  # Koha, koha-tmpl/intranet-tmpl/prog/js/ill-list-table.js


@dataclass(frozen=True, kw_only=True, slots=True)
class ListColumn:
    """
    A column.

    Attributes:
        value: Returns its value for a request.
        is_long: Its texts need a wide column.
        max_length: Characters of a text that the page shows; the CSV file has all of them.
        code: Label and value of the code behind a name, for the CSV file: names may change.
    """

    column: Column
    label: str
    value: Callable[[ListedRequest], str | date | datetime | int | None]
    is_long: bool = False
    max_length: int = _MAX_LENGTH
    code: tuple[str, Callable[[ListedRequest], str | None]] | None = None

    @property
    def name(self) -> str:
        """Its name in URLs and settings."""
        return self.column.value


def _stored(column: str) -> Callable[[ListedRequest], Any]:
    return lambda one: getattr(one.row.ill_request, column)


def _attribute(*kinds: str) -> Callable[[ListedRequest], str]:
    return lambda one: next((value for kind in kinds if (value := one.row.attributes.get(kind))), "")


def _type(one: ListedRequest) -> str:
    kind = one.row.attributes.get("type", "")
    return _(_TYPES[kind]) if kind in _TYPES else kind


def _library(one: ListedRequest) -> str:
    code = one.row.ill_request.branchcode or ""
    return current().libraries.get(code, code)


COLUMNS: Mapping[Column, ListColumn] = {
    each.column: each
    for each in (
        ListColumn(column=Column.ID, label=N_("Request ID"), value=lambda one: one.shown_id),
        ListColumn(
            column=Column.STATUS,
            label=N_("Status"),
            value=lambda one: _(one.status),
            code=(
                N_("Status code"),
                lambda one: one.row.ill_request.status_alias or one.row.ill_request.status,
            ),
        ),
        ListColumn(column=Column.BATCH, label=N_("Batch"), value=lambda one: one.row.batch),
        ListColumn(column=Column.AUTHOR, label=N_("Author"), value=_attribute("author", "article_author")),
        ListColumn(column=Column.TITLE, label=N_("Title"), value=_attribute("title"), is_long=True),
        ListColumn(
            column=Column.ARTICLE_TITLE,
            label=N_("Article title"),
            value=_attribute("article_title"),
            is_long=True,
        ),
        ListColumn(column=Column.ISSUE, label=N_("Issue"), value=_attribute("issue")),
        ListColumn(column=Column.VOLUME, label=N_("Volume"), value=_attribute("volume")),
        ListColumn(column=Column.YEAR, label=N_("Year"), value=_attribute("year")),
        ListColumn(column=Column.PAGES, label=N_("Pages"), value=_attribute("pages")),
        ListColumn(column=Column.TYPE, label=N_("Request type"), value=_type),
        ListColumn(column=Column.ORDER_ID, label=N_("Order ID"), value=_stored("orderid")),
        ListColumn(column=Column.PATRON, label=N_("Patron"), value=lambda one: one.row.patron),
        ListColumn(column=Column.BIBLIO, label=N_("Bibliographic record ID"), value=_stored("biblio_id")),
        ListColumn(
            column=Column.LIBRARY,
            label=N_("Library"),
            value=_library,
            code=(N_("Library code"), _stored("branchcode")),
        ),
        ListColumn(column=Column.PLACED, label=N_("Placed on"), value=_stored("placed")),
        ListColumn(column=Column.UPDATED, label=N_("Updated on"), value=_stored("updated")),
        ListColumn(column=Column.REPLIED, label=N_("Replied on"), value=_stored("replied")),
        ListColumn(column=Column.COMPLETED, label=N_("Completed on"), value=_stored("completed")),
        ListColumn(column=Column.ACCESS_URL, label=N_("Access URL"), value=_stored("accessurl")),
        ListColumn(column=Column.COST, label=N_("Cost"), value=_stored("cost")),
        ListColumn(column=Column.PRICE_PAID, label=N_("Price paid"), value=_stored("price_paid")),
        ListColumn(column=Column.COMMENTS, label=N_("Comments"), value=lambda one: one.row.comments or None),
        ListColumn(
            column=Column.NOTES_OPAC,
            label=N_("OPAC notes"),
            value=_stored("notesopac"),
            is_long=True,
        ),
        ListColumn(
            column=Column.NOTES_STAFF,
            label=N_("Staff notes"),
            value=_stored("notesstaff"),
            is_long=True,
            max_length=_MAX_STAFF_NOTE_LENGTH,
        ),
        ListColumn(column=Column.BACKEND, label=N_("Backend"), value=_stored("backend")),
    )
}
"""Every column of Koha's list; in the same order, except for the status, which people look for first."""

_DEFAULT = (
    Column.ID,
    Column.AUTHOR,
    Column.TITLE,
    Column.ARTICLE_TITLE,
    Column.TYPE,
    Column.PATRON,
    Column.LIBRARY,
    Column.STATUS,
    Column.PLACED,
    Column.UPDATED,
    Column.COMMENTS,
)


def chosen(columns: Collection[Column] | None, *, has_batches: bool) -> list[ListColumn]:
    """Return the columns to show; the request ID is always among them."""
    visible = {Column.ID, *(_DEFAULT if columns is None else columns)}
    return [COLUMNS[column] for column in available(has_batches=has_batches) if column in visible]


def available(*, has_batches: bool) -> Sequence[Column]:
    """Return the columns that this Koha has data for."""
    return [column for column in COLUMNS if has_batches or column is not Column.BATCH]
