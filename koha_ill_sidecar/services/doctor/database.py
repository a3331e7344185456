"""Checks of the database server, of our account on it, of Koha's tables and of ours."""

from collections.abc import Callable, Iterator

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from koha_ill_sidecar.config.settings import Settings
from koha_ill_sidecar.errors import SidecarError
from koha_ill_sidecar.services.doctor.findings import Finding, fail, fail_with, ok, server_message, warn
from koha_ill_sidecar.services.request_index import indexing
from koha_ill_sidecar.storage import inspection
from koha_ill_sidecar.storage.database import Database, connection_advice
from koha_ill_sidecar.storage.koha import schema
from koha_ill_sidecar.storage.koha.features import OLDEST_SUPPORTED
from koha_ill_sidecar.storage.sidecar import migrations
from koha_ill_sidecar.storage.transaction import Transaction

_CLOCK_WARNING_SECONDS = 2.0
_CLOCK_FAILURE_SECONDS = 60.0
"""Signatures of callbacks depend on this host's clock, leases on the database's."""

_CONNECTIONS = 60  # Koha's own processes take some dozens; ours are the pool of each host
_RUN_GRANTS = "Run as administrator: koha-ill-sidecar grants | mariadb"
_MANY_WAITING = 5000  # changes; ten steps of the job that indexes them


def cannot_connect(error: SQLAlchemyError) -> Finding:
    """Report why there is no connection."""
    return fail("connection", server_message(error), connection_advice(error))


def check_server(connection: Connection) -> Iterator[Finding]:
    """Check that the server can be written to and takes enough connections."""
    server = inspection.server(connection)
    if server.is_read_only:
        yield fail("server", f"{server.version} is read-only", "Name the primary server, not a replica.")
    elif server.max_connections < _CONNECTIONS:
        yield warn(
            "server",
            f"{server.version} allows {server.max_connections} connections for Koha and the sidecar together",
            f"Raise max_connections to {_CONNECTIONS} or more.",
        )
    else:
        yield ok("server", server.version)


def check_clock(connection: Connection, clock: Callable[[], float]) -> Iterator[Finding]:
    """Compare the server's clock with this host's."""
    before = clock()
    server_time = inspection.server(connection).now_utc
    seconds_apart = abs(server_time - (before + clock()) / 2)
    advice = "Let both hosts follow the same time source (chrony, systemd-timesyncd)."
    if seconds_apart > _CLOCK_FAILURE_SECONDS:
        yield fail("clock", f"this host and the database are {seconds_apart:.0f} s apart", advice)
    elif seconds_apart > _CLOCK_WARNING_SECONDS:
        yield warn("clock", f"this host and the database are {seconds_apart:.1f} s apart", advice)
    else:
        yield ok("clock", "this host and the database agree")


def check_time_zone(connection: Connection, settings: Settings) -> Iterator[Finding]:
    """Check that Koha's times and ours will agree."""
    server = inspection.server(connection)
    wanted = settings.koha.database.timezone
    if wanted and server.time_zone != wanted:
        yield fail(
            "time zone",
            f"the session is in {server.time_zone}, Koha is set to {wanted}",
            "Please report this: it should not happen.",
        )
    elif not wanted and not settings.koha.conf:
        yield warn(
            "time zone",
            f"none is set; the server's own is used ({server.system_time_zone})",
            "If koha-conf.xml has a timezone, set koha.timezone to the same, or set koha.conf.",
        )
    elif wanted:
        yield ok("time zone", wanted)
    else:
        names = (
            "" if inspection.knows_time_zones(connection) else "; it does not know names such as Europe/Paris"
        )
        yield ok("time zone", f"the server's own ({server.system_time_zone}), as in koha-conf.xml{names}")


def check_privileges(connection: Connection, database: Database) -> Iterator[Finding]:
    """Compare the privileges of our database user with those it needs."""
    held = inspection.held_privileges(connection)
    needed = inspection.needed_privileges(connection)
    tables = inspection.existing_tables(connection) | _unseen_tables(database)
    missing = _missing(held, needed, tables)
    excess = _excess(held, needed)
    if missing:
        listed = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        yield fail("privileges", f"too few: {listed}", _RUN_GRANTS)
    elif excess:
        yield warn(
            "privileges",
            f"too many: {', '.join(excess[:5])}",
            "Create a database user for the sidecar, with the privileges that `koha-ill-sidecar grants` prints.",
        )
    else:
        yield ok("privileges", "exactly those that are needed")


