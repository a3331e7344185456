"""The command behind ``script/demo``."""

import signal
import sys
import threading
from email.message import EmailMessage
from pathlib import Path

import click

from koha_ill_sidecar.demo import smoke
from koha_ill_sidecar.demo.neighbourhood import SUPPLIER, Neighbourhood
from koha_ill_sidecar.demo.sample_library import LOGINS, STAFF_PASSWORD
from koha_ill_sidecar.errors import SidecarError

_VAR = Path("var")


@click.command()
@click.option("--reset", is_flag=True, help="Start afresh: forget what an earlier demo left.")
@click.option("--smoke", "only_smoke", is_flag=True, help="Run the main job once from end to end and exit.")
def main(*, reset: bool, only_smoke: bool) -> None:
    """Run the sidecar beside a sample Koha library, with everything private to this directory."""
    try:
        if only_smoke:
            sys.exit(0 if smoke.run(_VAR / "smoke") else 1)
        _run(_VAR / "demo", reset=reset)
    except SidecarError as error:
        click.echo(f"demo: {error}", err=True)
        sys.exit(1)


def _run(directory: Path, *, reset: bool) -> None:
    if reset:
        Neighbourhood.forget(directory)
    click.echo("Starting a private MariaDB, a mail catcher and the sidecar ...")
    with Neighbourhood(directory, told=_tell) as place:
        # Before the invitation: who reads it may press Ctrl-C at once.
        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        click.echo(_welcome(place))
        stopped.wait()
        click.echo("\nStopping ...")


def _tell(path: Path, mail: EmailMessage) -> None:
    body = mail.get_body(("plain", "html"))
    text = body.get_content() if body is not None else ""
    click.echo(
        f"\n── mail {path}\nTo: {mail['To']}\nFrom: {mail['From']}\nSubject: {mail['Subject']}\n\n{text}"
    )


def _welcome(place: Neighbourhood) -> str:
    people = "\n".join(f"  {userid:<13} {who}" for userid, who in LOGINS.items())
    return f"""
Staff interface {place.url}/
Callbacks       POST {place.url}/callbacks/{SUPPLIER}, signed with {place.directory}/supplier.secret
Command line    .venv/bin/koha-ill-sidecar --config {place.config} requests list
Koha database   mariadb --no-defaults --socket={place.server.socket} --user=root koha_demo
Mails           {place.catcher.directory}/, each is printed here as well
Health          {place.url}/healthz, /readyz, /metrics
Log             {place.log}

Everybody's password is {STAFF_PASSWORD}:
{people}

Ctrl-C stops it all."""


if __name__ == "__main__":
    main()
