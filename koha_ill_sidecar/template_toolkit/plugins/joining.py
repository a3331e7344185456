"""Joins texts within the limits of a rendering."""

from collections.abc import Iterable

from koha_ill_sidecar.template_toolkit.limits import Meter


def join(meter: Meter, joint: str, texts: Iterable[str]) -> str:
    """
    Join texts with *joint* between them, taking them one by one.

    A template can name one long text many times, so no more of them are made than fit.

    Raises:
        TemplateLimitError: They are too long together.
    """
    taken: list[str] = []
    length = 0
    for piece in texts:
        length += len(piece) + len(joint)
        meter.check_length(length)
        taken.append(piece)
    return joint.join(taken)
