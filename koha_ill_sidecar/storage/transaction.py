"""What a use case is given to work with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy import Connection

from koha_ill_sidecar.cache import Cache
from koha_ill_sidecar.config.settings import IllSite
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.koha.preferences import Preferences

Statement: TypeAlias = tuple[str, Mapping[str, object]]
"""A fixed text, with ``%(name)s`` where a value stands, and the values."""


class ChangedRequests:
    """The requests that a transaction changed; the index is told of each once."""

    def __init__(self) -> None:
        self._untold: set[int] = set()
        self._told: set[int] = set()

    def add(self, illrequest_id: int) -> None:
        """Note a request of which a row was written, its own or one that belongs to it."""
        if illrequest_id not in self._told:
            self._untold.add(illrequest_id)

    def drain(self) -> list[int]:
        """Return those that the index is to be told of, and take them for told."""
        taken = sorted(self._untold)
        self._told |= self._untold
        self._untold.clear()
        return taken


@dataclass(frozen=True, slots=True)
class Transaction:
    """
    One open database transaction, and what is known of the Koha on its other side.

    Attributes:
        changed: Requests whose rows were written.
        cache: What transactions share for some seconds, such as the names of libraries.
        notes: Where statements wait to be sent together (:func:`koha_ill_sidecar.storage.direct.together`).
    """

    connection: Connection
    koha: InstalledKoha
    preferences: Preferences
    site: IllSite
    cache: Cache = field(default_factory=lambda: Cache(0))
    changed: ChangedRequests = field(default_factory=ChangedRequests)
    queued: list[Statement] | None = None
