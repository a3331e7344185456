"""
Send mail over SMTP connections that stay open, and classify failures as temporary or permanent.

Temporary failures may disappear: no connection, no encryption, no login, a time-out, any 4xx answer, a lost connection.
A permanent failure would happen again with this mail: a 5xx answer to its sender, recipients or text. Answers before
the server has seen anything of the mail concern the connection and are therefore always temporary.

The result is in doubt only if the connection is lost between the end of the text and the server's answer: the mail may
have been delivered. This is reported as a temporary failure, and the mail is sent again with the same Message-ID.
"""

import logging
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from koha_ill_sidecar.config.settings import SmtpSettings, SSLMode
from koha_ill_sidecar.errors import PermanentDeliveryFailure, TemporaryDeliveryFailure
from koha_ill_sidecar.messages import LazyMessage, MixedText, in_english, lazy

logger = logging.getLogger(__name__)

IDLE_SECONDS = 60.0
"""How long an unused connection stays open; servers close it after some minutes (RFC 5321 4.5.3.2: five)."""

UNREACHABLE_SECONDS = 10.0
"""How long an unreachable server is not tried again, so that its mail does not delay the mail for other servers."""

_READY = 220
_OK = 250
_START_MAIL_INPUT = 354
_ACCEPTED = frozenset({250, 251})
_CLOSING = 421
# Permanent by their number, but they concern the configured login and not the mail (RFC 4954 6).
_ANSWERS_ABOUT_LOGIN = frozenset({530, 534, 535, 538})


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """
    The sender and recipients of a mail for SMTP, independent of its headers.

    Attributes:
        sender: The address for bounces.
        recipients: At least one; each once.
        needs_smtputf8: An address or header requires the extension SMTPUTF8.
    """

    sender: str
    recipients: tuple[str, ...]
    needs_smtputf8: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """A server's answer that refuses a recipient."""

    recipient: str
    code: int
    answer: str

    @property
    def is_temporary(self) -> bool:
        """Return whether the server may accept the recipient later."""
        return _is_temporary(self.code)

    def __str__(self) -> str:
        return f"{self.recipient}: {self.code} {self.answer}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """
    The result for a mail that the server accepted.

    Attributes:
        accepted: The recipients that the server accepted; at least one.
        refused: The other recipients.
    """

    accepted: tuple[str, ...]
    refused: tuple[Refusal, ...] = ()


class Mailer:
    """
    Sends mail through any number of servers over connections that stay open. Thread-safe.

    There are as many connections to a server as threads that use it at the same time. The first mail opens the first
    connection.
    """

    def __init__(
        self, *, idle_seconds: float = IDLE_SECONDS, unreachable_seconds: float = UNREACHABLE_SECONDS
    ) -> None:
        self._idle_seconds = idle_seconds
        self._unreachable_seconds = unreachable_seconds
        self._lock = threading.Lock()
        self._idle: dict[SmtpSettings, list[_Connection]] = {}
        self._unreachable: dict[SmtpSettings, tuple[float, MixedText]] = {}

    def send(
        self,
        server: SmtpSettings,
        envelope: Envelope,
        octets: bytes,
        *,
        before_text: Callable[[], None] = lambda: None,
    ) -> Receipt:
        """
        Send one mail to a server.

        An idle connection that the server has closed in the meantime is replaced immediately.

        Args:
            octets: Header and text with CRLF line ends.
            before_text: Called right before the text is sent; if it raises, the mail is not sent.

        Raises:
            PermanentDeliveryFailure: The server refused it for all recipients and always will.
            TemporaryDeliveryFailure: The server may accept it later, or it is unknown whether it did.
        """
        while (connection := self._pop_idle(server)) is not None:
            with self._released(connection):
                try:
                    return connection.deliver(envelope, octets, before_text)
                except _ClosedByServer:
                    continue  # the others may be closed too: try each of them before opening a new one
        connection = self._connect(server)
        with self._released(connection):
            try:
                return connection.deliver(envelope, octets, before_text)
            except _ClosedByServer as error:
                raise TemporaryDeliveryFailure(*error.reason) from error

    def check(self, server: SmtpSettings) -> None:
        """Connect, encrypt and log in as for a mail, and disconnect; raises TemporaryDeliveryFailure."""
        _Connection(server).close()

    def close_idle(self) -> None:
        """Close the connections that have been idle for too long; cheap if there are none."""
        oldest = time.monotonic() - self._idle_seconds
        with self._lock:
            old = [each for idle in self._idle.values() for each in idle if each.used_at < oldest]
            for connection in old:
                self._idle[connection.server].remove(connection)
        for connection in old:
            connection.close()

    def close(self) -> None:
        """Close every idle connection."""
        with self._lock:
            idle = [connection for pool in self._idle.values() for connection in pool]
            self._idle.clear()
        for connection in idle:
            connection.close()

    def _pop_idle(self, server: SmtpSettings) -> "_Connection | None":
        with self._lock:
            idle = self._idle.get(server)
            return idle.pop() if idle else None

    def _connect(self, server: SmtpSettings) -> "_Connection":
        # Without the lock: if two threads try an unreachable server at the same time, nothing is lost.
        until, reason = self._unreachable.get(server, (0.0, ()))
        if time.monotonic() < until:
            raise TemporaryDeliveryFailure(*reason)
        try:
            connection = _Connection(server)
        except TemporaryDeliveryFailure as error:
            self._unreachable[server] = (time.monotonic() + self._unreachable_seconds, error.reason)
            logger.warning("mail server unreachable", extra={"host": server.host, "port": server.port})
            raise
        self._unreachable.pop(server, None)
        return connection

    @contextmanager
    def _released(self, connection: "_Connection") -> Iterator[None]:
        """Return the connection to the pool afterwards, or close it if it cannot be used again."""
        try:
            yield
        finally:
            if connection.is_open:
                with self._lock:
                    self._idle.setdefault(connection.server, []).append(connection)
            else:
                connection.close()


Answers = Iterator[tuple[int, bytes]]


class _ClosedByServer(Exception):
    """The server closed the connection before any of the text was sent: nothing was delivered."""

    def __init__(self, *reason: LazyMessage | str) -> None:
        self.reason = reason
        super().__init__(in_english(reason))


class _Connection:
    """One session with a server, ready for a mail."""

    def __init__(self, server: SmtpSettings) -> None:
        self.server = server
        self.used_at = time.monotonic()
        self._where = f"{server.host}:{server.port}"
        try:
            self._smtp = self._open()
        except (OSError, UnicodeError) as error:  # every error of smtplib and ssl is an OSError
            raise TemporaryDeliveryFailure(
                lazy("No connection to the mail server %(server)s:", server=self._where), _explained(error)
            ) from error

    @property
    def is_open(self) -> bool:
        """Return whether another mail may follow."""
        return self._smtp.sock is not None

    def close(self) -> None:
        """Close the connection, with QUIT if it is still open."""
        try:
            if self._smtp.sock is not None:
                self._smtp.sock.settimeout(2)  # QUIT is only polite: do not wait long for the answer
                self._smtp.quit()
        except OSError:
            pass
        finally:
            self._smtp.close()

    def deliver(self, envelope: Envelope, octets: bytes, before_text: Callable[[], None]) -> Receipt:
        """Run one mail transaction. Afterwards the session is ready for the next one, or closed."""
        self.used_at = time.monotonic()
        answers = self._answers(
            [self._mail_command(envelope, octets), *_recipient_commands(envelope), "DATA"]
        )
        self._check_sender(answers)
        refused = self._refused_recipients(answers, envelope)
        if len(refused) == len(envelope.recipients):
            self._abandon(answers)
            raise _all_refused(refused)
        self._check_ready_for_text(answers)
        try:
            before_text()
        except BaseException:
            self._smtp.close()  # the server expects the text: only the end of the session cancels the mail
            raise
        self._send_text(octets)
        self.used_at = time.monotonic()
        without_mail = {refusal.recipient for refusal in refused}
        return Receipt(
            accepted=tuple(recipient for recipient in envelope.recipients if recipient not in without_mail),
            refused=tuple(refused),
        )

    def _open(self) -> smtplib.SMTP:
        server = self.server
        own_name = server.ehlo_name or _own_name()
        timeout = server.timeout.total_seconds()
        smtp: smtplib.SMTP
        if server.ssl_mode is SSLMode.SSL:
            smtp = smtplib.SMTP_SSL(server.host, server.port, own_name, timeout=timeout, context=_tls(server))
        else:
            smtp = smtplib.SMTP(server.host, server.port, own_name, timeout=timeout)
        try:
            self._greet(smtp)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _greet(self, smtp: smtplib.SMTP) -> None:
        smtp.ehlo_or_helo_if_needed()
        if self.server.ssl_mode is SSLMode.STARTTLS:
            code, answer = smtp.starttls(context=_tls(self.server))
            if code != _READY:
                raise smtplib.SMTPResponseException(code, answer)
            smtp.ehlo_or_helo_if_needed()
        if self.server.user and self.server.password:
            smtp.login(self.server.user, self.server.password.reveal())

    def _mail_command(self, envelope: Envelope, octets: bytes) -> str:
        options = f" size={len(octets)}" if self._smtp.has_extn("size") else ""
        if envelope.needs_smtputf8:
            if not self._smtp.has_extn("smtputf8"):
                raise PermanentDeliveryFailure(
                    lazy(
                        "The mail server %(server)s does not support addresses in other scripts (SMTPUTF8).",
                        server=self._where,
                    ),
                    role="to"
                    if any(not recipient.isascii() for recipient in envelope.recipients)
                    else "from",
                )
            # The headers then contain UTF-8, which a server may refuse without 8BITMIME (RFC 6531).
            options += " SMTPUTF8 BODY=8BITMIME"
        return f"MAIL FROM:<{envelope.sender}>{options}"

    def _check_sender(self, answers: Answers) -> None:
        code, answer = next(answers)
        if code != _OK:
            self._abandon(answers)
            refusal = lazy("The mail server %(server)s refused the sender:", server=self._where)
            raise _failure(code, answer, refusal)

    def _refused_recipients(self, answers: Answers, envelope: Envelope) -> list[Refusal]:
        answered = ((recipient, *next(answers)) for recipient in envelope.recipients)
        return [
            Refusal(recipient=recipient, code=code, answer=_readable(answer))
            for recipient, code, answer in answered
            if code not in _ACCEPTED
        ]

    def _check_ready_for_text(self, answers: Answers) -> None:
        code, answer = next(answers)
        if code != _START_MAIL_INPUT:
            self._reset()
            raise self._mail_refused(code, answer)

    def _answers(self, commands: Sequence[str]) -> Answers:
        """
        Send commands, all at once if the server supports that (RFC 2920), and yield the answer to each.

        If the session ends here, nothing was delivered.
        """
        lines = [f"{command}\r\n".encode() for command in commands]
        if self._smtp.has_extn("pipelining"):
            lines = [b"".join(lines), *[b""] * (len(lines) - 1)]
        for line in lines:
            code, answer = self._exchange(line)
            if code == _CLOSING:
                self._smtp.close()
                raise _ClosedByServer(
                    lazy("The mail server %(server)s closed the session:", server=self._where),
                    f"{code} {_readable(answer)}",
                )
            yield code, answer

    def _abandon(self, answers: Answers) -> None:
        """Abandon the transaction: read the outstanding answers and reset the session."""
        if not self._smtp.has_extn("pipelining"):
            self._reset()
        elif any(code == _START_MAIL_INPUT for code, _ in answers):
            self._smtp.close()  # the server now expects a text and would send anything that follows
        else:
            self._reset()

    def _send_text(self, octets: bytes) -> None:
        try:
            self._smtp.send(_dot_stuffed(octets) + b".\r\n")
            code, answer = self._smtp.getreply()
        except OSError as error:
            self._smtp.close()
            raise TemporaryDeliveryFailure(
                lazy("The mail server %(server)s did not confirm the mail:", server=self._where),
                _explained(error),
                in_doubt=True,
            ) from error
        if code != _OK:
            if code == _CLOSING:
                self._smtp.close()
            raise self._mail_refused(code, answer)

    def _exchange(self, line: bytes) -> tuple[int, bytes]:
        try:
            if line:
                self._smtp.send(line)
            return self._smtp.getreply()
        except OSError as error:
            self._smtp.close()
            # smtplib wraps a time-out like any other error. A new session would probably wait as long: do not retry.
            if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
                raise TemporaryDeliveryFailure(
                    lazy(
                        "The mail server %(server)s did not answer in %(seconds)s s.",
                        server=self._where,
                        seconds=f"{self.server.timeout.total_seconds():g}",
                    )
                ) from error
            lost = lazy("The connection to the mail server %(server)s was lost:", server=self._where)
            raise _ClosedByServer(lost, _explained(error)) from error

    def _reset(self) -> None:
        """Reset the session for another mail, or close it if that fails."""
        try:
            code, _ = self._smtp.rset()
        except OSError:
            code = _CLOSING
        if code != _OK:
            self._smtp.close()

    def _mail_refused(self, code: int, answer: bytes) -> PermanentDeliveryFailure | TemporaryDeliveryFailure:
        return _failure(
            code, answer, lazy("The mail server %(server)s refused the mail:", server=self._where)
        )


def _recipient_commands(envelope: Envelope) -> list[str]:
    return [f"RCPT TO:<{recipient}>" for recipient in envelope.recipients]


def _all_refused(refused: Sequence[Refusal]) -> PermanentDeliveryFailure | TemporaryDeliveryFailure:
    failure = _failure_type(is_temporary=any(refusal.is_temporary for refusal in refused))
    return failure(lazy("The mail server refused:"), "; ".join(map(str, refused)))


def _failure(
    code: int, answer: bytes, refusal: LazyMessage
) -> PermanentDeliveryFailure | TemporaryDeliveryFailure:
    return _failure_type(is_temporary=_is_temporary(code))(refusal, f"{code} {_readable(answer)}")


def _failure_type(*, is_temporary: bool) -> type[PermanentDeliveryFailure | TemporaryDeliveryFailure]:
    return TemporaryDeliveryFailure if is_temporary else PermanentDeliveryFailure


def _is_temporary(code: int) -> bool:
    """Return whether an answer is not a clear 5xx, or is about the login, which an administrator can fix."""
    return not 500 <= code <= 599 or code in _ANSWERS_ABOUT_LOGIN


def _dot_stuffed(octets: bytes) -> bytes:
    """Double dots at the start of lines (RFC 5321 4.5.2); the text ends with CRLF."""
    doubled = octets.replace(b"\r\n.", b"\r\n..")
    return b"." + doubled if doubled.startswith(b".") else doubled


def _readable(answer: bytes) -> str:
    text = answer.decode("utf-8", "replace").replace("\n", " ")
    # Some servers explain at length; the reason is stored and shown on pages.
    return "".join(character if character.isprintable() else "?" for character in text)[:500]


def _explained(error: Exception) -> str:
    match error:
        case smtplib.SMTPAuthenticationError():
            return f"the login was refused: {error.smtp_code} {_readable(_as_bytes(error.smtp_error))}"
        case smtplib.SMTPResponseException():
            return f"{error.smtp_code} {_readable(_as_bytes(error.smtp_error))}"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}"
        case TimeoutError():
            return "no answer in time"
        case OSError() if error.strerror:
            return error.strerror
    return str(error) or type(error).__name__


def _as_bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


@cache
def _own_name() -> str:
    """Return this host's name for EHLO; cached, because the resolver may take seconds."""
    name = socket.getfqdn()
    # Some servers reject a name without a domain. An address literal is always valid (RFC 5321 4.1.3).
    return name if "." in name else "[127.0.0.1]"


@cache
def _tls(server: SmtpSettings) -> ssl.SSLContext:
    """Return the TLS context for a server; cached, because reading the system's certificates takes 20 ms."""
    context = ssl.create_default_context(cafile=str(server.ca) if server.ca else None)
    if not server.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
