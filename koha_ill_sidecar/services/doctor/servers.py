"""Checks of the servers that the sidecar connects to: mail servers and Koha's message broker."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from koha_ill_sidecar.config.settings import Settings
from koha_ill_sidecar.delivery.broker import connected
from koha_ill_sidecar.delivery.smtp import Mailer
from koha_ill_sidecar.errors import BrokerUnavailable, DeliveryError
from koha_ill_sidecar.messages import lazy
from koha_ill_sidecar.services.delivery import mail_servers
from koha_ill_sidecar.services.delivery.mail_servers import MailServers
from koha_ill_sidecar.services.doctor.findings import Finding, Verdict, fail, fail_with, ok, warn
from koha_ill_sidecar.services.requests.records import workers_need_broker
from koha_ill_sidecar.storage.transaction import Transaction

_MAIL_TIMEOUT_FOR_STAFF = timedelta(seconds=5)  # somebody waits for the page


def check_mail(settings: Settings, mailer: Mailer, tx: Transaction | None) -> Iterator[Finding]:
    """
    Connect to each mail server, encrypt and log in as a mail would; nothing is sent.

    Args:
        tx: For Koha's own table of mail servers; without it only the configured ones are checked.
    """
    if not settings.delivery.enabled:
        yield ok("mail", "not used: delivery.enabled is false")
        return
    servers = mail_servers.load(tx, settings) if tx else mail_servers.without_koha(settings)
    for server in servers.all:
        where = f"{server.host}:{server.port} ({server.ssl_mode})"
        try:
            mailer.check(server)
        except DeliveryError as error:
            advice = "Check delivery.smtp, or the mail server chosen in Koha, and its firewall."
            yield fail("mail", str(error), advice)
        else:
            yield ok("mail", f"{where} accepts our mail{' with a login' if server.user else ''}")


def check_mail_for_staff(settings: Settings, mailer: Mailer, servers: MailServers) -> Iterator[Finding]:
    """Check as :func:`check_mail` does, more quickly, and advise people who cannot change the configuration."""
    if not settings.delivery.enabled:
        yield ok("mail", lazy("not used: delivery.enabled is false"))
        return
    for server in servers.all:
        where = f"{server.host}:{server.port}"
        try:
            mailer.check(replace(server, timeout=min(server.timeout, _MAIL_TIMEOUT_FOR_STAFF)))
        except DeliveryError as error:
            yield fail(
                "mail",
                lazy("%(server)s does not accept our mail: %(error)s", server=where, error=str(error)),
                lazy("Contact the people who run the mail server or the sidecar."),
            )
        else:
            yield ok("mail", lazy("%(server)s accepts our mail", server=where))


def check_broker(settings: Settings, tx: Transaction) -> Iterator[Finding]:
    """Connect to the message broker where it is needed: with Elasticsearch, unless Koha's workers poll."""
    preferences = tx.preferences
    if preferences.text("SearchEngine") != "Elasticsearch" or not workers_need_broker(preferences):
        return
    broker = settings.koha.broker
    if broker is None:
        yield warn(
            "broker",
            "Koha's message broker is unknown",
            "Set koha.conf: without it, Koha's workers are not notified of the records of requested books.",
        )
        return
    try:
        with connected(broker):
            yield ok("broker", f"{broker.host}:{broker.port} accepts our messages for {broker.namespace}")
    except BrokerUnavailable as error:
        # The message waits in the outbox until the broker is back, so nothing is lost.
        yield replace(fail_with("broker", error), verdict=Verdict.WARN)
