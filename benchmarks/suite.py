"""Which function measures which number."""

import importlib
from collections.abc import Sequence

from benchmarks.harness import Result

BENCHMARKS: dict[str, str] = {
    "callbacks": "callbacks",
    "growth_callbacks": "callbacks",
    "delivery": "delivery",
    "growth_delivery": "delivery",
    "idle_memory": "idle",
    "idle_cpu": "idle",
    "ready": "idle",
}
"""Name of a number, which is also the function that measures it: module that the function is in."""


def run(names: Sequence[str], *, quick: bool) -> list[Result]:
    """Measure what is asked for, or everything."""
    return [_measure(name, quick=quick) for name in names or tuple(BENCHMARKS)]


def _measure(name: str, *, quick: bool) -> Result:
    module = importlib.import_module(f"benchmarks.{BENCHMARKS[name]}")
    result: Result = getattr(module, name)(quick=quick)
    return result
