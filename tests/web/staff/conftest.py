"""What the tests of the staff interface share."""

from collections.abc import Callable
from typing import Any

import pytest
from office import Office
from sqlalchemy import Engine
from web.conftest import Desk

from cast import CLARA
from conftest import KohaDatabase
from factories import make_request
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.web.app import create_app
from supplier import callback_settings


@pytest.fixture
def office(admin: Engine, database: Database) -> Office:
    """What there is before a page is opened."""
    return Office(admin, database)


@pytest.fixture
def make(admin: Engine, database: Database) -> Callable[..., int]:
    """Return a function that makes a request, as ``make_request`` does, and commits it."""

    def made(**given: Any) -> int:
        with admin.begin() as connection:
            return make_request(connection, database.koha(), **given)

    return made


@pytest.fixture
def with_suppliers(koha_database: KohaDatabase, database: Database) -> Desk:
    """Clara, where suppliers are configured."""
    app = create_app(Runtime(settings=callback_settings(koha_database.settings), database=database))
    return Desk(app.test_client(), database).sign_in(CLARA)
