"""How far the index of requests is, by which lists are filtered, sorted and searched."""

from collections.abc import Iterator

from koha_ill_sidecar.services.doctor.findings import Finding, ok, warn
from koha_ill_sidecar.services.doctor.koha import DoctorContext
from koha_ill_sidecar.services.request_index import indexing

_MANY_WAITING = 5000  # ten steps of the job
_ADVICE = "Let a worker run (koha-ill-sidecar run), or run: koha-ill-sidecar requests reindex"


def check(patient: DoctorContext) -> Iterator[Finding[str]]:
    """Judge whether it is built, and whether it follows."""
    found = indexing.progress(patient.tx)
    stand = f"{found.indexed:,} of {found.of:,} requests"
    if not found.is_complete:
        yield warn("request index", f"not yet built: {stand}", _ADVICE)
    elif found.waiting > _MANY_WAITING:
        yield warn("request index", f"{stand}; {found.waiting:,} changes wait", _ADVICE)
    else:
        yield ok("request index", stand)
