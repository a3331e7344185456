"""The pages of operations, with backends that send callbacks."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from conftest import KohaDatabase
from factories import make_request
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.web.app import create_app
from supplier import callback_settings, signed_headers

Send = Callable[..., int]


@pytest.fixture
def app(koha_database: KohaDatabase, database: Database) -> Flask:
    """The application, set up for some backends."""
    return create_app(Runtime(settings=callback_settings(koha_database.settings), database=database))


@pytest.fixture
def send(app: Flask) -> Send:
    """Send a signed callback of acme's, and give its receipt."""
    supplier: FlaskClient = app.test_client()

    def one(document: object, event_id: str = "evt_1") -> int:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        answer: TestResponse = supplier.post(
            "/callbacks/acme", data=body, headers=signed_headers(body, event_id)
        )
        return int(answer.get_json()["receipt_id"])

    return one


@pytest.fixture
def new_request(database: Database, admin: Engine) -> Callable[..., int]:
    """Make a request as Koha does, committed."""

    def make(**columns: Any) -> int:
        with admin.begin() as connection:
            return make_request(connection, database.koha(), **columns)

    return make
