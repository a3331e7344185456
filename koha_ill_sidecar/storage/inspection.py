"""
Looks at the database as it is, for :mod:`koha_ill_sidecar.services.doctor`.

These take a bare connection: they must work where a transaction cannot be had, because the tables do not fit or the
sidecar's own are missing.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, bindparam, text

from koha_ill_sidecar.resources import grants_sql

_RECENT_MESSAGES = 20_000
"""How many of the newest queue rows are looked at: the table has no index on status or time."""

_GRANT = re.compile(
    r"GRANT (?P<privileges>.+?) ON (?P<database>\*|`(?:[^`]|``)+`)\.(?P<table>\*|`(?:[^`]|``)+`) TO ",
    re.DOTALL,
)
_CONDITIONAL_GRANT = re.compile(r"GRANT (?:[^']|'')+", re.DOTALL)
_PRIVILEGE = re.compile(r"(?P<name>[A-Za-z][A-Za-z ]*[A-Za-z])\s*(?:\((?P<columns>[^)]*)\))?")

Privileges = Mapping[str, frozenset[str]]
"""
What may be done with each table: ``UPDATE``, or ``UPDATE (column)`` where it is on a column only. The table ``*``
stands for the whole database.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """
    The database server.

    Attributes:
        now_utc: Its clock, in seconds since 1970.
        time_zone: Of our session, as set; ``SYSTEM`` is the server's own.
        system_time_zone: The server's own.
        max_connections: How many it takes from everybody together.
    """

    version: str
    now_utc: float
    time_zone: str
    system_time_zone: str
    max_connections: int
    is_read_only: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """
    What the user that we are may do.

    Attributes:
        everywhere: On every database of the server; USAGE, which is nothing, is left out.
        tables: On Koha's database.
        elsewhere: Other databases in which it may do something.
    """

    everywhere: frozenset[str]
    tables: Privileges
    elsewhere: frozenset[str]


def server(connection: Connection) -> Server:
    """Read what the server says of itself; one query."""
    row = connection.execute(
        text(
            "SELECT VERSION() AS version,"
            " TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) / 1000000 AS now_utc,"
            " @@session.time_zone AS time_zone, @@system_time_zone AS system_time_zone,"
            " @@max_connections AS max_connections,"
            " @@read_only AS is_read_only"
        )
    ).one()
    return Server(
        version=row.version,
        now_utc=float(row.now_utc),
        time_zone=row.time_zone,
        system_time_zone=row.system_time_zone,
        max_connections=int(row.max_connections),
        is_read_only=str(row.is_read_only) not in ("0", "OFF"),
    )


def knows_time_zones(connection: Connection) -> bool:
    """Return whether the server's time zone tables are loaded, so that it knows names such as Europe/Paris."""
    asked = text("SELECT CONVERT_TZ('2026-01-01 12:00:00', 'UTC', 'Europe/Paris') IS NOT NULL")
    return bool(connection.scalar(asked))


def existing_tables(connection: Connection) -> frozenset[str]:
    """Return the tables of the database that we can see at all."""
    return frozenset(
        connection.scalars(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")
        )
    )


def held_privileges(connection: Connection) -> Held:
    """Read what our own user may do (``SHOW GRANTS``)."""
    database = connection.scalar(text("SELECT DATABASE()"))
    return parse_grants(list(connection.scalars(text("SHOW GRANTS"))), str(database))


def needed_privileges(connection: Connection) -> Privileges:
    """Return what ``sql/grants.sql`` grants, apart from tables that this Koha does not have."""
    database = str(connection.scalar(text("SELECT DATABASE()")))
    statements = grants_sql(database=database, user="u", host="h")
    inner = [found[0].replace("''", "'") for line in statements if (found := _CONDITIONAL_GRANT.search(line))]
    return parse_grants(inner, database).tables


def parse_grants(lines: Sequence[str], database: str) -> Held:
    """Understand statements as ``SHOW GRANTS`` words them; what is no grant on tables (roles) is passed over."""
    everywhere: set[str] = set()
    tables: dict[str, set[str]] = {}
    elsewhere: set[str] = set()
    for line in lines:
        found = _GRANT.match(line)
        if not found:
            continue
        privileges = set(_privileges(found["privileges"])) - {"USAGE"}
        scope, table = _unquoted(found["database"]), _unquoted(found["table"])
        if not privileges:
            continue
        if scope == "*":
            everywhere |= privileges
        elif _means(scope, database, is_pattern=table == "*"):
            tables.setdefault(table, set()).update(privileges)
        else:
            elsewhere.add(scope)
    return Held(
        everywhere=frozenset(everywhere),
        tables={table: frozenset(privileges) for table, privileges in tables.items()},
        elsewhere=frozenset(elsewhere),
    )


