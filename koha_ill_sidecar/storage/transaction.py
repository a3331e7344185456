"""What a use case is given to work with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import Connection

from koha_ill_sidecar.config.settings import IllSite
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.koha.preferences import Preferences

Statement: TypeAlias = tuple[str, Mapping[str, object]]
"""A fixed text, with ``%(name)s`` where a value stands, and the values."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """
    One open database transaction, and what is known of the Koha on its other side.

    Attributes:
        notes: Where statements wait to be sent together (:func:`koha_ill_sidecar.storage.direct.together`).
    """

    connection: Connection
    koha: InstalledKoha
    preferences: Preferences
    site: IllSite
    notes: list[Statement] | None = None
