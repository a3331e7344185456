"""
What is told on the next page: "The request was confirmed."

It travels in a cookie: whoever could set that could as well write to the page, and it is escaped like all else.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from flask import g, request
from werkzeug.wrappers import Response

_COOKIE = "koha_ill_sidecar_messages"
# A cookie holds some four thousand bytes.
_MOST_MESSAGES = 4
_LONGEST_TEXT = 500  # bytes
_SECONDS = 120

Kind = Literal["done", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Message:
    """Something that the person is told."""

    kind: Kind
    text: str
    link: str = ""  # where it can be mended


def flash(kind: Kind, text: str, link: str = "") -> None:
    """Tell something on the page that is shown next."""
    g.setdefault("to_tell", []).append(Message(kind, text, link))


def store(response: Response) -> Response:
    """Send along what is still to be told, and forget what was."""
    waiting: Sequence[Message] = g.pop("to_tell", [])
    if waiting:
        kept = [asdict(_cut(message)) for message in waiting[:_MOST_MESSAGES]]
        document = json.dumps(kept, ensure_ascii=False)
        value = base64.urlsafe_b64encode(document.encode()).decode()
        response.set_cookie(
            _COOKIE, value, max_age=_SECONDS, httponly=True, secure=request.is_secure, samesite="Strict"
        )
    elif g.pop("were_told", False):
        response.delete_cookie(_COOKIE)
    return response


def pop_flashed() -> list[Message]:
    """Return what is to be told on this page."""
    told = list(g.pop("to_tell", []))
    if _COOKIE in request.cookies:
        g.were_told = True
        told = [*_read(request.cookies[_COOKIE]), *told]
    return told


def _cut(message: Message) -> Message:
    octets = message.text.encode()
    if len(octets) <= _LONGEST_TEXT:
        return message
    return replace(message, text=octets[:_LONGEST_TEXT].decode(errors="ignore") + "…")


def _read(value: str) -> list[Message]:
    try:
        documents = json.loads(base64.urlsafe_b64decode(value.encode()))
        return [
            Message(
                document["kind"] if document["kind"] in ("done", "warning", "error") else "done",
                str(document["text"]),
                str(document["link"])
                if str(document["link"]).startswith(("https://", "http://", "/"))
                else "",
            )
            for document in documents
        ]
    except (ValueError, TypeError, KeyError):
        return []
