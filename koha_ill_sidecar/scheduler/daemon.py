"""The process that runs until it is stopped: signals, reload, and the watchdog."""

import logging
import queue
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto

from koha_ill_sidecar import logs
from koha_ill_sidecar.config.settings import Settings
from koha_ill_sidecar.errors import SidecarError
from koha_ill_sidecar.scheduler.instance import Instance
from koha_ill_sidecar.scheduler.systemd import Notifier

logger = logging.getLogger(__name__)

_TICK_SECONDS = 5.0
_CLOCK_JUMP_SECONDS = (
    3.0  # more than a correction of the clock between two ticks, less than matters for a schedule
)


class DaemonDied(SidecarError):
    """A part of the daemon ended by itself; the log says which and why."""


class _Event(Enum):
    STOP = auto()
    RELOAD = auto()


class Daemon:
    """
    Serve, run jobs, or both, until SIGTERM or SIGINT; SIGHUP reads the configuration again.

    Args:
        load: Reads the configuration; called at the start and at each reload.
        debug: Log everything, whatever the configuration says.
    """

    def __init__(
        self, load: Callable[[], Settings], *, with_web: bool, with_jobs: bool, debug: bool = False
    ) -> None:
        self._load = load
        self._with_web = with_web
        self._with_jobs = with_jobs
        self._debug = debug
        self._notifier = Notifier()
        # The only queue that a signal handler may put into (Python library reference, queue.SimpleQueue).
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()

    def run(self) -> None:
        """
        Run until stopped; what is in flight is finished first.

        Raises:
            SidecarError: It could not start, or a part of it ended by itself.
        """
        with self._signals():
            instance = self._build()
            try:
                instance.start()
            except BaseException:
                instance.stop()
                raise
            logger.info("started", extra={"status": instance.status})
            self._notifier.ready(instance.status)
            instance = self._serve(instance)
            self._notifier.stopping()
            logger.info("stopping, finishing what has begun")
            instance.stop()
            logger.info("stopped")

    def _serve(self, instance: Instance) -> Instance:
        tick = _TICK_SECONDS
        if self._notifier.watchdog_seconds is not None:
            tick = min(tick, self._notifier.watchdog_seconds / 3)
        clock = _Clock()
        while True:
            try:
                event = self._events.get(timeout=tick)
            except queue.Empty:
                if clock.has_jumped():
                    instance.clock_was_set()
                self._check_alive(instance)
                continue
            if event is _Event.STOP:
                return instance
            instance = self._reload(instance)

    def _check_alive(self, instance: Instance) -> None:
        if not instance.alive:
            instance.stop()
            raise DaemonDied(
                "A part of the daemon ended by itself; the lines before this one in the log say why."
            )
        self._notifier.alive()

    def _reload(self, before: Instance) -> Instance:
        self._notifier.reloading()
        after = before
        try:
            after = self._build()
            after.replace(before)
        except SidecarError as error:
            logger.error(  # noqa: TRY400  (the message says it all; no traceback)
                "configuration refused, the old one stays", extra={"reason": str(error)}
            )
            if after is not before:
                after.stop()
            after = before
        else:
            logger.info("configuration read again", extra={"status": after.status})
        self._notifier.ready(after.status)
        return after

    def _build(self) -> Instance:
        settings = self._load()
        instance = Instance(
            settings,
            with_web=self._with_web,
            with_jobs=self._with_jobs,
            on_koha_changed=lambda: self._events.put(_Event.RELOAD),
        )
        logs.configure(
            level="debug" if self._debug else settings.logging.level, style=settings.logging.format
        )
        return instance

    @contextmanager
    def _signals(self) -> Iterator[None]:
        meanings = {
            signal.SIGTERM: _Event.STOP,
            signal.SIGINT: _Event.STOP,
            signal.SIGHUP: _Event.RELOAD,
        }
        before = {
            number: signal.signal(number, lambda *_, event=event: self._events.put(event))
            for number, event in meanings.items()
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Clock:
    """Notices that somebody set the system's clock."""

    def __init__(self) -> None:
        self._offset = self._measure()

    def has_jumped(self) -> bool:
        before, self._offset = self._offset, self._measure()
        return abs(self._offset - before) > _CLOCK_JUMP_SECONDS

    def _measure(self) -> float:
        return time.time() - time.monotonic()
