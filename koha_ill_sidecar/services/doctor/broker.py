"""Whether Koha's workers will hear of the records that are to be indexed."""

from collections.abc import Iterator
from dataclasses import replace

from koha_ill_sidecar.delivery.broker import connected
from koha_ill_sidecar.errors import BrokerUnavailable
from koha_ill_sidecar.messages import LazyMessage
from koha_ill_sidecar.services.doctor.findings import Finding, Verdict, failure, ok, warn
from koha_ill_sidecar.services.doctor.koha import DoctorContext
from koha_ill_sidecar.services.requests.records import workers_wait_to_be_told


def check(patient: DoctorContext) -> Iterator[Finding[str | LazyMessage]]:
    """Knock at the message broker where it is needed: with Elasticsearch, unless Koha's workers poll."""
    preferences = patient.tx.preferences
    if preferences.text("SearchEngine") != "Elasticsearch" or not workers_wait_to_be_told(preferences):
        return
    settings = patient.settings.koha.broker
    if settings is None:
        yield warn(
            "broker",
            "Koha's message broker is not known",
            "Set koha.conf: without it, Koha's workers never hear of the records of requested books.",
        )
        return
    try:
        with connected(settings):
            yield ok("broker", f"{settings.host}:{settings.port} takes our messages for {settings.namespace}")
    except BrokerUnavailable as error:
        yield replace(failure("broker", error), verdict=Verdict.WARN)
