"""
A mail server that takes everything and keeps nothing, in a process of its own.

It does as little as a server can, so that what is measured is the sender, and offers what Postfix and Exim do. Run as a
module it prints its port, serves until its standard input closes, and then prints how many mails it took.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Session(asyncio.Protocol):
    taken = 0

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
            _Session.taken += 1
            return b"250 taken\r\n"
        match line[:4].upper():
            case b"EHLO":
                return b"250-sink\r\n250-PIPELINING\r\n250 SIZE 33554432\r\n"
            case b"DATA":
                self._in_text = True
                return b"354 go on\r\n"
            case b"QUIT":
                return b"221 bye\r\n"
        return b"250 OK\r\n"


@contextmanager
def mail_sink() -> Iterator[int]:
    """Run a sink and give its port; fails if it did not end well."""
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
    server = await loop.create_server(_Session, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(_Session.taken, flush=True)


if __name__ == "__main__":
    asyncio.run(_serve())
