"""
Mail addresses: parse what people typed into Koha, validate it, and prepare it for SMTP.

An address from this module contains no control character and no line break, so it can be put into a header or an SMTP
command unchanged.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from koha_ill_sidecar.errors import InvalidAddress

LONGEST_LOCAL_PART = 64
"""Octets before the @ (RFC 5321 4.5.3.1.1)."""

_DOT_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# The form of nearly every address; all others take the slow path through email-validator.
_PLAIN = re.compile(rf"(?=.{{3,254}}\Z)(?=[^@]{{1,64}}@){_DOT_ATOM}@{_LABEL}(?:\.{_LABEL})*\Z")
_NAMED = re.compile(r"(?P<name>.*?)\s*<(?P<address>[^<>]*)>\s*\Z", re.DOTALL)
# One address of a list. A comma or semicolon in quotes or angle brackets does not end it.
_PART = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|<[^<>]*>|[^,;"<]|["<])+""", re.DOTALL)
# In a name without quotes these would end it, or mean something to another reader (RFC 5322 3.2.3, "specials").
_NEEDS_QUOTES = re.compile(r"""[()<>\[\]:;@\\,."]""")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class AddressRole(StrEnum):
    """What an address is for, as Koha's failure codes name it (Koha, C4/Letters.pm _send_message_by_email)."""

    TO = "to"
    FROM = "from"
    CC = "cc"
    BCC = "bcc"
    REPLY_TO = "reply_to"
    SENDER = "sender"


@dataclass(frozen=True, slots=True)
class Address:
    """
    One mailbox.

    Attributes:
        spec: ``local@domain`` as sent over SMTP: the domain in ASCII, the local part in any script.
        name: The display name before the angle brackets; may be empty.
    """

    spec: str
    name: str = ""

    @property
    def needs_smtputf8(self) -> bool:
        """Return whether the local part requires SMTPUTF8 (RFC 6531)."""
        return not self.spec.isascii()

    def __str__(self) -> str:
        """Return the address as it is stored in Koha's columns, such that reading it gives the same address."""
        if not self.name:
            return self.spec
        if not _NEEDS_QUOTES.search(self.name):
            return f"{self.name} <{self.spec}>"
        escaped = self.name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{self.spec}>'


@lru_cache(maxsize=1024)
def read_addresses(text: str, role: AddressRole) -> tuple[Address, ...]:
    """
    Parse a list of addresses, separated by commas or semicolons.

    Args:
        text: ``a@example.org``, ``Ada <a@example.org>, b@example.org`` and so on; domains in any script.
        role: What they are for; part of the error.

    Raises:
        InvalidAddress: An address is invalid, or there is none.
    """
    found = tuple(_read_one(part, role) for part in _parts(text))
    if not found:
        raise InvalidAddress(role, "there is no address")
    return found


def read_address(text: str, role: AddressRole) -> Address:
    """Parse exactly one address; raises InvalidAddress."""
    found = read_addresses(text, role)
    if len(found) > 1:
        raise InvalidAddress(role, "there is more than one address")
    return found[0]


def is_address(text: str) -> bool:
    """Return whether the text is exactly one valid address."""
    try:
        read_address(text, AddressRole.TO)
    except InvalidAddress:
        return False
    return True


def are_addresses(text: str) -> bool:
    """Return whether mail can be sent to the text: one or more valid addresses."""
    try:
        read_addresses(text, AddressRole.TO)
    except InvalidAddress:
        return False
    return True


def _parts(text: str) -> Iterator[str]:
    for match in _PART.finditer(text):
        if part := match[0].strip():
            yield part


def _read_one(text: str, role: AddressRole) -> Address:
    named = _NAMED.match(text)
    name, spec = (named["name"], named["address"].strip()) if named else ("", text)
    return Address(spec=_checked(spec, role), name=_plain_name(name))


def _plain_name(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
    return _CONTROL.sub(" ", text).strip()


def _checked(spec: str, role: AddressRole) -> str:
    if _PLAIN.match(spec):
        return spec
    try:
        checked = validate_email(
            spec,
            check_deliverability=False,
            globally_deliverable=False,  # a library's own mail server may be called mail.local
            allow_quoted_local=True,
            allow_domain_literal=True,
        )
    except EmailNotValidError as error:
        raise InvalidAddress(role, str(error)) from error
    if len(checked.local_part.encode()) > LONGEST_LOCAL_PART:
        raise InvalidAddress(role, f"the part before the @ is longer than {LONGEST_LOCAL_PART} octets")
    return f"{checked.local_part}@{checked.ascii_domain or checked.domain}"
