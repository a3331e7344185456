"""Write to Koha's tables as Koha and its staff do, with privileges that the sidecar lacks."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text

ExecuteAsKoha = Callable[..., None]


@pytest.fixture
def execute_as_koha(admin: Engine) -> ExecuteAsKoha:
    """
    Return a function that executes a statement and commits it: ``execute_as_koha(sql, name=value)``.

    Name it before ``tx`` in a test: fixtures are torn down in reverse order, and the open transaction of ``tx`` would
    lock the rows that this one resets.
    """

    def execute(statement: str, **values: object) -> None:
        with admin.begin() as connection:
            connection.execute(text(statement), values)

    return execute
