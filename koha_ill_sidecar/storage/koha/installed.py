"""
The Koha that is installed: its version and the tables and columns that its database really has.

Read once when the program starts. SQLAlchemy tables are made from what was found, so a statement names only
columns that exist.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Date,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    bindparam,
    text,
)
from sqlalchemy.types import TypeEngine

from koha_ill_sidecar.errors import KohaSchemaUnfit
from koha_ill_sidecar.storage.koha import schema

_COLUMNS = text(
    "SELECT table_name AS table_name, column_name AS column_name, data_type AS data_type,"
    " character_maximum_length AS length, column_key = 'PRI' AS is_primary, extra AS extra"
    " FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name IN :tables"
    " ORDER BY table_name, ordinal_position"
).bindparams(bindparam("tables", expanding=True))

_TYPES: Mapping[str, type[TypeEngine[Any]]] = {
    "bigint": BigInteger,
    "date": Date,
    "datetime": DateTime,
    "decimal": Numeric,
    "double": Float,
    "float": Float,
    "int": Integer,
    "longblob": LargeBinary,
    "mediumblob": LargeBinary,
    "smallint": Integer,
    "timestamp": DateTime,
    "tinyint": Integer,
}


@dataclass(frozen=True, order=True, slots=True)
class KohaVersion:
    """
    A version as ``systempreferences.Version`` holds it: ``24.0504000`` is 24.05.04.000.

    The number is for people and for the few rules that leave no trace in the schema; whether a column or table
    exists is asked of the database.
    """

    major: int
    minor: int
    rest: str = ""

    @classmethod
    def parse(cls, value: str) -> "KohaVersion":
        """Read the preference's text; raises KohaSchemaUnfit for anything else."""
        match = re.fullmatch(r"(\d{1,2})\.(\d{2})(\d*)", value.strip())
        if match is None:
            raise KohaSchemaUnfit(
                f"The preference Version holds {value!r}, which is no Koha version such as 24.1101000. "
                "Is the database that of a Koha installation?"
            )
        return cls(int(match[1]), int(match[2]), match[3])

    @property
    def release(self) -> str:
        """The release as people name it, such as ``24.11``."""
        return f"{self.major}.{self.minor:02d}"

    def __str__(self) -> str:
        return f"{self.release}{self.rest}"


OLDEST_SUPPORTED = KohaVersion(22, 11)
_STANDARD_SINCE = KohaVersion(24, 11)


class InstalledKoha:
    """
    What is installed on the other side; never changes, hashable by identity, so that statements can be built
    once for each (``functools.cache``).
    """

    def __init__(
        self,
        *,
        version: KohaVersion,
        tables: Mapping[str, Table],
        status_alias_category: str,
    ) -> None:
        self.version = version
        self.status_alias_category = status_alias_category
        self._tables = dict(tables)

    def table(self, name: str) -> Table:
        """Return a table of Koha's with the columns that exist here; KeyError where this Koha has no such table."""
        return self._tables[name]

    def has(self, table: str, column: str | None = None) -> bool:
        """Return whether the installed database has a table, or a column of it."""
        found = self._tables.get(table)
        return found is not None and (column is None or column in found.c)

    @property
    def generic_backend(self) -> str:
        """
        Name of the backend that every Koha has.

        Source: Koha bug 35570 (Standard in core from 24.11); FreeForm before.
        """
        return "Standard" if self.version >= _STANDARD_SINCE else "FreeForm"


