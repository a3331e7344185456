"""The running parts of a daemon for one configuration: runtime, web server and jobs."""

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from koha_ill_sidecar.config.settings import Settings
from koha_ill_sidecar.config.timezone import library_timezone
from koha_ill_sidecar.errors import DatabaseUnavailable
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.scheduler import metrics
from koha_ill_sidecar.scheduler.http_server import HTTPServer
from koha_ill_sidecar.scheduler.jobs import JobScheduler
from koha_ill_sidecar.scheduler.registry import jobs
from koha_ill_sidecar.services.delivery.dispatcher import Dispatcher
from koha_ill_sidecar.storage.sidecar import migrations
from koha_ill_sidecar.web.app import create_app
from koha_ill_sidecar.web.proxies import Mounted, TrustedProxies

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

logger = logging.getLogger(__name__)

_HTTP_THREADS = (
    8  # below the size of the database pool, so that requests never wait for the jobs' connections
)
_GRACE_SECONDS = 25  # for requests in flight; systemd kills after 90


class Instance:
    """
    Everything that is built from one configuration, running.

    Args:
        on_koha_changed: Called when Koha was upgraded, so that everything must be built again.
    """

    def __init__(
        self, settings: Settings, *, with_web: bool, with_jobs: bool, on_koha_changed: Callable[[], None]
    ) -> None:
        self.settings = settings
        self._runtime = Runtime.build(settings)
        self.http: HTTPServer | None = None
        self._application = _application(self._runtime) if with_web else None
        self._jobs: JobScheduler | None = None
        self._dispatcher: Dispatcher | None = None
        if with_jobs:
            self._dispatcher = Dispatcher(self._runtime.database, self._runtime.mailer, settings)
            self._jobs = JobScheduler(
                jobs(self._runtime, self._dispatcher, on_koha_changed=on_koha_changed),
                database=self._runtime.database,
                timezone=library_timezone(settings),
                lease=settings.scheduler.lease,
                observe=metrics.observe,
            )
            # What this process queues is sent at once. Other processes and Koha are found by the schedule.
            self._runtime.database.on_new_messages = partial(self._jobs.wake, "dispatch")

    def start(self) -> None:
        """
        Check the database, then serve and run jobs.

        If the database is away, it is waited for: it may start after us.

        Raises:
            SidecarError: The database is not usable, or the web address is in use.
        """
        self._check()
        if self._application is not None:
            self.http = self._listen(self._application)
        if self._jobs is not None:
            self._jobs.start()

    def replace(self, before: "Instance") -> None:
        """
        Take over from the instance of another configuration and stop it; no request is refused.

        Raises:
            SidecarError: As :meth:`start`; then the other instance continues.
        """
        if self.settings.koha.database != before.settings.koha.database:
            # A new address that does not answer is an error in the configuration, not an outage.
            self._runtime.database.ping()
        self._check()
        if self._application is not None and before.http is not None:
            if self.settings.web.listen == before.settings.web.listen:
                self.http, before.http = before.http, None
                self.http.replace_application(self._application)
            else:
                self.http = self._listen(self._application)
        before.stop()
        if self._jobs is not None:
            self._jobs.start()

    def stop(self) -> None:
        """Finish what has begun, then close everything."""
        if self._jobs is not None:
            self._jobs.begin_to_stop()
        if self.http is not None:
            self.http.stop()
        if self._jobs is not None and self._jobs.alive:
            self._jobs.stop()
        if self._dispatcher is not None:
            self._dispatcher.close()
        self._runtime.close()

    @property
    def alive(self) -> bool:
        """Whether everything that was started still works."""
        return (self.http is None or self.http.alive) and (self._jobs is None or self._jobs.alive)

    @property
    def status(self) -> str:
        """One line for people."""
        doing = [f"listening on {self.http.address}"] if self.http else []
        return ", ".join([*doing, *(["running jobs"] if self._jobs else [])])

    def clock_was_set(self) -> None:
        """Compute the next starts again."""
        if self._jobs is not None:
            self._jobs.reschedule()

    def _check(self) -> None:
        try:
            self._runtime.database.transact(lambda tx: migrations.require_current(tx.connection))
        except DatabaseUnavailable as error:
            logger.warning("database away at start, waiting for it", extra={"reason": str(error)})

    def _listen(self, application: "WSGIApplication") -> HTTPServer:
        server = HTTPServer(
            self.settings.web.listen, application, threads=_HTTP_THREADS, grace_seconds=_GRACE_SECONDS
        )
        server.start()
        return server


def _application(runtime: Runtime) -> "WSGIApplication":
    web = runtime.settings.web
    application: WSGIApplication = create_app(runtime)
    if prefix := urlsplit(web.public_url or "").path:
        application = Mounted(application, prefix)
    return TrustedProxies(application, web.trusted_proxies, unix_socket=web.listen.path is not None)
