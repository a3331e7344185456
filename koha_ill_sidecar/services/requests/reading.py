"""Pages to read: the log of a request, and what is known of the wanted item."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from koha_ill_sidecar.services.notices import metadata
from koha_ill_sidecar.services.requests.header import RequestHeader, StaffContext, load_header
from koha_ill_sidecar.services.requests.log import LogEntry, full_log
from koha_ill_sidecar.storage.transaction import Transaction

_LOG_ENTRIES = 200  # a page


@dataclass(frozen=True, kw_only=True, slots=True)
class LogPage:
    """
    A page of the log of a request.

    Attributes:
        page: From 1.
        pages: How many there are, at least one.
        koha_logs: Whether Koha's own is kept.
    """

    header: RequestHeader
    entries: Sequence[LogEntry]
    page: int
    pages: int
    koha_logs: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class MetadataPage:
    """What is known of the wanted item, by label."""

    header: RequestHeader
    item: Mapping[str, str]


def read_log(tx: Transaction, illrequest_id: int, context: StaffContext, page: int = 1) -> LogPage:
    """
    Return a page of the log of a request, Koha's and ours; eleven queries at most.

    Args:
        page: From 1; behind the last it is the last.

    Raises:
        RequestNotFound: There is no such request.
    """
    entries = full_log(tx, illrequest_id)
    pages = max(1, -(-len(entries) // _LOG_ENTRIES))
    page = min(max(page, 1), pages)
    return LogPage(
        header=load_header(tx, illrequest_id, context),
        entries=entries[(page - 1) * _LOG_ENTRIES : page * _LOG_ENTRIES],
        page=page,
        pages=pages,
        koha_logs=tx.preferences.flag("IllLog"),
    )


def read_metadata(tx: Transaction, illrequest_id: int, context: StaffContext) -> MetadataPage:
    """Return what is known of the wanted item. Raises RequestNotFound."""
    return MetadataPage(
        header=load_header(tx, illrequest_id, context),
        item=metadata.metadata(tx, illrequest_id),
    )
