"""Texts that are written where they arise and said by the pages, in whatever language these speak."""

from collections.abc import Mapping
from dataclasses import dataclass


def N_(text: str) -> str:  # noqa: N802  (gettext's own name for it)
    """Mark an English text that the pages translate."""
    return text


@dataclass(frozen=True, slots=True)
class LazyMessage:
    """
    A text with what stands in it, for the pages to say in their language; as a text it is English.

    Attributes:
        text: The English text as the catalogues have it, with ``%(name)s`` for a value and ``%%`` for a percent sign.
        values: By name; a sentence among them is said in the same language.
    """

    text: str
    values: Mapping[str, object]

    def __str__(self) -> str:
        return self.text % self.values


def lazy(text: str, /, **values: object) -> LazyMessage:
    """Say something; the text is written out in the call, so that it is found for the catalogues."""
    return LazyMessage(text, values)


def literal(text: str) -> LazyMessage:
    """Return a text as it is, such as the words of another program; pages still say those that they know."""
    return LazyMessage(text.replace("%", "%%"), {})
