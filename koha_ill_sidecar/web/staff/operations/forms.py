"""Reading what an address or a form of these pages says; what cannot be read counts as not said."""

from collections.abc import Iterable

from flask import request, url_for

from koha_ill_sidecar.web.ui.urls import safe_target

PAGE_SIZE = 50
_LARGEST = 2**63 - 1


def number(text: str | None) -> int | None:
    """Read a number above 0."""
    text = (text or "").strip()
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(_LARGEST)):
        return None
    return int(text) if 0 < int(text) <= _LARGEST else None


def numbers(texts: Iterable[str]) -> list[int]:
    """Read numbers above 0, each once and no more than a page has."""
    found = dict.fromkeys(value for text in texts if (value := number(text)) is not None)
    return list(found)[:PAGE_SIZE]


def where_next(endpoint: str) -> str:
    """Return the page of ours that a form names to go on with, else this one."""
    return safe_target(request.form.get("next")) or url_for(endpoint)
