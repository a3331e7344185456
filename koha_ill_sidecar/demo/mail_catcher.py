"""An SMTP server that keeps every mail as a file, for the demo."""

import itertools
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

HOST = "127.0.0.1"


class MailCatcher:
    """
    Catches what is sent to ``127.0.0.1:port`` as numbered ``.eml`` files in *directory*.

    Args:
        told: Called with each mail's file and content, from the server's own thread.
    """

    def __init__(self, directory: Path, *, port: int, told: Callable[[Path, EmailMessage], None]) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._controller = Controller(_Keeper(directory, told), hostname=HOST, port=port)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._controller.stop()

    def mails(self) -> list[EmailMessage]:
        """Read what was caught, oldest first."""
        return [read_mail(path.read_bytes()) for path in sorted(self.directory.glob("*.eml"))]


def read_mail(data: bytes) -> EmailMessage:
    """Read a mail with its headers and body decoded."""
    return message_from_bytes(data, policy=policy.default)


class _Keeper:
    def __init__(self, directory: Path, told: Callable[[Path, EmailMessage], None]) -> None:
        self._directory = directory
        self._told = told
        self._numbers = itertools.count(len(list(directory.glob("*.eml"))) + 1)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        del server, session
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        path = self._directory / f"{next(self._numbers):04d}.eml"
        path.write_bytes(content)
        self._told(path, read_mail(content))
        return "250 Caught"
