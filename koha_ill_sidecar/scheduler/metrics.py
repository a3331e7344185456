"""Prometheus metrics of the jobs."""

from prometheus_client import Counter, Histogram

_RUNS = Counter("koha_ill_sidecar_job_runs", "Runs of a job, by how they ended.", ["job", "outcome"])
_SECONDS = Histogram(
    "koha_ill_sidecar_job_seconds",
    "How long the runs of a job took.",
    ["job"],
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300),
)


def observe(job: str, outcome: str, seconds: float) -> None:
    """Count a run."""
    _RUNS.labels(job, outcome).inc()
    _SECONDS.labels(job).observe(seconds)
