import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from conftest import KohaDatabase
from factories import make_request
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.web.app import create_app
from supplier import callback_settings, signed_headers


@pytest.fixture
def client(koha_database: KohaDatabase, database: Database) -> FlaskClient:
    """The application over the real database."""
    return create_app(
        Runtime(settings=callback_settings(koha_database.settings), database=database)
    ).test_client()


Post = Callable[..., TestResponse]


@pytest.fixture
def post(client: FlaskClient) -> Post:
    """Send a signed callback of acme's."""

    def send(document: object, event_id: str | None = None, **signing: Any) -> TestResponse:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        if event_id is None:
            event_id = document["event_id"] if isinstance(document, dict) else "evt_1"
        return client.post("/callbacks/acme", data=body, headers=signed_headers(body, event_id, **signing))

    return send


@pytest.fixture
def new_request(database: Database, admin: Engine) -> Callable[..., int]:
    """Make a request as Koha does, committed."""

    def make(**columns: Any) -> int:
        with admin.begin() as connection:
            return make_request(connection, database.koha(), **({"status": "NEW"} | columns))

    return make


@pytest.fixture
def status_of(admin: Engine) -> Callable[[int], str]:
    """Read a request's status as Koha would see it."""

    def read(illrequest_id: int) -> str:
        with admin.connect() as connection:
            found = connection.scalar(
                text("SELECT status FROM illrequests WHERE illrequest_id = :id"), {"id": illrequest_id}
            )
        return str(found)

    return read
