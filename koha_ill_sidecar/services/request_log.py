"""
The log of a request in words, as Koha's page shows it.

Unlike Koha's page, this reader bears rows that the core did not write: it shows them as they are.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.services.statuses import graph_of
from koha_ill_sidecar.storage.koha import action_logs, authorised_values, letters, patrons, requests
from koha_ill_sidecar.storage.koha.action_logs import LogRow
from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class LogEntry:
    """One line of the log."""

    timestamp: datetime  # wall-clock time of the library
    action: str
    text: str
    author: str  # empty: nobody was logged in
    interface: str


def request_log(tx: Transaction, illrequest_id: int) -> list[LogEntry]:
    """
    Give the log of a request, newest first; at most five queries.

    Source: Koha, koha-tmpl/.../modules/ill/log/status_change.tt and patron_notice.tt.

    Raises:
        RequestNotFound: There is no such request.
    """
    ill_request = requests.get(tx, illrequest_id)
    rows = action_logs.find_for_request(tx, illrequest_id)
    people = patrons.find_many(tx, {row.user for row in rows if row.user})
    words = _Words(tx, ill_request)
    return [
        LogEntry(
            timestamp=row.timestamp,
            action=row.action or "",
            text=words.describe(row),
            author=people[row.user].label if row.user in people else "",
            interface=row.interface or "",
        )
        for row in rows
    ]


class _Words:
    """What codes are called, for one request."""

    def __init__(self, tx: Transaction, ill_request: ILLRequest) -> None:
        self._graph = graph_of(tx.koha, ill_request)
        aliases = authorised_values.find(tx, tx.koha.status_alias_category)
        self._aliases = {alias.authorised_value: alias.lib for alias in aliases}
        self._tx = tx

    @functools.cached_property
    def _notices(self) -> Mapping[str, str]:
        found = letters.all_of_module(self._tx)
        in_any_language = {letter.code: letter.name for letter in found}
        return in_any_language | {letter.code: letter.name for letter in found if letter.lang == "default"}

    def describe(self, row: LogRow) -> str:
        info = _info(row.info)
        if info.get("log_origin") == "core" and row.action == "STATUS_CHANGE":
            before, after = self._status(info.get("status_before")), self._status(info.get("status_after"))
            return f"Status changed from {before} to {after}" if before else f"Status changed to {after}"
        if info.get("log_origin") == "core" and row.action == "PATRON_NOTICE":
            code = str(info.get("notice_code") or "")
            return f"Notice sent to patron: {self._notices.get(code, code)}"
        return " ".join(part for part in (row.action, row.info) if part)

    def _status(self, code: object) -> str:
        return self._aliases.get(code) or self._graph.name(code) if isinstance(code, str) else ""


def _info(text: str | None) -> Mapping[str, object]:
    try:
        value = json.loads(text or "")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
