"""A private environment for the sidecar: Koha's database, a mail server and the configuration of a supplier."""

import base64
import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Self

from koha_ill_sidecar.demo import koha_database
from koha_ill_sidecar.demo.mail_catcher import HOST, MailCatcher
from koha_ill_sidecar.demo.mariadb import PrivateMariaDB, stop_process
from koha_ill_sidecar.errors import SidecarError

SUPPLIER = "DemoSupplier"
DATABASE = "koha_demo"

_USER = "koha_ill_sidecar"
_READY_SECONDS = 20

_CONFIG = """\
# Written by script/demo; see config.example.yaml for every key.
koha:
  conf: {conf}
  database:
    socket: {socket}
    user: {user}
    password: {{file: {password_file}}}
web:
  listen: {host}:{web_port}
delivery:
  smtp:
    host: {host}
    port: {mail_port}
backends:
  {supplier}:
    callbacks:
      accept_any_request: true
      authentication:
        - method: standard-webhooks
          secrets:
            - {{file: {secret_file}}}
"""

_KOHA_CONF = """\
<?xml version="1.0" encoding="UTF-8"?>
<yazgfs>
  <config>
    <db_scheme>mysql</db_scheme>
    <database>{database}</database>
    <hostname>localhost</hostname>
    <port>3306</port>
    <user>koha</user>
    <pass>not used by the sidecar</pass>
    <interlibrary_loans>
      <branch>
        <code>CPL</code>
        <prefix>ADA</prefix>
      </branch>
    </interlibrary_loans>
  </config>
</yazgfs>
"""


class SidecarNotReady(SidecarError):
    """The sidecar did not become ready; the message contains the end of its log."""


class DemoEnvironment:
    """
    A private MariaDB with a Koha database, a mail catcher, and the sidecar in a separate process.

    All files are under *directory* and stay there between runs. Use it as a context manager.

    Args:
        on_mail: Called with each mail that arrives.
    """

    def __init__(self, directory: Path, *, on_mail: Callable[[Path, EmailMessage], None]) -> None:
        self.directory = directory.absolute()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config = self.directory / "config.yaml"
        self.log = self.directory / "sidecar.log"
        self.web_port = _free_port(8085)
        self.mail_port = _free_port(8025)
        self.server = PrivateMariaDB(self.directory / "mariadb")
        self.catcher = MailCatcher(self.directory / "mails", port=self.mail_port, on_mail=on_mail)
        self._sidecar: subprocess.Popen[bytes] | None = None
        self._open = contextlib.ExitStack()

    @property
    def url(self) -> str:
        """The base URL of the sidecar."""
        return f"http://{HOST}:{self.web_port}"

    @property
    def secret(self) -> str:
        """The supplier's signing secret in the format of Standard Webhooks."""
        return self._secret.read_text().strip()

    def __enter__(self) -> Self:
        with self._open:
            self._open.enter_context(self.server)
            self._write_configuration()
            password = self._password.read_text().strip()
            is_new = not koha_database.exists(self.server, DATABASE)
            if is_new:
                koha_database.create_koha_database(self.server, DATABASE, user=_USER, password=password)
            else:
                # The data may be of an older version of the program: new tables need new privileges.
                with self.server.connect(DATABASE) as connection:
                    koha_database.create_user(connection, DATABASE, user=_USER, password=password)
            self._open.enter_context(self.catcher)
            self.command("migrate")
            if is_new:
                with self.server.connect(DATABASE) as connection:
                    koha_database.add_partner_enquiries(connection)
            self.start_sidecar()
            self._open.callback(self.stop_sidecar)
            self._open = self._open.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._open.close()

    def command(self, *arguments: str) -> str:
        """
        Run the sidecar's command line and return its output.

        Raises:
            SidecarError: The command failed; the text is its error output.
        """
        result = subprocess.run(self._command(*arguments), check=False, capture_output=True, text=True)
        if result.returncode:
            raise SidecarError(f"{' '.join(arguments[:2])}: {result.stderr.strip() or result.stdout.strip()}")
        return result.stdout

    def start_sidecar(self) -> None:
        """Start the daemon and wait until it is ready; raises SidecarNotReady."""
        with self.log.open("ab") as log:
            self._sidecar = subprocess.Popen(
                self._command("run"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C must reach only the demo, which then stops the sidecar properly
            )
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline and self._sidecar.poll() is None:
            if _answers(f"{self.url}/readyz"):
                return
            time.sleep(0.1)
        tail = self.log.read_text(errors="replace").strip()[-800:]
        raise SidecarNotReady(f"The sidecar did not become ready. Its log ends:\n{tail}")

    def stop_sidecar(self) -> None:
        """Stop the daemon with SIGTERM, as systemd does."""
        if self._sidecar is not None:
            stop_process(self._sidecar)
            self._sidecar = None

    @property
    def _password(self) -> Path:
        return self._secret_file("database.password", secrets.token_urlsafe(24))

    @property
    def _secret(self) -> Path:
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        return self._secret_file("supplier.secret", f"whsec_{key}")

    def _secret_file(self, name: str, new: str) -> Path:
        path = self.directory / name
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(new + "\n")
        return path

    def _write_configuration(self) -> None:
        conf = self.directory / "koha-conf.xml"
        conf.write_text(_KOHA_CONF.format(database=DATABASE), encoding="utf-8")
        self.config.touch(mode=0o600)  # before it contains anything
        self.config.write_text(
            _CONFIG.format(
                conf=conf,
                socket=self.server.socket,
                user=_USER,
                password_file=self._password,
                host=HOST,
                web_port=self.web_port,
                mail_port=self.mail_port,
                supplier=SUPPLIER,
                secret_file=self._secret,
            ),
            encoding="utf-8",
        )

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "koha_ill_sidecar", "--config", str(self.config), *arguments]


def _free_port(preferred: int) -> int:
    """Return the preferred port if it is free, otherwise any free port."""
    with socket.socket() as probe:
        # Otherwise connections of an earlier run in TIME_WAIT would make the port look used.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, preferred))
        except OSError:
            probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  (our own http address)
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
