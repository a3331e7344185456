import threading

from sqlalchemy import Engine, text

from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.sidecar import migrations, schema


def _own_tables(admin: Engine) -> set[str]:
    with admin.connect() as connection:
        return set(
            connection.scalars(
                text(
                    "SELECT table_name FROM information_schema.tables"
                    " WHERE table_schema = DATABASE() AND table_name LIKE 'ill\\_sidecar\\_%'"
                )
            )
        )


def _columns(admin: Engine, table: str) -> set[str]:
    with admin.connect() as connection:
        return set(
            connection.scalars(
                text(
                    "SELECT column_name FROM information_schema.columns"
                    " WHERE table_schema = DATABASE() AND table_name = :table"
                ),
                {"table": table},
            )
        )


def test_the_migrations_create_the_declared_tables(database: Database, admin: Engine) -> None:
    del database
    for table in schema.metadata.sorted_tables:
        assert _columns(admin, table.name) == set(table.c.keys()), table.name

    assert _own_tables(admin) == set(schema.metadata.tables)


def test_the_program_knows_the_newest_migration() -> None:
    assert [migration.version for migration in migrations.available()] == list(range(1, schema.VERSION + 1))


def test_migrating_twice_applies_nothing_more(database: Database) -> None:
    assert migrations.migrate(database.engine) == []


def test_two_hosts_that_migrate_at_once_apply_each_migration_once(database: Database, admin: Engine) -> None:
    with admin.begin() as connection:
        connection.execute(text("DELETE FROM ill_sidecar_migrations"))
    applied: list[int] = []

    def migrate() -> None:
        applied.extend(migration.version for migration in migrations.migrate(database.engine))

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert applied == [migration.version for migration in migrations.available()]


def test_a_statement_ends_only_at_the_end_of_a_line() -> None:
    migration = migrations.Migration(
        version=1, name="x", sql="-- a note; not a statement\nSELECT 'a;b';\n\nSELECT 2;\n"
    )

    assert migration.statements == ("SELECT 'a;b'", "SELECT 2")
