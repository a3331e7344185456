"""An SMTP server for the demo that stores every mail as a file."""

import itertools
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

HOST = "127.0.0.1"


class MailCatcher:
    """
    Stores the mails that are sent to ``127.0.0.1:port`` as numbered ``.eml`` files in *directory*.

    Args:
        on_mail: Called with the file and content of each mail, in the server's thread.
    """

    def __init__(self, directory: Path, *, port: int, on_mail: Callable[[Path, EmailMessage], None]) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._controller = Controller(_Handler(directory, on_mail), hostname=HOST, port=port)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._controller.stop()

    def mails(self) -> list[EmailMessage]:
        """Read all stored mails, oldest first."""
        return [read_mail(path.read_bytes()) for path in sorted(self.directory.glob("*.eml"))]


def read_mail(data: bytes) -> EmailMessage:
    """Parse a mail and decode its headers and body."""
    return message_from_bytes(data, policy=policy.default)


class _Handler:
    def __init__(self, directory: Path, on_mail: Callable[[Path, EmailMessage], None]) -> None:
        self._directory = directory
        self._on_mail = on_mail
        self._numbers = itertools.count(len(list(directory.glob("*.eml"))) + 1)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        del server, session
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        path = self._directory / f"{next(self._numbers):04d}.eml"
        path.write_bytes(content)
        self._on_mail(path, read_mail(content))
        return "250 Caught"