def check_koha(database: Database) -> Iterator[Finding]:
    """Check Koha's version, and name the features that it lacks."""
    koha = database.koha()
    features = (
        (koha.features.batches, "batches"),
        (koha.features.failure_codes, "reasons of failed messages on Koha's pages"),
        (koha.features.letter_links, "the link from a message to its letter"),
        (koha.features.request_statistics, "statistics of requests"),
        (koha.features.smtp_servers, "mail servers set up in Koha"),
    )
    absent = [name for is_present, name in features if not is_present]
    if koha.version < OLDEST_SUPPORTED:
        yield warn(
            "koha",
            f"version {koha.version.release} is older than {OLDEST_SUPPORTED.release}, tried because "
            "koha.accept_unsupported_version is on",
            "Upgrade Koha.",
        )
    else:
        yield ok("koha", f"version {koha.version}")
    if koha.features.unseen_tables:
        # What looks absent would be advised wrongly: without smtp_servers, mail goes to the wrong server.
        unseen = ", ".join(sorted(koha.features.unseen_tables))
        yield fail("tables", f"cannot be seen by our database user: {unseen}", _RUN_GRANTS)
    else:
        yield ok("tables", f"all present; this Koha lacks {', '.join(absent)}" if absent else "all present")


def check_own_tables(connection: Connection) -> Iterator[Finding]:
    """Check that `migrate` has been run."""
    try:
        migrations.require_current(connection)
    except SidecarError as error:
        yield fail_with("sidecar tables", error)
    else:
        yield ok("sidecar tables", "up to date")


def check_request_index(tx: Transaction) -> Iterator[Finding]:
    """Check that the index of requests is built and follows the changes."""
    found = indexing.progress(tx)
    state = f"{found.indexed:,} of {found.of:,} requests"
    advice = "Let a worker run (koha-ill-sidecar run), or run: koha-ill-sidecar requests reindex"
    if not found.is_complete:
        yield warn("request index", f"not yet built: {state}", advice)
    elif found.waiting > _MANY_WAITING:
        yield warn("request index", f"{state}; {found.waiting:,} changes are waiting", advice)
    else:
        yield ok("request index", state)


def _missing(
    held: inspection.HeldPrivileges, needed: inspection.Privileges, tables: frozenset[str]
) -> list[str]:
    everywhere = held.everywhere | held.tables.get("*", frozenset())
    if "ALL PRIVILEGES" in everywhere:
        return []
    return [
        f"{privilege} on {table}"
        for table, privileges in needed.items()
        # A table without a privilege on it is invisible, so one that some versions lack may simply be absent.
        if table in tables or not _may_be_absent(table)
        for privilege in sorted(privileges)
        # A privilege on the whole table covers its columns.
        if not {privilege, privilege.partition(" (")[0]} & {*everywhere, *held.tables.get(table, ())}
    ]


def _unseen_tables(database: Database) -> frozenset[str]:
    try:
        return database.koha().features.unseen_tables
    except SidecarError:
        return frozenset()  # the check "koha" reports why


def _may_be_absent(table: str) -> bool:
    return table in schema.TABLES and schema.TABLES[table].optional_table


def _excess(held: inspection.HeldPrivileges, needed: inspection.Privileges) -> list[str]:
    found = [f"{privilege} on the whole server" for privilege in sorted(held.everywhere)]
    found += [f"{privilege} on the whole database" for privilege in sorted(held.tables.get("*", ()))]
    for table, privileges in held.tables.items():
        surplus = privileges - needed.get(table, frozenset()) if table != "*" else frozenset()
        found += [f"{privilege} on {table}" for privilege in sorted(surplus)]
    return found + [f"privileges on database {name}" for name in sorted(held.elsewhere)]


def require_current_tables(tx: Transaction) -> None:
    """Raise SidecarSchemaBehind unless the sidecar's tables are those of this version."""
    migrations.require_current(tx.connection)
