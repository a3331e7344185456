"""
Statements that go straight to the driver: the frequent ones of callbacks, changes of status, messages and the index.

SQLAlchemy spends about as much time on a statement as the server does. The statements on these paths are fixed texts
with named values and gain nothing from it; all others go through SQLAlchemy. What this wins, and why it stays, is in
docs/decisions/0005.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

import pymysql
from pymysql.cursors import Cursor
from sqlalchemy.exc import DBAPIError

from koha_ill_sidecar.storage.transaction import Statement, Transaction


def execute(tx: Transaction, statement: str, values: Mapping[str, object]) -> Cursor:
    """
    Send a statement in the transaction; return the driver's cursor with the result.

    Args:
        statement: A fixed text, with ``%(name)s`` for each value.

    Raises:
        DBAPIError: As SQLAlchemy raises it; the driver's error is its ``orig``.
    """
    cursor = cast("Cursor", tx.connection.connection.cursor())
    _notify_listeners(tx, cursor, statement, values)
    _execute(tx, cursor, statement, values)
    return cursor


def queue(tx: Transaction, statement: str, values: Mapping[str, object]) -> None:
    """Send a statement whose result is not needed: at once, or inside :func:`batch` at the end of the block."""
    if tx.queued is None:
        execute(tx, statement, values)
    else:
        tx.queued.append((statement, values))


@contextmanager
def batch(tx: Transaction) -> Iterator[Transaction]:
    """
    Return a transaction whose queued statements are sent at the end of the block, in one round trip.

    They are sent as one compound statement of MariaDB.
    """
    batched = replace(tx, queued=[])
    yield batched
    if batched.queued:
        _send_compound(tx, batched.queued)


def _send_compound(tx: Transaction, statements: Sequence[Statement]) -> None:
    cursor = cast("Cursor", tx.connection.connection.cursor())
    for statement, values in statements:
        _notify_listeners(tx, cursor, statement, values)
    bound = "; ".join(cursor.mogrify(statement, values) for statement, values in statements)
    _execute(tx, cursor, f"BEGIN NOT ATOMIC {bound}; END", {})


def _notify_listeners(tx: Transaction, cursor: Cursor, statement: str, values: Mapping[str, object]) -> None:
    connection = tx.connection
    for listener in connection.dispatch.before_cursor_execute:
        listener(connection, cursor, statement, values, None, False)  # noqa: FBT003  (SQLAlchemy's signature)


def _execute(tx: Transaction, cursor: Cursor, statement: str, values: Mapping[str, object]) -> None:
    try:
        cursor.execute(statement, values or None)  # without values the driver leaves percent signs alone
    except pymysql.MySQLError as error:
        raise _wrapped(tx, statement, values, error) from error


def _wrapped(
    tx: Transaction, statement: str, values: Mapping[str, object], error: pymysql.MySQLError
) -> Exception:
    connection = tx.connection
    is_lost = connection.dialect.is_disconnect(error, None, None)  # type: ignore[arg-type]
    if is_lost:
        connection.invalidate(error)
    return DBAPIError.instance(
        statement,
        dict(values),
        error,
        pymysql.MySQLError,
        hide_parameters=True,
        connection_invalidated=is_lost,
        dialect=connection.dialect,
    )
