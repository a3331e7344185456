"""
Messages for the next page: "The request was confirmed."

They travel in a cookie that is not signed: anyone who can set it can write to the page anyway, and the text is escaped
like everything else.
"""

import base64
import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from flask import g, request
from werkzeug.wrappers import Response

from koha_ill_sidecar.domain import strict_json
from koha_ill_sidecar.errors import NotStrictJSON

_COOKIE = "koha_ill_sidecar_messages"
# A cookie holds about four thousand bytes.
_MAX_MESSAGES = 4
_MAX_TEXT_BYTES = 500
_SECONDS = 120

Kind = Literal["done", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Message:
    """A message to the person at the page."""

    kind: Kind
    text: str
    link: str = ""  # where the problem can be corrected


def flash(kind: Kind, text: str, link: str = "") -> None:
    """Show a message on the next page."""
    g.setdefault("flashed", []).append(Message(kind, text, link))


def store(response: Response) -> Response:
    """Store the messages that no page has shown yet, and delete those that this page has shown."""
    messages: list[Message] = g.pop("flashed", [])
    if messages:
        documents = [asdict(_truncate(message)) for message in messages[:_MAX_MESSAGES]]
        value = base64.urlsafe_b64encode(json.dumps(documents, ensure_ascii=False).encode()).decode()
        response.set_cookie(
            _COOKIE, value, max_age=_SECONDS, httponly=True, secure=request.is_secure, samesite="Strict"
        )
    elif g.pop("has_shown_stored", False):
        response.delete_cookie(_COOKIE)
    return response


def pop_flashed() -> list[Message]:
    """Return the messages to show on this page, stored ones first."""
    messages: list[Message] = g.pop("flashed", [])
    if _COOKIE in request.cookies:
        g.has_shown_stored = True
        messages = [*_read(request.cookies[_COOKIE]), *messages]
    return messages


def _truncate(message: Message) -> Message:
    octets = message.text.encode()
    if len(octets) <= _MAX_TEXT_BYTES:
        return message
    return replace(message, text=octets[:_MAX_TEXT_BYTES].decode(errors="ignore") + "…")


def _read(value: str) -> list[Message]:
    try:
        documents: Any = strict_json.loads(base64.urlsafe_b64decode(value.encode()))
        return [
            Message(
                document["kind"] if document["kind"] in ("done", "warning", "error") else "done",
                str(document["text"]),
                # A link of another scheme could run a script.
                str(document["link"])
                if str(document["link"]).startswith(("https://", "http://", "/"))
                else "",
            )
            for document in documents
        ]
    except (NotStrictJSON, ValueError, TypeError, KeyError):
        return []