def _privileges(listed: str) -> Iterator[str]:
    for found in _PRIVILEGE.finditer(listed):
        name = found["name"].upper()
        if found["columns"] is None:
            yield name
        else:
            yield from (f"{name} ({column.strip(' `')})" for column in found["columns"].split(","))


def letters(connection: Connection, codes: Collection[str]) -> frozenset[tuple[str, str]]:
    """Return code and transport of the letters of module ``ill`` that are there for all libraries."""
    rows = connection.execute(
        text(
            "SELECT DISTINCT code, message_transport_type FROM letter"
            " WHERE module = 'ill' AND branchcode = '' AND code IN :codes"
        ).bindparams(bindparam("codes", expanding=True)),
        {"codes": list(codes)},
    )
    return frozenset((row.code, row.message_transport_type) for row in rows)


def partners(connection: Connection, category: str) -> list[tuple[int, bool]]:
    """Return every partner library's borrowernumber, and whether it has an email address."""
    rows = connection.execute(
        text(
            "SELECT borrowernumber, COALESCE(email, '') <> '' AS has_address FROM borrowers"
            " WHERE categorycode = :category ORDER BY borrowernumber"
        ),
        {"category": category},
    )
    return [(row.borrowernumber, bool(row.has_address)) for row in rows]


def backend_names(connection: Connection) -> dict[str | None, int]:
    """Count the requests of each backend, those without one too; reads the whole table."""
    rows = connection.execute(
        text(
            "SELECT MIN(backend) AS name, COUNT(*) AS requests FROM illrequests"
            " WHERE backend IS NOT NULL OR updated < NOW() - INTERVAL 60 SECOND GROUP BY BINARY backend"
        )
    )
    return {row.name: row.requests for row in rows}


def backend_plugins(connection: Connection) -> list[str]:
    """Return the classes of Koha's plugins that bring a backend."""
    return list(
        connection.scalars(
            text("SELECT plugin_class FROM plugin_methods WHERE plugin_method = 'ill_backend' ORDER BY 1")
        )
    )


def sent_by_others(connection: Connection, codes: Collection[str] | None, since: timedelta) -> int:
    """
    Count recent messages that somebody else sent: those that are `sent` without a delivery of ours.

    Only messages that were queued after our first delivery count, and only among the newest 20,000.

    Args:
        codes: The letter codes that we deliver; nothing means those of module ``ill``.
    """
    values: dict[str, object] = {"recent": _RECENT_MESSAGES, "seconds": int(since.total_seconds())}
    if not codes:
        return int(connection.scalar(text(_SENT_BY_OTHERS + _OF_MODULE_ILL), values) or 0)
    query = text(_SENT_BY_OTHERS + _OF_CODES).bindparams(bindparam("codes", expanding=True))
    return int(connection.scalar(query, values | {"codes": list(codes)}) or 0)


_SENT_BY_OTHERS = (
    "SELECT COUNT(*) FROM message_queue m LEFT JOIN ill_sidecar_deliveries d ON d.message_id = m.message_id"
    " WHERE m.message_id > (SELECT MAX(message_id) FROM message_queue) - :recent"
    " AND m.message_id > (SELECT MIN(message_id) FROM ill_sidecar_deliveries)"
    " AND m.status = 'sent' AND m.message_transport_type IN ('email', 'sms')"
    " AND m.time_queued > NOW() - INTERVAL :seconds SECOND AND d.message_id IS NULL AND m.letter_code IN "
)
_OF_CODES = ":codes"
_OF_MODULE_ILL = "(SELECT code FROM letter WHERE module = 'ill')"


def _means(scope: str, database: str, *, is_pattern: bool) -> bool:
    """Return whether a grant's database is ours; in a grant on a whole database ``_`` and ``%`` stand for others."""
    if not is_pattern:
        return scope == database
    pattern = re.sub(
        r"\\([_%])|([_%])|(.)",
        lambda found: found[1] or {"_": ".", "%": ".*", None: re.escape(found[3] or "")}[found[2]],
        scope,
        flags=re.DOTALL,
    )
    return re.fullmatch(pattern, database, re.DOTALL) is not None


def _unquoted(name: str) -> str:
    return name if name == "*" else name[1:-1].replace("``", "`")
