"""
The dispatcher: takes due messages from Koha's queue, sends them and writes down what became of them.

Each message is claimed in a short transaction, sent, and settled in another; only between them is there doubt. If the
process dies there, its lease runs out and another attempt is made with the same Message-ID. If the database is away
when a message has been sent, its outcome is kept and written as soon as the database is back.
"""

import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from socket import gethostname
from urllib.parse import urlsplit

from koha_ill_sidecar.config.jobs import ShouldContinue
from koha_ill_sidecar.config.settings import (
    DeliverySettings,
    Settings,
    SmtpSettings,
    Transport,
)
from koha_ill_sidecar.delivery.koha_lock import FILE_NAME, hold_koha_lock
from koha_ill_sidecar.delivery.mail import Mail, as_bytes
from koha_ill_sidecar.delivery.smtp import Envelope, Mailer
from koha_ill_sidecar.errors import DatabaseError, PermanentDeliveryFailure, TemporaryDeliveryFailure
from koha_ill_sidecar.messages import lazy
from koha_ill_sidecar.services.delivery import mail_servers
from koha_ill_sidecar.services.delivery.compose import Undeliverable, compose
from koha_ill_sidecar.services.delivery.mail_servers import MailServers
from koha_ill_sidecar.services.delivery.outcomes import (
    accepted_by_server,
    permanently_refused,
    released,
    retry_later,
)
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.koha.preferences import Preferences
from koha_ill_sidecar.storage.message_queue import claim, outgoing
from koha_ill_sidecar.storage.message_queue import due as due_messages
from koha_ill_sidecar.storage.message_queue.claim import Attempt, AttemptResult, DeliveryState, MailIds
from koha_ill_sidecar.storage.message_queue.due import DueFilter
from koha_ill_sidecar.storage.message_queue.outgoing import OutgoingMessage
from koha_ill_sidecar.storage.sidecar import checkpoints
from koha_ill_sidecar.storage.transaction import Transaction

logger = logging.getLogger(__name__)

QUEUE_CHECKPOINT = "message_queue"
"""Mark near the end of the queue: every message at or below it has been looked at."""

SINCE_CHECKPOINT = "delivery_since"
"""Mark that holds the second of the epoch at which the sidecar first looked at the queue."""

_CHECKPOINT_LAG_SECONDS = 600  # longer than any transaction of Koha's that queues a message
_WINDOW_ROWS = (
    10_000  # above the mark at most this many rows are looked at each time; the sweep takes the others
)
_SWEEP_ROWS = 1000
_RESENT_ROWS = 2000
_URGENT_CHUNKS = 100  # in one run: new messages wait no longer than that
_UNCOMMITTED_ROWS = 200  # below the end there may be rows that we cannot see yet
_SLOW_BEAT_SECONDS = 10.0
_LAST_ROW = 2**31  # above every message_id


