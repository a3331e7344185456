"""Checks of the mail servers: each is connected to, encrypted and logged in to as a mail would."""

from collections.abc import Iterator

from koha_ill_sidecar.config.settings import Settings
from koha_ill_sidecar.delivery.smtp import Mailer
from koha_ill_sidecar.errors import DeliveryError
from koha_ill_sidecar.services.delivery import mail_servers
from koha_ill_sidecar.services.doctor.findings import Finding, fail, ok
from koha_ill_sidecar.storage.transaction import Transaction


def check(settings: Settings, mailer: Mailer, tx: Transaction | None) -> Iterator[Finding[str]]:
    """Knock at each server that mail may go through; *tx* lets us look into Koha's own table of them."""
    if not settings.delivery.enabled:
        yield ok("mail", "not used: delivery.enabled is false")
        return
    servers = mail_servers.load(tx, settings) if tx else mail_servers.without_koha(settings)
    for server in servers.all:
        where = f"{server.host}:{server.port} ({server.ssl_mode})"
        try:
            mailer.check(server)
        except DeliveryError as error:
            yield fail(
                "mail",
                str(error),
                "Check delivery.smtp, or the mail server chosen in Koha, and its firewall.",
            )
        else:
            yield ok("mail", f"{where} takes our mail{' with a login' if server.user else ''}")
