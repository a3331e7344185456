"""
Detect changes made in Koha: staff use Koha's own pages too, and its check-in sets statuses by itself.

A request is watched from the moment that it is tracked, in its state at that time. :func:`candidates_by_log`,
:func:`candidates_among_open` and :func:`sweep` only name requests that look different. :func:`handle_change` checks
again under a lock of ours and does what follows, so that each change is handled once, however many hosts there are.
"""

from dataclasses import replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Row

from koha_ill_sidecar.domain.actors import Actor, Interface
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.domain.statuses import Status
from koha_ill_sidecar.errors import RequestNotFound
from koha_ill_sidecar.storage.koha import action_logs, requests
from koha_ill_sidecar.storage.sidecar import change_watch, checkpoints, history, partner_enquiries
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.transaction import Transaction

CHANGED_IN_KOHA = "changed_in_koha"
DELETED_IN_KOHA = "deleted_in_koha"
"""Kinds of history entries."""

_LOG_CHECKPOINT = "watch.log"
_REQUESTS_CHECKPOINT = "watch.requests"
_OPEN_CHECKPOINT = "watch.open"
_SWEEP_CHECKPOINT = "watch.sweep"
_PASSES_CHECKPOINT = "watch.passes"

_LAG_SECONDS = 600  # longer than any transaction of Koha's that makes a request or a log row

_ACTOR = Actor(interface=Interface.CRON, script="koha-ill-sidecar")


class ChangeOutcome(StrEnum):
    """What was done about a request that looked different."""

    TRACKED = "tracked"
    CHANGED = "changed"
    DELETED = "deleted"
    NOTHING = "nothing"


def koha_was_upgraded(tx: Transaction) -> bool:
    """Return whether Koha's version is no longer the one whose tables we know."""
    return tx.preferences.text("Version") != str(tx.koha.version)


def track_new(tx: Transaction) -> int:
    """
    Track the requests that were created since the last call; return how many.

    The first call ever tracks none: existing requests are left to the sweep. Three queries.
    """
    highest = requests.highest_id(tx)
    above = checkpoints.advance(tx, _REQUESTS_CHECKPOINT, highest, lag_seconds=_LAG_SECONDS)
    return sidecar_requests.track(tx, above=above, up_to=highest) if highest > above else 0


def candidates_by_log(tx: Transaction) -> list[int]:
    """
    Return the tracked requests that Koha's log names and that look different; three queries.

    Koha writes the log only if the preference IllLog is on, so this is the quick way but not the only one.
    """
    highest = action_logs.highest_id(tx)
    above = checkpoints.advance(tx, _LOG_CHECKPOINT, highest, lag_seconds=_LAG_SECONDS)
    return change_watch.changed_by_log(tx, above=above) if highest > above else []


def candidates_among_open(tx: Transaction, *, limit: int) -> list[int]:
    """
    Return those of the next *limit* open requests that look different; three queries and a write.

    The next call continues after them, and starts again at the end. So a call costs the same, however many requests a
    library leaves open.
    """
    above = checkpoints.get(tx, _OPEN_CHECKPOINT) or 0
    candidates, following = change_watch.changed_among_open(tx, above=above, limit=limit)
    if (following or 0) != above:
        checkpoints.save(tx, _OPEN_CHECKPOINT, following or 0)
    return candidates


def sweep(tx: Transaction, *, limit: int) -> tuple[list[int], int, bool]:
    """
    Go through the next *limit* of all requests.

    Return those that look different, how many were newly tracked, and whether that was the end.

    The safety net for the quicker ways: it reaches every request, however a change was made. Six queries.
    """
    above = checkpoints.get(tx, _SWEEP_CHECKPOINT) or 0
    up_to, _ = requests.chunk(tx, above=above, limit=limit)
    is_at_end = up_to is None
    if up_to is None:
        # also requests that were deleted from the end of Koha's table
        up_to = sidecar_requests.highest_id(tx)
        checkpoints.save(tx, _PASSES_CHECKPOINT, completed_passes(tx) + 1)
    candidates = change_watch.changed_in_range(tx, above=above, up_to=up_to)
    tracked = 0 if is_at_end else sidecar_requests.track(tx, above=above, up_to=up_to)
    checkpoints.save(tx, _SWEEP_CHECKPOINT, 0 if is_at_end else up_to)
    return candidates, tracked, is_at_end


def completed_passes(tx: Transaction) -> int:
    """Return how often the sweep has gone through all requests."""
    return checkpoints.get(tx, _PASSES_CHECKPOINT) or 0


def handle_change(tx: Transaction, illrequest_id: int) -> ChangeOutcome:
    """
    Check a request again and do what follows from its change, once.

    Our row is locked, Koha's is only read, so a long transaction of Koha's on the request does not block us. Our own
    changes record the new state in their own transaction, so they are never taken for Koha's.
    """
    seen = sidecar_requests.lock_seen(tx, illrequest_id)
    if seen is None:
        return ChangeOutcome.NOTHING
    tx.changed.add(illrequest_id)
    try:
        ill_request = requests.get(tx, illrequest_id)
    except RequestNotFound:
        return _record_deletion(tx, illrequest_id, seen)
    if _has_stale_alias(ill_request, seen):
        requests.clear_stale_alias(tx, illrequest_id, ill_request.status_alias or "")
        ill_request = replace(ill_request, status_alias=None)
    sidecar_requests.record_seen(tx, ill_request)
    if seen.status is None:
        return ChangeOutcome.TRACKED
    if (seen.status, seen.status_alias) == (ill_request.status, ill_request.status_alias):
        return ChangeOutcome.NOTHING
    _record_change(tx, ill_request, seen)
    return ChangeOutcome.CHANGED


def _record_change(tx: Transaction, ill_request: ILLRequest, seen: Row[Any]) -> None:
    detail = {
        "status_before": seen.status,
        "status_after": ill_request.status,
        "alias_before": seen.status_alias,
        "alias_after": ill_request.status_alias,
    }
    history.add(tx, ill_request.illrequest_id, CHANGED_IN_KOHA, actor=_ACTOR, detail=detail)
    if seen.status == Status.GENREQ and ill_request.status != Status.GENREQ:
        partner_enquiries.close(tx, ill_request.illrequest_id, status=ill_request.status or "")


def _record_deletion(tx: Transaction, illrequest_id: int, seen: Row[Any]) -> ChangeOutcome:
    history.add(tx, illrequest_id, DELETED_IN_KOHA, actor=_ACTOR, detail={"status_before": seen.status})
    partner_enquiries.delete_for_request(tx, illrequest_id)
    sidecar_requests.delete(tx, illrequest_id)
    return ChangeOutcome.DELETED


def _has_stale_alias(ill_request: ILLRequest, seen: Row[Any]) -> bool:
    # Only the alias from before the return: staff may set a new one on a returned request.
    return (
        ill_request.status == Status.RET
        and seen.status not in (None, Status.RET)
        and ill_request.status_alias is not None
        and ill_request.status_alias == seen.status_alias
    )
