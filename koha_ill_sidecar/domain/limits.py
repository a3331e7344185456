"""
How many requests a library and a patron may have.

Source: Koha, Koha/ILL/Request.pm check_limits and getLimits.
"""

from collections.abc import Callable

from koha_ill_sidecar.config.settings import RequestLimit


def is_exceeded(limit: RequestLimit | None, count: Callable[[RequestLimit], int]) -> bool:
    """
    Return whether a request that is already counted has reached a limit.

    With a limit of three the third open request has to wait. -1 and 0 mean no limit, and then *count* is not called.

    Args:
        count: Returns the number of requests that the limit's method counts, including the new one.
    """
    return limit is not None and limit.count > 0 and limit.count <= count(limit)
