"""
A mail as a value, and its bytes for SMTP.

This module builds the bytes itself: Python's email package is about forty times slower. The tests parse them with that
package. Everything except the addresses of SMTPUTF8 mail is 7-bit, so that every server accepts it, and no line is
longer than SMTP allows (RFC 5321 4.5.3.1.6).
"""

import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes
from email.policy import SMTP
from email.utils import format_datetime
from enum import StrEnum
from functools import lru_cache
from html import escape

from koha_ill_sidecar.delivery.addresses import Address
from koha_ill_sidecar.delivery.html_text import text_of

LONGEST_LINE = 998
"""Octets in a line without its line break (RFC 5322 2.1.1)."""

_FOLD_AT = 78  # the recommended length of header lines (RFC 5322 2.1.1)
# 52 characters of base64, 64 as an encoded word: after a field name this still fits the 76 of RFC 2047 section 2.
_ENCODED_WORD_OCTETS = 39
_BASE64_COLUMNS = 76  # the limit for base64 bodies (RFC 2045 6.8)


class Content(StrEnum):
    """The format of a mail's body."""

    TEXT = "text"
    HTML = "html"
    MIME = "mime"  # a complete MIME entity with its header fields


def style_link(url: str) -> str:
    """Return the HTML element that links a style sheet."""
    return f'<link rel="stylesheet" type="text/css" href="{escape(url)}">'


def style_element(css: str) -> str:
    """Return the HTML element that contains a style sheet."""
    safe = css.replace("</", r"<\/")  # means the same in CSS, and does not end the element
    return f'<style type="text/css">{safe}</style>'


@dataclass(frozen=True, kw_only=True, slots=True)
class Mail:
    """
    One mail.

    Attributes:
        return_path: Envelope sender; *sender* if there is none.
        bcc: Recipients that are not in the headers.
        message_id: With its angle brackets; the same for every attempt.
        date: Aware; the same for every attempt.
        styles: HTML elements with style sheets for an HTML body, in order.
        headers: Further header fields with ASCII names.
    """

    sender: Address
    to: tuple[Address, ...]
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    return_path: Address | None = None
    subject: str
    body: str
    content: Content = Content.TEXT
    message_id: str
    date: datetime
    styles: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def envelope_sender(self) -> Address:
        """The address that bounces are sent to."""
        return self.return_path or self.sender

    @property
    def recipients(self) -> tuple[Address, ...]:
        """All recipients, each address once."""
        return tuple({address.spec: address for address in (*self.to, *self.cc, *self.bcc)}.values())

    @property
    def needs_smtputf8(self) -> bool:
        """Return whether the mail requires a server with SMTPUTF8."""
        addresses = (self.envelope_sender, self.sender, *self.recipients, *self.reply_to)
        return any(address.needs_smtputf8 for address in addresses)


def as_bytes(mail: Mail) -> bytes:
    """Return the mail for SMTP: with CRLF line ends, without dot-stuffing."""
    head = "".join(f"{name}: {value}\r\n" for name, value in _header_fields(mail))
    match mail.content:
        case Content.TEXT:
            entity = _text_part(mail.body, "plain")
        case Content.HTML:
            entity = _alternatives(mail)
        case Content.MIME:
            entity = _stored_entity(mail.body)
    return head.encode() + b"MIME-Version: 1.0\r\n" + entity


def unstructured(text: str, *, column: int = 0) -> str:
    """
    Encode free text as the value of a header field, with encoded words (RFC 2047) where needed.

    Args:
        text: Any text. Control characters and line breaks become spaces, so the text cannot add header fields.
        column: How many characters of the first line are already used.
    """
    text = _one_line(text)
    if text.isascii() and "=?" not in text and column + len(text) <= _FOLD_AT:
        return text
    return "\r\n ".join(_encoded_words(text))


_date = lru_cache(maxsize=16)(format_datetime)  # messages that are claimed together have the same date


def _header_fields(mail: Mail) -> Iterator[tuple[str, str]]:
    yield "Date", _date(mail.date)
    yield "From", _mailboxes((mail.sender,))
    yield "To", _mailboxes(mail.to)
    if mail.cc:
        yield "Cc", _mailboxes(mail.cc)
    if mail.reply_to:
        yield "Reply-To", _mailboxes(mail.reply_to)
    yield "Subject", unstructured(mail.subject, column=len("Subject: "))
    yield "Message-ID", mail.message_id
    # Tells mail programs not to send out-of-office replies (RFC 3834).
    yield "Auto-Submitted", "auto-generated"
    for name, value in mail.headers.items():
        yield name, unstructured(value, column=len(name) + 2)


def _mailboxes(addresses: Iterable[Address]) -> str:
    return ",\r\n ".join(_mailbox(address) for address in addresses)


def _mailbox(address: Address) -> str:
    name = _one_line(address.name)
    if not name:
        return address.spec
    # A long name becomes encoded words too, which can be folded. "Reply-To: " has ten characters.
    if not name.isascii() or "=?" in name or len(name) > _FOLD_AT - 10:
        return "\r\n ".join([*_encoded_words(name), f"<{address.spec}>"])
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" <{address.spec}>'


