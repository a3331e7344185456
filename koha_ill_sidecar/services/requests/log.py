"""
The log of a request: Koha's log, as Koha's page shows it, and the sidecar's own history.

Koha's page fails on rows that its core did not write; here they are shown unchanged.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Row

from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.services.notices.sending import NOTICE_QUEUED
from koha_ill_sidecar.services.operations.watch import CHANGED_IN_KOHA, DELETED_IN_KOHA
from koha_ill_sidecar.services.requests.statuses import graph_of
from koha_ill_sidecar.storage.clock import library_times
from koha_ill_sidecar.storage.koha import action_logs, authorised_values, letters, patrons, requests
from koha_ill_sidecar.storage.sidecar import history, receipts
from koha_ill_sidecar.storage.sidecar.history import HistoryEntry
from koha_ill_sidecar.storage.transaction import Transaction

_SAME_CHANGE_WITHIN = timedelta(seconds=2)  # one transaction writes both rows, by two clocks

_PAGE_SIZE = 200  # entries
MAX_NOTICES = 1000  # read of a request's history: more than anybody can have sent by hand


class LogSource(StrEnum):
    """Which log an entry is from."""

    KOHA = "koha"
    SIDECAR = "sidecar"


@dataclass(frozen=True, kw_only=True, slots=True)
class LogEntry:
    """
    One line of the log.

    Attributes:
        timestamp: Wall-clock time of the library.
        message: What happened, with ``%(name)s`` for each of the *values*; translated as a whole.
        author: Empty where nobody was logged in.
    """

    timestamp: datetime
    action: str
    message: str
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    author: str
    interface: str
    source: LogSource = LogSource.KOHA

    @property
    def text(self) -> str:
        """What happened, in English."""
        return self.message % {name: ", ".join(words) for name, words in self.values.items()}


def request_log(tx: Transaction, illrequest_id: int) -> list[LogEntry]:
    """
    Return Koha's log of a request, newest first; at most five queries. Raises RequestNotFound.

    Source: Koha, koha-tmpl/.../modules/ill/log/status_change.tt and patron_notice.tt.
    """
    ill_request = requests.get(tx, illrequest_id)
    rows = action_logs.find_for_request(tx, illrequest_id)
    names = _Names(tx, ill_request, rows, ())
    return [names.of_koha(row) for row in rows]


def full_log(tx: Transaction, illrequest_id: int) -> list[LogEntry]:
    """
    Return Koha's log of a request and ours, newest first; at most seven queries. Raises RequestNotFound.

    Of a change that is in both, only Koha's line is returned.
    """
    ill_request = requests.get(tx, illrequest_id)
    rows = action_logs.find_for_request(tx, illrequest_id)
    ours = history.find_for_request(tx, illrequest_id)
    times = library_times(tx, (entry.happened_at for entry in ours))
    ours = _without_repeats(rows, ours, times)
    names = _Names(tx, ill_request, rows, ours)
    entries = [names.of_koha(row) for row in rows]
    entries += [names.of_sidecar(entry, times[entry.happened_at]) for entry in ours]
    # Koha's rows have seconds only; a stable sort leaves those of the same second in the order of their log.
    return sorted(entries, key=lambda entry: entry.timestamp, reverse=True)


def read_page(tx: Transaction, illrequest_id: int, page: int = 1) -> dict[str, object]:
    """
    Return a page of the log of a request, Koha's and ours; at most seven queries. Raises RequestNotFound.

    Args:
        page: From 1; a page after the last means the last.
    """
    entries = full_log(tx, illrequest_id)
    pages = max(1, -(-len(entries) // _PAGE_SIZE))
    page = min(max(page, 1), pages)
    return {
        "entries": entries[(page - 1) * _PAGE_SIZE : page * _PAGE_SIZE],
        "page": page,
        "pages": pages,
        "koha_logs": tx.preferences.flag("IllLog"),  # whether Koha logs what is done to requests
    }


def find_deletion(tx: Transaction, illrequest_id: int) -> tuple[LogEntry, bool] | None:
    """
    Return when and by whom a request was deleted, and whether callbacks of it are stored; five queries at most.

    None for a request whose deletion is not in our history.
    """
    for kind in ("deleted", DELETED_IN_KOHA):
        for entry in history.find_for_request(tx, illrequest_id, kind=kind, limit=1):
            has_receipts = bool(receipts.find_excerpts(tx, illrequest_id, limit=1, body_bytes=0))
            return _single_entry(tx, entry), has_receipts
    return None


def find_last_notice(tx: Transaction, illrequest_id: int, notice_code: str) -> LogEntry | None:
    """Return when and by whom a notice was last queued for a request; three queries at most."""
    for entry in history.find_for_request(tx, illrequest_id, kind=NOTICE_QUEUED, limit=MAX_NOTICES):
        if entry.detail.get("code") == notice_code:
            return _single_entry(tx, entry)
    return None


def _single_entry(tx: Transaction, entry: HistoryEntry) -> LogEntry:
    person = patrons.find(tx, entry.borrowernumber) if entry.borrowernumber else None
    return LogEntry(
        timestamp=library_times(tx, [entry.happened_at])[entry.happened_at],
        action=entry.kind,
        message=_MESSAGES.get(entry.kind, ""),
        author=person.label if person else "",
        interface=entry.interface,
        source=LogSource.SIDECAR,
    )


def _without_repeats(
    rows: Sequence[Row[Any]], ours: Sequence[HistoryEntry], times: Mapping[datetime, datetime]
) -> list[HistoryEntry]:
    """Leave out what Koha's log has, too; each of its rows stands for one entry of ours."""
    unmatched = list(rows)
    own = []
    for entry in ours:
        as_in_koha = _as_koha_logs_it(entry)
        duplicate = next(
            (
                row
                for row in unmatched
                if as_in_koha is not None
                and (row.action, _info(row.info)) == as_in_koha
                and abs(row.timestamp - times[entry.happened_at]) <= _SAME_CHANGE_WITHIN
            ),
            None,
        )
        if duplicate is None:
            own.append(entry)
        else:
            unmatched.remove(duplicate)
    return own


