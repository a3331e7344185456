"""The benchmarks and the modules they are in."""

import importlib

from benchmarks.harness import Result

BENCHMARKS: dict[str, str] = {
    "callbacks": "callbacks",
    "growth_callbacks": "callbacks",
    "delivery": "delivery",
    "growth_delivery": "delivery",
    "event_to_mail": "event_to_mail",
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
"""Name of the benchmark and of its function, with the module of the function."""


def measure(name: str, *, quick: bool) -> Result:
    """Run one benchmark."""
    module = importlib.import_module(f"benchmarks.{BENCHMARKS[name]}")
    result: Result = getattr(module, name)(quick=quick)
    return result
