"""What there is before somebody opens a page of a request: committed rows, as Koha and suppliers leave them."""

import hashlib
import json
from typing import Any

from sqlalchemy import Engine, text

from cast import CLARA, SAM
from factories import make_request
from koha_ill_sidecar.domain.callbacks import Verdict
from koha_ill_sidecar.resources import notice_templates
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.koha import letters
from koha_ill_sidecar.storage.sidecar import receipts
from koha_ill_sidecar.storage.sidecar.receipts import NewReceipt
from messaging import add_letter, choose_transports

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "</textarea></pre><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}[% 7 * 7 %]<<borrowers.surname>>",
    "%(number)s %s %% javascript:alert(1)",
    "&lt;b&gt; \u202e\u0000 \ud7ff\u2028 😀",
)
"""What people type who mean harm, or are only unlucky."""


class Office:
    """Koha, its staff and its suppliers, for tests."""

    def __init__(self, admin: Engine, database: Database) -> None:
        self._admin = admin
        self._database = database
        self.koha = database.koha()

    def request(self, *, attributes: dict[str, str] | None = None, **columns: Any) -> int:
        """Make a request."""
        with self._admin.begin() as connection:
            return make_request(connection, self.koha, attributes=attributes, **columns)

    def does(self, statement: str, **values: object) -> None:
        """Do something with a statement of SQL."""
        with self._admin.begin() as connection:
            connection.execute(text(statement), values)

    def asks(self, statement: str, **values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self._admin.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def status(self, illrequest_id: int) -> str | None:
        """Return a request's status; nothing of one that is gone."""
        found = self.asks(
            "SELECT status FROM illrequests WHERE illrequest_id = :number", number=illrequest_id
        )
        return found[0][0] if found else None

    def prefers(self, **preferences: str) -> None:
        """Set system preferences."""
        for variable, value in preferences.items():
            self.does(
                "REPLACE INTO systempreferences (variable, value) VALUES (:variable, :value)",
                variable=variable,
                value=value,
            )
        self._database.cache.clear()

    def writes_letters(self) -> None:
        """Install the notices."""
        self._database.transact(letters.add, notice_templates())

    def writes_letter(self, code: str, **columns: Any) -> None:
        """Write one notice."""
        with self._admin.begin() as connection:
            add_letter(self._database.transaction_on(connection), code, **columns)

    def wants(self, message_name: str, *transports: str, borrowernumber: int = SAM) -> None:
        """Let a patron choose transports."""
        choose_transports(self._admin, self.koha, message_name, *transports, borrowernumber=borrowernumber)

    def comments(self, illrequest_id: int, comment: str, borrowernumber: int = CLARA) -> None:
        """Comment on a request."""
        self.does(
            "INSERT INTO illcomments (illrequest_id, borrowernumber, comment) VALUES (:number, :person, :comment)",
            number=illrequest_id,
            person=borrowernumber,
            comment=comment,
        )

    def receives(
        self,
        illrequest_id: int,
        body: object,
        verdict: Verdict = Verdict.APPLIED,
        *,
        event_id: str = "evt_1",
        backend: str = "acme",
        detail: str = "",
    ) -> int:
        """Keep a callback on a request."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        number = self._database.transact(
            receipts.add,
            NewReceipt(
                backend=backend,
                event_id=event_id,
                occurred_at=None,
                illrequest_id=illrequest_id,
                order_id=None,
                authentication="bearer",
                remote_address="192.0.2.1",
                headers={},
                body=raw,
                body_sha256=hashlib.sha256(raw).hexdigest(),
                verdict=verdict,
                answer_status=200,
                answer={"outcome": verdict.value, "detail": detail},
            ),
        )
        assert number is not None
        return number
