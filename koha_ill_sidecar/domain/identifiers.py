"""
Identifiers of publications: DOI, PubMed ID, ISBN and ISSN, as people paste and type them.

Every place where one comes in (a pasted reference, an OpenURL, a field, the search) reads it here, so that the same
identifier has the same form everywhere.

Sources: DOI Handbook, 2.2; ISO 2108 (ISBN) and ISO 3297 (ISSN) on check digits.
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from koha_ill_sidecar.domain.attributes import MaterialType, Reference


class IdentifierKind(StrEnum):
    """A kind of identifier; the value is the key of its field."""

    DOI = "doi"
    PMID = "pubmedid"
    ISBN = "isbn"
    ISSN = "issn"


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier in its normal form."""

    kind: IdentifierKind
    value: str


@dataclass(frozen=True, slots=True)
class WrongCheckDigit:
    """A mistyped identifier: its check digit does not match the other digits."""

    kind: IdentifierKind


TYPES: Mapping[IdentifierKind, MaterialType] = {
    IdentifierKind.ISBN: MaterialType.BOOK,
    IdentifierKind.DOI: MaterialType.ARTICLE,
    IdentifierKind.PMID: MaterialType.ARTICLE,
    IdentifierKind.ISSN: MaterialType.JOURNAL,
}
"""The usual kind of material of each; with several identifiers the first of these decides."""

KIND_OF_FIELD: Mapping[str, IdentifierKind] = {
    "doi": IdentifierKind.DOI,
    "pmid": IdentifierKind.PMID,
    "pubmedid": IdentifierKind.PMID,
    "isbn": IdentifierKind.ISBN,
    "issn": IdentifierKind.ISSN,
    "eissn": IdentifierKind.ISSN,
}
"""The fields that hold an identifier."""

_LONGEST = 5_000  # characters of a text that is searched for identifiers
_HYPHENS = re.compile(r"[‐-―−]")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,8});", re.IGNORECASE)

_DOI = re.compile(
    r"(?P<link>https?://[^\s<>\"]{0,300}?)?(?<![0-9.])(?P<prefix>10\.[0-9]{4,9}(?:\.[0-9]{1,9})*)"
    r"(?P<slash>/|%(?:25)*2F)(?P<suffix>[^\s\"]+)",
    re.IGNORECASE | re.ASCII,
)
_DOI_HOST = re.compile(r"https?://(?:dx\.|www\.)?doi[.-]org", re.IGNORECASE)
# Pages about an article, whose links hold its DOI.
_PAGE = re.compile(
    r"(?:/(?:full|abstract|e?pdf|pdfdirect|fulltext|references|html|summary|meta))+/?$", re.IGNORECASE
)
_PMID = re.compile(
    r"(?:(?:pubmed\.ncbi\.nlm\.nih\.gov|ncbi\.nlm\.nih\.gov/pubmed)[^\s/]{0,80}/"
    r"|info:pmid/|\b(?:pmid|pubmed(?:\s{0,3}id)?)\s{0,3}:?\s{0,3})0*([1-9][0-9]{0,8})(?![0-9])/?(?:[?#]\S*)?",
    re.IGNORECASE | re.ASCII,
)
_ISSN = re.compile(
    r"\b(?:[ep]-?)?issn(?:-?l)?\s{0,3}(?:\([a-z]{1,10}\)\s{0,3})?[:=]?\s{0,3}([0-9]{4}[ -]?[0-9]{3}[0-9X])(?![0-9])",
    re.IGNORECASE | re.ASCII,
)
_LABELLED_ISBN = re.compile(
    r"\be?-?isbn(?:-?1[03])?\s{0,3}(?:\([a-z0-9 ]{1,20}\)\s{0,3})?[:=]?\s{0,3}"
    r"((?:97[89][ -]?)?[0-9](?:[ -]?[0-9]){8}[ -]?[0-9X])(?![0-9])",
    re.IGNORECASE | re.ASCII,
)
_ISBN_13 = re.compile(r"(?<![0-9A-Za-z])97[89](?:[ -]?[0-9]){10}(?![0-9])", re.ASCII)
_REMARK = re.compile(r"\([^()]{0,100}\)|\[[^\[\]]{0,100}\]")
_WORDS = re.compile(
    r"\b(?:urn|isbn(?:-?1[03])?|[ep]?-?issn|pmid|pubmed|doi|print(?:ed)?|online|electronic|pbk|hbk|paperback|"
    r"hardback|hardcover|cloth|e-?book|ebk|paper|and|vol)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[0-9](?:[ -]?[0-9X])*", re.IGNORECASE | re.ASCII)
