"""The web application on the test database, and people who are signed in to it."""

import hashlib
import hmac
from collections.abc import Callable, Mapping

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cast import ADA, CLARA
from conftest import KohaDatabase
from factories import begin_session
from koha_ill_sidecar.config.settings import KohaSettings, Settings
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.web.app import create_app


class Desk:
    """A browser without eyes, of somebody who may be signed in."""

    def __init__(self, client: FlaskClient, database: Database) -> None:
        self.client = client
        self._database = database
        self._token = ""

    def sign_in(self, borrowernumber: int, branchcode: str = ADA) -> "Desk":
        """Sign somebody in, whatever their password."""
        self._token = f"token of {borrowernumber}"
        self._database.transact(begin_session, self._token, borrowernumber, branchcode)
        self.client.set_cookie("koha_ill_sidecar_session", self._token)
        return self

    def get(self, address: str, **headers: str) -> TestResponse:
        """Open a page."""
        return self.client.get(address, headers=headers, buffered=True)

    def post(
        self, address: str, form: Mapping[str, object] | None = None, *, follow: bool = False
    ) -> TestResponse:
        """Send a form of ours."""
        token = hmac.new(self._token.encode(), b"koha-ill-sidecar form", hashlib.sha256).hexdigest()
        return self.client.post(address, data={"csrf_token": token, **(form or {})}, follow_redirects=follow)


@pytest.fixture
def app(koha_database: KohaDatabase, database: Database) -> Flask:
    """The application."""
    settings = Settings(koha=KohaSettings(database=koha_database.settings))
    return create_app(Runtime(settings=settings, database=database))


@pytest.fixture
def desk(app: Flask, database: Database) -> Callable[[], Desk]:
    """Return browsers, each with cookies of its own."""
    return lambda: Desk(app.test_client(), database)


@pytest.fixture
def clara(desk: Callable[[], Desk]) -> Desk:
    """Clara at her desk, who may work with requests."""
    return desk().sign_in(CLARA)
