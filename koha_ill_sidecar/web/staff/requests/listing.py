"""The list of requests: filters, columns, saved views, CSV."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import Blueprint, Response, redirect, request, stream_with_context, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from koha_ill_sidecar.domain.attributes import MaterialType
from koha_ill_sidecar.domain.request_index.documents import Column
from koha_ill_sidecar.domain.statuses import WAITING_FOR_STAFF, Status
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.requests import listing
from koha_ill_sidecar.services.requests.listing import ListedRequest, RequestPage
from koha_ill_sidecar.storage.sidecar import person_settings
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.web.staff.requests import columns as list_columns
from koha_ill_sidecar.web.staff.requests import query as list_query
from koha_ill_sidecar.web.staff.requests.columns import ListColumn
from koha_ill_sidecar.web.staff.requests.query import ListQuery
from koha_ill_sidecar.web.staff.session import current
from koha_ill_sidecar.web.ui import flash
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.pages import page

_VIEWS = "requests.views"
_LONGEST_NAME = 60
_MOST_VIEWS = 30
_LONGEST_QUERY = 4000
_STEP = 500
_BYTE_ORDER_MARK = "\ufeff"  # by which spreadsheets know UTF-8
# A spreadsheet takes what begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""
    views = _Views(runtime)
    blueprint.add_url_rule("/requests", "requests", views.show)
    blueprint.add_url_rule("/requests.csv", "requests_csv", views.export)
    blueprint.add_url_rule("/requests/columns", "requests_columns", views.choose_columns, methods=["POST"])
    blueprint.add_url_rule("/requests/views", "requests_views", views.keep_view, methods=["POST"])


class _Views:
    def __init__(self, runtime: Runtime) -> None:
        self._transact = runtime.database.transact

    def show(self) -> Response:
        """Show a page of the list."""
        query = list_query.read(request.args)
        found, settings = self._transact(_load, query, current().member.borrowernumber)
        last_page = max(1, -(-found.found.total // query.page_size))
        return page(
            "staff/requests/list.html",
            query=query,
            found=found,
            last_page=last_page,
            columns=list_columns.chosen(
                settings.get(list_columns.SETTING), has_batches=found.batches is not None
            ),
            all_columns=[
                list_columns.COLUMNS[column]
                for column in list_columns.available(has_batches=found.batches is not None)
            ],
            views=_views(settings.get(_VIEWS)),
            labels=list_query.LABELS,
            waiting=[status.value for status in WAITING_FOR_STAFF],
            waiting_count=sum(found.found.statuses.get(status, 0) for status in WAITING_FOR_STAFF),
            type_choices=lambda: [(kind.value, _(kind.label)) for kind in MaterialType],
            statuses=_status_choices(found, query),
            backends=[(name, name) for name in sorted({*found.found.backends, *query.wanted.backends})],
            batches=_batch_choices(found, query),
            page_sizes=list_query.PAGE_SIZES,
            address=_address,
            csv_address=lambda: (
                url_for("staff.requests_csv") + _address().removeprefix(url_for("staff.requests"))
            ),
            sort_address=_sort_address,
            sort_state=lambda column: _sort_state(query, column),
        )

    def export(self) -> BaseResponse:
        """Return all requests that the filter picks as CSV, in the chosen columns; the page tells of mistakes."""
        query = list_query.read(request.args)
        if query.mistakes:
            return redirect(_address(), 303)
        found, settings = self._transact(_load, query, current().member.borrowernumber)
        chosen = list_columns.chosen(
            settings.get(list_columns.SETTING), has_batches=found.batches is not None
        )
        response = Response(
            stream_with_context(self._lines(query, chosen)), content_type="text/csv; charset=utf-8"
        )
        response.headers["Content-Disposition"] = 'attachment; filename="ill-requests.csv"'
        return response

    def choose_columns(self) -> BaseResponse:
        """Remember which columns somebody wants to see."""
        names = None if "reset" in request.form else list_columns.as_setting(request.form.getlist("column"))
        self._transact(person_settings.save, current().member.borrowernumber, list_columns.SETTING, names)
        return redirect(_own(request.form.get("query", "")), 303)

    def keep_view(self) -> BaseResponse:
        """Keep the list as it is under a name, or let a kept one go."""
        query = _only_known(request.form.get("query", ""))
        name, person = request.form.get("name", "").strip(), current().member.borrowernumber
        if not name:
            flash.flash("error", _("Give the view a name."))
        elif len(name) > _LONGEST_NAME:
            flash.flash(
                "error", _("The name is too long: %(most)s characters are the most.", most=_LONGEST_NAME)
            )
        elif "remove" in request.form:
            self._transact(_let_view_go, person, name)
            flash.flash("done", _("The view %(name)s was removed.", name=name))
        elif self._transact(_keep_view, person, name, query):
            flash.flash("done", _("The view %(name)s was saved.", name=name))
        else:
            flash.flash(
                "error", _("There are %(most)s saved views already. Remove one first.", most=_MOST_VIEWS)
            )
        return redirect(_own(query), 303)

    def _lines(self, query: ListQuery, chosen: Sequence[ListColumn]) -> Iterator[str]:
        yield _BYTE_ORDER_MARK + _csv_line([name for column in chosen for name in _csv_names(column)])
        number = 1
        while True:
            step = self._transact(listing.load_step, query.wanted, query.sort, page=number, page_size=_STEP)
            if not step:
                return
            for one in step:
                yield _csv_line([cell for column in chosen for cell in _csv_cells(column, one)])
            number += 1


def _load(tx: Transaction, query: ListQuery, borrowernumber: int) -> tuple[RequestPage, Mapping[str, Any]]:
    found = listing.load(tx, query.wanted, query.sort, page=query.page, page_size=query.page_size)
    return found, person_settings.find(tx, borrowernumber)


def _status_choices(found: RequestPage, query: ListQuery) -> list[tuple[str, str, str, int]]:
    """Return parameter, code, label and number of every status and alias that occurs or is asked for."""
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
    """Return the batches that can be asked for, an old one that is asked for included; None where Koha has none."""
    asked = query.wanted.batch_id
    if found.batches is None or asked is None:
        return found.batches
    return {asked: str(asked), **found.batches}


def _address(**changes: object) -> str:
    """Return the address of the list as it is, with other values; None takes one out. The page begins anew."""
    values: dict[str, object] = {
        name: request.args.getlist(name) for name in list_query.NAMES if name != "page"
    }
    merged = {name: value for name, value in {**values, **changes}.items() if value not in (None, [], [""])}
    return url_for("staff.requests") + (f"?{urlencode(merged, doseq=True)}" if merged else "")


def _sort_address(column: ListColumn, query: ListQuery) -> str:
    is_again = query.sort.column is column.column
    return _address(sort=f"-{column.name}" if is_again and not query.sort.descending else column.name)


def _sort_state(query: ListQuery, column: ListColumn) -> str:
    if query.sort.column is not column.column:
        return "none"
    return "descending" if query.sort.descending else "ascending"


def _views(setting: object) -> list[tuple[str, str]]:
    """Return the kept views: name and address."""
    return [(name, _own(query)) for name, query in _kept(setting).items()]


def _kept(setting: object) -> dict[str, str]:
    kept = setting if isinstance(setting, dict) else {}
    return {str(name): str(query) for name, query in kept.items()}


def _keep_view(tx: Transaction, borrowernumber: int, name: str, query: str) -> bool:
    """Keep a view, in the place of one with its name; False if there are too many."""
    kept = _kept(person_settings.find(tx, borrowernumber).get(_VIEWS))
    kept.pop(name, None)
    if len(kept) >= _MOST_VIEWS:
        return False
    person_settings.save(tx, borrowernumber, _VIEWS, {**kept, name: query})
    return True


def _let_view_go(tx: Transaction, borrowernumber: int, name: str) -> None:
    kept = _kept(person_settings.find(tx, borrowernumber).get(_VIEWS))
    kept.pop(name, None)
    person_settings.save(tx, borrowernumber, _VIEWS, kept)


def _only_known(query: str) -> str:
    """Return of a query string what an address of the list may say; nothing of one that no address can be."""
    given = MultiDict(parse_qsl(query) if len(query) <= _LONGEST_QUERY else ())
    pairs = [(name, value) for name in list_query.NAMES if name != "page" for value in given.getlist(name)]
    return urlencode(pairs)


def _own(query: str) -> str:
    known = _only_known(query)
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
    csv.writer(line).writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
    return line.getvalue()
