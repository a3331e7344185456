"""The list of requests: filters, columns, saved views, CSV."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from urllib.parse import parse_qsl, urlencode

from flask import Blueprint, Response, redirect, request, stream_with_context, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from koha_ill_sidecar.domain.attributes import MaterialType
from koha_ill_sidecar.domain.characters import without_control_characters
from koha_ill_sidecar.domain.request_index.documents import Column
from koha_ill_sidecar.domain.statuses import WAITING_FOR_STAFF, Status
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.requests import list_settings, listing
from koha_ill_sidecar.services.requests.listing import ListedRequest, RequestPage
from koha_ill_sidecar.web.staff.requests import columns as list_columns
from koha_ill_sidecar.web.staff.requests import query as list_query
from koha_ill_sidecar.web.staff.requests.columns import ListColumn
from koha_ill_sidecar.web.staff.requests.query import ListQuery
from koha_ill_sidecar.web.staff.session import current
from koha_ill_sidecar.web.ui import flash
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.pages import page

_MAX_NAME_LENGTH = 60
_MAX_QUERY_LENGTH = 4000
_CSV_STEP = 500  # requests in one transaction, so that a long export blocks nobody
_BYTE_ORDER_MARK = "\ufeff"  # tells spreadsheets that the file is UTF-8
# A spreadsheet runs a cell that begins like this as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""
    views = _ListViews(runtime)
    blueprint.add_url_rule("/requests", "requests", views.get)
    blueprint.add_url_rule("/requests.csv", "requests_csv", views.export)
    blueprint.add_url_rule("/requests/columns", "requests_columns", views.set_columns, methods=["POST"])
    blueprint.add_url_rule("/requests/views", "requests_views", views.save_view, methods=["POST"])


class _ListViews:
    def __init__(self, runtime: Runtime) -> None:
        self._transact = runtime.database.transact

    def get(self) -> Response:
        query = list_query.read(request.args)
        found, (columns, views) = self._load(query)
        last_page = max(1, -(-found.found.total // query.page_size))
        return page(
            "staff/requests/list.html",
            query=query,
            found=found,
            last_page=last_page,
            columns=list_columns.chosen(columns, has_batches=found.batches is not None),
            all_columns=[
                list_columns.COLUMNS[column]
                for column in list_columns.available(has_batches=found.batches is not None)
            ],
            views=[(name, _list_url(saved)) for name, saved in views.items()],
            labels=list_query.LABELS,
            waiting=[status.value for status in WAITING_FOR_STAFF],
            waiting_count=sum(found.found.statuses.get(status, 0) for status in WAITING_FOR_STAFF),
            type_choices=lambda: [(kind.value, _(kind.label)) for kind in MaterialType],
            statuses=_status_choices(found, query),
            backends=[(name, name) for name in sorted({*found.found.backends, *query.wanted.backends})],
            batches=_batch_choices(found, query),
            page_sizes=list_query.PAGE_SIZES,
            list_url=_url,
            csv_url=lambda: url_for("staff.requests_csv") + _url().removeprefix(url_for("staff.requests")),
            sort_url=_sort_url,
            sort_state=lambda column: _sort_state(query, column),
        )

    def export(self) -> BaseResponse:
        """Return all requests that match the filter as CSV, in the chosen columns; with mistakes, show the page."""
        query = list_query.read(request.args)
        if query.mistakes:
            return redirect(_url(), 303)
        found, (columns, _views) = self._load(query)
        chosen = list_columns.chosen(columns, has_batches=found.batches is not None)
        response = Response(
            stream_with_context(self._lines(query, chosen)), content_type="text/csv; charset=utf-8"
        )
        response.headers["Content-Disposition"] = 'attachment; filename="ill-requests.csv"'
        return response

    def set_columns(self) -> BaseResponse:
        """Store which columns a person wants to see."""
        names = None if "reset" in request.form else request.form.getlist("column")
        self._transact(list_settings.set_columns, current().member.borrowernumber, names)
        return redirect(_list_url(request.form.get("query", "")), 303)

    def save_view(self) -> BaseResponse:
        """Save the filters and order of the list under a name, or remove a saved view."""
        query = _known_parameters(request.form.get("query", ""))
        name, person = request.form.get("name", "").strip(), current().member.borrowernumber
        if not name:
            flash.flash("error", _("Enter a name for the view."))
        elif len(name) > _MAX_NAME_LENGTH:
            flash.flash(
                "error", _("The name is too long: the maximum is %(most)s characters.", most=_MAX_NAME_LENGTH)
            )
        elif "remove" in request.form:
            self._transact(list_settings.remove_view, person, name)
            flash.flash("done", _("The view %(name)s was removed.", name=name))
        elif self._transact(list_settings.save_view, person, name, query):
            flash.flash("done", _("The view %(name)s was saved.", name=name))
        else:
            flash.flash(
                "error",
                _("There are already %(most)s saved views. Remove one first.", most=list_settings.MAX_VIEWS),
            )
        return redirect(_list_url(query), 303)

    def _load(
        self, query: ListQuery
    ) -> tuple[RequestPage, tuple[Sequence[Column] | None, Mapping[str, str]]]:
        return self._transact(
            lambda tx: (
                listing.load(tx, query.wanted, query.sort, page=query.page, page_size=query.page_size),
                list_settings.find(tx, current().member.borrowernumber),
            )
        )

    def _lines(self, query: ListQuery, chosen: Sequence[ListColumn]) -> Iterator[str]:
        yield _BYTE_ORDER_MARK + _csv_line([name for column in chosen for name in _csv_names(column)])
        number = 1
        while True:
            step = self._transact(
                listing.load_step, query.wanted, query.sort, page=number, page_size=_CSV_STEP
            )
            if not step:
                return
            for one in step:
                yield _csv_line([cell for column in chosen for cell in _csv_cells(column, one)])
            number += 1


def _status_choices(found: RequestPage, query: ListQuery) -> list[tuple[str, str, str, int]]:
    """Return parameter, code, label and count of every status and alias that occurs or is filtered by."""
    occurring = {**dict.fromkeys(query.wanted.statuses, 0), **found.found.statuses}
    first_to_last = dict.fromkeys((*WAITING_FOR_STAFF, *Status))
    order = {status.value: position for position, status in enumerate(first_to_last)}
    statuses = dict(sorted(occurring.items(), key=lambda pair: (order.get(pair[0], len(order)), pair[0])))
    aliases = {**dict.fromkeys(query.wanted.aliases, 0), **found.found.aliases}
    return [
        *(("status", code, _(found.status_names.get(code, code)), count) for code, count in statuses.items()),
        *(("alias", code, found.aliases.get(code, code), count) for code, count in aliases.items()),
    ]


def _batch_choices(found: RequestPage, query: ListQuery) -> Mapping[int, str] | None:
    """Return the batches to filter by, including an old one that is chosen already; None without batches in Koha."""
    asked = query.wanted.batch_id
    if found.batches is None or asked is None:
        return found.batches
    return {asked: str(asked), **found.batches}


def _url(**changes: object) -> str:
    """Return the URL of the list with other values in its query, on the first page; None removes a value."""
    values: dict[str, object] = {
        name: request.args.getlist(name) for name in list_query.LABELS if name != "page"
    }
    merged = {name: value for name, value in {**values, **changes}.items() if value not in (None, [], [""])}
    return url_for("staff.requests") + (f"?{urlencode(merged, doseq=True)}" if merged else "")


def _sort_url(column: ListColumn, query: ListQuery) -> str:
    is_again = query.sort.column is column.column
    return _url(sort=f"-{column.name}" if is_again and not query.sort.descending else column.name)


def _sort_state(query: ListQuery, column: ListColumn) -> str:
    if query.sort.column is not column.column:
        return "none"
    return "descending" if query.sort.descending else "ascending"


def _known_parameters(query: str) -> str:
    """Return the parameters of a query string that the list has; none of one that is too long for a URL."""
    given = MultiDict(parse_qsl(query) if len(query) <= _MAX_QUERY_LENGTH else ())
    pairs = [(name, value) for name in list_query.LABELS if name != "page" for value in given.getlist(name)]
    return urlencode(pairs)


def _list_url(query: str) -> str:
    known = _known_parameters(query)
    return url_for("staff.requests") + (f"?{known}" if known else "")


def _csv_names(column: ListColumn) -> list[str]:
    return [_(column.label), *([_(column.code[0])] if column.code else [])]


def _csv_cells(column: ListColumn, one: ListedRequest) -> list[str]:
    return [_plain(column, one), *([column.code[1](one) or ""] if column.code else [])]


def _plain(column: ListColumn, one: ListedRequest) -> str:
    value = column.value(one)
    if column.column is Column.STATUS and one.row.alias:
        return f"{value} ({one.row.alias})"
    match value:
        case None:
            return ""
        case datetime():
            return value.isoformat(" ", "seconds")
        case date():
            return value.isoformat()
    return str(value)


def _csv_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    cells = [without_control_characters(cell) for cell in cells]
    csv.writer(line).writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
    return line.getvalue()
