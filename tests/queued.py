"""Rows of Koha's message queue, written and changed as Koha does."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, text

from cast import SAM
from koha_ill_sidecar.config.settings import DatabaseSettings, DeliverySettings, KohaSettings, Settings
from koha_ill_sidecar.delivery.smtp import Mailer
from koha_ill_sidecar.messages import from_stored, in_english
from koha_ill_sidecar.services.delivery.dispatcher import Dispatcher
from koha_ill_sidecar.storage.database import Database

CODE = "ILL_PICKUP_READY"

# Settings need one, but the dispatcher gets the Database itself.
_DATABASE_IN_USE = DatabaseSettings(database="koha", user="koha")


class Queue:
    """The queue as Koha and its staff see it."""

    def __init__(self, admin: Engine, database: Database) -> None:
        self.admin = admin
        self.koha = database.koha()
        self.execute(
            "INSERT INTO letter (module, code, branchcode, name, is_html, title, content, message_transport_type, lang)"
            f" VALUES ('ill', '{CODE}', '', 'Ready', 0, 'Ready', 'It is ready', 'email', 'default'),"
            " ('circulation', 'CHECKIN', '', 'In', 0, 'In', 'It is in', 'email', 'default')"
        )

    def add(self, **columns: Any) -> int:
        """Queue a message for Sam and return its ID."""
        values = {
            "borrowernumber": SAM,
            "subject": "Ready for you",
            "content": "Dear Sam,\nit is ready.\n",
            "letter_code": CODE,
            "message_transport_type": "email",
            "status": "pending",
            "time_queued": text("NOW()"),
            "from_address": "ill@ada.example.org",
            **columns,
        }
        table = self.koha.table("message_queue")
        with self.admin.begin() as connection:
            result = connection.execute(
                table.insert().values({name: value for name, value in values.items() if name in table.c})
            )
            return int(result.lastrowid)

    def row(self, message_id: int) -> dict[str, Any]:
        """Return a row of Koha's queue."""
        return self._one("SELECT * FROM message_queue WHERE message_id = :number", message_id)

    def delivery(self, message_id: int) -> dict[str, Any]:
        """Return our row of a message; empty without one."""
        return self._one("SELECT * FROM ill_sidecar_deliveries WHERE message_id = :number", message_id)

    def reason(self, message_id: int) -> str:
        """Return why a message was not sent, in English."""
        return in_english(from_stored(self.delivery(message_id)["last_error"]))

    def status(self, message_id: int) -> tuple[str, str]:
        """Return status and failure code."""
        row = self.row(message_id)
        return row["status"], row.get("failure_code", "") or ""

    def change(self, message_id: int, **columns: Any) -> None:
        """Change a row as Koha's staff pages do."""
        table = self.koha.table("message_queue")
        with self.admin.begin() as connection:
            connection.execute(table.update().where(table.c.message_id == message_id).values(columns))

    def execute(self, statement: str, **values: Any) -> None:
        """Execute a statement as Koha."""
        with self.admin.begin() as connection:
            connection.execute(text(statement), values)

    def make_due(self) -> None:
        """Make every waiting attempt due, and let every lease expire."""
        self.execute(
            "UPDATE ill_sidecar_deliveries SET next_attempt_at = next_attempt_at - INTERVAL 1 DAY,"
            " lease_until = lease_until - INTERVAL 1 DAY"
        )

    def _one(self, statement: str, number: int) -> dict[str, Any]:
        with self.admin.connect() as connection:
            row = connection.execute(text(statement), {"number": number}).mappings().one_or_none()
        return dict(row) if row else {}


@contextmanager
def dispatching(
    database: Database, *, koha: dict[str, Any] | None = None, **delivery: Any
) -> Iterator[Dispatcher]:
    """Run a dispatcher with these settings; closed at the end."""
    settings = Settings(
        koha=KohaSettings(database=_DATABASE_IN_USE, **(koha or {})), delivery=DeliverySettings(**delivery)
    )
    mailer = Mailer(unreachable_seconds=0)
    dispatcher = Dispatcher(database, mailer, settings)
    try:
        yield dispatcher
    finally:
        dispatcher.close()
        mailer.close()
