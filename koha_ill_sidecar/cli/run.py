"""``koha-ill-sidecar run``, ``web`` and ``worker``: the long-running commands."""

import click

from koha_ill_sidecar.cli.context import CommandContext, pass_context
from koha_ill_sidecar.config.loading import load_settings
from koha_ill_sidecar.scheduler.daemon import Daemon

_SIGNALS = """
    SIGTERM and SIGINT finish what is in flight and stop. SIGHUP reads the configuration again; if the new one is
    wrong, the old one stays in use.
"""


@click.command(epilog=_SIGNALS)
@pass_context
def run(context: CommandContext) -> None:
    """Serve callbacks and run the jobs, all in one process."""
    _daemon(context, with_web=True, with_jobs=True)


@click.command(epilog=_SIGNALS)
@pass_context
def web(context: CommandContext) -> None:
    """Serve callbacks only; the jobs run in a worker."""
    _daemon(context, with_web=True, with_jobs=False)


@click.command(epilog=_SIGNALS)
@pass_context
def worker(context: CommandContext) -> None:
    """
    Run the jobs only.

    Any number of workers may run, on any number of hosts: messages are shared among them, and every other job is
    run by one at a time.
    """
    _daemon(context, with_web=False, with_jobs=True)


def _daemon(context: CommandContext, *, with_web: bool, with_jobs: bool) -> None:
    Daemon(
        lambda: load_settings(context.config), with_web=with_web, with_jobs=with_jobs, debug=context.debug
    ).run()
