"""Build and connect the long-lived parts of the program."""

from dataclasses import dataclass, field
from typing import Self

from koha_ill_sidecar.config.settings import Settings
from koha_ill_sidecar.delivery.smtp import Mailer
from koha_ill_sidecar.storage.database import Database


@dataclass(frozen=True, kw_only=True, slots=True)
class Runtime:
    """The objects that live as long as the process; routes, jobs and commands receive them."""

    settings: Settings
    database: Database
    mailer: Mailer = field(default_factory=Mailer)

    @classmethod
    def build(cls, settings: Settings) -> Self:
        """Build the parts; no connection is opened yet."""
        koha = settings.koha
        database = Database(
            koha.database,
            site=koha.site,
            delivery=settings.delivery,
            accept_unsupported_version=koha.accept_unsupported_version,
        )
        return cls(settings=settings, database=database)

    def close(self) -> None:
        """Close all connections."""
        self.mailer.close()
        self.database.close()
