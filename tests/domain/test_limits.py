import pytest

from koha_ill_sidecar.config.settings import RequestLimit
from koha_ill_sidecar.domain.limits import is_exceeded


@pytest.mark.parametrize(
    ("limit", "counted", "expected"),
    [(3, 2, False), (3, 3, True), (3, 4, True), (1, 1, True), (-1, 999, False), (0, 999, False)],
)
def test_the_request_that_reaches_the_limit_must_wait(limit: int, counted: int, *, expected: bool) -> None:
    assert is_exceeded(RequestLimit(count=limit), lambda _: counted) is expected


def test_nothing_is_counted_without_a_limit() -> None:
    def never(_: RequestLimit) -> int:
        pytest.fail("counted although there is no limit")

    assert not is_exceeded(RequestLimit(), never)
    assert not is_exceeded(None, never)
