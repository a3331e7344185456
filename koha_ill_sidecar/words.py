"""Texts that are written where they arise and said by the pages, in whatever language these speak."""


def N_(text: str) -> str:  # noqa: N802  (gettext's own name for it)
    """Mark an English text that the pages translate."""
    return text
