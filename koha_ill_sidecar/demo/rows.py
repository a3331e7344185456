"""Insert rows into the tables of any supported Koha version."""

import functools
import re
from collections.abc import Iterable, Mapping, Sequence

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from koha_ill_sidecar.resources import data_path

# Oldest to newest; 19.06 is the development version between 19.05 and 19.11.
VERSIONS: tuple[str, ...] = ("19.06", "22.11", "23.11", "24.05", "24.11", "25.05", "25.11", "26.05")

Row = Mapping[str, object]


def rows_of(columns: Sequence[str], values: Iterable[Sequence[object]], **same: object) -> list[Row]:
    """Return a row for each sequence of *values* in *columns*; *same* are the columns that have one value in all."""
    return [dict(zip(columns, row, strict=True)) | same for row in values]


# Rows in one INSERT; PyMySQL splits them further at one megabyte.
_ROWS_AT_ONCE = 2_000


class RowWriter:
    """
    Inserts rows for the newest Koha into an older one as well.

    Columns and tables that the installed version lacks are skipped. A name that the newest version lacks too is a
    mistake and raises `ValueError`.
    """

    def __init__(self, connection: "Connection[Cursor]") -> None:
        self.connection = connection
        self._installed = installed_columns(connection)

    def has(self, table: str, column: str | None = None) -> bool:
        """Return whether the database has *table* with *column*."""
        return table in self._installed and (column is None or column in self._installed[table])

    def insert(self, table: str, rows: Iterable[Row]) -> None:
        """Insert *rows*, which all have the columns of the first one."""
        batch = list(rows)
        if not batch:
            return
        names = self.present(table, batch[0])
        if not names:
            return
        with self.connection.cursor() as cursor:
            for start in range(0, len(batch), _ROWS_AT_ONCE):
                part = batch[start : start + _ROWS_AT_ONCE]
                cursor.executemany(
                    insert_statement(table, names), [[row[name] for name in names] for row in part]
                )

    def present(self, table: str, names: Iterable[str]) -> list[str]:
        """Return those of *names* that are columns of the installed *table*; none if the table does not exist."""
        return [name for name in names if self._is_installed(table, name)]

    def _is_installed(self, table: str, column: str) -> bool:
        if self.has(table, column):
            return True
        newest = _newest_columns()
        if column not in newest.get(table, ()):
            raise ValueError(f"Koha has no {table}.{column}")
        return False


def installed_columns(connection: "Connection[Cursor]") -> dict[str, frozenset[str]]:
    """Return the columns of every table in the database of *connection*, with one query."""
    columns: dict[str, set[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE()"
        )
        for table, column in cursor.fetchall():
            columns.setdefault(table, set()).add(column)
    return {table: frozenset(names) for table, names in columns.items()}


def insert_statement(table: str, names: Sequence[str]) -> str:
    """Return the INSERT statement for one row, with a placeholder for each of *names*."""
    columns = ", ".join(f"`{name}`" for name in names)
    places = ", ".join(["%s"] * len(names))
    return f"INSERT INTO `{table}` ({columns}) VALUES ({places})"  # noqa: S608 - the names are constants of this package


@functools.cache
def _newest_columns() -> dict[str, frozenset[str]]:
    script = (data_path("sql") / "koha" / f"{VERSIONS[-1]}.sql").read_text(encoding="utf-8")
    tables = re.findall(r"^CREATE TABLE `(\w+)` \((.*?)^\)", script, flags=re.MULTILINE | re.DOTALL)
    return {name: frozenset(re.findall(r"^  `(\w+)`", body, flags=re.MULTILINE)) for name, body in tables}