@dataclass(frozen=True, slots=True)
class DispatchReport:
    """
    What one run did.

    Attributes:
        counts: Messages by what became of them: sent, waiting, failed, released (not begun, for the run was to stop),
            lost (changed by Koha, or taken by another, while we had them), unsettled (the database went away).
        held_off: Koha's own script was at work, so nothing was taken.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    held_off: bool = False

    @property
    def handled(self) -> int:
        """How many messages there were."""
        return sum(self.counts.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ready:
    """A message in hand, ready to be sent."""

    attempt: Attempt
    message: OutgoingMessage
    mail: Mail | Undeliverable
    server: SmtpSettings


class Dispatcher:
    """
    Delivers what is due; any number of them may work on one queue, on any number of hosts.

    Args:
        mailer: Keeps its connections between runs; closed by whoever made it.
    """

    def __init__(self, database: Database, mailer: Mailer, settings: Settings) -> None:
        self._database = database
        self._mailer = mailer
        self._settings = settings
        self._delivery = settings.delivery
        self._lock_file = koha_lock_file(settings)
        self._message_id_domain = message_id_domain(settings)
        self.holder = f"{gethostname()[:64]}:{uuid.uuid4().hex}"
        self._hand = _InFlight(self._delivery.lease.total_seconds())
        self._position = _Cursor()
        self._executor = ThreadPoolExecutor(self._delivery.connections, thread_name_prefix="deliver")

    def run_once(self, should_continue: ShouldContinue = lambda: True) -> DispatchReport:
        """
        Do all the work there is.

        Args:
            go_on: Asked between messages; when it says no, what is being sent is finished and the rest given back.

        Raises:
            DatabaseError: The database is away or refuses; what was sent is written down at the next run.
        """
        self._mailer.close_idle()
        tally: Counter[str] = Counter()
        passed_over: set[int] = set()
        self._position.looked_up_to = None
        held_off = False
        try:
            while self._delivery.enabled and should_continue():
                self._settle_kept()
                self._confirm()
                message_ids = self._find(passed_over)
                if not message_ids:
                    break
                with hold_koha_lock(self._lock_file) as koha_is_out:
                    if not koha_is_out:
                        held_off = True
                        break
                    taken = self._claim(message_ids)
                passed_over.update(set(message_ids) - {ready.attempt.message_id for ready in taken})
                for ready in taken:
                    self._executor.submit(self._deliver, ready, should_continue, tally)
                self._wait(low_water=self._delivery.batch_size // 2)
        finally:
            self._wait(low_water=0)
        self._confirm()
        return DispatchReport(tally, held_off)

    def close(self) -> None:
        """Wait for what is being sent, and try once more to write down what could not be."""
        self._executor.shutdown()
        try:
            self._settle_kept()
            self._confirm()
        except DatabaseError:
            logger.warning("deliveries not written down", extra={"messages": len(self._hand.unsettled)})

    # Finding

    def _find(self, passed_over: set[int]) -> list[int]:
        """Look where something may be due: near the queue's end each time, elsewhere slowly."""
        ours = passed_over | self._hand.held()
        for search in (self._look, self._look_for_resent, self._sweep):
            if found := [number for number in search(len(ours)) if number not in ours]:
                return found
        return []

    def _look(self, known: int) -> Sequence[int]:
        return self._database.transact(self._look_near_the_end, known)

    def _look_near_the_end(self, tx: Transaction, known: int) -> Sequence[int]:
        position = self._position
        if position.since is None:
            self._begin(tx)
        wanted = self._wanted(tx)
        if not wanted.transports:
            return ()
        # Within one run the window is gone through once; what becomes visible behind us is for the next run.
        above = max(position.mark, position.highest - _WINDOW_ROWS, position.looked_up_to or 0)
        limit = self._delivery.batch_size
        due = due_messages.find_due(tx, wanted, above=above, limit=limit, retry_limit=limit + known)
        position.highest = due.highest
        position.looked_up_to = due.scanned_up_to if due.scanned_up_to is not None else due.highest
        if time.monotonic() >= position.next_mark:
            position.next_mark = time.monotonic() + _SLOW_BEAT_SECONDS
            end = max(due.highest - _UNCOMMITTED_ROWS, 0)
            position.mark = checkpoints.advance(
                tx, QUEUE_CHECKPOINT, end, lag_seconds=_CHECKPOINT_LAG_SECONDS
            )
        return due.message_ids

    def _look_for_resent(self, known: int) -> Sequence[int]:  # noqa: ARG002  (few enough: one look's rows)
        position = self._position
        if time.monotonic() < position.next_resent:
            return ()
        found, lowest = self._database.transact(
            due_messages.find_resent, below=position.resent_below or _LAST_ROW, rows=_RESENT_ROWS
        )
        position.resent_below = lowest
        position.next_resent = time.monotonic() + _SLOW_BEAT_SECONDS
        return found

    def _sweep(self, known: int) -> Sequence[int]:
        """Go down the queue: quickly through what came since anybody of us last ran, then a chunk at a time."""
        position = self._position
        if time.monotonic() < position.next_sweep:
            return ()
        for _ in range(_URGENT_CHUNKS):
            chunk = self._database.transact(self._sweep_chunk, position.sweep_below or _LAST_ROW, known)
            position.sweep_below = chunk.lowest
            if chunk.is_old or chunk.lowest <= position.urgent_down_to:
                position.is_urgent = False
            if chunk.message_ids:
                return chunk.message_ids
            if not position.is_urgent:
                position.next_sweep = time.monotonic() + _SLOW_BEAT_SECONDS
                break
        return ()

    def _sweep_chunk(self, tx: Transaction, below: int, known: int) -> due_messages.SweptChunk:
        limit = self._delivery.batch_size + known
        return due_messages.sweep(tx, self._wanted(tx), below=below, rows=_SWEEP_ROWS, limit=limit)

    def _begin(self, tx: Transaction) -> None:
        """Find out where the last run of anybody ended."""
        position = self._position
        since = checkpoints.get(tx, SINCE_CHECKPOINT)
        if since is None:
            since = due_messages.epoch_seconds(tx)
            checkpoints.save(tx, SINCE_CHECKPOINT, since)
        position.since = since
        mark = checkpoints.get(tx, QUEUE_CHECKPOINT)
        position.urgent_down_to = mark or 0
        position.mark = max(due_messages.highest_id(tx) - _UNCOMMITTED_ROWS, 0) if mark is None else mark

    def _wanted(self, tx: Transaction) -> DueFilter:
        return DueFilter(
            transports=_transports(self._delivery, tx.preferences),
            letter_codes=self._delivery.letter_codes,
            max_age_seconds=int(self._delivery.ignore_older_than.total_seconds()),
            touched_since=self._position.since or 0,
        )

    # Claiming

    def _claim(self, message_ids: Sequence[int]) -> list[_Ready]:
        asked_at = time.monotonic()
        taken = self._database.transact(self._take, message_ids)
        self._hand.take([ready.attempt.message_id for ready in taken], asked_at)
        return taken

    def _take(self, tx: Transaction, message_ids: Sequence[int]) -> list[_Ready]:
        attempts = claim.claim(
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
            self._ready(tx, attempt, messages[attempt.message_id], servers)
            for attempt in attempts
            if attempt.message_id in messages
        ]

    def _ready(
        self, tx: Transaction, attempt: Attempt, message: OutgoingMessage, servers: MailServers
    ) -> _Ready:
        try:
            mail = compose(
                message,
                tx.preferences,
                mail_message_id=attempt.mail_message_id,
                date=attempt.first_attempt_at,
            )
        except Exception:
            # Whatever is odd about one row must not stop those behind it.
            logger.exception("message not understood", extra={"message_id": attempt.message_id})
            mail = Undeliverable(
                "UNKNOWN_ERROR", [lazy("The sidecar could not make a mail of it; see its log.")]
            )
        server = servers.for_library(message.branchcode)
        return _Ready(attempt=attempt, message=message, mail=mail, server=server)

    # Sending

    def _deliver(self, ready: _Ready, go_on: ShouldContinue, tally: "Counter[str]") -> None:
        message_id = ready.attempt.message_id
        outcome = "unsettled"
        try:
            settlement = self._attempt(ready, go_on)
            outcome = self._settle(settlement) if settlement else "lost"
        except Exception:
            logger.exception("delivery broke", extra={"message_id": message_id})
        finally:
            with self._hand.changed:
                tally[outcome] += 1
                self._hand.drop(message_id)

    def _attempt(self, ready: _Ready, go_on: ShouldContinue) -> AttemptResult | None:
        """Send one message; nothing is sent, and nothing returned, when it turns out not to be ours any more."""
        attempt = ready.attempt
        if not go_on():
            return released(attempt)
        if isinstance(ready.mail, Undeliverable):
            return AttemptResult(
                message_id=attempt.message_id,
                state=DeliveryState.FAILED,
                failure_code=ready.mail.failure_code,
                error=ready.mail.reason,
            )
        if not self._still_ours(attempt.message_id):
            return None
        return _without_known_addresses(self._send(ready, ready.mail), ready.message)

    def _send(self, ready: _Ready, mail: Mail) -> AttemptResult:
        reached = set(ready.attempt.reached)
        envelope = Envelope(
            sender=mail.envelope_sender.spec,
            recipients=tuple(address.spec for address in mail.recipients if address.spec not in reached),
            needs_smtputf8=mail.needs_smtputf8,
        )
        try:
            receipt = self._mailer.send(ready.server, envelope, as_bytes(mail))
        except PermanentDeliveryFailure as failure:
            return permanently_refused(ready.attempt, mail, failure)
        except TemporaryDeliveryFailure as failure:
            return retry_later(ready.attempt, mail, failure.reason, (), self._delivery)
        return accepted_by_server(ready.attempt, mail, receipt, self._delivery)

    def _still_ours(self, message_id: int) -> bool:
        """Ask the database again when the lease has not been lengthened lately: another may have the message."""
        if self._hand.is_safe(message_id):
            return True
        return self._database.transact(self._keep, [message_id]) == 1

    def _keep(self, tx: Transaction, message_ids: Sequence[int]) -> int:
        return claim.renew(
            tx, message_ids, holder=self.holder, lease_seconds=self._delivery.lease.total_seconds()
        )

    def _wait(self, *, low_water: int) -> None:
        """Wait until no more than so many messages are in hand, and keep their leases alive meanwhile."""
        while not self._hand.wait_until(low_water):
            asked_at = time.monotonic()
            held = self._hand.in_hand()
            try:
                self._database.transact(self._keep, held)
            except DatabaseError:
                logger.warning("leases not lengthened, the database is away", extra={"messages": len(held)})
                time.sleep(1)
            else:
                self._hand.lengthened(held, asked_at)

    # Settling

    def _settle(self, settlement: AttemptResult) -> str:
        try:
            is_settled = self._database.transact(claim.record_result, settlement, holder=self.holder)
        except DatabaseError:
            with self._hand.changed:
                self._hand.unsettled.append(settlement)
            return "unsettled"
        _log(settlement, is_settled=is_settled)
        if not is_settled:
            return "lost"
        if settlement.is_plain_success:
            self._hand.confirm_later(settlement.message_id)
        return settlement.state.value if settlement.counts_as_attempt else "released"

    def _settle_kept(self) -> None:
        """Write down what was sent while the database was away, before anybody takes it for abandoned."""
        while self._hand.unsettled:
            self._settle_one_kept(self._hand.unsettled[0])
            self._hand.unsettled.pop(0)

    def _settle_one_kept(self, settlement: AttemptResult) -> None:
        is_settled = self._database.transact(claim.record_result, settlement, holder=self.holder)
        _log(settlement, is_settled=is_settled)
        if is_settled and settlement.is_plain_success:
            self._hand.confirm_later(settlement.message_id)

    def _confirm(self) -> None:
        """Bring our own rows up to date with the queue's, many at a time."""
        if confirmed := self._hand.to_confirm():
            self._database.transact(claim.mark_sent, confirmed, holder=self.holder)
            self._hand.confirmed(confirmed)


