"""Prometheus metrics of the callbacks."""

import time
from datetime import UTC, datetime

from prometheus_client import Counter, Gauge, Histogram

from koha_ill_sidecar.domain.callbacks import Verdict

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_LAG_SECONDS = (1, 5, 30, 60, 300, 1800, 7200, 86400, 604800)

_RECEIVED = Counter("koha_ill_sidecar_callbacks", "Callbacks received, by outcome.", ["backend", "outcome"])
_REFUSED = Counter(
    "koha_ill_sidecar_callbacks_refused", "Callbacks that were not authenticated.", ["backend", "reason"]
)
_DURATION = Histogram(
    "koha_ill_sidecar_callback_seconds",
    "Time from the callback's last byte to its commit.",
    ["backend"],
    buckets=_SECONDS,
)
_LAG = Histogram(
    "koha_ill_sidecar_callback_lag_seconds",
    "Time from the event, by the sender's clock, to its commit.",
    ["backend"],
    buckets=_LAG_SECONDS,
)
_LAST_APPLIED = Gauge(
    "koha_ill_sidecar_callback_last_applied_timestamp_seconds",
    "When a callback was last applied.",
    ["backend"],
)


def observe_received(backend: str, outcome: str, *, seconds: float, occurred_at: datetime | None) -> None:
    """Count a callback that has a receipt."""
    _RECEIVED.labels(backend, outcome).inc()
    _DURATION.labels(backend).observe(seconds)
    if outcome == Verdict.APPLIED:
        _LAST_APPLIED.labels(backend).set(time.time())
    if occurred_at is not None:
        _LAG.labels(backend).observe(max(0.0, (datetime.now(UTC) - occurred_at).total_seconds()))


def observe_refused(backend: str, reason: str) -> None:
    """Count a callback that was not authenticated."""
    _REFUSED.labels(backend, reason).inc()
