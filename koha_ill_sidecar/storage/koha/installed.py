"""
The Koha that is installed: its version and the tables and columns that its database really has.

Read once when the program starts. SQLAlchemy's tables are made from what is found, so that statements name only columns
that exist.
"""

from collections import defaultdict
from collections.abc import Mapping
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

from koha_ill_sidecar.errors import KohaSchemaUnsupported
from koha_ill_sidecar.storage.koha import schema
from koha_ill_sidecar.storage.koha.features import OLDEST_SUPPORTED, Features, KohaVersion

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


class InstalledKoha:
    """
    Version, tables and features of the installed Koha.

    Never changes and is hashable by identity, so that statements are built once for each (``functools.cache``).
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
        self.features = Features(version, {name: table.c.keys() for name, table in tables.items()})
        self.generic_backend = self.features.generic_backend
        self._tables = dict(tables)

    def table(self, name: str) -> Table:
        """Return a table of Koha's with the columns that exist here; KeyError where this Koha has no such table."""
        return self._tables[name]

    def has(self, table: str, column: str | None = None) -> bool:
        """Return whether there is a table, or a column of it; for statements in ``storage`` (see ``features``)."""
        found = self._tables.get(table)
        return found is not None and (column is None or column in found.c)


def load(connection: Connection, *, accept_unsupported_version: bool = False) -> InstalledKoha:
    """
    Read the version and the columns; three queries.

    Raises:
        KohaSchemaUnsupported: A table or column that every Koha has is missing, or the version is older than 22.11 and
            *accept_unsupported_version* is off.
    """
    tables = _fit(_columns(connection))
    version = _version(connection)
    if version < OLDEST_SUPPORTED and not accept_unsupported_version:
        raise KohaSchemaUnsupported(
            f"This is Koha {version.release}; the sidecar supports {OLDEST_SUPPORTED.release} and later. "
            "Set koha.accept_unsupported_version: true to try it all the same, as far as its columns go."
        )
    return InstalledKoha(
        version=version, tables=tables, status_alias_category=_status_alias_category(connection)
    )


def overflow_of(column: Column[str], value: str) -> tuple[int, int, bool] | None:
    """
    Return the length of a text and that of its column, if the text is too long; None if it fits.

    The third value says whether both are in bytes of UTF-8, as for a TEXT, or in characters, as for a VARCHAR.
    """
    most = getattr(column.type, "length", None)
    in_bytes = isinstance(column.type, Text)
    taken = len(value.encode()) if in_bytes else len(value)
    return None if most is None or taken <= most else (taken, most, in_bytes)


def truncate(column: Column[str], value: str) -> str:
    """
    Truncate a text to the length of its column.

    Only for values from other programs, whose message must not fail because of them. What a person typed is refused
    instead, with a message about the length.
    """
    overflow = overflow_of(column, value)
    if overflow is None:
        return value
    _, most, in_bytes = overflow
    return value.encode()[:most].decode(errors="ignore") if in_bytes else value[:most]


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
        raise KohaSchemaUnsupported(
            f"The database lacks what every Koha has: {', '.join(missing[:10])}"
            f"{' and more' if len(missing) > 10 else ''}. "
            "Check that koha.database names Koha's database and that the user may read these tables. "
            "koha-ill-sidecar doctor checks both."
        )
    return tables


def _version(connection: Connection) -> KohaVersion:
    value = connection.scalar(text("SELECT value FROM systempreferences WHERE variable = 'Version'"))
    if value is None:
        raise KohaSchemaUnsupported(
            "The preference Version is missing: the database holds Koha's tables, but no installation."
        )
    return KohaVersion.parse(value)


def _status_alias_category(connection: Connection) -> str:
    """
    Return the category of the site's own statuses.

    Source: Koha bug 32799: ILLSTATUS was renamed ILL_STATUS_ALIAS in 23.05 and in late 22.11 maintenance.
    """
    old_only = connection.scalar(
        text(
            "SELECT SUM(category = 'ILL_STATUS_ALIAS') = 0 FROM authorised_values"
            " WHERE category IN ('ILL_STATUS_ALIAS', 'ILLSTATUS')"
        )
    )
    return "ILLSTATUS" if old_only else "ILL_STATUS_ALIAS"
