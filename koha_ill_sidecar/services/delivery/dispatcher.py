"""
The dispatcher: sends the due messages of Koha's queue and records how that went.

A worker, not a use case: it opens its own transactions. Each message is claimed in a short transaction, sent outside of
any, and its result is recorded in another; only in between is there doubt. If the process dies there, its lease expires
and the next attempt uses the same Message-ID.

If the database does not accept the result of a message that was sent, the thread keeps the result in memory, tries to
record it again and again, and sends nothing else before that. Its lease is renewed in the meantime. So however long the
database refuses, and even if the process dies then, at most one message for each connection is sent twice.
"""

import logging
import time
import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from socket import gethostname
from urllib.parse import urlsplit

from koha_ill_sidecar.backoff import Backoff
from koha_ill_sidecar.config.jobs import ShouldContinue
from koha_ill_sidecar.config.settings import Settings, SmtpSettings
from koha_ill_sidecar.delivery.koha_lock import FILE_NAME, hold_koha_lock
from koha_ill_sidecar.delivery.mail import Mail, as_bytes
from koha_ill_sidecar.delivery.smtp import Envelope, Mailer
from koha_ill_sidecar.errors import DatabaseError, PermanentDeliveryFailure, TemporaryDeliveryFailure
from koha_ill_sidecar.messages import lazy
from koha_ill_sidecar.services.delivery import mail_servers
from koha_ill_sidecar.services.delivery.compose import Undeliverable, compose
from koha_ill_sidecar.services.delivery.in_flight import InFlight, lease_clock
from koha_ill_sidecar.services.delivery.outcomes import (
    accepted_by_server,
    permanently_refused,
    released,
    retry_later,
)
from koha_ill_sidecar.services.delivery.scanner import QueueScanner
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.message_queue import deliveries, outgoing
from koha_ill_sidecar.storage.message_queue.deliveries import Attempt, AttemptResult, DeliveryState, MailIds
from koha_ill_sidecar.storage.message_queue.outgoing import OutgoingMessage
from koha_ill_sidecar.storage.transaction import Transaction

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 0.5
"""
Between attempts to renew leases or to record results.

Short, because when the database accepts changes again, another worker must not be the first to find an expired lease.
"""


class _LeaseLost(Exception):
    """Another dispatcher has claimed the message."""


