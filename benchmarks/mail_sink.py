"""
A mail server that accepts every mail and discards it, in a process of its own.

It does as little as possible, so that the sender is measured, and has the extensions of Postfix and Exim. Run as a
module, it prints its port, serves until its standard input closes, and then prints the number of mails.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class Session(asyncio.Protocol):
    """One client of the sink."""

    accepted = 0

    def __init__(self) -> None:
        self._buffer = b""
        self._in_text = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        answers = []
        while True:
            end = b"\r\n.\r\n" if self._in_text else b"\r\n"
            head, found, rest = self._buffer.partition(end)
            if not found:
                break
            self._buffer = rest
            answers.append(self._answer(head))
        if answers:
            self._transport.write(b"".join(answers))

    def _answer(self, line: bytes) -> bytes:
        if self._in_text:
            self._in_text = False
            self._accept()
            return b"250 OK\r\n"
        match line[:4].upper():
            case b"EHLO":
                return b"250-sink\r\n250-PIPELINING\r\n250 SIZE 33554432\r\n"
            case b"DATA":
                self._in_text = True
                return b"354 continue\r\n"
            case b"QUIT":
                return b"221 bye\r\n"
        return b"250 OK\r\n"

    def _accept(self) -> None:
        Session.accepted += 1


@contextmanager
def mail_sink() -> Iterator[int]:
    """Run a sink and yield its port; fails if it ends with an error."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.mail_sink"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.communicate()
    if process.returncode:
        raise RuntimeError(f"the mail sink ended with {process.returncode}")


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Session, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(Session.accepted, flush=True)


if __name__ == "__main__":
    asyncio.run(_serve())
