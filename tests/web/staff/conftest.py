"""What the tests of the staff interface share."""

import pytest
from office import Office
from sqlalchemy import Engine

from koha_ill_sidecar.storage.database import Database


@pytest.fixture
def office(admin: Engine, database: Database) -> Office:
    """What there is before a page is opened."""
    return Office(admin, database)
