"""
Look at everything that the sidecar depends on, and say what to do about what is amiss.

Nothing is changed, and no check stops the next: a database that is away leaves configuration and mail to be judged.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from koha_ill_sidecar.config.settings import Settings
from koha_ill_sidecar.delivery.smtp import Mailer
from koha_ill_sidecar.errors import SidecarError
from koha_ill_sidecar.messages import LazyMessage
from koha_ill_sidecar.services.doctor import broker, mail, own_settings, request_index
from koha_ill_sidecar.services.doctor import database as of_database
from koha_ill_sidecar.services.doctor import koha as of_koha
from koha_ill_sidecar.services.doctor.findings import Finding, Verdict, guarded, ok
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.koha import preferences
from koha_ill_sidecar.storage.transaction import Transaction

__all__ = ["Finding", "Verdict", "examine"]


def examine(
    settings: Settings, database: Database, mailer: Mailer, *, clock: Callable[[], float]
) -> list[Finding[LazyMessage | str]]:
    """
    Run every check.

    Args:
        mailer: Knocks at the mail servers; nothing is sent.
        clock: Gives this host's time in seconds since 1970.
    """
    findings: list[Finding[LazyMessage | str]] = list(own_settings.check(settings))
    try:
        with database.engine.connect() as connection:
            findings.append(ok("connection", f"the database {settings.koha.database.database} answers"))
            findings += _examine_database(settings, database, connection, mailer, clock)
    except SQLAlchemyError as error:
        findings.append(of_database.cannot_connect(error))
        findings += mail.check(settings, mailer, None)
    return findings


def _examine_database(
    settings: Settings,
    database: Database,
    connection: Connection,
    mailer: Mailer,
    clock: Callable[[], float],
) -> Iterator[Finding[LazyMessage | str]]:
    checks: dict[str, Callable[[], Iterable[Finding[LazyMessage | str]]]] = {
        "server": partial(of_database.check_server, connection),
        "clock": partial(of_database.check_clock, connection, clock),
        "time zone": partial(of_database.check_time_zone, connection, settings),
        "privileges": partial(of_database.check_privileges, connection),
        "koha": partial(of_database.check_koha, database),
        "sidecar tables": partial(of_database.check_own_tables, connection),
    }
    tx = _transaction(database, connection)
    if tx is not None:
        patient = of_koha.DoctorContext(settings=settings, tx=tx)
        checks |= {name: partial(check, patient) for name, check in of_koha.CHECKS.items()}
        checks["broker"] = partial(broker.check, patient)
        checks["request index"] = partial(request_index.check, patient)
    checks["mail"] = partial(mail.check, settings, mailer, tx)
    for name, check in checks.items():
        yield from guarded(name, check)
        connection.rollback()


def _transaction(database: Database, connection: Connection) -> Transaction | None:
    """Return what Koha's own checks need, or nothing where its tables do not fit, which the check of Koha tells."""
    try:
        return Transaction(connection, database.koha(), preferences.load(connection), database.site)
    except (SidecarError, SQLAlchemyError):
        return None