_NOT_IN_A_HEADER = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def _one_line(text: str) -> str:
    return text.strip() if text.isprintable() else _NOT_IN_A_HEADER.sub(" ", text).strip()


def _encoded_words(text: str) -> Iterator[str]:
    """Yield encoded words, none of which splits a character."""
    piece = bytearray()
    for character in text:
        octets = character.encode()
        if len(piece) + len(octets) > _ENCODED_WORD_OCTETS:
            yield _encoded_word(piece)
            piece.clear()
        piece += octets
    yield _encoded_word(piece)


def _encoded_word(octets: bytes | bytearray) -> str:
    return f"=?utf-8?b?{binascii.b2a_base64(octets, newline=False).decode('ascii')}?="


_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_NUL_OR_SURROGATE = re.compile(r"[\x00\ud800-\udfff]")


def _text_part(text: str, subtype: str) -> bytes:
    """Return a text part with its header fields, in the simplest transfer encoding that can represent it."""
    lines = _LINE_BREAK.sub("\r\n", _NUL_OR_SURROGATE.sub("\ufffd", text))
    if not lines.endswith("\r\n"):
        lines += "\r\n"
    octets = lines.encode()
    if lines.isascii() and not _has_long_line(octets):
        encoding, encoded = "7bit", octets
    elif len(octets) - len(lines) > len(lines) // 4:
        # Mostly not Latin: base64 is shorter, and quoted-printable would not be more readable.
        encoding, encoded = "base64", _base64(octets)
    else:
        encoding, encoded = "quoted-printable", binascii.b2a_qp(octets, istext=True)
    return (
        f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    ).encode() + encoded


def _has_long_line(octets: bytes) -> bool:
    return len(octets) > LONGEST_LINE and max(map(len, octets.split(b"\r\n"))) > LONGEST_LINE


def _base64(octets: bytes) -> bytes:
    whole = binascii.b2a_base64(octets, newline=False)
    pieces = [whole[start : start + _BASE64_COLUMNS] for start in range(0, len(whole), _BASE64_COLUMNS)]
    return b"\r\n".join(pieces) + b"\r\n"


def _alternatives(mail: Mail) -> bytes:
    """Return the HTML page and a plain text alternative."""
    # The Message-ID does not occur in the body, and is the same for every attempt. The limit is 70 characters.
    boundary = "=_" + re.sub(r"[^A-Za-z0-9]", "", mail.message_id)[:60]
    parts = (_text_part(text_of(mail.body), "plain"), _text_part(_page(mail), "html"))
    head = f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'.encode()
    body = b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), part) for part in parts)
    return head + body + f"--{boundary}--\r\n".encode()


# Comments, an XML declaration and a byte order mark may stand before the page begins (HTML standard, 13.1).
_WHOLE_PAGE = re.compile(
    r"(?:[\s\ufeff]|<!--.*?-->|<\?[^>]*>)*+(?:<!doctype\s|<html[\s>])", re.IGNORECASE | re.DOTALL
)


def _page(mail: Mail) -> str:
    """
    Wrap a fragment of HTML in a page with the subject as its title and the style sheets, as Koha does.

    Koha also wraps a complete page; here it stays unchanged.

    Source: Koha, C4/Letters.pm _wrap_html.
    """
    if _WHOLE_PAGE.match(mail.body):
        return mail.body
    styles = "".join(f"{style}\n" for style in mail.styles)
    return (
        '<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(_one_line(mail.subject))}</title>\n{styles}</head>\n<body>\n{mail.body}\n</body>\n</html>\n"
    )


_ANY_FIELD = re.compile(r"[!-9;-~]+[ \t]*:")
_ENTITY_FIELD = re.compile(rb"content-[a-z-]+[ \t]*:", re.IGNORECASE)
_BEFORE_FIELD = re.compile(rb"\r\n(?![ \t])")


def _stored_entity(text: str) -> bytes:
    """
    Return a stored MIME entity with only those of its header fields that describe the content.

    From, To, Date and so on are those of the mail (Koha, C4/Letters.pm: a message of the type message/rfc822 is parsed
    and sent with the addresses of the queue).
    """
    text = text.lstrip()
    if not _ANY_FIELD.match(text):
        return _text_part(text, "plain")
    octets = _LINE_BREAK.sub("\r\n", _NUL_OR_SURROGATE.sub("\ufffd", text)).encode()
    if not octets.isascii() or _has_long_line(octets):
        octets = message_from_bytes(octets).as_bytes(policy=SMTP.clone(cte_type="7bit"))
    head, _, body = octets.partition(b"\r\n\r\n")
    fields = [entry.rstrip(b"\r\n") for entry in _BEFORE_FIELD.split(head) if _ENTITY_FIELD.match(entry)]
    return b"\r\n".join([*fields, b"", body.rstrip(b"\r\n"), b""])
