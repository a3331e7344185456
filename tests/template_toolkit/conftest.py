"""Perl's Template Toolkit, for the tests that compare with it."""

from collections.abc import Iterator

import pytest
from template_toolkit.perl_engine import PerlEngine, problem


@pytest.fixture(scope="session")
def perl_engine() -> Iterator[PerlEngine]:
    reason = problem()
    if reason is not None:
        pytest.fail(reason, pytrace=False)
    with PerlEngine() as engine:
        yield engine
