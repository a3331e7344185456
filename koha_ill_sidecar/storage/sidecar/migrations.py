"""
Creates and changes the sidecar's own tables by the numbered SQL files in ``sql/migrations``.

A statement ends with a semicolon at the end of a line. MariaDB commits at each DDL statement, so every statement of a
migration must be safe to repeat (``IF NOT EXISTS``): an interrupted migration is simply applied again. A row lock keeps
two hosts from migrating at once. A separate connection holds it, because DDL would release it.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.exc import DBAPIError

from koha_ill_sidecar.errors import SidecarSchemaMismatch
from koha_ill_sidecar.resources import data_path
from koha_ill_sidecar.storage.sidecar import schema

_LOCK_VERSION = 0

_BOOKKEEPING = """
CREATE TABLE IF NOT EXISTS ill_sidecar_migrations (
  version INT NOT NULL,
  name VARCHAR(191) NOT NULL,
  sha256 CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  applied_at DATETIME(6) NOT NULL,
  PRIMARY KEY (version)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Migration:
    """One numbered SQL file."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Checksum of the text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def statements(self) -> tuple[str, ...]:
        """The statements, without the comments around them."""
        uncommented = "\n".join(line for line in self.sql.splitlines() if not line.startswith("--"))
        parts = re.split(r";[ \t]*(?:\n|$)", uncommented)
        return tuple(part.strip() for part in parts if part.strip())


def available(directory: Path | None = None) -> list[Migration]:
    """Read the migrations that come with the program, in order."""
    found = []
    for path in sorted((directory or data_path("sql") / "migrations").glob("[0-9]*.sql")):
        number, _, name = path.stem.partition("_")
        found.append(Migration(version=int(number), name=name, sql=path.read_text(encoding="utf-8")))
    return found


def applied(connection: Connection) -> set[int]:
    """Return the versions that the database has; empty if the sidecar was never set up in it."""
    if not connection.scalar(
        text(
            "SELECT COUNT(*) FROM information_schema.tables"
            " WHERE table_schema = DATABASE() AND table_name = 'ill_sidecar_migrations'"
        )
    ):
        return set()
    versions = connection.scalars(select(schema.migrations.c.version))
    return {version for version in versions if version != _LOCK_VERSION}


def pending(connection: Connection) -> list[Migration]:
    """Return the migrations that the database still lacks, in order."""
    done = applied(connection)
    return [migration for migration in available() if migration.version not in done]


def require_current(connection: Connection) -> None:
    """Raise SidecarSchemaMismatch unless the sidecar's tables are those that this program knows."""
    done = applied(connection)
    newest = max(done, default=0)
    if newest > schema.VERSION:
        raise SidecarSchemaMismatch(
            f"The sidecar's tables are of version {newest}, newer than this program knows ({schema.VERSION}). "
            "Install the newer koha-ill-sidecar on this host too."
        )
    if missing := [migration.version for migration in available() if migration.version not in done]:
        raise SidecarSchemaMismatch(
            f"The sidecar's own tables lack migration {', '.join(map(str, missing))}. "
            "Run: koha-ill-sidecar migrate"
        )


def migrate(engine: Engine) -> list[Migration]:
    """
    Apply the missing migrations and return them; safe to run twice and on two hosts at once.

    Needs CREATE (and later ALTER, DROP) on the tables named ``ill_sidecar_*``, and otherwise only the daemon's own
    privileges.
    """
    with engine.connect() as keeper, engine.connect() as worker:
        worker.execute(text(_BOOKKEEPING))
        _hold_lock(keeper)
        missing = pending(worker)
        worker.rollback()
        for migration in missing:
            for statement in migration.statements:
                worker.exec_driver_sql(statement.replace("%", "%%"))
            worker.execute(
                schema.migrations.insert().values(
                    version=migration.version,
                    name=migration.name,
                    sha256=migration.sha256,
                    applied_at=schema.utc_now(),
                )
            )
            worker.commit()
        keeper.rollback()
    return missing


def _hold_lock(connection: Connection) -> None:
    connection.execute(
        text(
            "INSERT IGNORE INTO ill_sidecar_migrations (version, name, sha256, applied_at)"
            " VALUES (:version, 'lock', '', UTC_TIMESTAMP(6))"
        ),
        {"version": _LOCK_VERSION},
    )
    connection.commit()
    try:
        connection.execute(
            select(schema.migrations).where(schema.migrations.c.version == _LOCK_VERSION).with_for_update()
        )
    except DBAPIError as error:
        raise SidecarSchemaMismatch(
            "Another host is migrating the sidecar's tables right now. Run migrate again in a minute."
        ) from error
