"""Which jobs there are: each calls services, a transaction a step. A new job is a function and a line in JOBS."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial

from koha_ill_sidecar.domain.figures import FigureCounter
from koha_ill_sidecar.errors import DatabaseUnavailable
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.scheduler.jobs import Done, Job, ShouldContinue
from koha_ill_sidecar.services.delivery.dispatcher import Dispatcher
from koha_ill_sidecar.services.operations import figures, retention, watch
from koha_ill_sidecar.services.outbox.relay import notify_workers
from koha_ill_sidecar.services.request_index import indexing

logger = logging.getLogger(__name__)

_OPEN_STEP = 10_000
_SWEEP_STEP = 2000
_FIRST_PASS_SECONDS = 3.0
"""
How long a run may spend on the first round of the sweep, which makes old requests known.

Later rounds take one step a run: with a million requests and a run every ten seconds, an hour and a half.
"""

_OPEN_REQUESTS_INDEXED = 200_000
"""Open requests whose attributes one run compares with the index; so many take seven tenths of a second."""

_INDEX_SWEEP_STEP = 10_000
_INDEX_SWEEP_SECONDS = 5.0
"""Of how many requests everything is compared, and how often: a million in under ten minutes."""


def jobs(runtime: Runtime, dispatcher: Dispatcher, *, on_koha_changed: Callable[[], None]) -> tuple[Job, ...]:
    """
    Return every job, as the settings schedule it.

    Args:
        on_koha_changed: Called when Koha's version is no longer the one that the runtime was built for.
    """
    schedules = runtime.settings.scheduler.jobs
    return (
        # Any number of hosts deliver at once: each message is claimed by itself.
        Job(
            name="dispatch",
            run=lambda go_on: dispatcher.run_once(go_on).counts,
            schedule=schedules.dispatch,
            exclusive=False,
        ),
        Job(name="watch", run=partial(_watch, runtime, on_koha_changed), schedule=schedules.watch),
        Job(name="index", run=_Index(runtime), schedule=schedules.index),
        Job(name="outbox", run=partial(_notify_workers, runtime), schedule=schedules.outbox),
        Job(name="figures", run=partial(_compute_figures, runtime), schedule=schedules.figures),
        Job(name="cleanup", run=partial(_clean_up, runtime), schedule=schedules.cleanup),
    )


def _watch(runtime: Runtime, on_koha_changed: Callable[[], None], go_on: ShouldContinue) -> Done:
    transact = runtime.database.transact
    if transact(watch.koha_was_upgraded):
        on_koha_changed()
        return {}
    done: Counter[str] = Counter()
    done["adopted"] += transact(watch.track_new)
    _notice(runtime, transact(watch.candidates_by_log), done, go_on)
    _notice(runtime, transact(watch.candidates_among_open, limit=_OPEN_STEP), done, go_on)
    _sweep(runtime, done, go_on)
    return _what_happened(done)


def _sweep(runtime: Runtime, done: "Counter[str]", go_on: ShouldContinue) -> None:
    transact = runtime.database.transact
    is_first_pass = transact(watch.completed_passes) == 0
    until = time.monotonic() + _FIRST_PASS_SECONDS
    while go_on():
        swept = transact(watch.sweep, limit=_SWEEP_STEP)
        done["adopted"] += swept.tracked
        _notice(runtime, swept.candidates, done, go_on)
        if swept.is_at_end or not is_first_pass or time.monotonic() >= until:
            return


def _notice(runtime: Runtime, suspects: Iterable[int], done: "Counter[str]", go_on: ShouldContinue) -> None:
    for illrequest_id in suspects:
        if not go_on():
            return
        try:
            done[runtime.database.transact(watch.handle_change, illrequest_id)] += 1
        except DatabaseUnavailable:
            raise
        except Exception:  # one request that cannot be handled must not hide the next
            done["failed"] += 1
            logger.exception("change in koha not handled", extra={"illrequest_id": illrequest_id})


class _Index:
    """
    Keep the index: the quick looks at each run, the slow one now and then.

    An idle daemon is to cost next to nothing, so what need not be asked each second is not.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._transact = runtime.database.transact
        self._sweep_at = 0.0

    def __call__(self, go_on: ShouldContinue) -> Done:
        done: Counter[str] = Counter()
        done["changes"] = self._transact(indexing.follow, open_limit=_OPEN_REQUESTS_INDEXED)
        if time.monotonic() >= self._sweep_at:
            self._build(done, go_on)
            done["found"] = self._transact(indexing.sweep, limit=_INDEX_SWEEP_STEP)[0]
            self._sweep_at = time.monotonic() + _INDEX_SWEEP_SECONDS
        return _what_happened(done)

    def _build(self, done: "Counter[str]", go_on: ShouldContinue) -> None:
        while go_on():
            built = self._transact(indexing.build)
            if built is None:
                return
            done["built"] += built
            done["changes"] += self._transact(indexing.follow, open_limit=_OPEN_REQUESTS_INDEXED)


def _notify_workers(runtime: Runtime, go_on: ShouldContinue) -> Done:
    return notify_workers(runtime.database, runtime.settings.koha.broker, go_on)


def _compute_figures(runtime: Runtime, go_on: ShouldContinue) -> Done:
    """Reckon the numbers of the dashboard; whoever is stopped in between keeps the old ones."""
    transact = runtime.database.transact
    about, tally = transact(figures.span), FigureCounter()
    for count in (figures.count_requests, figures.count_enquiries):
        above: int | None = 0
        while above is not None:
            if not go_on():
                return {}
            step = transact(count, above, about)
            tally.add(step.counts)
            above = step.above
    transact(figures.save, tally.figures(about.months))
    return {"reckoned": 1}


def _clean_up(runtime: Runtime, go_on: ShouldContinue) -> Done:
    transact = runtime.database.transact
    keep_for = runtime.settings.callbacks.keep_receipts_for
    done: Counter[str] = Counter()
    done["receipts"] = _until_empty(lambda: transact(retention.remove_old_receipts, keep_for), go_on)
    done["deliveries"] = _until_empty(lambda: transact(retention.remove_old_deliveries), go_on)
    done["sessions"] = transact(retention.remove_unused_sessions)
    above: int | None = 0
    while above is not None and go_on():
        removed, above = transact(retention.remove_history_of_deleted, above, keep_for)
        done["history"] += removed
    return _what_happened(done)


def _until_empty(step: Callable[[], int], go_on: ShouldContinue) -> int:
    total = 0
    while go_on():
        removed = step()
        total += removed
        if removed < retention.STEP:
            break
    return total


def _what_happened(done: "Counter[str]") -> Done:
    return {name: number for name, number in done.items() if number and name != watch.ChangeOutcome.NOTHING}
