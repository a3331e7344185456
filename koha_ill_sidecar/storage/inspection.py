"""
Inspects the server and our privileges, for :mod:`koha_ill_sidecar.services.doctor`.

These functions take a bare connection, because they must work where Koha's tables do not fit or ours are missing, so
that there is no transaction.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from koha_ill_sidecar.resources import grants_sql

_GRANT = re.compile(
    r"GRANT (?P<privileges>.+?) ON (?P<database>\*|`(?:[^`]|``)+`)\.(?P<table>\*|`(?:[^`]|``)+`) TO ",
    re.DOTALL,
)
_CONDITIONAL_GRANT = re.compile(r"GRANT (?:[^']|'')+", re.DOTALL)
_PRIVILEGE = re.compile(r"(?P<name>[A-Za-z][A-Za-z ]*[A-Za-z])\s*(?:\((?P<columns>[^)]*)\))?")

Privileges = Mapping[str, frozenset[str]]
"""
The privileges on each table: ``UPDATE``, or ``UPDATE (column)`` for one column only. The table ``*`` stands for the
whole database.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldPrivileges:
    """
    The privileges of our user.

    Attributes:
        everywhere: On every database of the server, without USAGE, which means none.
        tables: On Koha's database.
        elsewhere: Other databases on which it has privileges.
    """

    everywhere: frozenset[str]
    tables: Privileges
    elsewhere: frozenset[str]


def server(connection: Connection) -> Row[Any]:
    """
    Read the server's version and settings; one query.

    *now_utc* is its clock, in seconds since 1970. *time_zone* is the setting of our session, where ``SYSTEM`` is the
    server's own, *system_time_zone*. *max_connections* is how many it accepts in all.
    """
    return connection.execute(
        text(
            "SELECT VERSION() AS version,"
            " TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) / 1e6 AS now_utc,"
            " @@session.time_zone AS time_zone, @@system_time_zone AS system_time_zone,"
            " @@max_connections AS max_connections,"
            " CAST(@@read_only AS CHAR) NOT IN ('0', 'OFF') AS is_read_only"
        )
    ).one()


def knows_time_zones(connection: Connection) -> bool:
    """Return whether the server's time zone tables are loaded, so that it knows names such as Europe/Paris."""
    query = text("SELECT CONVERT_TZ('2026-01-01 12:00:00', 'UTC', 'Europe/Paris') IS NOT NULL")
    return bool(connection.scalar(query))


def existing_tables(connection: Connection) -> frozenset[str]:
    """Return the tables of the database that our user can see."""
    return frozenset(
        connection.scalars(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")
        )
    )


def held_privileges(connection: Connection) -> HeldPrivileges:
    """Read the privileges of our user (``SHOW GRANTS``)."""
    database = connection.scalar(text("SELECT DATABASE()"))
    return parse_grants(list(connection.scalars(text("SHOW GRANTS"))), str(database))


def needed_privileges(connection: Connection) -> Privileges:
    """Return the privileges that ``sql/grants.sql`` grants, without those on tables that this Koha lacks."""
    database = str(connection.scalar(text("SELECT DATABASE()")))
    statements = grants_sql(database=database, user="u", host="h")
    inner = [found[0].replace("''", "'") for line in statements if (found := _CONDITIONAL_GRANT.search(line))]
    return parse_grants(inner, database).tables


def parse_grants(lines: Sequence[str], database: str) -> HeldPrivileges:
    """Parse the statements that ``SHOW GRANTS`` returns; those that are no grants on tables (roles) are ignored."""
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
        elif _is_our_database(scope, database, is_pattern=table == "*"):
            tables.setdefault(table, set()).update(privileges)
        else:
            elsewhere.add(scope)
    return HeldPrivileges(
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


def _is_our_database(scope: str, database: str, *, is_pattern: bool) -> bool:
    """Return whether a grant's database is ours; in a grant on a whole database ``_`` and ``%`` are wildcards."""
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
