"""Messages that are written where they arise and translated where they are shown."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias


def N_(text: str) -> str:  # noqa: N802  (gettext's own name for it)
    """Mark an English text for translation."""
    return text


@dataclass(frozen=True, slots=True)
class LazyMessage:
    """
    A message with its values; ``str`` is the English text, pages translate it.

    Attributes:
        text: The English text as in the catalogues, with ``%(name)s`` for a value and ``%%`` for a percent sign.
        values: By name; a message among them is translated too.
    """

    text: str
    values: Mapping[str, object]

    def __str__(self) -> str:
        return self.text % self.values


MixedText: TypeAlias = Sequence[LazyMessage | str]
"""Messages of ours, which pages translate, and texts of other programs, which they leave alone."""


def lazy(text: str, /, **values: object) -> LazyMessage:
    """Make a message; the text is written out in the call, so that it is found for the catalogues."""
    return LazyMessage(text, values)


def literal(text: str) -> LazyMessage:
    """Make a message of another program's text; pages translate it if the catalogue happens to have it."""
    return LazyMessage(text.replace("%", "%%"), {})


def in_english(text: MixedText) -> str:
    """Return a text in plain English, for the command line and the log."""
    return " ".join(map(str, text))


# How tables store messages: in JSON, so that pages can translate them later.

_ENCODER = json.JSONEncoder(ensure_ascii=False)


def to_json(part: LazyMessage | str) -> str:
    """Write a message as a list of its text and its values, another program's text as a string."""
    return _ENCODER.encode(_as_json(part))


def to_stored(text: MixedText) -> str:
    """Write a text as a list."""
    return f"[{', '.join(map(to_json, text))}]"


def from_stored(stored: str | None) -> tuple[LazyMessage | str, ...]:
    """Read what :func:`to_stored` wrote; the plain text that an earlier version stored comes back as it is."""
    if not stored:
        return ()
    try:
        return tuple(_from_json(part) for part in json.loads(stored))
    except (ValueError, TypeError):  # not JSON, or not ours: it may begin with a bracket by chance
        return (stored,)


def _as_json(value: object) -> object:
    if not isinstance(value, LazyMessage):
        return str(value)
    return [value.text, {name: _as_json(one) for name, one in value.values.items()}]


def _from_json(part: Any) -> LazyMessage | str:  # noqa: ANN401  (any JSON value)
    if isinstance(part, str):
        return part
    text, values = part
    if not (isinstance(text, str) and isinstance(values, dict)):
        raise TypeError
    return LazyMessage(text, {name: _from_json(value) for name, value in values.items()})
