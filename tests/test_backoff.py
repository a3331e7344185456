"""What is away is asked for again, less and less often, and without noise."""

import pytest

from koha_ill_sidecar.backoff import Backoff


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def backoff(clock: _Clock) -> Backoff:
    return Backoff("gone", "back", clock=clock, job="watch")


def test_pauses_double_up_to_half_a_minute(backoff: Backoff, clock: _Clock) -> None:
    pauses = []
    for _ in range(8):
        backoff.failed("away")
        before = clock.now
        while not backoff.ready():
            clock.now += 0.5
        pauses.append(clock.now - before)

    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


def test_several_that_fail_at_once_wait_no_longer(backoff: Backoff, clock: _Clock) -> None:
    for _ in range(5):
        backoff.failed("away")
    clock.now += 1

    assert backoff.ready()


def test_one_line_when_it_goes_and_one_when_it_comes_back(
    backoff: Backoff, clock: _Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for _ in range(5):
        backoff.failed("away")
        clock.now += 60
    backoff.succeeded(clock.now)
    backoff.succeeded(clock.now)

    assert [(record.message, vars(record)["job"]) for record in caplog.records] == [
        ("gone", "watch"),
        ("back", "watch"),
    ]
    assert backoff.ready()


def test_a_reason_is_news_once(backoff: Backoff, clock: _Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Until it works again: several threads may fail for different reasons in turn."""
    for _ in range(3):
        backoff.failed("refused")
        backoff.failed("no route")
    assert len(caplog.records) == 2

    backoff.succeeded(clock.now)
    backoff.failed("refused")
    assert len(caplog.records) == 3


def test_a_success_that_began_before_the_failure_proves_nothing(
    backoff: Backoff, clock: _Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    began = clock.now
    clock.now += 1
    backoff.failed("away")
    backoff.succeeded(began)

    assert not backoff.ready()
    assert [record.message for record in caplog.records] == ["gone"]
