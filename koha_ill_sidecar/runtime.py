"""The one place where the program's long-lived parts are built and put together."""

from dataclasses import dataclass, field
from typing import Self

from koha_ill_sidecar.config.settings import Settings
from koha_ill_sidecar.delivery.smtp import Mailer
from koha_ill_sidecar.storage.database import Database


@dataclass(frozen=True, kw_only=True, slots=True)
class Runtime:
    """What lives as long as the process: handed to routes, jobs and commands."""

    settings: Settings
    database: Database
    mailer: Mailer = field(default_factory=Mailer)

    @classmethod
    def build(cls, settings: Settings) -> Self:
        """Put the parts together; nothing is connected to yet."""
        koha = settings.koha
        database = Database(
            koha.database, site=koha.site, accept_unsupported_version=koha.accept_unsupported_version
        )
        return cls(settings=settings, database=database)

    def close(self) -> None:
        """Let go of every connection."""
        self.mailer.close()
        self.database.close()
