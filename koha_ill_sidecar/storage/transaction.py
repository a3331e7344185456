"""What a use case is given to work with."""

from dataclasses import dataclass

from sqlalchemy import Connection

from koha_ill_sidecar.config.settings import IllSite
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.koha.preferences import Preferences


@dataclass(frozen=True, slots=True)
class Transaction:
    """One open database transaction, and what is known of the Koha on its other side."""

    connection: Connection
    koha: InstalledKoha
    preferences: Preferences
    site: IllSite