class _InFlight:
    """The messages that are in hand, shared by the threads that send them."""

    def __init__(self, lease_seconds: float) -> None:
        self.changed = threading.Condition()
        self.unsettled: list[AttemptResult] = []
        self._safe_seconds = lease_seconds / 2
        self._keep_seconds = lease_seconds / 4
        self._lengthened_at: dict[int, float] = {}
        self._low_water = 0
        self._to_confirm: set[int] = set()

    def take(self, message_ids: Sequence[int], at: float) -> None:
        with self.changed:
            self._lengthened_at.update(dict.fromkeys(message_ids, at))

    def drop(self, message_id: int) -> None:
        self._lengthened_at.pop(message_id, None)
        if len(self._lengthened_at) <= self._low_water:
            self.changed.notify_all()

    def in_hand(self) -> list[int]:
        with self.changed:
            return list(self._lengthened_at)

    def held(self) -> set[int]:
        """Everything that the database still has in our name."""
        with self.changed:
            kept = {settlement.message_id for settlement in self.unsettled}
            return kept.union(self._lengthened_at, self._to_confirm)

    def confirm_later(self, message_id: int) -> None:
        with self.changed:
            self._to_confirm.add(message_id)

    def to_confirm(self) -> set[int]:
        with self.changed:
            return set(self._to_confirm)

    def confirmed(self, message_ids: set[int]) -> None:
        with self.changed:
            self._to_confirm -= message_ids

    def lengthened(self, message_ids: Sequence[int], at: float) -> None:
        with self.changed:
            for number in self._lengthened_at.keys() & set(message_ids):
                self._lengthened_at[number] = at

    def is_safe(self, message_id: int) -> bool:
        """Return whether nobody else can have taken the message yet."""
        return time.monotonic() - self._lengthened_at.get(message_id, 0.0) < self._safe_seconds

    def wait_until(self, low_water: int) -> bool:
        """Wait until so few are left, and say so; or say no when a lease wants to be lengthened."""
        with self.changed:
            self._low_water = low_water
            while True:
                oldest = min(self._lengthened_at.values(), default=0.0)
                remaining = oldest + self._keep_seconds - time.monotonic()
                if self._lengthened_at and remaining <= 0:
                    return False
                if len(self._lengthened_at) <= low_water:
                    return True
                self.changed.wait(remaining)


