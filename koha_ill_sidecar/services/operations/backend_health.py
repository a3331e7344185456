"""How the backends are doing, judged by their callbacks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row

from koha_ill_sidecar.config.settings import BackendSettings
from koha_ill_sidecar.domain.callbacks import OPEN_VERDICTS, Verdict
from koha_ill_sidecar.storage.sidecar import receipts
from koha_ill_sidecar.storage.transaction import Transaction

FAILURES = OPEN_VERDICTS | {Verdict.UNKNOWN_STATUS}
"""Callbacks that could not be used: the configuration of the backend needs a check."""


class BackendState(StrEnum):
    """How a backend is doing."""

    WELL = "well"
    TROUBLED = "troubled"  # callbacks of the last day could not be used
    QUIET = "quiet"  # no callback was ever received
    UNKNOWN = "unknown"  # the database is away


@dataclass(frozen=True, kw_only=True, slots=True)
class BackendHealth:
    """A backend that sends callbacks, and how it is doing."""

    name: str
    state: BackendState
    last_received_at: datetime | None = None
    errors: int = 0  # in the last 24 hours


def with_callbacks(backends: Mapping[str, BackendSettings]) -> list[str]:
    """Return the names of the enabled backends that send callbacks."""
    return sorted(name for name, backend in backends.items() if backend.enabled and backend.callbacks)


def examine(tx: Transaction, names: Sequence[str]) -> list[BackendHealth]:
    """Return how backends are doing; one query by index (:func:`storage.sidecar.receipts.activity`)."""
    activity = {found.backend: found for found in receipts.find_activity(tx, FAILURES)}
    return [_health(name, activity.get(name)) for name in names]


def unknown(names: Sequence[str]) -> list[BackendHealth]:
    """Return the state of backends while the database is away."""
    return [BackendHealth(name=name, state=BackendState.UNKNOWN) for name in names]


def _health(name: str, found: Row[Any] | None) -> BackendHealth:
    if found is None:
        return BackendHealth(name=name, state=BackendState.QUIET)
    return BackendHealth(
        name=name,
        state=BackendState.TROUBLED if found.errors else BackendState.WELL,
        last_received_at=found.last_received_at,
        errors=found.errors,
    )
