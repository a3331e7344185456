import threading

import pytest
from sqlalchemy import Engine, text

from koha_ill_sidecar.config.settings import DatabaseSettings, IllSite
from koha_ill_sidecar.config.values import Secret
from koha_ill_sidecar.errors import DatabaseBusy, DatabaseError, DatabaseUnavailable
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.direct import execute
from koha_ill_sidecar.storage.transaction import Transaction


def _preference(tx: Transaction, name: str) -> str | None:
    value: str | None = tx.connection.scalar(
        text("SELECT value FROM systempreferences WHERE variable = :name"), {"name": name}
    )
    return value


def _note(tx: Transaction, value: str) -> None:
    tx.connection.execute(
        text("INSERT INTO ill_sidecar_marks (name, position, moved_at) VALUES (:value, 1, UTC_TIMESTAMP(6))"),
        {"value": value},
    )


def _marks(tx: Transaction) -> list[str]:
    return list(tx.connection.scalars(text("SELECT name FROM ill_sidecar_marks ORDER BY name")))


def test_a_use_case_that_returns_is_committed(database: Database) -> None:
    database.transact(_note, "kept")

    assert database.transact(_marks) == ["kept"]


def test_a_use_case_that_fails_leaves_nothing(database: Database) -> None:
    def half(tx: Transaction) -> None:
        _note(tx, "half")
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        database.transact(half)

    assert database.transact(_marks) == []


def test_sessions_are_strict_read_committed_and_unicode(tx: Transaction) -> None:
    row = tx.connection.execute(
        text("SELECT @@sql_mode, @@tx_isolation, @@collation_connection, @@autocommit")
    ).one()

    assert "STRICT_TRANS_TABLES" in row[0]
    assert tuple(row[1:]) == ("READ-COMMITTED", "utf8mb4_unicode_ci", 0)


def test_an_update_that_changes_nothing_counts_its_row(tx: Transaction) -> None:
    result = tx.connection.execute(text("UPDATE ill_sidecar_migrations SET name = name WHERE version = 1"))

    assert result.rowcount == 1


def test_a_deadlock_makes_the_whole_use_case_run_again(database: Database) -> None:
    database.transact(_note, "a")
    database.transact(_note, "b")
    both_hold_one = threading.Barrier(2, timeout=60)
    runs: list[str] = []

    def lock(tx: Transaction, first: str, second: str) -> None:
        update = text("UPDATE ill_sidecar_marks SET position = position + 1 WHERE name = :name")
        tx.connection.execute(update, {"name": first})
        if runs.count(first) == 0:
            runs.append(first)
            both_hold_one.wait()
        else:
            runs.append(first)
        tx.connection.execute(update, {"name": second})

    threads = [threading.Thread(target=database.transact, args=(lock, *pair)) for pair in ("ab", "ba")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    def positions(tx: Transaction) -> list[int]:
        return list(tx.connection.scalars(text("SELECT position FROM ill_sidecar_marks")))

    assert len(runs) == 3
    assert database.transact(positions) == [3, 3]


def test_a_lock_that_is_never_released_is_reported(database: Database, admin: Engine) -> None:
    database.transact(_note, "held")

    def take(tx: Transaction) -> None:
        tx.connection.execute(text("SET innodb_lock_wait_timeout = 0"))
        try:
            tx.connection.execute(text("SELECT * FROM ill_sidecar_marks FOR UPDATE"))
        finally:
            tx.connection.execute(text("SET innodb_lock_wait_timeout = 10"))

    with admin.connect() as other:
        other.execute(text("SELECT * FROM ill_sidecar_marks FOR UPDATE"))
        with pytest.raises(DatabaseBusy, match="try again"):
            database.transact(take)


def test_after_a_long_wait_for_a_lock_the_use_case_is_not_repeated(
    database: Database, admin: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("koha_ill_sidecar.storage.database._RETRY_SECONDS", 0.5)
    database.transact(_note, "held")
    attempts = 0

    def take(tx: Transaction) -> None:
        nonlocal attempts
        attempts += 1
        tx.connection.execute(text("SET innodb_lock_wait_timeout = 1"))
        tx.connection.execute(text("SELECT * FROM ill_sidecar_marks FOR UPDATE"))

    with admin.connect() as other:
        other.execute(text("SELECT * FROM ill_sidecar_marks FOR UPDATE"))
        with pytest.raises(DatabaseBusy):
            database.transact(take)
    database.close()

    assert attempts == 1


def test_a_locked_table_is_waited_for_no_longer_than_a_row(database: Database, admin: Engine) -> None:
    def take(tx: Transaction) -> None:
        tx.connection.execute(text("SET lock_wait_timeout = 0"))
        try:
            _note(tx, "late")
        finally:
            tx.connection.execute(text("SET lock_wait_timeout = 10"))

    with admin.connect() as other:
        other.execute(text("LOCK TABLES ill_sidecar_marks WRITE"))
        try:
            with pytest.raises(DatabaseBusy):
                database.transact(take)
        finally:
            other.execute(text("UNLOCK TABLES"))


def test_a_connection_cut_by_the_server_is_replaced(database: Database, admin: Engine) -> None:
    runs = 0

    def cut_once(tx: Transaction) -> list[str]:
        nonlocal runs
        runs += 1
        if runs == 1:
            with admin.connect() as other:
                other.execute(text(f"KILL {tx.connection.scalar(text('SELECT CONNECTION_ID()'))}"))
        _note(tx, "once")
        return _marks(tx)

    assert database.transact(cut_once) == ["once"]
    assert runs == 2


def test_an_unreachable_server_is_reported_in_one_line() -> None:
    settings = DatabaseSettings(
        host="127.0.0.1", port=1, user="nobody", password=Secret("never shown"), database="koha"
    )
    database = Database(settings, site=IllSite())

    with pytest.raises(DatabaseUnavailable) as caught:
        database.transact(_marks)

    assert "never shown" not in str(caught.value)
    assert "koha.database" in str(caught.value)


def test_a_missing_privilege_is_reported_with_its_fix(database: Database) -> None:
    def alter(tx: Transaction) -> None:
        tx.connection.execute(text("ALTER TABLE illrequests ADD COLUMN x INT"))

    with pytest.raises(DatabaseError, match="koha-ill-sidecar grants"):
        database.transact(alter)


@pytest.mark.parametrize(
    "number", [1021, 1026, 1030, 1037, 1038, 1041, 1047, 1053, 1114, 1203, 1226, 1317, 1927, 1969]
)
@pytest.mark.parametrize("direct", [False, True])
def test_a_state_of_the_server_that_passes_is_unavailable(
    database: Database, number: int, *, direct: bool
) -> None:
    """A full disk, a cluster's node that is not ready, an interrupted statement."""
    statement = f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'not now'"

    def refused(tx: Transaction) -> None:
        if direct:
            execute(tx, statement, {})
        else:
            tx.connection.exec_driver_sql(statement)

    with pytest.raises(DatabaseUnavailable, match=rf"not now \({number}\)"):
        database.transact(refused)


def test_preferences_are_read_at_most_once_in_ten_seconds(database: Database, admin: Engine) -> None:
    def branch(tx: Transaction) -> str:
        return tx.preferences.text("ILLPartnerCode")

    first = database.transact(branch)
    with admin.begin() as koha:
        koha.execute(text("UPDATE systempreferences SET value = 'XX' WHERE variable = 'ILLPartnerCode'"))
    second = database.transact(branch)
    database.cache.clear()
    third = database.transact(branch)

    assert (first, second, third) == ("IL", "IL", "XX")
