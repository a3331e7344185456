"""The answer to a callback: JSON, or a problem document."""

from koha_ill_sidecar.domain.callbacks import Verdict
from koha_ill_sidecar.errors import NotStrictJSON
from koha_ill_sidecar.services.callbacks.processing import Reading
from koha_ill_sidecar.web.problems import Problem


def problem_of(verdict: Verdict, reading: Reading) -> Problem | None:
    """Return the problem that a callback is answered with; None if it was understood."""
    if verdict is Verdict.UNKNOWN_REQUEST:
        return Problem.UNKNOWN_REQUEST
    if verdict is Verdict.AMBIGUOUS_ORDER:
        return Problem.AMBIGUOUS_ORDER
    if verdict is Verdict.DELETED_REQUEST:
        return Problem.DELETED_REQUEST
    if verdict is Verdict.INVALID:
        # A report that was read may still be refused, for the prefix of its request ID.
        return Problem.NOT_JSON if isinstance(reading, NotStrictJSON) else Problem.INVALID_REPORT
    return None


def answer_status(verdict: Verdict, reading: Reading) -> int:
    """Return the HTTP status of the answer, which the receipt keeps."""
    problem = problem_of(verdict, reading)
    return 200 if problem is None else problem.status
