"""What changes seldom is kept for some seconds."""

import time

from koha_ill_sidecar.storage.memory import Memory


def test_a_thing_is_loaded_once_until_its_time_is_over() -> None:
    loads: list[str] = []
    memory = Memory(0.1)

    def load() -> int:
        loads.append("loaded")
        return len(loads)

    assert [memory.recall("a", load), memory.recall("a", load), memory.recall("b", load)] == [1, 1, 2]
    time.sleep(0.11)
    assert memory.recall("a", load) == 3


def test_it_forgets_when_it_is_told_to() -> None:
    memory = Memory(60)
    memory.recall("a", lambda: 1)

    memory.forget()

    assert memory.recall("a", lambda: 2) == 2


def test_a_failed_load_is_tried_again() -> None:
    memory = Memory(60)

    def fail() -> int:
        raise ValueError

    for _ in range(2):
        try:
            memory.recall("a", fail)
        except ValueError:
            continue
        raise AssertionError
    assert memory.recall("a", lambda: 1) == 1
