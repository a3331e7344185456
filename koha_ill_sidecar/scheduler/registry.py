"""
The function of each job in :data:`koha_ill_sidecar.config.jobs.JOBS`.

A function calls services, one transaction per step, asks *should_continue* between the steps, and returns what it did
by name.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from koha_ill_sidecar.config.jobs import JOBS, ShouldContinue
from koha_ill_sidecar.domain.figures import FigureCounter
from koha_ill_sidecar.errors import DatabaseUnavailable
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.scheduler.jobs import Job, JobCounts, JobFunction
from koha_ill_sidecar.services.delivery.dispatcher import Dispatcher
from koha_ill_sidecar.services.operations import figures, retention, watch
from koha_ill_sidecar.services.outbox.relay import notify_workers
from koha_ill_sidecar.services.request_index import indexing

logger = logging.getLogger(__name__)

_OPEN_STEP = 10_000
_SWEEP_STEP = 2000
_FIRST_PASS_SECONDS = 3.0
"""
How long a run may spend on the first pass of the sweep, in which old requests become known.

Later passes take one step a run: with a million requests and a run every ten seconds, a pass takes an hour and a half.
"""

_OPEN_REQUESTS_INDEXED = 200_000
"""Open requests whose attributes one run compares with the index; so many take seven tenths of a second."""

_INDEX_SWEEP_STEP = 10_000
_INDEX_SWEEP_SECONDS = 5.0
"""The sweep compares so many requests, so often, with the index: a million in under ten minutes."""


def jobs(runtime: Runtime, dispatcher: Dispatcher, *, on_koha_changed: Callable[[], None]) -> tuple[Job, ...]:
    """
    Return every job, as the settings schedule it.

    Args:
        on_koha_changed: Called when Koha's version is no longer the one that the runtime was built for.
    """
    functions: Mapping[str, JobFunction] = {
        "dispatch": lambda should_continue: dispatcher.run_once(should_continue).counts,
        "watch": partial(_watch, runtime, on_koha_changed),
        "index": _Index(runtime),
        "outbox": partial(notify_workers, runtime.database, runtime.settings.koha.broker),
        "figures": partial(_compute_figures, runtime),
        "cleanup": partial(_clean_up, runtime),
    }
    schedules = runtime.settings.scheduler.jobs
    return tuple(
        Job(
            name=name, run=functions[name], schedule=getattr(schedules, name), exclusive=not job.on_every_host
        )
        for name, job in JOBS.items()
    )


def _watch(
    runtime: Runtime, on_koha_changed: Callable[[], None], should_continue: ShouldContinue
) -> JobCounts:
    transact = runtime.database.transact
    if transact(watch.koha_was_upgraded):
        on_koha_changed()
        return {}
    counts: Counter[str] = Counter()
    counts["tracked"] += transact(watch.track_new)
    _handle_changes(runtime, transact(watch.candidates_by_log), counts, should_continue)
    _handle_changes(runtime, transact(watch.candidates_among_open, limit=_OPEN_STEP), counts, should_continue)
    _sweep(runtime, counts, should_continue)
    return _without_zeros(counts)


def _sweep(runtime: Runtime, counts: "Counter[str]", should_continue: ShouldContinue) -> None:
    transact = runtime.database.transact
    is_first_pass = transact(watch.completed_passes) == 0
    until = time.monotonic() + _FIRST_PASS_SECONDS
    while should_continue():
        candidates, tracked, is_at_end = transact(watch.sweep, limit=_SWEEP_STEP)
        counts["tracked"] += tracked
        _handle_changes(runtime, candidates, counts, should_continue)
        if is_at_end or not is_first_pass or time.monotonic() >= until:
            return


def _handle_changes(
    runtime: Runtime, candidates: Iterable[int], counts: "Counter[str]", should_continue: ShouldContinue
) -> None:
    for illrequest_id in candidates:
        if not should_continue():
            return
        try:
            counts[runtime.database.transact(watch.handle_change, illrequest_id)] += 1
        except DatabaseUnavailable:
            raise
        except Exception:  # one request that cannot be handled must not hide the next
            counts["failed"] += 1
            logger.exception("change in koha not handled", extra={"illrequest_id": illrequest_id})


class _Index:
    """
    Keep the index up to date: quick checks in each run, the slow sweep every few seconds.

    A run every two seconds must cost an idle daemon next to nothing.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._transact = runtime.database.transact
        self._sweep_at = 0.0

    def __call__(self, should_continue: ShouldContinue) -> JobCounts:
        counts: Counter[str] = Counter()
        counts["changes"] = self._transact(indexing.catch_up, open_limit=_OPEN_REQUESTS_INDEXED)
        if time.monotonic() >= self._sweep_at:
            self._build(counts, should_continue)
            counts["found"] = self._transact(indexing.sweep, limit=_INDEX_SWEEP_STEP)[0]
            self._sweep_at = time.monotonic() + _INDEX_SWEEP_SECONDS
        return _without_zeros(counts)

    def _build(self, counts: "Counter[str]", should_continue: ShouldContinue) -> None:
        while should_continue():
            built = self._transact(indexing.build)
            if built is None:
                return
            counts["built"] += built
            # A first build takes minutes; what changes in that time must be found too.
            counts["changes"] += self._transact(indexing.catch_up, open_limit=_OPEN_REQUESTS_INDEXED)


def _compute_figures(runtime: Runtime, should_continue: ShouldContinue) -> JobCounts:
    """Compute the numbers of the dashboard; a run that is stopped early leaves the old ones."""
    transact = runtime.database.transact
    period, counter = transact(figures.current_period), FigureCounter()
    for count in (figures.count_requests, figures.count_enquiries):
        above: int | None = 0
        while above is not None:
            if not should_continue():
                return {}
            counts, above = transact(count, above, period)
            counter.add(counts)
    transact(figures.save, counter.figures(period.months))
    return {"computed": 1}


def _clean_up(runtime: Runtime, should_continue: ShouldContinue) -> JobCounts:
    transact = runtime.database.transact
    keep_for = runtime.settings.callbacks.keep_receipts_for
    counts: Counter[str] = Counter()
    counts["receipts"] = _until_empty(
        lambda: transact(retention.remove_old_receipts, keep_for), should_continue
    )
    counts["deliveries"] = _until_empty(lambda: transact(retention.remove_old_deliveries), should_continue)
    counts["sessions"] = transact(retention.remove_unused_sessions)
    above: int | None = 0
    while above is not None and should_continue():
        removed, above = transact(retention.remove_history_of_deleted, above, keep_for)
        counts["history"] += removed
    return _without_zeros(counts)


def _until_empty(step: Callable[[], int], should_continue: ShouldContinue) -> int:
    total = 0
    while should_continue():
        removed = step()
        total += removed
        if removed < retention.STEP:
            break
    return total


def _without_zeros(counts: "Counter[str]") -> JobCounts:
    return {name: number for name, number in counts.items() if number and name != watch.ChangeOutcome.NOTHING}
