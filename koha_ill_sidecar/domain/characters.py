"""Characters that nobody means to write, and that break a page, a mail, a CSV file or a MARC record."""

import re

_SPACES = re.compile("[\x0b\x0c\x85\u2028\u2029]")
# The other control characters, halves of surrogate pairs, noncharacters, and characters that only change the
# direction of what follows or have no width. Joiners stay: some scripts are not readable without them.
_UNMEANT = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b\u2060\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff]"
)


def without_control_characters(text: str) -> str:
    """
    Return a text without characters that nobody means.

    Form feed, vertical tab and the line separators of Unicode become a space; tabs and line breaks stay.
    """
    return text if text.isascii() and text.isprintable() else _UNMEANT.sub("", _SPACES.sub(" ", text))