def _as_koha_logs_it(entry: HistoryEntry) -> tuple[str, Mapping[str, object]] | None:
    detail = entry.detail
    match entry.kind:
        case "created":
            before, after = None, detail.get("status")
        case "status":
            before, after = detail.get("before"), detail.get("after")
        case _:
            return None
    return "STATUS_CHANGE", {"log_origin": "core", "status_before": before, "status_after": after}


_COLUMN_LABELS: Mapping[str, str] = {
    "accessurl": N_("Access URL"),
    "batch_id": N_("Batch"),
    "biblio_id": N_("Bibliographic record ID"),
    "borrowernumber": N_("Patron"),
    "branchcode": N_("Library"),
    "cost": N_("Cost"),
    "managedby": N_("Managed by"),
    "notesopac": N_("OPAC notes"),
    "notesstaff": N_("Staff notes"),
    "orderid": N_("Order ID"),
    "price_paid": N_("Price paid"),
    "status_alias": N_("Status alias"),
}

_MESSAGES: Mapping[str, str] = {
    "commented": N_("Comment added"),
    "created": N_("Request created: %(after)s"),
    "deleted": N_("Request deleted"),
    "deleted_in_koha": N_("Request deleted in Koha"),
    "edited": N_("Edited: %(fields)s"),
    "item_edited": N_("Item metadata edited"),
    "migrated": N_("Provider switched: request %(request)s continues it"),
    "notice": N_("Notice queued: %(notice)s (%(transports)s)"),
    "placed_with_partners": N_("Placed with partners: %(partners)s"),
}
"""The message for each kind of entry of ours; changes of status have the same wording as Koha's."""