_ISBN_LENGTHS = (10, 13)
_LONGEST_PMID = 9
_BLANK = "|"
_BRACKETS = {")": "(", "]": "[", "}": "{", ">": "<"}
_ENDS = ".,;:'`*“”’»…"


_Reader = Callable[[re.Match[str]], Identifier | WrongCheckDigit | None]


def identify(text: str) -> Identifier | WrongCheckDigit | None:
    """
    Return the first identifier in a text; None if it has none.

    Eight digits without a label count as a PubMed ID; with a hyphen or an X they count as an ISSN. Numbers without a
    label count only where the text has no other words, except an ISBN of thirteen digits.
    """
    found = find_identifiers(text)
    right = next((one for one in found if isinstance(one, Identifier)), None)
    return right or next(iter(found), None)


def find_identifiers(text: str) -> list[Identifier | WrongCheckDigit]:
    """Return the identifiers in a text, each once, in the order of the text; :func:`identify` says what counts."""
    rest = _plain(text[:_LONGEST])
    found: list[tuple[int, Identifier | WrongCheckDigit]] = []

    def take(pattern: re.Pattern[str], read: _Reader, *, only_right: bool = False) -> None:
        nonlocal rest
        for match in pattern.finditer(rest):
            one = read(match)
            if one is None or (only_right and isinstance(one, WrongCheckDigit)):
                continue
            found.append((match.start(), one))
            # The same length, so that places stay comparable.
            rest = rest[: match.start()] + _BLANK * len(match[0]) + rest[match.end() :]

    take(_DOI, _doi)
    take(_PMID, lambda match: Identifier(IdentifierKind.PMID, match[1]))
    take(_ISSN, lambda match: _issn(match[1]))
    take(_LABELLED_ISBN, lambda match: _isbn(match[1]))
    take(_ISBN_13, lambda match: _isbn(match[0]), only_right=True)
    found += _bare_numbers(rest, is_alone=not found)
    return list(dict.fromkeys(one for _, one in sorted(found, key=lambda place: place[0])))


def reference_of(identifiers: Sequence[Identifier]) -> Reference:
    """Return the reference that follows from identifiers alone; a second one of a kind becomes a custom field."""
    values: dict[str, list[str]] = {}
    for one in identifiers:
        values.setdefault(one.kind.value, []).append(one.value)
    return Reference(
        type=next((kind for key, kind in TYPES.items() if key.value in values), ""),
        fields={key: found[0] for key, found in values.items()},
        custom={f"other_{key}": "; ".join(found[1:]) for key, found in values.items() if found[1:]},
    )


def split_identifiers(field: str, text: str, *, otherwise: str | None = None) -> tuple[str, list[str]]:
    """
    Return the identifier in a field's value, and the others of its kind.

    Where there is none, or the field is not for identifiers, *otherwise* is returned; None means the text as it is.
    """
    kind = KIND_OF_FIELD.get(field)
    # Eight digits are an ISSN in its own field, and a PubMed ID elsewhere.
    typed = f"ISSN {text}" if kind is IdentifierKind.ISSN and re.fullmatch("[0-9]{8}", text.strip()) else text
    found = [
        one.value
        for one in (find_identifiers(typed) if kind else ())
        if isinstance(one, Identifier) and one.kind is kind
    ]
    return (found[0], found[1:]) if found else (text if otherwise is None else otherwise, [])


def normalised(field: str, text: str) -> str:
    """Return a field's value in its normal form where it is one identifier; any other value as it is."""
    first, others = split_identifiers(field, text)
    return text if others else first


_SEARCHED_ALONE = re.compile(
    r"\s*(?:[ep]?-?(?:isbn(?:-?1[03])?|issn|pmid)\s*:?)?[0-9X\s-]+", re.IGNORECASE | re.ASCII
)


def searched(keyword: str) -> str:
    """Return a keyword with the normal form of what is an identifier in it: a DOI, or one other identifier alone."""
    if _SEARCHED_ALONE.fullmatch(_plain(keyword)):
        found = find_identifiers(keyword)
        # A number without a label may be anything: a request's ID, a part of a card number.
        if len(found) == 1 and isinstance(found[0], Identifier):
            is_bare_number = found[0].kind is IdentifierKind.PMID and keyword.strip().isdigit()
            return keyword if is_bare_number else found[0].value
        return keyword
    return " ".join(_searched_doi(word) for word in keyword.split())


