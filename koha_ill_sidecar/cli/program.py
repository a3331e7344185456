"""The program ``koha-ill-sidecar``: its commands, global options and exit codes."""

import importlib
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from koha_ill_sidecar import __version__, logs
from koha_ill_sidecar.errors import ConfigurationError, SidecarError

NAME = "koha-ill-sidecar"
DEFAULT_CONFIG = Path("/etc/koha-ill-sidecar/config.yaml")

_FAILED = 1
_WRONG_CONFIGURATION = 78  # EX_CONFIG of sysexits.h; the units do not restart after it
_INTERRUPTED = 130  # 128 + SIGINT, as in shells


_COMMANDS = {
    "run": ("run", "Serve callbacks and run the jobs, all in one process."),
    "web": ("run", "Serve callbacks only."),
    "worker": ("run", "Run the jobs only."),
    "requests": ("requests", "Create, change and show requests."),
    "notices": ("notices", "Install, check, preview and render notices."),
    "queue": ("queue", "Show messages and their delivery."),
    "callbacks": ("callbacks", "Show callbacks and replay them."),
    "check": ("check", "Check the configuration file, and nothing else."),
    "doctor": ("doctor", "Check the configuration, the database, Koha and the mail."),
    "migrate": ("migrate", "Create or update the sidecar's own tables."),
    "grants": ("grants", "Print the privileges that the database user needs."),
}
"""The module with the function of each command, and its line in the list of commands."""


class _Program(click.Group):
    """A group that imports a command only when it is used, so that ``--help`` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f"koha_ill_sidecar.cli.{module}"), cmd_name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="KOHA_ILL_SIDECAR_CONFIG",
    default=DEFAULT_CONFIG,
    show_default=True,
    show_envvar=True,
    help="The configuration file.",
)
@click.option(
    "--debug", is_flag=True, help="Log everything, and show where in the program an error came from."
)
@click.version_option(__version__, prog_name=NAME)
def program(config: Path, *, debug: bool) -> None:  # noqa: ARG001  (commands find the configuration themselves)
    """Interlibrary loans beside a running Koha."""
    logs.configure(level="debug" if debug else "warning", style="logfmt")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """
    Run the program and exit.

    Exit codes: 0 fine, 1 something failed, 2 used wrongly, 78 the configuration is wrong.
    """
    sys.exit(_run(list(sys.argv[1:] if arguments is None else arguments)))


def _run(arguments: list[str]) -> int:
    try:
        result = program.main(arguments, prog_name=NAME, standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return _INTERRUPTED
    except SidecarError as error:
        return _explain(error, arguments)
    except BrokenPipeError:
        # The reader has closed the pipe, as `head` does. Without this, Python would fail again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    except Exception as error:  # noqa: BLE001  (the last resort: a traceback only with --debug)
        return _explain(error, arguments)
    return result if isinstance(result, int) else 0


def _explain(error: Exception, arguments: list[str]) -> int:
    if "--debug" in arguments:
        raise error
    prefix = logs.journal_prefix(sys.stderr, logging.ERROR)
    for line in _lines(error):
        click.echo(f"{prefix}{NAME}: {line}", err=True)
    return _WRONG_CONFIGURATION if isinstance(error, ConfigurationError) else _FAILED


def _lines(error: Exception) -> Sequence[str]:
    match error:
        case ConfigurationError():
            return error.problems
        case SidecarError():
            return [" ".join(str(error).split())]
    message = " ".join(f"{type(error).__name__}: {error}".split())
    return [f"internal error: {message[:500]} (run it again with {NAME} --debug ... to see where)"]
