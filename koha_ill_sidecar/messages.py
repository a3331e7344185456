"""Messages: created where something happens, translated where they are shown."""

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
    A message with its values. ``str`` returns the English text; pages translate it.

    Attributes:
        text: The English text as in the catalogues, with ``%(name)s`` for a value and ``%%`` for a percent sign.
        values: The values by name. A value that is a message is translated too.
    """

    text: str
    values: Mapping[str, object]

    def __str__(self) -> str:
        return self.text % self.values


MixedText: TypeAlias = Sequence[LazyMessage | str]
"""Our own messages, which pages translate, and texts of other programs, which they show unchanged."""


def lazy(text: str, /, **values: object) -> LazyMessage:
    """Create a message. The text must be a literal in the call, so that it is extracted for the catalogues."""
    return LazyMessage(text, values)


def literal(text: str) -> LazyMessage:
    """Create a message from the text of another program. Pages translate it only if the catalogue contains it."""
    return LazyMessage(text.replace("%", "%%"), {})


def in_english(text: MixedText) -> str:
    """Return the English text, for the command line and the log."""
    return " ".join(map(str, text))


# Tables store messages as JSON, so that pages can translate them later.

_ENCODER = json.JSONEncoder(ensure_ascii=False)


def to_json(part: LazyMessage | str) -> str:
    """Encode a message as a list of its text and its values, and another program's text as a string."""
    return _ENCODER.encode(_as_json(part))


def to_stored(text: MixedText) -> str:
    """Encode a text as a JSON list."""
    return f"[{', '.join(map(to_json, text))}]"


def from_stored(stored: str | None) -> tuple[LazyMessage | str, ...]:
    """Decode the output of :func:`to_stored`. Plain text, which earlier versions stored, is returned unchanged."""
    if not stored:
        return ()
    try:
        return tuple(_from_json(part) for part in json.loads(stored))
    except (ValueError, TypeError):  # plain text, which may be valid JSON by chance
        return (stored,)


def _as_json(value: object) -> object:
    if not isinstance(value, LazyMessage):
        return str(value)
    return [value.text, {name: _as_json(each) for name, each in value.values.items()}]


def _from_json(part: Any) -> LazyMessage | str:  # noqa: ANN401  (any JSON value)
    if isinstance(part, str):
        return part
    text, values = part
    if not (isinstance(text, str) and isinstance(values, dict)):
        raise TypeError
    return LazyMessage(text, {name: _from_json(value) for name, value in values.items()})