@dataclass(frozen=True, slots=True)
class DispatchReport:
    """
    What one run did.

    Attributes:
        counts: Messages by outcome: sent, waiting, failed, released (not begun, because the run had to stop), lost
            (changed in Koha, or claimed by another, while we held them), unsettled (the database went away).
        held_off: Koha's own script was running, so nothing was claimed.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    held_off: bool = False

    @property
    def handled(self) -> int:
        """How many messages there were."""
        return sum(self.counts.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class _ClaimedMessage:
    """A claimed message, ready to be sent."""

    attempt: Attempt
    message: OutgoingMessage
    mail: Mail | Undeliverable
    server: SmtpSettings


class Dispatcher:
    """
    Delivers what is due; any number of dispatchers may work on one queue, on any number of hosts.

    Args:
        mailer: Keeps its connections between runs; the caller closes it.
    """

    def __init__(self, database: Database, mailer: Mailer, settings: Settings) -> None:
        self._database = database
        self._mailer = mailer
        self._settings = settings
        self._delivery = settings.delivery
        self._lock_file = koha_lock_file(settings)
        self._message_id_domain = message_id_domain(settings)
        self.holder = f"{gethostname()[:64]}:{uuid.uuid4().hex}"
        self._scanner = QueueScanner(database, settings.delivery)
        self._in_flight = InFlight(self._delivery.lease.total_seconds())
        self._renewal = Backoff("leases not renewed", "leases renewed again")
        self._recording = Backoff("deliveries not recorded, tried again", "deliveries recorded again")
        self._executor = ThreadPoolExecutor(self._delivery.connections, thread_name_prefix="deliver")

    def run_once(self, should_continue: ShouldContinue = lambda: True) -> DispatchReport:
        """
        Do all the work there is.

        Args:
            should_continue: Asked between messages; if it returns False, messages that are being sent are finished and
                the others released.

        Raises:
            DatabaseError: The database is away or refuses to look for messages or to claim them.
        """
        self._mailer.close_idle()
        self._scanner.start_run()
        counts: Counter[str] = Counter()
        not_claimed: set[int] = set()  # locked or claimed by others; in this run they are not tried again
        held_off = False
        try:
            self._record_pending()
            while self._delivery.enabled and should_continue():
                self._mark_sent()
                message_ids = self._scanner.find(not_claimed | self._in_flight.claimed_ids())
                if not message_ids:
                    break
                with hold_koha_lock(self._lock_file) as koha_is_idle:
                    if not koha_is_idle:
                        held_off = True
                        break
                    claimed = self._claim(message_ids)
                not_claimed.update(set(message_ids) - {one.attempt.message_id for one in claimed})
                for one in claimed:
                    self._executor.submit(self._deliver, one, should_continue, counts)
                # The next batch is claimed while the last messages of this one are sent: no connection stands idle.
                self._wait(low_water=self._delivery.batch_size // 2)
        finally:
            self._wait(low_water=0)
        self._mark_sent()
        return DispatchReport(counts, held_off)

    def close(self) -> None:
        """Wait for what is being sent, and try once more to record what could not be recorded."""
        self._executor.shutdown()
        try:
            self._record_pending()
        except DatabaseError as error:
            logger.warning(
                "deliveries not recorded",
                extra={"messages": len(self._in_flight.unrecorded), "reason": str(error)},
            )

    # Claiming

    def _claim(self, message_ids: Sequence[int]) -> list[_ClaimedMessage]:
        asked_at = lease_clock()  # before the query: the lease must not seem longer than it is
        claimed = self._database.transact(self._claim_and_compose, message_ids)
        self._in_flight.add([one.attempt.message_id for one in claimed], asked_at)
        return claimed

    def _claim_and_compose(self, tx: Transaction, message_ids: Sequence[int]) -> list[_ClaimedMessage]:
        attempts = deliveries.claim(
            tx,
            message_ids,
            holder=self.holder,
            lease_seconds=self._delivery.lease.total_seconds(),
            new_mail_ids=MailIds(unique=uuid.uuid4().hex, domain=self._message_id_domain),
        )
        if not attempts:
            return []
        messages = outgoing.load(tx, [attempt.message_id for attempt in attempts])
        servers = mail_servers.load(tx, self._settings)
        return [
            _ClaimedMessage(
                attempt=attempt,
                message=message,
                mail=_compose(tx, attempt, message),
                server=servers.for_library(message.branchcode),
            )
            for attempt in attempts
            if (message := messages.get(attempt.message_id)) is not None
        ]

    # Sending, in the threads of the executor

    def _deliver(
        self, claimed: _ClaimedMessage, should_continue: ShouldContinue, counts: "Counter[str]"
    ) -> None:
        message_id = claimed.attempt.message_id
        outcome = "unsettled"
        try:
            result = self._attempt(claimed, should_continue)
            outcome = self._record(result, should_continue)
        except _LeaseLost:
            outcome = "lost"
            logger.warning("message left to another worker", extra={"message_id": message_id})
        except DatabaseError as error:  # before the mail was sent: it is sent later
            logger.warning("message not sent", extra={"message_id": message_id, "reason": str(error)})
        except Exception:
            logger.exception("delivery failed unexpectedly", extra={"message_id": message_id})
        finally:
            with self._in_flight.changed:
                counts[outcome] += 1
                self._in_flight.remove(message_id)

    def _attempt(self, claimed: _ClaimedMessage, should_continue: ShouldContinue) -> AttemptResult:
        """Send one message; raises _LeaseLost, and nothing is sent, if another dispatcher has claimed it."""
        attempt = claimed.attempt
        if not should_continue():
            return released(attempt)
        if isinstance(claimed.mail, Undeliverable):
            return AttemptResult(
                message_id=attempt.message_id,
                state=DeliveryState.FAILED,
                failure_code=claimed.mail.failure_code,
                error=claimed.mail.reason,
            )
        self._check_lease(attempt.message_id)  # before a connection is opened for nothing
        return _without_known_addresses(self._send(claimed, claimed.mail), claimed.message)

    def _send(self, claimed: _ClaimedMessage, mail: Mail) -> AttemptResult:
        reached = set(claimed.attempt.reached)
        envelope = Envelope(
            sender=mail.envelope_sender.spec,
            recipients=tuple(address.spec for address in mail.recipients if address.spec not in reached),
            needs_smtputf8=mail.needs_smtputf8,
        )
        try:
            receipt = self._mailer.send(
                claimed.server,
                envelope,
                as_bytes(mail),
                # Until here the server may have taken longer than the lease, or this process may have been stopped.
                before_text=partial(self._check_lease, claimed.attempt.message_id),
            )
        except PermanentDeliveryFailure as failure:
            return permanently_refused(claimed.attempt, mail, failure)
        except TemporaryDeliveryFailure as failure:
            return retry_later(claimed.attempt, mail, failure.reason, (), self._delivery)
        return accepted_by_server(claimed.attempt, mail, receipt, self._delivery)

    # Leases

    def _check_lease(self, message_id: int) -> None:
        """
        Raise _LeaseLost if another dispatcher may send a message.

        The clock decides, which costs nothing: it also runs while the process is stopped, and a lease counts as renewed
        only if the database still had it as ours. The database is asked only if the renewal is late.
        """
        if self._in_flight.has_safe_lease(message_id):
            return
        asked_at = lease_clock()
        if not self._database.transact(self._renew, [message_id]):
            raise _LeaseLost
        self._in_flight.renewed([message_id], asked_at)

    def _renew(self, tx: Transaction, message_ids: Collection[int]) -> Collection[int]:
        return deliveries.renew(
            tx, message_ids, holder=self.holder, lease_seconds=self._delivery.lease.total_seconds()
        )

    def _wait(self, *, low_water: int) -> None:
        """Wait until at most so many messages are left, and renew their leases in the meantime."""
        while not self._in_flight.wait_until(low_water):
            began = time.monotonic()
            try:
                self._renew_leases()
            except DatabaseError as error:
                self._renewal.failed(str(error))
                time.sleep(_RETRY_SECONDS)
            else:
                self._renewal.succeeded(began)

    def _renew_leases(self) -> None:
        asked_at = lease_clock()
        message_ids = self._in_flight.message_ids()
        ours = self._database.transact(self._renew, message_ids)
        self._in_flight.renewed(ours, asked_at)
        self._in_flight.lost(set(message_ids).difference(ours))

    # Recording results

    def _record(self, result: AttemptResult, should_continue: ShouldContinue) -> str:
        """
        Record a result and return its outcome; tried until the database accepts it, or until the run has to stop.

        A result that was not recorded by then is kept for the next run.
        """
        while True:
            began = time.monotonic()
            try:
                is_recorded = self._write(result)
            except DatabaseError as error:
                self._recording.failed(str(error))
                self._in_flight.keep(result)
                # Nothing was sent if it counts as no attempt: then the end of the lease does as well.
                if not should_continue() or not result.counts_as_attempt:
                    return "unsettled"
                time.sleep(_RETRY_SECONDS)
            else:
                self._recording.succeeded(began)
                break
        if not is_recorded:
            return "lost"
        return result.state.value if result.counts_as_attempt else "released"

    def _write(self, result: AttemptResult) -> bool:
        is_recorded = self._database.transact(deliveries.record_result, result, holder=self.holder)
        self._in_flight.recorded(result.message_id)
        _log(result, is_recorded=is_recorded)
        if is_recorded and result.is_plain_success:
            self._in_flight.mark_sent_later(result.message_id)
        return is_recorded

    def _record_pending(self) -> None:
        """Record what an earlier run could not record, before another dispatcher takes it for abandoned."""
        for result in list(self._in_flight.unrecorded.values()):
            self._write(result)

    def _mark_sent(self) -> None:
        """Update our own rows of sent messages, many at a time."""
        if message_ids := self._in_flight.to_mark_sent():
            self._database.transact(deliveries.mark_sent, message_ids, holder=self.holder)
            self._in_flight.marked_sent(message_ids)


def _compose(tx: Transaction, attempt: Attempt, message: OutgoingMessage) -> Mail | Undeliverable:
    try:
        return compose(
            message,
            tx.preferences,
            mail_message_id=attempt.mail_message_id,
            date=attempt.first_attempt_at,
        )
    except Exception:  # one odd row must not stop those behind it
        logger.exception("mail not composed", extra={"message_id": attempt.message_id})
        return Undeliverable("UNKNOWN_ERROR", [lazy("The sidecar could not create the mail; see its log.")])


def _without_known_addresses(result: AttemptResult, message: OutgoingMessage) -> AttemptResult:
    """Leave out the addresses that the row has already, as Koha does."""
    return replace(
        result,
        to_address=None if result.to_address == message.to_address else result.to_address,
        from_address=None if result.from_address == message.from_address else result.from_address,
    )


def koha_lock_file(settings: Settings) -> Path | None:
    """Return the lock that Koha's own dispatcher takes on this host; None if the settings do not say where it is."""
    if settings.delivery.koha_lock_file:
        return settings.delivery.koha_lock_file
    directory = settings.koha.lock_directory
    return directory / FILE_NAME if directory else None


def message_id_domain(settings: Settings) -> str:
    """Return the right side of our Message-IDs: our public host name, or this host's name."""
    host = urlsplit(settings.web.public_url or "").hostname or gethostname()
    return host if host.isascii() and host else "koha-ill-sidecar.invalid"


def _log(result: AttemptResult, *, is_recorded: bool) -> None:
    # Neither addresses nor a server's answer: both are personal data.
    details = {"message_id": result.message_id, "failure_code": result.failure_code or None}
    if not is_recorded:
        logger.warning("message changed in koha during delivery", extra=details)
    elif not result.counts_as_attempt:
        logger.info("message released", extra=details)
    elif result.state is DeliveryState.SENT:
        logger.info("message sent", extra=details)
    elif result.state is DeliveryState.WAITING:
        logger.warning("message waits for another attempt", extra=details)
    else:
        logger.warning("message failed", extra=details)
