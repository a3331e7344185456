"""The command behind ``script/demo``."""

import shutil
import signal
import sys
import threading
from email.message import EmailMessage
from pathlib import Path

import click

from koha_ill_sidecar.demo import smoke
from koha_ill_sidecar.demo.environment import SUPPLIER, DemoEnvironment
from koha_ill_sidecar.demo.sample_library import LOGINS, STAFF_PASSWORD
from koha_ill_sidecar.errors import SidecarError

_VAR = Path("var")


@click.command()
@click.option("--reset", is_flag=True, help="Remove the data of an earlier demo first.")
@click.option(
    "--smoke", "only_smoke", is_flag=True, help="Run the main workflow once from end to end and exit."
)
def main(*, reset: bool, only_smoke: bool) -> None:
    """Run the sidecar with a sample Koha library; all files are in this directory."""
    try:
        if only_smoke:
            sys.exit(0 if smoke.run(_VAR / "smoke") else 1)
        _run(_VAR / "demo", reset=reset)
    except SidecarError as error:
        click.echo(f"demo: {error}", err=True)
        sys.exit(1)


def _run(directory: Path, *, reset: bool) -> None:
    if reset:
        shutil.rmtree(directory, ignore_errors=True)
    click.echo("Starting a private MariaDB, a mail catcher and the sidecar ...")
    with DemoEnvironment(directory, on_mail=_print_mail) as demo:
        # Before the welcome text, because a reader may press Ctrl-C immediately.
        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        click.echo(_welcome(demo))
        stopped.wait()
        click.echo("\nStopping ...")


def _print_mail(path: Path, mail: EmailMessage) -> None:
    body = mail.get_body(("plain", "html"))
    text = body.get_content() if body is not None else ""
    click.echo(
        f"\n── mail {path}\nTo: {mail['To']}\nFrom: {mail['From']}\nSubject: {mail['Subject']}\n\n{text}"
    )


def _welcome(demo: DemoEnvironment) -> str:
    people = "\n".join(f"  {userid:<13} {description}" for userid, description in LOGINS.items())
    return f"""
Staff interface {demo.url}/
Callbacks       POST {demo.url}/callbacks/{SUPPLIER}, signed with {demo.directory}/supplier.secret
Command line    .venv/bin/koha-ill-sidecar --config {demo.config} requests list
Koha database   mariadb --no-defaults --socket={demo.server.socket} --user=root koha_demo
Mails           {demo.catcher.directory}/; each one is also printed here
Health          {demo.url}/healthz, /readyz, /metrics
Log             {demo.log}

The password of every account is {STAFF_PASSWORD}:
{people}

Press Ctrl-C to stop everything."""


if __name__ == "__main__":
    main()
