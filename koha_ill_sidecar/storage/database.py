"""Koha's database: the connections, and the only way in which a use case runs in a transaction."""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

import pymysql
from pymysql.constants import CR, ER
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from koha_ill_sidecar.backoff import pause_seconds
from koha_ill_sidecar.cache import Cache
from koha_ill_sidecar.config.settings import DatabaseSettings, DeliverySettings, IllSite
from koha_ill_sidecar.errors import DatabaseBusy, DatabaseError, DatabaseReadOnly, DatabaseUnavailable
from koha_ill_sidecar.storage import inspection
from koha_ill_sidecar.storage.driver import connect, prepare
from koha_ill_sidecar.storage.koha import installed, preferences
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.request_index import queue
from koha_ill_sidecar.storage.transaction import Transaction

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger(__name__)

CACHE_SECONDS = 10.0
"""How long preferences, and the names of codes, are cached: as long as staff may wait for a change to show."""

_ATTEMPTS = 5
_FIRST_PAUSE_SECONDS = 0.02
_RETRY_SECONDS = 15.0  # no attempt begins later: a supplier waits 15 to 30 seconds for its answer
_LOCK_ERRORS = frozenset({ER.LOCK_DEADLOCK, ER.LOCK_WAIT_TIMEOUT})
_RECYCLE_SECONDS = 600  # less than the wait_timeout of any server that hosts a Koha


class Database:
    """
    Koha's database and what we know of it.

    Thread-safe. Connections are opened when they are needed: creating a Database touches nothing.

    Attributes:
        on_new_messages: Called after the commit of a transaction that put messages into the queue.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        *,
        site: IllSite,
        delivery: DeliverySettings | None = None,
        accept_unsupported_version: bool = False,
        pool_size: int = 12,
    ) -> None:
        self.site = site
        self.delivery = delivery or DeliverySettings()
        self.on_new_messages: Callable[[], None] = lambda: None
        self.engine = _engine(settings, pool_size)
        self.cache = Cache(CACHE_SECONDS)
        self._accept_unsupported_version = accept_unsupported_version
        self._lock = threading.Lock()
        self._koha: InstalledKoha | None = None

    def transact(
        self, use_case: Callable[Concatenate[Transaction, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """
        Run a use case in one transaction, queue the requests that it changed for the index, and commit.

        After a deadlock (1213), a lock wait timeout (1205) or a connection lost before the commit, the whole use case
        runs again. So it must be safe to repeat, and must have no effect outside the database before it returns.

        Raises:
            DatabaseBusy: Five attempts, or 15 seconds, did not get the locks; nothing was changed.
            DatabaseUnavailable: There is no connection, or it broke during the commit and the outcome is unknown.
            Exception: Whatever the use case raised; everything was rolled back.
        """
        attempt, began = 1, time.monotonic()
        while True:
            try:
                return self._once(use_case, *args, **kwargs)
            except _Repeat as error:
                if attempt == _ATTEMPTS or time.monotonic() - began > _RETRY_SECONDS:
                    raise error.final from error.cause
                logger.info("transaction repeated", extra={"attempt": attempt, "reason": error.reason})
                # Two that wait for each other's locks must not meet again, so the pause may be anything from 0 up.
                time.sleep(pause_seconds(attempt, first=_FIRST_PAUSE_SECONDS, longest=1.0, jitter=1.0))
                attempt += 1

    def ping(self) -> None:
        """Check that the server answers; raises DatabaseUnavailable."""
        try:
            with self.engine.connect() as connection:
                connection.exec_driver_sql("SELECT 1")
        except (SQLAlchemyError, pymysql.MySQLError) as error:
            raise _unavailable(error) from error

    def require_writable(self) -> None:
        """Check that the server answers and accepts changes; raises DatabaseUnavailable and DatabaseReadOnly."""
        try:
            with self.engine.connect() as connection:
                is_read_only = inspection.server(connection).is_read_only
        except (SQLAlchemyError, pymysql.MySQLError) as error:
            raise _unavailable(error) from error
        if is_read_only:
            raise DatabaseReadOnly(
                "The database server is read-only. Name the primary server, not a replica."
            )

    def koha(self) -> InstalledKoha:
        """Return the installed Koha, read once; raises KohaSchemaUnsupported and DatabaseUnavailable."""
        try:
            with self.engine.connect() as connection:
                return self._installed(connection)
        except (SQLAlchemyError, pymysql.MySQLError) as error:
            raise _unavailable(error) from error

    def close(self) -> None:
        """Close the idle connections."""
        self.engine.dispose()

    def _once(
        self, use_case: Callable[Concatenate[Transaction, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        try:
            connection = self.engine.connect()
        except (SQLAlchemyError, pymysql.MySQLError) as error:
            raise _unavailable(error) from error
        with connection:
            connection.begin()
            try:
                tx = self.transaction_on(connection)
                result = use_case(tx, *args, **kwargs)
                queue.enqueue(tx)
            except DBAPIError as error:
                raise _translated(error) from error
            try:
                connection.commit()
            except DBAPIError as error:
                if _number(error) in _LOCK_ERRORS:
                    raise _translated(error) from error
                raise DatabaseUnavailable(
                    "The connection to the database broke during the commit, so it is not known whether the change "
                    "was made. Look at it before you try again."
                ) from error
        if tx.new_messages:
            self.on_new_messages()
        return result

    def transaction_on(self, connection: Connection) -> Transaction:
        """Return a transaction on a connection whose owner begins and ends it."""
        return Transaction(
            connection,
            self._installed(connection),
            self.cache.get("preferences", lambda: preferences.load(connection)).value,
            self.site,
            cache=self.cache,
            delivery=self.delivery,
        )

    def _installed(self, connection: Connection) -> InstalledKoha:
        if self._koha is None:
            with self._lock:
                if self._koha is None:
                    self._koha = installed.load(
                        connection, accept_unsupported_version=self._accept_unsupported_version
                    )
        return self._koha


class _Repeat(Exception):
    def __init__(self, reason: str, final: DatabaseError, cause: BaseException) -> None:
        self.reason = reason
        self.final = final
        self.cause = cause
        super().__init__(reason)


def _translated(error: DBAPIError) -> Exception:
    """Turn a driver's error into a repetition or one of our errors; return any other unchanged, for it is a bug."""
    number = _number(error)
    if number in _LOCK_ERRORS:
        busy = DatabaseBusy(
            "Another program holds the rows that this needs. Nothing was changed; try again in a moment."
        )
        return _Repeat(f"lock error {number}", busy, error)
    if error.connection_invalidated:
        return _Repeat("connection lost", _unavailable(error), error)
    if number in _PASSING:
        return DatabaseUnavailable(
            f"The database cannot do this at the moment: {_text(error)}. {_PASSING[number]}"
        )
    if isinstance(error.orig, pymysql.err.OperationalError) and number in _REFUSALS:
        return DatabaseError(f"The database refused a statement: {_text(error)}. {_REFUSALS[number]}")
    return error