def _searched_doi(word: str) -> str:
    found = identify(word) if _DOI.search(word) else None
    return found.value if isinstance(found, Identifier) and found.kind is IdentifierKind.DOI else word


def searchable_forms(field: str, text: str) -> Iterator[str]:
    """Yield the other forms under which people search for the identifiers in a field."""
    first, others = split_identifiers(field, text, otherwise="")
    kind = KIND_OF_FIELD.get(field)
    for value in filter(None, (first, *others)):
        yield value
        if kind is IdentifierKind.ISSN:
            yield value.replace("-", "")
        if kind is IdentifierKind.ISBN and _is_isbn10(value):
            yield as_isbn13(value)
        if kind is IdentifierKind.ISBN and value.startswith("978"):
            yield _as_isbn10(value)


def _as_isbn10(digits: str) -> str:
    body = digits[3:12]
    last = -_weighted(body, range(10, 1, -1)) % 11
    return body + ("X" if last == 10 else str(last))


def normalise_isbn(text: str) -> str | None:
    """Return the first ISBN in a text as thirteen digits; None if it has none."""
    found, _ = split_identifiers("isbn", text)
    digits = _without_hyphens(found)
    if _is_isbn13(digits):
        return digits
    return as_isbn13(digits) if _is_isbn10(digits) else None


def as_isbn13(digits: str) -> str:
    """Return an ISBN of ten digits as thirteen."""
    body = f"978{digits[:9]}"
    return body + _check_digit_of_isbn13(body)


def _plain(text: str) -> str:
    """Return a text with plain digits, letters and hyphens, without entities and characters that have no width."""
    text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    text = "".join(one for one in text if unicodedata.category(one) not in ("Cf", "Cs"))
    return _HYPHENS.sub("-", unicodedata.normalize("NFKC", text)).strip()


def _doi(match: re.Match[str]) -> Identifier | None:
    link, suffix = match["link"], match["suffix"]
    if link or "%" in match["slash"]:
        suffix = re.split(r"[?#&]", suffix, maxsplit=1)[0]
        suffix = unquote(unquote(suffix))  # a proxy encodes what is encoded already
    suffix = _without_end(suffix)
    if link and not _DOI_HOST.match(link):
        suffix = _PAGE.sub("", suffix)
    suffix = _without_end(suffix)
    return Identifier(IdentifierKind.DOI, f"{match['prefix']}/{suffix}") if suffix else None


def _without_end(text: str) -> str:
    """Remove punctuation of the sentence from the end, and brackets that were opened before the text."""
    while text:
        last = text[-1]
        opening = _BRACKETS.get(last)
        if last in _ENDS or (opening and text.count(opening) < text.count(last)):
            text = text[:-1]
        else:
            return text
    return text


def _bare_numbers(rest: str, *, is_alone: bool) -> Iterator[tuple[int, Identifier | WrongCheckDigit]]:
    """Yield the numbers without a label; none where there are other words."""
    for pattern in (_REMARK, _WORDS):
        rest = pattern.sub(lambda match: _BLANK * len(match[0]), rest)
    matches = list(_NUMBER.finditer(rest))
    if re.search(r"\w", _NUMBER.sub("", rest)):
        return
    for match in matches:
        number = match[0]
        digits = _without_hyphens(number)
        one: Identifier | WrongCheckDigit | None = None
        if len(digits) in _ISBN_LENGTHS:
            one = _isbn(number)
        elif re.fullmatch(r"[0-9]{4}(-[0-9]{3}[0-9X]|[0-9]{3}X)", number, re.IGNORECASE):
            one = _issn(number)
        elif is_alone and len(matches) == 1 and number.isdigit() and len(number.lstrip("0")) <= _LONGEST_PMID:
            one = Identifier(IdentifierKind.PMID, number.lstrip("0")) if number.strip("0") else None
        if one is not None:
            yield match.start(), one


def _isbn(text: str) -> Identifier | WrongCheckDigit:
    digits = _without_hyphens(text)
    is_right = _is_isbn10(digits) or _is_isbn13(digits)
    return Identifier(IdentifierKind.ISBN, digits) if is_right else WrongCheckDigit(IdentifierKind.ISBN)


def _issn(text: str) -> Identifier | WrongCheckDigit:
    digits = _without_hyphens(text)
    if _weighted(digits, range(8, 0, -1)) % 11:
        return WrongCheckDigit(IdentifierKind.ISSN)
    return Identifier(IdentifierKind.ISSN, f"{digits[:4]}-{digits[4:]}")


def _without_hyphens(text: str) -> str:
    return re.sub(r"[ -]", "", text).upper()


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
