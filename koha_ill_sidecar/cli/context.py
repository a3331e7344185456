"""What every command is given: the settings and what is built from them, made when first asked for."""

from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import click

from koha_ill_sidecar.config.loading import load_settings
from koha_ill_sidecar.config.settings import Settings
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.storage.database import Database


class CommandContext:
    """
    The settings named on the command line, and the program's parts made of them.

    A context manager, which closes what was opened. Commands take it with :data:`pass_context`.
    """

    def __init__(self, config: Path, *, debug: bool = False) -> None:
        self.config = config
        self.debug = debug

    @cached_property
    def settings(self) -> Settings:
        """The settings; raises ConfigurationError."""
        return load_settings(self.config)

    @cached_property
    def runtime(self) -> Runtime:
        """The program's parts; nothing is connected before it is used."""
        return Runtime.build(self.settings)

    @property
    def database(self) -> Database:
        """Koha's database."""
        return self.runtime.database

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if "runtime" in vars(self):
            self.runtime.close()


pass_context = click.make_pass_decorator(CommandContext)
