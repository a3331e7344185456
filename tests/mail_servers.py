"""Real SMTP servers for tests: one that works, and one for each way of failing."""

import asyncio
import datetime as dt
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from certificates import make_authority, make_signed

from koha_ill_sidecar.config.settings import SmtpSettings

USER = "koha"
PASSWORD = "only for tests"


@dataclass(frozen=True, kw_only=True)
class Caught:
    """One mail as the server received it."""

    sender: str
    recipients: list[str]
    octets: bytes
    session: int  # index of the connection it came over; -1 if the server hung up


class MailServer:
    """
    A server that stores the mails it receives; tests replace its answers.

    Attributes:
        answers: For each command (``MAIL``, ``RCPT``, ``DATA``) a function of the protocol and the address, if any,
            that returns the answer, or None for the usual one. It may be a coroutine and may close the transport.
        offers: Extensions that EHLO names. Commands are read one after the other, pipelined or not.
    """

    def __init__(self) -> None:
        self.caught: list[Caught] = []
        self.sessions: list[Session] = []
        self.answers: dict[str, Callable[..., Any]] = {}
        self.protocols: list[SMTP] = []
        self.offers: list[str] = []

    async def handle_EHLO(  # noqa: N802  (aiosmtpd's name)
        self, server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.protocols.append(server)
        if session not in self.sessions:
            self.sessions.append(session)
        name, *others = responses
        return [name, *(f"250-{offer}" for offer in self.offers), *others]

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if answer := await self._answer("MAIL", server, address):
            return answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if answer := await self._answer("RCPT", server, address):
            return answer
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if answer := await self._answer("DATA", server, None):
            return answer
        content = envelope.content
        assert isinstance(content, bytes)
        self.caught.append(
            Caught(
                sender=envelope.mail_from or "",
                recipients=list(envelope.rcpt_tos),
                octets=content,
                session=self.sessions.index(session),
            )
        )
        return "250 OK"

    async def _answer(self, command: str, server: SMTP, address: str | None) -> str | None:
        make_answer = self.answers.get(command)
        if make_answer is None:
            return None
        answer = make_answer(server, address)
        if asyncio.iscoroutine(answer):
            answer = await answer
        return answer if answer is None else str(answer)


async def hang(_server: SMTP, _address: str | None) -> str:
    """Answer so late that a client gives up before."""
    await asyncio.sleep(60)
    return "250 OK"


def drop(server: SMTP, _address: str | None) -> str:
    """Hang up without an answer."""
    hang_up(server)
    return "250 never seen"


def hang_up(protocol: SMTP) -> None:
    """Break the connection, from the server's own thread."""
    if isinstance(protocol.transport, asyncio.WriteTransport):
        protocol.transport.abort()


def taken_and_dropped(server: MailServer) -> Callable[[SMTP, str | None], str]:
    """Store the mail and hang up without an answer."""

    def answer(protocol: SMTP, _address: str | None) -> str:
        envelope = protocol.envelope
        assert envelope is not None
        assert isinstance(envelope.content, bytes)
        server.caught.append(
            Caught(
                sender=envelope.mail_from or "",
                recipients=list(envelope.rcpt_tos),
                octets=envelope.content,
                session=-1,
            )
        )
        return drop(protocol, None)

    return answer


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key, and the authority that signed it."""

    ca: Path
    cert: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Return the server's side."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.cert, self.key)
        return context


def make_certificate(directory: Path) -> Certificate:
    """Create a certificate for 127.0.0.1 and the authority that signs it."""
    files = Certificate(directory / "ca.pem", directory / "cert.pem", directory / "key.pem")
    authority_key = directory / "ca-key.pem"
    make_authority(files.ca, authority_key)
    make_signed(files.cert, files.key, authority=files.ca, authority_key=authority_key, address="127.0.0.1")
    return files


class _FreePort(Controller):
    """Finds out which port it got, which aiosmtpd's controller does not."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@contextmanager
def running(server: MailServer, **options: Any) -> Iterator[SmtpSettings]:
    """Run a server on a free port of 127.0.0.1; yields the settings that reach it."""
    controller = _FreePort(server, hostname="127.0.0.1", port=0, **options)
    controller.start()
    try:
        timeout = dt.timedelta(seconds=30)  # a busy machine may take its time
        yield SmtpSettings(host="127.0.0.1", port=controller.port, timeout=timeout, ehlo_name="ill.test")
    finally:
        # The controller waits for clients to leave, and the pool of a test may keep its connections.
        for protocol in server.protocols:
            controller.loop.call_soon_threadsafe(hang_up, protocol)
        controller.stop()


def login(
    _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: LoginPassword
) -> AuthResult:
    """Accept the one user there is."""
    is_right = data.login == USER.encode() and data.password == PASSWORD.encode()
    return AuthResult(success=is_right, handled=False)
