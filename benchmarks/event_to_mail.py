"""From a supplier's callback to the patron's mail, with web and jobs in one process."""

import asyncio
import base64
import hmac
import http.client
import json
import queue
import random
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import DATABASE, PASSWORD, USER, Result, library_server, percentile, under
from benchmarks.idle import daemon
from benchmarks.mail_sink import Session
from koha_ill_sidecar.demo.mariadb import PrivateMariaDB

_BACKEND = "bench"
_KEY = bytes(range(32))
_MAIL_SECONDS = 30.0


def event_to_mail(*, quick: bool) -> Result:
    """Measure the time from the answer to a signed callback to the patron's mail at the SMTP server, p95."""
    count = 20 if quick else 100
    server = library_server()
    arrivals: queue.SimpleQueue[float] = queue.SimpleQueue()
    with (
        tempfile.TemporaryDirectory(prefix="koha-ill-event-") as directory,
        _sink(arrivals) as mail_port,
        daemon(_config(server, Path(directory), mail_port)),
    ):
        _wait_for_earlier_messages(server, arrivals)
        waits = []
        for number in _requests(server, count):
            # Callbacks come at any time between two runs of the job.
            time.sleep(random.uniform(0.2, 1.2))
            if not arrivals.empty():
                raise RuntimeError("a mail arrived that belongs to no callback")
            answered_at = _send(Path(directory) / "web.sock", number)
            waits.append(max(arrivals.get(timeout=_MAIL_SECONDS) - answered_at, 0.0))
    return under("event_to_mail", percentile(waits, 95), "s", limit=0.3)


def _wait_for_earlier_messages(server: PrivateMariaDB, arrivals: "queue.SimpleQueue[float]") -> None:
    """Wait until the messages that the sample library or another benchmark has queued are sent."""
    time.sleep(2)  # the first run of the job
    with server.connect(DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM ill_sidecar_deliveries WHERE state = 'in_flight'")
        ((left,),) = cursor.fetchall()
    if left:
        raise RuntimeError(f"{left} earlier messages are still being sent")
    while not arrivals.empty():
        arrivals.get()


@contextmanager
def _sink(arrivals: "queue.SimpleQueue[float]") -> Iterator[int]:
    """Run a mail server in a thread that notes when mails arrive."""

    class Noting(Session):
        def _accept(self) -> None:
            arrivals.put(time.monotonic())

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(Noting, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()


def _config(server: PrivateMariaDB, directory: Path, mail_port: int) -> Path:
    secret = "whsec_" + base64.b64encode(_KEY).decode()
    signed = {"method": "standard-webhooks", "secrets": [secret]}
    database = {"socket": str(server.socket), "name": DATABASE, "user": USER, "password": PASSWORD}
    path = directory / "config.json"
    path.write_text(
        json.dumps(
            {
                "koha": {"database": database},
                "web": {"listen": f"unix:{directory}/web.sock"},
                "delivery": {"smtp": {"host": "127.0.0.1", "port": mail_port}},
                "backends": {
                    _BACKEND: {"callbacks": {"authentication": [signed], "accept_any_request": True}}
                },
            }
        )
    )
    return path


def _requests(server: PrivateMariaDB, count: int) -> list[int]:
    """Create requests of a patron who wants to know by email that a loan is ready."""
    with server.connect(DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.borrowernumber, b.branchcode FROM borrowers b"
            " JOIN borrower_message_preferences p ON p.borrowernumber = b.borrowernumber"
            " JOIN message_attributes a USING (message_attribute_id)"
            " JOIN borrower_message_transport_preferences t USING (borrower_message_preference_id)"
            " WHERE a.message_name = 'Ill_ready' AND b.email > ''"
            " GROUP BY b.borrowernumber, b.branchcode HAVING GROUP_CONCAT(t.message_transport_type) = 'email'"
            " LIMIT 1"
        )
        ((patron, branch),) = cursor.fetchall()
        numbers = []
        for _ in range(count):
            cursor.execute(
                "INSERT INTO illrequests (borrowernumber, branchcode, status, backend, placed)"
                " VALUES (%s, %s, 'REQ', 'Standard', CURDATE())",
                (patron, branch),
            )
            numbers.append(int(cursor.lastrowid))
        connection.commit()
    return numbers


def _send(web: Path, number: int) -> float:
    """Send the callback that a request has arrived; return when it was answered."""
    event = {"event_id": f"mail_{number}", "request": {"ill_request_id": number}, "status": "delivered"}
    body = json.dumps(event).encode()
    timestamp = str(int(time.time()))
    signature = hmac.digest(_KEY, f"mail_{number}.{timestamp}.".encode() + body, "sha256")
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.connect(str(web))
    connection.request(
        "POST",
        f"/callbacks/{_BACKEND}",
        body,
        {
            "Content-Type": "application/json",
            "webhook-id": f"mail_{number}",
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
        },
    )
    answer = connection.getresponse()
    answered_at = time.monotonic()
    text = answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"callback refused: {answer.status} {text!r}")
    return answered_at
