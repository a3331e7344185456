"""
Identifiers of publications: DOI, PubMed ID, ISBN and ISSN, as people paste them.

Sources: DOI Handbook, 2.2; ISO 2108 (ISBN) and ISO 3297 (ISSN) on check digits.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from koha_ill_sidecar.domain.attributes import MaterialType, Reference


class IdentifierKind(StrEnum):
    """A kind of identifier; the value is the key of its field."""

    DOI = "doi"
    PMID = "pmid"
    ISBN = "isbn"
    ISSN = "issn"


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier in its normal form."""

    kind: IdentifierKind
    value: str

    @property
    def as_reference(self) -> Reference:
        """The reference that follows from the identifier alone: its field, and the usual kind of material."""
        return Reference(type=_TYPES[self.kind], fields={self.kind.value: self.value})


@dataclass(frozen=True, slots=True)
class WrongCheckDigit:
    """A mistyped identifier: its check digit does not match the other digits."""

    kind: IdentifierKind


_TYPES: Mapping[IdentifierKind, MaterialType] = {
    IdentifierKind.DOI: MaterialType.ARTICLE,
    IdentifierKind.PMID: MaterialType.ARTICLE,
    IdentifierKind.ISBN: MaterialType.BOOK,
    IdentifierKind.ISSN: MaterialType.JOURNAL,
}

_DOI = re.compile(
    r"(?:(https?://(?:dx\.|www\.)?doi\.org/)|info:doi/|doi:\s*)?(10\.[0-9.]{4,}/\S+)", re.IGNORECASE
)
_PMID = re.compile(
    r"(?:(?:https?://)?pubmed\.ncbi\.nlm\.nih\.gov/|(?:https?://)?www\.ncbi\.nlm\.nih\.gov/pubmed/|info:pmid/"
    r"|(?:pmid|pubmed(?:\s*id)?)\s*:?\s*)?0*([1-9][0-9]{0,8})/?",
    re.IGNORECASE | re.ASCII,
)
_ISBN = re.compile(r"(?:urn:)?(isbn(?:-?1[03])?\s*:?\s*)?([0-9][0-9 \-‐-–]{8,20}[0-9X])", re.IGNORECASE)
_ISSN = re.compile(r"(?:urn:)?((?:e-?|p-?)?issn\s*:?\s*)?([0-9]{4})([\-‐-–]?)([0-9]{3}[0-9X])", re.IGNORECASE)
_ENDS_OF_SENTENCES = ".,;"


def identify(text: str) -> Identifier | WrongCheckDigit | None:
    """
    Return the identifier that a text consists of; None if it is anything else or more.

    Eight digits without a label count as a PubMed ID; with a hyphen or an X they count as an ISSN.
    """
    text = text.strip()
    for reader in (_doi, _issn, _isbn, _pmid):
        found = reader(text)
        if found is not None:
            return found
    return None


def normalise_isbn(text: str) -> str | None:
    """Return an ISBN as thirteen digits; None if the text is not an ISBN."""
    digits = _without_hyphens(text)
    if _is_isbn13(digits):
        return digits
    if not _is_isbn10(digits):
        return None
    body = f"978{digits[:9]}"
    return body + _check_digit_of_isbn13(body)


def _doi(text: str) -> Identifier | None:
    match = _DOI.fullmatch(text)
    if match is None:
        return None
    name = unquote(match[2]) if match[1] else match[2]
    return Identifier(IdentifierKind.DOI, name.rstrip(_ENDS_OF_SENTENCES))


def _pmid(text: str) -> Identifier | None:
    match = _PMID.fullmatch(text)
    return Identifier(IdentifierKind.PMID, match[1]) if match else None


def _isbn(text: str) -> Identifier | WrongCheckDigit | None:
    match = _ISBN.fullmatch(text)
    if match is None:
        return None
    digits = _without_hyphens(match[2])
    if len(digits) not in (10, 13):
        return None
    is_right = _is_isbn10(digits) or _is_isbn13(digits)
    return Identifier(IdentifierKind.ISBN, digits) if is_right else WrongCheckDigit(IdentifierKind.ISBN)


def _issn(text: str) -> Identifier | WrongCheckDigit | None:
    match = _ISSN.fullmatch(text)
    if match is None:
        return None
    named, first, hyphen, last = match.groups()
    if not named and not hyphen and last[-1] not in "Xx":
        return None
    digits = (first + last).upper()
    if _weighted(digits, range(8, 0, -1)) % 11:
        return WrongCheckDigit(IdentifierKind.ISSN)
    return Identifier(IdentifierKind.ISSN, f"{digits[:4]}-{digits[4:]}")


def _without_hyphens(text: str) -> str:
    return re.sub(r"[ \-‐-–]", "", text).upper()


def _is_isbn10(digits: str) -> bool:
    is_formed = re.fullmatch(r"[0-9]{9}[0-9X]", digits) is not None
    return is_formed and _weighted(digits, range(10, 0, -1)) % 11 == 0


def _is_isbn13(digits: str) -> bool:
    is_formed = re.fullmatch(r"97[89][0-9]{10}", digits) is not None
    return is_formed and digits[12] == _check_digit_of_isbn13(digits[:12])


def _check_digit_of_isbn13(body: str) -> str:
    return str(-_weighted(body, [1, 3] * 6) % 10)


def _weighted(digits: str, weights: Sequence[int]) -> int:
    return sum(_value(digit) * weight for digit, weight in zip(digits, weights, strict=True))


def _value(digit: str) -> int:
    return 10 if digit == "X" else int(digit)