@dataclass(slots=True)
class _Cursor:
    """Where we look next; lost when the process ends, and found again from the marks."""

    since: int | None = None
    mark: int = 0
    highest: int = 0
    looked_up_to: int | None = None  # in this run
    next_mark: float = 0
    resent_below: int = 0  # 0: from the end
    next_resent: float = 0
    sweep_below: int = 0  # 0: from the end
    next_sweep: float = 0
    is_urgent: bool = True
    urgent_down_to: int = 0


def _without_known_addresses(settlement: AttemptResult, message: OutgoingMessage) -> AttemptResult:
    """Leave out what the row says already, as Koha does."""
    return replace(
        settlement,
        to_address=None if settlement.to_address == message.to_address else settlement.to_address,
        from_address=None if settlement.from_address == message.from_address else settlement.from_address,
    )


def koha_lock_file(settings: Settings) -> Path | None:
    """Return the lock that Koha's own dispatcher takes on this host, if the settings say where it is."""
    if settings.delivery.koha_lock_file:
        return settings.delivery.koha_lock_file
    directory = settings.koha.lock_directory
    return directory / FILE_NAME if directory else None


def message_id_domain(settings: Settings) -> str:
    """Return the right side of our Message-IDs: our public host name, or this host's name."""
    host = urlsplit(settings.web.public_url or "").hostname or gethostname()
    return host if host.isascii() and host else "koha-ill-sidecar.invalid"


def _transports(settings: DeliverySettings, preferences: Preferences) -> tuple[str, ...]:
    """Leave SMS to Koha unless it goes by mail (Koha, C4/Letters.pm _send_message_by_sms)."""
    by_mail = preferences.text("SMSSendDriver") == "Email"
    return tuple(
        transport.value for transport in settings.transports if transport is not Transport.SMS or by_mail
    )


def _log(settlement: AttemptResult, *, is_settled: bool) -> None:
    """One line for each message; neither addresses nor what a server says of them."""
    details = {"message_id": settlement.message_id, "failure_code": settlement.failure_code or None}
    if not is_settled:
        logger.warning("message changed in koha during delivery", extra=details)
    elif not settlement.counts_as_attempt:
        logger.info("message given back", extra=details)
    elif settlement.state is DeliveryState.SENT:
        logger.info("message sent", extra=details)
    elif settlement.state is DeliveryState.WAITING:
        logger.warning("message waits for another attempt", extra=details)
    else:
        logger.warning("message failed", extra=details)
