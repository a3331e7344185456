"""
Mail servers: connections that stay open, and what servers answer put into two kinds of failure.

Temporary is what may go away: no connection, no encryption, no login, a time-out, any 4xx, a connection that drops.
Permanent is what the server would say of this mail again: a 5xx answer to its sender, recipients or text. What a
server says before it has seen anything of the mail tells of the connection and is therefore temporary, 5xx or not.

Between the end of the text and the server's answer lies the only doubt: if the connection drops there, the mail may
have gone. It is then reported as a temporary failure, and sent again with the same Message-ID.
"""

import logging
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from koha_ill_sidecar.config.settings import SmtpSettings, SSLMode
from koha_ill_sidecar.errors import PermanentDeliveryFailure, TemporaryDeliveryFailure
from koha_ill_sidecar.messages import LazyMessage, MixedText, in_english, lazy

logger = logging.getLogger(__name__)

IDLE_SECONDS = 60.0
"""How long a connection is kept that nobody uses; servers hang up after some minutes (RFC 5321 4.5.3.2: five)."""

UNREACHABLE_SECONDS = 10.0
"""How long a server that could not be reached is not tried again, so that its mail does not hold up the others'."""

_READY = 220
_OK = 250
_GO_AHEAD = 354
_ACCEPTED = frozenset({250, 251})
_CLOSING = 421
_ANSWERS_ABOUT_LOGIN = frozenset({530, 534, 535, 538})


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """
    Who sends and who gets a mail, apart from its headers.

    Attributes:
        sender: Address for bounces.
        recipients: At least one; each once.
        needs_smtputf8: An address or header needs the extension SMTPUTF8.
    """

    sender: str
    recipients: tuple[str, ...]
    needs_smtputf8: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """What a server said to one recipient."""

    recipient: str
    code: int
    answer: str

    @property
    def is_temporary(self) -> bool:
        """Return whether it may take the recipient later."""
        return _is_temporary(self.code)

    def __str__(self) -> str:
        return f"{self.recipient}: {self.code} {self.answer}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """
    What became of a mail that the server took.

    Attributes:
        accepted: The recipients that it is for; at least one.
        refused: The others.
    """

    accepted: tuple[str, ...]
    refused: tuple[Refusal, ...] = ()


class Mailer:
    """
    Sends mail through any number of servers over connections that stay open. Thread-safe.

    There are as many connections to a server as threads send through it at a time; a connection serves one mail at
    a time. Nothing is opened before the first mail.
    """

    def __init__(
        self, *, idle_seconds: float = IDLE_SECONDS, unreachable_seconds: float = UNREACHABLE_SECONDS
    ) -> None:
        self._idle_seconds = idle_seconds
        self._unreachable_seconds = unreachable_seconds
        self._lock = threading.Lock()
        self._idle: dict[SmtpSettings, list[_Connection]] = {}
        self._unreachable: dict[SmtpSettings, tuple[float, MixedText]] = {}

    def send(self, server: SmtpSettings, envelope: Envelope, octets: bytes) -> Receipt:
        """
        Hand one mail to a server.

        A kept connection that turns out to be closed before the text went out is replaced at once.

        Args:
            octets: Header and text with CRLF line ends.

        Raises:
            PermanentDeliveryFailure: The server took it for no recipient and never will.
            TemporaryDeliveryFailure: It may be taken later, or it is not known whether it was.
        """
        while (connection := self._take_idle(server)) is not None:
            with self._kept(connection):
                try:
                    return connection.deliver(envelope, octets)
                except _HungUp:
                    continue  # the others may be as old: each is thrown away, then a new one is made
        connection = self._connect(server)
        with self._kept(connection):
            try:
                return connection.deliver(envelope, octets)
            except _HungUp as error:
                raise TemporaryDeliveryFailure(*error.reason) from error

    def check(self, server: SmtpSettings) -> None:
        """Connect, encrypt and log in as a mail would, and hang up; raises TemporaryDeliveryFailure."""
        _Connection(server).close()

    def close_idle(self) -> None:
        """Close the connections that have not been used for a while; cheap when there are none."""
        oldest = time.monotonic() - self._idle_seconds
        with self._lock:
            old = [kept for idle in self._idle.values() for kept in idle if kept.used_at < oldest]
            for connection in old:
                self._idle[connection.server].remove(connection)
        for connection in old:
            connection.close()

    def close(self) -> None:
        """Close every idle connection."""
        with self._lock:
            idle = [connection for kept in self._idle.values() for connection in kept]
            self._idle.clear()
        for connection in idle:
            connection.close()

    def _take_idle(self, server: SmtpSettings) -> "_Connection | None":
        with self._lock:
            idle = self._idle.get(server)
            return idle.pop() if idle else None

    def _connect(self, server: SmtpSettings) -> "_Connection":
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
    def _kept(self, connection: "_Connection") -> Iterator[None]:
        try:
            yield
        finally:
            if connection.is_open:
                with self._lock:
                    self._idle.setdefault(connection.server, []).append(connection)
            else:
                connection.close()


Answers = Iterator[tuple[int, bytes]]


class _HungUp(Exception):
    """The server had closed the connection before it saw any of the text: nothing was delivered."""

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
        """Take leave, politely where the server still listens."""
        try:
            if self._smtp.sock is not None:
                self._smtp.sock.settimeout(2)
                self._smtp.quit()
        except OSError:
            pass
        finally:
            self._smtp.close()

    def deliver(self, envelope: Envelope, octets: bytes) -> Receipt:
        """Run one mail transaction; afterwards the session is ready for the next or closed."""
        self.used_at = time.monotonic()
        answers = self._answers(
            [self._mail_command(envelope, octets), *_recipient_commands(envelope), "DATA"]
        )
        self._hear_sender(answers)
        refused = self._hear_recipients(answers, envelope)
        if len(refused) == len(envelope.recipients):
            self._abandon(answers)
            raise _all_refused(refused)
        self._hear_go_ahead(answers)
        self._say_text(octets)
        self.used_at = time.monotonic()
        nobody = {refusal.recipient for refusal in refused}
        return Receipt(
            accepted=tuple(recipient for recipient in envelope.recipients if recipient not in nobody),
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
                        "The mail server %(server)s cannot send to or from addresses in other scripts (SMTPUTF8).",
                        server=self._where,
                    ),
                    role="to"
                    if any(not recipient.isascii() for recipient in envelope.recipients)
                    else "from",
                )
            options += " SMTPUTF8 BODY=8BITMIME"
        return f"MAIL FROM:<{envelope.sender}>{options}"

    def _hear_sender(self, answers: Answers) -> None:
        code, answer = next(answers)
        if code != _OK:
            self._abandon(answers)
            refusal = lazy("The mail server %(server)s refused the sender:", server=self._where)
            raise _failure(code, answer, refusal)

    def _hear_recipients(self, answers: Answers, envelope: Envelope) -> list[Refusal]:
        heard = ((recipient, *next(answers)) for recipient in envelope.recipients)
        return [
            Refusal(recipient=recipient, code=code, answer=_readable(answer))
            for recipient, code, answer in heard
            if code not in _ACCEPTED
        ]

    def _hear_go_ahead(self, answers: Answers) -> None:
        code, answer = next(answers)
        if code != _GO_AHEAD:
            self._reset()
            raise self._mail_refused(code, answer)

    def _answers(self, commands: Sequence[str]) -> Answers:
        """
        Return commands, all at once where the server takes that (RFC 2920), and yield the answer to each.

        A session that breaks here delivered nothing.
        """
        lines = [f"{command}\r\n".encode() for command in commands]
        if self._smtp.has_extn("pipelining"):
            lines = [b"".join(lines), *[b""] * (len(lines) - 1)]
        for line in lines:
            code, answer = self._ask(line)
            if code == _CLOSING:
                self._smtp.close()
                raise _HungUp(
                    lazy("The mail server %(server)s closed the session:", server=self._where),
                    f"{code} {_readable(answer)}",
                )
            yield code, answer

    def _abandon(self, answers: Answers) -> None:
        """Give the transaction up: hear what answers are still to come, and begin anew."""
        if not self._smtp.has_extn("pipelining"):
            self._reset()
        elif any(code == _GO_AHEAD for code, _ in answers):
            self._smtp.close()  # it waits for a text, and would send whatever came
        else:
            self._reset()

    def _say_text(self, octets: bytes) -> None:
        try:
            self._smtp.send(_dots_doubled(octets) + b".\r\n")
            code, answer = self._smtp.getreply()
        except OSError as error:
            self._smtp.close()
            raise TemporaryDeliveryFailure(
                lazy("The mail server %(server)s did not say whether it took the mail:", server=self._where),
                _explained(error),
                in_doubt=True,
            ) from error
        if code != _OK:
            if code == _CLOSING:
                self._smtp.close()
            raise self._mail_refused(code, answer)

    def _ask(self, line: bytes) -> tuple[int, bytes]:
        try:
            if line:
                self._smtp.send(line)
            return self._smtp.getreply()
        except OSError as error:
            self._smtp.close()
            # smtplib wraps a time-out like any other error; then nobody knows whether a new session would fare better.
            if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
                raise TemporaryDeliveryFailure(
                    lazy(
                        "The mail server %(server)s did not answer in %(seconds)s s.",
                        server=self._where,
                        seconds=f"{self.server.timeout.total_seconds():g}",
                    )
                ) from error
            broken_off = lazy("The mail server %(server)s broke off:", server=self._where)
            raise _HungUp(broken_off, _explained(error)) from error

    def _reset(self) -> None:
        """Make the session ready for another mail; where that fails it is closed."""
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
    reason = (lazy("The mail server refused:"), "; ".join(map(str, refused)))
    if any(refusal.is_temporary for refusal in refused):
        return TemporaryDeliveryFailure(*reason)
    return PermanentDeliveryFailure(*reason)


def _failure(
    code: int, answer: bytes, refusal: LazyMessage
) -> PermanentDeliveryFailure | TemporaryDeliveryFailure:
    said = f"{code} {_readable(answer)}"
    return (
        TemporaryDeliveryFailure(refusal, said)
        if _is_temporary(code)
        else PermanentDeliveryFailure(refusal, said)
    )


def _is_temporary(code: int) -> bool:
    """Whatever is no clear 5xx may be better next time, and so is a login that somebody has to mend."""
    return not 500 <= code <= 599 or code in _ANSWERS_ABOUT_LOGIN


def _dots_doubled(octets: bytes) -> bytes:
    """Apply RFC 5321 4.5.2; the text ends with CRLF."""
    doubled = octets.replace(b"\r\n.", b"\r\n..")
    return b"." + doubled if doubled.startswith(b".") else doubled


def _readable(answer: bytes) -> str:
    text = answer.decode("utf-8", "replace").replace("\n", " ")
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
    """Return this host's name for EHLO; asked once, because the resolver may take seconds."""
    name = socket.getfqdn()
    return name if "." in name else "[127.0.0.1]"


@cache
def _tls(server: SmtpSettings) -> ssl.SSLContext:
    """Make the context once for each server: reading the system's certificates takes 20 ms."""
    context = ssl.create_default_context(cafile=str(server.ca) if server.ca else None)
    if not server.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
