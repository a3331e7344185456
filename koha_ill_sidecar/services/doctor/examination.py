"""
Check everything that the sidecar depends on, and advise what to do about what is wrong.

Nothing is changed, and no check stops the next: configuration and mail are checked even without the database.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from koha_ill_sidecar.config.settings import Settings
from koha_ill_sidecar.delivery.smtp import Mailer
from koha_ill_sidecar.errors import SidecarError
from koha_ill_sidecar.services.delivery import mail_servers
from koha_ill_sidecar.services.delivery.mail_servers import MailServers
from koha_ill_sidecar.services.doctor import configuration, koha, servers
from koha_ill_sidecar.services.doctor import database as database_checks
from koha_ill_sidecar.services.doctor.findings import Finding, guarded, ok
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.koha import preferences
from koha_ill_sidecar.storage.transaction import Transaction


def examine(
    settings: Settings, database: Database, mailer: Mailer, *, clock: Callable[[], float]
) -> list[Finding]:
    """
    Run every check.

    Args:
        mailer: Connects to the mail servers; nothing is sent.
        clock: Returns this host's time in seconds since 1970.
    """
    findings = list(configuration.check(settings))
    try:
        with database.engine.connect() as connection:
            findings.append(ok("connection", f"the database {settings.koha.database.database} answers"))
            findings += _examine_database(settings, database, connection, mailer, clock)
    except SQLAlchemyError as error:
        findings.append(database_checks.cannot_connect(error))
        findings += servers.check_mail(settings, mailer, None)
    return findings


def examine_for_staff(settings: Settings, database: Database, mailer: Mailer) -> list[Finding]:
    """
    Run the checks that people at the desk can do something about: of Koha and of the mail servers.

    One of them reads all of ``illrequests``, one the newest 20,000 rows of ``message_queue``; each mail server has
    five seconds to answer, outside any transaction. Too slow to run for every page.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    findings, used = database.transact(_examine_koha, settings)
    return [*findings, *guarded("mail", partial(servers.check_mail_for_staff, settings, mailer, used))]


def _examine_koha(tx: Transaction, settings: Settings) -> tuple[list[Finding], MailServers]:
    findings = [
        finding
        for name, check in koha.CHECKS.items()
        for finding in guarded(name, partial(check, settings, tx))
    ]
    return findings, mail_servers.load(tx, settings)


def _examine_database(
    settings: Settings,
    database: Database,
    connection: Connection,
    mailer: Mailer,
    clock: Callable[[], float],
) -> Iterator[Finding]:
    checks: dict[str, Callable[[], Iterable[Finding]]] = {
        "server": partial(database_checks.check_server, connection),
        "clock": partial(database_checks.check_clock, connection, clock),
        "time zone": partial(database_checks.check_time_zone, connection, settings),
        "privileges": partial(database_checks.check_privileges, connection, database),
        "koha": partial(database_checks.check_koha, database),
        "sidecar tables": partial(database_checks.check_own_tables, connection),
    }
    tx = _transaction(database, connection)
    if tx is not None:
        checks |= {name: partial(check, settings, tx) for name, check in koha.CHECKS.items()}
        checks["letter codes"] = partial(koha.check_letter_codes, settings, tx)
        checks["broker"] = partial(servers.check_broker, settings, tx)
        checks["request index"] = partial(database_checks.check_request_index, tx)
    checks["mail"] = partial(servers.check_mail, settings, mailer, tx)
    for name, check in checks.items():
        yield from guarded(name, check)
        connection.rollback()  # a failed statement must not spoil the next check


def _transaction(database: Database, connection: Connection) -> Transaction | None:
    """Return what Koha's own checks need; None where its tables do not fit, which the check "koha" reports."""
    try:
        return Transaction(connection, database.koha(), preferences.load(connection), database.site)
    except (SidecarError, SQLAlchemyError):
        return None
