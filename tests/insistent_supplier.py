"""A supplier that sends its callbacks to the program as a process, and repeats each until it is answered."""

import http.client
import json
import socket
import time
from pathlib import Path
from typing import Any

from sidecar_process import Library
from supplier import TOKEN

BACKENDS = {
    "plain": {
        "callbacks": {
            "authentication": [{"method": "bearer", "tokens": [TOKEN]}],
            "accept_any_request": True,
        }
    }
}
STATUSES = ["received", "in_process", "will_supply", "shipped", "delivered"]


class Connection(http.client.HTTPConnection):
    """HTTP over the Unix socket that the sidecar listens on."""

    def __init__(self, path: Path) -> None:
        super().__init__("sidecar", timeout=120)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Supplier:
    """Sends callbacks, and repeats each until it is answered."""

    def __init__(self, library: Library) -> None:
        self._path = library.directory / "web.sock"
        self._connection: Connection | None = None

    def send(self, document: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Send once; raises OSError or HTTPException without an answer."""
        if self._connection is None:
            self._connection = Connection(self._path)
        try:
            headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
            self._connection.request("POST", "/callbacks/plain", json.dumps(document), headers)
            response = self._connection.getresponse()
            return response.status, json.loads(response.read())
        except (OSError, http.client.HTTPException):
            self._connection.close()
            self._connection = None
            raise

    def insist(self, document: dict[str, Any], seconds: float = 600) -> tuple[int, dict[str, Any]]:
        """Send until the answer is 200."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                status, answer = self.send(document)
            except (OSError, http.client.HTTPException):
                status = 0
            if status == 200:
                return status, answer
            time.sleep(0.05)
        raise AssertionError(f"never answered; the last status was {status}")


def make_requests(library: Library, number: int) -> list[int]:
    with library.connect() as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO illrequests (borrowernumber, branchcode, status, backend, placed)"
            " VALUES (5, 'CPL', 'NEW', %s, CURDATE())",
            [("Standard",)] * number,
        )
        connection.commit()
        cursor.execute("SELECT illrequest_id FROM illrequests ORDER BY illrequest_id")
        return [row[0] for row in cursor.fetchall()]


def log_of(library: Library, illrequest_id: int) -> list[tuple[str, str]]:
    rows = library.sql(
        "SELECT info FROM action_logs WHERE module = 'ILL' AND object = %s ORDER BY action_id", illrequest_id
    )
    return [(json.loads(info)["status_before"], json.loads(info)["status_after"]) for (info,) in rows]
