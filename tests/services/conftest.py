"""What Koha and its staff do meanwhile, with privileges that the sidecar has not."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text

KohaDoes = Callable[..., None]


@pytest.fixture
def koha_does(admin: Engine) -> KohaDoes:
    """Return a function that runs a statement and commits it: ``koha_does(sql, name=value)``. Ask for it before tx."""

    def run(statement: str, **values: object) -> None:
        with admin.begin() as connection:
            connection.execute(text(statement), values)

    return run
