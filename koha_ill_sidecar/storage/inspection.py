"""
Looks at the database as it is, for :mod:`koha_ill_sidecar.services.doctor`.

These take a bare connection: they must work where a transaction cannot be had, because the tables do not fit or the
sidecar's own are missing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from koha_ill_sidecar.resources import grants_sql

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
