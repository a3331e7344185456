"""How many random templates a test uses."""

import os

from hypothesis import HealthCheck, settings

_NIGHTLY = os.environ.get("TEMPLATE_EXAMPLES")


def profile(examples: int) -> settings:
    """
    Use this number of examples, the same ones each time.

    The nightly run sets its own number in the environment variable TEMPLATE_EXAMPLES, and uses new examples each time.
    """
    return settings(
        max_examples=int(_NIGHTLY or examples),
        derandomize=_NIGHTLY is None,
        deadline=None,
        database=None,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.large_base_example,
        ],
    )
