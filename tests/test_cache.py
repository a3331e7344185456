"""Values that change seldom are loaded once in some seconds."""

import itertools
import threading
import time
from types import SimpleNamespace

import pytest

from koha_ill_sidecar.cache import Cache


def test_a_value_is_loaded_once_until_it_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("koha_ill_sidecar.cache.time", SimpleNamespace(monotonic=lambda: now))
    loads = itertools.count(1)
    cache = Cache(10)

    def get(name: str) -> int:
        return cache.get(name, lambda: next(loads)).value

    assert [get("a"), get("a"), get("b")] == [1, 1, 2]
    now += 11
    assert get("a") == 3


def test_a_cleared_or_refreshed_cache_loads_again() -> None:
    cache = Cache(60)
    cache.get("a", lambda: 1)

    assert cache.get("a", lambda: 2, refresh=True).value == 2
    cache.clear()

    assert cache.get("a", lambda: 3).value == 3


def test_a_failed_load_is_tried_again() -> None:
    cache = Cache(60)

    def fail() -> int:
        raise RuntimeError

    for _ in range(2):
        with pytest.raises(RuntimeError):
            cache.get("a", fail)

    assert cache.get("a", lambda: 1).value == 1


def test_of_many_threads_one_loads() -> None:
    loads = itertools.count(1)
    cache = Cache(60)

    def load() -> int:
        time.sleep(0.01)
        return next(loads)

    threads = [threading.Thread(target=cache.get, args=("a", load)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert next(loads) == 2


def test_while_one_thread_loads_the_others_use_the_old_value() -> None:
    may_finish, is_loading = threading.Event(), threading.Event()
    cache = Cache(0)
    cache.get("a", lambda: 1)

    def load() -> int:
        is_loading.set()
        may_finish.wait(60)
        return 2

    slow = threading.Thread(target=cache.get, args=("a", load))
    slow.start()
    is_loading.wait(60)

    assert cache.get("a", lambda: 3).value == 1

    may_finish.set()
    slow.join()
