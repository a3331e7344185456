"""
Statements sent straight through the driver, for what every callback and every change of status sends.

SQLAlchemy's own work on a statement costs about as much as sending it. The handful of statements on that path are
fixed texts with named values, and gain nothing from it; everything else goes through SQLAlchemy.
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
    Send a statement in the transaction and give the driver's cursor, on which its result is.

    Args:
        statement: A fixed text, with ``%(name)s`` where a value stands.

    Raises:
        DBAPIError: As SQLAlchemy raises it; the driver's error is its ``orig``.
    """
    cursor = cast("Cursor", tx.connection.connection.cursor())
    _tell_listeners(tx, cursor, statement, values)
    _execute(tx, cursor, statement, values)
    return cursor


def queue(tx: Transaction, statement: str, values: Mapping[str, object]) -> None:
    """Send a statement whose result nobody asks for: at once, or with others at the end of :func:`together`."""
    if tx.queued is None:
        execute(tx, statement, values)
    else:
        tx.queued.append((statement, values))


@contextmanager
def batch(tx: Transaction) -> Iterator[Transaction]:
    """
    Return a transaction whose notes wait for the end of the block and go in one round trip.

    A compound statement carries them, which MySQL does not know outside of a procedure: there each goes by itself.
    """
    gathering = replace(tx, queued=[])
    yield gathering
    notes = gathering.queued or []
    if not getattr(tx.connection.dialect, "is_mariadb", False):
        for statement, values in notes:
            execute(tx, statement, values)
    elif notes:
        _send_compound(tx, notes)


def _send_compound(tx: Transaction, notes: Sequence[Statement]) -> None:
    cursor = cast("Cursor", tx.connection.connection.cursor())
    for statement, values in notes:
        _tell_listeners(tx, cursor, statement, values)
    bound = "; ".join(cursor.mogrify(statement, values) for statement, values in notes)
    _execute(tx, cursor, f"BEGIN NOT ATOMIC {bound}; END", {})


def _tell_listeners(tx: Transaction, cursor: Cursor, statement: str, values: Mapping[str, object]) -> None:
    connection = tx.connection
    for listener in connection.dispatch.before_cursor_execute:
        listener(connection, cursor, statement, values, None, False)  # noqa: FBT003  (SQLAlchemy's signature)


def _execute(tx: Transaction, cursor: Cursor, statement: str, values: Mapping[str, object]) -> None:
    try:
        cursor.execute(statement, values or None)  # without values a percent sign is only that
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
