"""The transaction that every use case takes as its first argument."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy import Connection

from koha_ill_sidecar.cache import Cache
from koha_ill_sidecar.config.settings import DeliverySettings, IllSite
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.koha.preferences import Preferences

Statement: TypeAlias = tuple[str, Mapping[str, object]]
"""A fixed text with ``%(name)s`` for each value, and the values."""


class ChangedRequests:
    """The requests that a transaction changed, each of which is queued for the index once."""

    def __init__(self) -> None:
        self._new: set[int] = set()
        self._taken: set[int] = set()

    def add(self, illrequest_id: int) -> None:
        """Add a request when its row, or one that belongs to it, was written."""
        if illrequest_id not in self._taken:
            self._new.add(illrequest_id)

    def take_new(self) -> list[int]:
        """Return the requests that were added since the last call and never returned before."""
        new = sorted(self._new)
        self._taken |= self._new
        self._new.clear()
        return new


@dataclass(frozen=True, slots=True)
class Transaction:
    """
    One open database transaction, and what is known of the Koha behind it.

    Attributes:
        delivery: Which messages the sidecar delivers, and whether it keeps them from Koha.
        changed: The requests whose rows were written.
        new_messages: The IDs of the messages that were put into the queue.
        cache: What transactions share for some seconds, such as the names of libraries.
        queued: Statements that wait to be sent together (:func:`koha_ill_sidecar.storage.direct.batch`).
    """

    connection: Connection
    koha: InstalledKoha
    preferences: Preferences
    site: IllSite
    cache: Cache = field(default_factory=lambda: Cache(0))
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    changed: ChangedRequests = field(default_factory=ChangedRequests)
    new_messages: list[int] = field(default_factory=list)
    queued: list[Statement] | None = None
