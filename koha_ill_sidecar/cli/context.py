"""The settings and the parts of the program for commands, built when they are first used."""

from functools import cached_property
from pathlib import Path

import click

from koha_ill_sidecar.config.loading import load_settings
from koha_ill_sidecar.config.settings import Settings
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.storage.database import Database


class CommandContext:
    """
    The settings named on the command line, and the parts of the program that are built from them.

    Commands take it with :data:`pass_context`; it is closed when the program ends. The command builds it, not the
    program's group, so that ``--help`` need not import the parts.

    Attributes:
        config: The configuration file.
        debug: Whether ``--debug`` was given.
    """

    def __init__(self) -> None:
        program = click.get_current_context().find_root()
        self.config: Path = program.params["config"]
        self.debug: bool = program.params["debug"]
        program.call_on_close(self.close)

    @cached_property
    def settings(self) -> Settings:
        """The settings; raises ConfigurationError."""
        return load_settings(self.config)

    @cached_property
    def runtime(self) -> Runtime:
        """The parts of the program; they connect when they are used."""
        return Runtime.build(self.settings)

    @property
    def database(self) -> Database:
        """Koha's database."""
        return self.runtime.database

    def close(self) -> None:
        """Close what was opened."""
        if "runtime" in vars(self):
            self.runtime.close()


pass_context = click.make_pass_decorator(CommandContext, ensure=True)