_NO_SPACE = "Is its disk full?"
_NOT_READY = "It accepts statements again when it is ready."
_CONNECTION_KILLED = 1927  # MariaDB's; not among the driver's constants, nor is the next
_SIGNAL = 1644

# The state of the server, not a mistake in the statement: the same statement succeeds later.
_PASSING = {
    ER.DISK_FULL: _NO_SPACE,
    ER.RECORD_FILE_FULL: _NO_SPACE,
    ER.ERROR_ON_WRITE: _NO_SPACE,
    ER.GET_ERRNO: "The storage engine failed; the server's log says why.",
    ER.OUTOFMEMORY: "It is out of memory.",
    ER.OUT_OF_SORTMEMORY: "It is out of memory.",
    ER.OUT_OF_RESOURCES: "It is out of memory.",
    ER.TOO_MANY_USER_CONNECTIONS: "The user has too many connections, or did too much in this hour.",
    ER.USER_LIMIT_REACHED: "The user has too many connections, or did too much in this hour.",
    ER.UNKNOWN_COM_ERROR: "A node of a cluster says this until it has joined.",
    ER.SERVER_SHUTDOWN: _NOT_READY,
    ER.QUERY_INTERRUPTED: "Someone, or a limit of the server, interrupted the statement.",
    ER.STATEMENT_TIMEOUT: "Someone, or a limit of the server, interrupted the statement.",
    _CONNECTION_KILLED: _NOT_READY,
}


_REFUSALS = {
    ER.TABLEACCESS_DENIED_ERROR: "Grant the sidecar's user what `koha-ill-sidecar grants` prints.",
    ER.COLUMNACCESS_DENIED_ERROR: "Grant the sidecar's user what `koha-ill-sidecar grants` prints.",
    ER.OPTION_PREVENTS_STATEMENT: "Is the server read-only, a replica perhaps?",
    _SIGNAL: "A trigger or a procedure of the database refuses it.",
}


_CONNECTION_ADVICE = {
    ER.ACCESS_DENIED_ERROR: "Check user and password in koha.database, and that the user may come from this host.",
    ER.DBACCESS_DENIED_ERROR: "Grant the sidecar's user what `koha-ill-sidecar grants` prints.",
    ER.BAD_DB_ERROR: "Check the name in koha.database or koha.conf.",
    CR.CR_VERSION_ERROR: "The sidecar supports Koha databases on MariaDB only.",
    ER.UNKNOWN_TIME_ZONE: (
        "Load the server's time zone tables: mariadb-tzinfo-to-sql /usr/share/zoneinfo | mariadb mysql"
    ),
}


def connection_advice(error: BaseException) -> str:
    """Return advice for a connection that was refused."""
    number = _number(error)
    return _CONNECTION_ADVICE.get(number or 0, "Check koha.conf or koha.database, and that MariaDB runs.")


def _unavailable(error: BaseException) -> DatabaseUnavailable:
    return DatabaseUnavailable(f"The database cannot be reached: {_text(error)}. {connection_advice(error)}")


def _text(error: BaseException) -> str:
    origin = getattr(error, "orig", None) or error
    if isinstance(origin, pymysql.MySQLError) and len(origin.args) > 1:
        return f"{origin.args[1]} ({origin.args[0]})"
    if isinstance(error, PoolTimeout):
        return "every connection is in use"
    return str(origin)


def _number(error: BaseException) -> int | None:
    arguments = getattr(getattr(error, "orig", error), "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else None


def _engine(settings: DatabaseSettings, pool_size: int) -> Engine:
    engine = create_engine(
        "mysql+pymysql://",
        creator=partial(connect, settings),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_recycle=_RECYCLE_SECONDS,
        pool_use_lifo=True,  # so that after a busy time connections become idle and are closed
        pool_reset_on_return=None,  # every transaction ends before, so this saves a round trip each
        isolation_level="READ COMMITTED",
        hide_parameters=True,  # an error's text goes into the log, personal data must not
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: pymysql.connections.Connection, _record: object) -> None:
        prepare(connection, settings)

    return engine