def load(connection: Connection, *, accept_unsupported_version: bool = False) -> InstalledKoha:
    """
    Read the version and the columns; three queries.

    Raises:
        KohaSchemaUnfit: A table or column that every Koha has is missing, or the version is older than 22.11 and
            *accept_unsupported_version* is off.
    """
    tables = _fit(_columns(connection))
    version = _version(connection)
    if version < OLDEST_SUPPORTED and not accept_unsupported_version:
        raise KohaSchemaUnfit(
            f"This is Koha {version.release}; the sidecar supports {OLDEST_SUPPORTED.release} and later. "
            "Set koha.accept_unsupported_version: true to try it all the same, as far as its columns go."
        )
    return InstalledKoha(
        version=version, tables=tables, status_alias_category=_status_alias_category(connection)
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Overflow:
    """
    What a text takes of its column.

    Attributes:
        most: What the column holds.
        in_bytes: Whether bytes of UTF-8 count, as in a TEXT; else characters, as in a VARCHAR.
    """

    taken: int
    most: int
    in_bytes: bool


def overflow_of(column: Column[str], value: str) -> Overflow | None:
    """Return how a text is too long for its column; None if it fits."""
    most = getattr(column.type, "length", None)
    in_bytes = isinstance(column.type, Text)
    taken = len(value.encode()) if in_bytes else len(value)
    return None if most is None or taken <= most else Overflow(taken=taken, most=most, in_bytes=in_bytes)


def truncate(column: Column[str], value: str) -> str:
    """
    Shorten a text to what its column holds.

    Only for values that others sent and that must never make their message fail; what a person typed is refused
    instead, with a word on the length.
    """
    room = overflow_of(column, value)
    if room is None:
        return value
    return value.encode()[: room.most].decode(errors="ignore") if room.in_bytes else value[: room.most]


def _columns(connection: Connection) -> dict[str, list[Column[Any]]]:
    found: dict[str, list[Column[Any]]] = defaultdict(list)
    for row in connection.execute(_COLUMNS, {"tables": list(schema.TABLES)}):
        found[row.table_name].append(
            Column(
                row.column_name,
                _type(row.data_type, row.length),
                primary_key=bool(row.is_primary),
                autoincrement="auto_increment" in (row.extra or ""),
            )
        )
    return found


def _type(data_type: str, length: int | None) -> TypeEngine[Any]:
    if data_type in ("varchar", "char"):
        return String(length)
    return _TYPES[data_type]() if data_type in _TYPES else Text(length)


def _fit(found: Mapping[str, list[Column[Any]]]) -> dict[str, Table]:
    metadata = MetaData()
    tables: dict[str, Table] = {}
    missing: list[str] = []
    for name, wanted in schema.TABLES.items():
        columns = {column.name: column for column in found.get(name, ())}
        if not columns and wanted.optional_table:
            continue
        missing += [f"{name}.{column}" for column in wanted.required if column not in columns]
        declared = {*wanted.required, *wanted.optional}
        tables[name] = Table(
            name, metadata, *(column for column in columns.values() if column.name in declared)
        )
    if missing:
        raise KohaSchemaUnfit(
            f"The database lacks what every Koha has: {', '.join(missing[:10])}"
            f"{' and more' if len(missing) > 10 else ''}. "
            "Check that koha.database names Koha's database and that the user may read these tables (doctor tells)."
        )
    return tables


def _version(connection: Connection) -> KohaVersion:
    value = connection.scalar(text("SELECT value FROM systempreferences WHERE variable = 'Version'"))
    if value is None:
        raise KohaSchemaUnfit(
            "The preference Version is missing: the database holds Koha's tables, but no installation."
        )
    return KohaVersion.parse(value)


def _status_alias_category(connection: Connection) -> str:
    """
    Find the category that holds the site's own statuses.

    Source: Koha bug 32799: ILLSTATUS was renamed ILL_STATUS_ALIAS in 23.05 and in late 22.11 maintenance.
    """
    old_only = connection.scalar(
        text(
            "SELECT SUM(category = 'ILL_STATUS_ALIAS') = 0 FROM authorised_values"
            " WHERE category IN ('ILL_STATUS_ALIAS', 'ILLSTATUS')"
        )
    )
    return "ILLSTATUS" if old_only else "ILL_STATUS_ALIAS"