class _Names:
    """The names of codes and IDs in the log of one request."""

    def __init__(
        self,
        tx: Transaction,
        ill_request: ILLRequest,
        rows: Sequence[Row[Any]],
        ours: Sequence[HistoryEntry],
    ) -> None:
        self._graph = graph_of(tx, ill_request)
        self._people = patrons.find_many(tx, {*_users(rows, ours), *_partners(ours)})
        self._aliases = authorised_values.find(tx, tx.koha.status_alias_category)
        names_notices = any(row.action == "PATRON_NOTICE" for row in rows) or any(
            entry.kind == "notice" for entry in ours
        )
        self._notices = letters.names(tx) if names_notices else {}

    def of_koha(self, row: Row[Any]) -> LogEntry:
        message, values = self._of_koha(row)
        return LogEntry(
            timestamp=row.timestamp,
            action=row.action or "",
            message=message,
            values=values,
            author=self._person(row.user),
            interface=row.interface or "",
        )

    def of_sidecar(self, entry: HistoryEntry, timestamp: datetime) -> LogEntry:
        message, values = self._of_sidecar(entry)
        return LogEntry(
            timestamp=timestamp,
            action=entry.kind,
            message=message,
            values=values,
            author=self._person(entry.borrowernumber),
            interface=entry.interface,
            source=LogSource.SIDECAR,
        )

    def _of_koha(self, row: Row[Any]) -> tuple[str, Mapping[str, Sequence[str]]]:
        info = _info(row.info)
        if info.get("log_origin") == "core" and row.action == "STATUS_CHANGE":
            return self._change(info.get("status_before"), info.get("status_after"))
        if info.get("log_origin") == "core" and row.action == "PATRON_NOTICE":
            return N_("Notice sent to patron: %(notice)s"), {
                "notice": [self._notice(info.get("notice_code"))]
            }
        return "%(row)s", {"row": [" ".join(part for part in (row.action, row.info) if part)]}

    def _of_sidecar(self, entry: HistoryEntry) -> tuple[str, Mapping[str, Sequence[str]]]:
        detail = entry.detail
        if entry.kind == "status":
            return self._change(detail.get("before"), detail.get("after"))
        if entry.kind == CHANGED_IN_KOHA:
            before = detail.get("alias_before") or detail.get("status_before")
            after = detail.get("alias_after") or detail.get("status_after")
            message = N_("Change in Koha detected: from %(before)s to %(after)s")
            return message, {"before": [self._status(before)], "after": [self._status(after)]}
        message = _MESSAGES.get(entry.kind, "%(kind)s")
        values = {
            "after": [self._status(detail.get("status"))],
            "fields": [_COLUMN_LABELS.get(name, name) for name in _texts(detail.get("columns"))],
            "kind": [entry.kind],
            "notice": [self._notice(detail.get("code"))],
            "partners": [self._person(number) or str(number) for number in _numbers(detail.get("partners"))],
            "request": [str(detail.get("to") or "")],
            "transports": list(_object(detail.get("messages"))),
        }
        return message, {name: words for name, words in values.items() if f"%({name})s" in message}

    def _change(self, before: object, after: object) -> tuple[str, Mapping[str, Sequence[str]]]:
        was, now = self._status(before), self._status(after)
        if not was:
            return N_("Status changed to %(after)s"), {"after": [now]}
        return N_("Status changed from %(before)s to %(after)s"), {"before": [was], "after": [now]}

    def _status(self, code: object) -> str:
        return self._aliases.get(code) or self._graph.name(code) if isinstance(code, str) else ""

    def _notice(self, code: object) -> str:
        return self._notices.get(str(code or ""), str(code or ""))

    def _person(self, borrowernumber: int) -> str:
        return self._people[borrowernumber].label if borrowernumber in self._people else ""


def _users(rows: Iterable[Row[Any]], ours: Iterable[HistoryEntry]) -> set[int]:
    numbers = {row.user for row in rows} | {entry.borrowernumber for entry in ours}
    return {number for number in numbers if number}


def _partners(ours: Iterable[HistoryEntry]) -> set[int]:
    return {number for entry in ours for number in _numbers(entry.detail.get("partners"))}


def _info(text: str | None) -> Mapping[str, object]:
    try:
        return _object(json.loads(text or ""))
    except (ValueError, RecursionError):
        return {}


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _numbers(value: object) -> list[int]:
    return [number for number in value if isinstance(number, int)] if isinstance(value, list) else []


def _texts(value: object) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
