"""Which function measures which number."""

import importlib

from benchmarks.harness import Result

BENCHMARKS: dict[str, str] = {
    "callbacks": "callbacks",
    "growth_callbacks": "callbacks",
    "delivery": "delivery",
    "growth_delivery": "delivery",
    "notices": "notices",
    "notices_compile": "notices",
    "list_page": "request_list",
    "list_filters": "request_list",
    "search": "request_list",
    "search_freshness": "request_list",
    "idle_memory": "idle",
    "idle_cpu": "idle",
    "ready": "idle",
}
"""Name of a number, which is also the function that measures it: module that the function is in."""


def measure(name: str, *, quick: bool) -> Result:
    """Measure one number."""
    module = importlib.import_module(f"benchmarks.{BENCHMARKS[name]}")
    result: Result = getattr(module, name)(quick=quick)
    return result
