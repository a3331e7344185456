"""Those checks whose outcome people at the desk, and not only administrators, can do something about."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial

from koha_ill_sidecar.config.settings import Settings
from koha_ill_sidecar.delivery.smtp import Mailer
from koha_ill_sidecar.errors import DeliveryError
from koha_ill_sidecar.messages import LazyMessage, lazy
from koha_ill_sidecar.services.delivery import mail_servers
from koha_ill_sidecar.services.delivery.mail_servers import MailServers
from koha_ill_sidecar.services.doctor import koha
from koha_ill_sidecar.services.doctor.findings import Finding, fail, guarded, ok
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.transaction import Transaction

_MAIL_TIMEOUT = timedelta(seconds=5)  # somebody waits for the page


def examine_for_staff(settings: Settings, database: Database, mailer: Mailer) -> list[Finding[LazyMessage]]:
    """
    Run the checks of Koha and of the mail servers; changes nothing.

    One of them reads all of ``illrequests``, one the newest 20,000 rows of ``message_queue``; each mail server gets a
    connection, in no transaction, and has five seconds to answer. So it is not for every page.

    Raises:
        DatabaseError: The database is away.
    """
    findings, servers = database.transact(_in_database, settings)
    return [*findings, *guarded("mail", partial(_mail, settings, servers, mailer))]


def _in_database(tx: Transaction, settings: Settings) -> tuple[list[Finding[LazyMessage]], MailServers]:
    patient = koha.DoctorContext(settings=settings, tx=tx)
    findings = [
        finding for name, check in koha.CHECKS.items() for finding in guarded(name, partial(check, patient))
    ]
    return findings, mail_servers.load(tx, settings)


def _mail(settings: Settings, servers: MailServers, mailer: Mailer) -> Iterator[Finding[LazyMessage]]:
    if not settings.delivery.enabled:
        yield ok("mail", lazy("not used: delivery.enabled is false"))
        return
    for server in servers.all:
        where = f"{server.host}:{server.port}"
        try:
            mailer.check(replace(server, timeout=min(server.timeout, _MAIL_TIMEOUT)))
        except DeliveryError as error:
            yield fail(
                "mail",
                lazy("%(server)s does not take our mail: %(error)s", server=where, error=str(error)),
                lazy("Tell whoever looks after the mail server, or after the sidecar."),
            )
        else:
            yield ok("mail", lazy("%(server)s takes our mail", server=where))
