"""
Statements sent straight through the driver, for what every callback and every change of status sends.

SQLAlchemy's own work on a statement costs about as much as sending it. The handful of statements on that path are
fixed texts with named values, and gain nothing from it; everything else goes through SQLAlchemy.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import cast

import pymysql
from pymysql.cursors import Cursor
from sqlalchemy.exc import DBAPIError

from koha_ill_sidecar.storage.transaction import Transaction


def send(tx: Transaction, statement: str, values: Mapping[str, object]) -> Cursor:
    """
    Send a statement in the transaction and give the driver's cursor, on which its result is.

    Args:
        statement: A fixed text, with ``%(name)s`` where a value stands.

    Raises:
        DBAPIError: As SQLAlchemy raises it; the driver's error is its ``orig``.
    """
    connection = tx.connection
    if not connection.in_transaction():
        connection.begin()
    cursor = cast("Cursor", connection.connection.cursor())
    for listener in connection.dispatch.before_cursor_execute:
        listener(connection, cursor, statement, values, None, False)  # noqa: FBT003  (SQLAlchemy's signature)
    try:
        cursor.execute(statement, values)
    except pymysql.MySQLError as error:
        raise _wrapped(tx, statement, values, error) from error
    return cursor


def in_utc(instant: datetime | None) -> datetime | None:
    """Give an aware instant as our own tables hold it: UTC without saying so."""
    return None if instant is None else instant.astimezone(UTC).replace(tzinfo=None)


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
