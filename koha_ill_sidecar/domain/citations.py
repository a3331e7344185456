"""
Reading of citations as reference managers export them: RIS, BibTeX and CSL JSON.

Sources: the RIS format of Reference Manager (tags by type), the schema of CSL data (citationstyles.org),
and the entry types and fields of BibTeX (btxdoc) and BibLaTeX.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from koha_ill_sidecar.domain.attributes import MaterialType, Reference
from koha_ill_sidecar.domain.characters import without_control_characters
from koha_ill_sidecar.domain.identifiers import split_identifiers

_LONGEST = 100_000

_RIS_TYPES: Mapping[str, MaterialType] = {
    "JOUR": MaterialType.ARTICLE, "MGZN": MaterialType.ARTICLE, "NEWS": MaterialType.ARTICLE,
    "EJOUR": MaterialType.ARTICLE, "BOOK": MaterialType.BOOK, "EBOOK": MaterialType.BOOK,
    "CHAP": MaterialType.CHAPTER, "ECHAP": MaterialType.CHAPTER, "THES": MaterialType.THESIS,
    "CONF": MaterialType.CONFERENCE, "CPAPER": MaterialType.CONFERENCE, "JFULL": MaterialType.JOURNAL,
    "VIDEO": MaterialType.DVD, "RPRT": MaterialType.RESOURCE,
}  # fmt: skip
_CSL_TYPES: Mapping[str, MaterialType] = {
    "article-journal": MaterialType.ARTICLE, "article-magazine": MaterialType.ARTICLE,
    "article-newspaper": MaterialType.ARTICLE, "article": MaterialType.ARTICLE, "book": MaterialType.BOOK,
    "chapter": MaterialType.CHAPTER, "thesis": MaterialType.THESIS,
    "paper-conference": MaterialType.CONFERENCE, "periodical": MaterialType.JOURNAL,
    "motion_picture": MaterialType.DVD, "report": MaterialType.RESOURCE,
}  # fmt: skip

# A browser drops the line breaks of what is pasted into one line, so a tag may follow a value at once.
_RIS_TAG = re.compile(r"([A-Z][A-Z0-9])  - ?")

_BIBTEX_TYPES: Mapping[str, MaterialType] = {
    "article": MaterialType.ARTICLE, "book": MaterialType.BOOK, "booklet": MaterialType.BOOK,
    "collection": MaterialType.BOOK, "proceedings": MaterialType.BOOK, "inbook": MaterialType.CHAPTER,
    "incollection": MaterialType.CHAPTER, "inproceedings": MaterialType.CONFERENCE,
    "conference": MaterialType.CONFERENCE, "phdthesis": MaterialType.THESIS,
    "mastersthesis": MaterialType.THESIS, "thesis": MaterialType.THESIS, "periodical": MaterialType.JOURNAL,
}  # fmt: skip
_BIBTEX_ENTRY = re.compile(r"@([A-Za-z]{3,20})\s{0,9}[{(]\s{0,9}[^,{}()=\s]{0,200}\s{0,9},")
_BIBTEX_NAME = re.compile(r"[\s,]*([A-Za-z][\w-]{0,40})\s*=\s*", re.ASCII)
_BIBTEX_BARE = re.compile(r"[^,{}()\s]*")
_TEX_ACCENTS = {
    "`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", "=": "\u0304", "u": "\u0306", ".": "\u0307",
    '"': "\u0308", "r": "\u030a", "H": "\u030b", "v": "\u030c", "d": "\u0323", "c": "\u0327", "k": "\u0328",
}  # fmt: skip
_TEX_LETTERS = {
    "ss": "ß", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "aa": "å",
    "AA": "Å", "i": "i", "j": "j",
}  # fmt: skip
# A letter as the name of an accent needs a brace or a space before what it is put on.
_TEX_ACCENT = re.compile(r"""\\(?:([`'^~=."])\s?\{?|([urHvdck])(?:\{|\s))\\?([A-Za-z])""")
_TEX_LETTER = re.compile(r"\\(ss|ae|AE|oe|OE|aa|AA|[oOlLij])(?![A-Za-z])\s?")

_PART_FIELDS: Mapping[str, tuple[str, str]] = {
    MaterialType.ARTICLE: ("article_title", "article_author"),
    MaterialType.CHAPTER: ("chapter", "chapter_author"),
    MaterialType.CONFERENCE: ("paper_title", "paper_author"),
}


def read_citation(text: str) -> Reference | None:
    """Read the first citation of a text in RIS, BibTeX or CSL JSON; None if the text is none of these."""
    text = text.strip().lstrip("\ufeff")[:_LONGEST]
    if text.startswith("TY  - "):
        return _ris(text)
    if (entry := _BIBTEX_ENTRY.match(text)) is not None:
        return _bibtex(entry[1].lower(), dict(_bibtex_fields(text, entry.end())))
    return _csl(text) if text.startswith(("{", "[")) else None


def _ris(text: str) -> Reference:
    values: dict[str, list[str]] = {}
    parts = _RIS_TAG.split(text)
    for tag, value in zip(parts[1::2], parts[2::2], strict=True):
        if tag == "ER":
            break
        if value := _one_line(value):
            values.setdefault(tag, []).append(value)

    def first(*tags: str) -> str:
        return next((values[tag][0] for tag in tags if tag in values), "")

    kind = _RIS_TYPES.get(first("TY"), MaterialType.RESOURCE)
    pages = [first("SP"), first("EP")]
    date = first("PY", "Y1", "DA")
    return _reference(
        kind,
        title=first("TI", "T1", "CT"),
        whole=first("T2", "JO", "JF", "JA", "BT"),
        author="; ".join([*values.get("AU", ()), *values.get("A1", ())]),
        editor="; ".join([*values.get("ED", ()), *(values.get("A2", ()) if kind == "chapter" else ())]),
        date=date,
        volume=first("VL"),
        issue=first("IS"),
        pages=first("SP") if "-" in pages[0] else "-".join(page for page in dict.fromkeys(pages) if page),
        publisher=first("PB"),
        place=first("CY", "PP"),
        edition=first("ET"),
        language=first("LA"),
        doi=first("DO"),
        pmid=first("AN") if "pubmed" in first("DB").lower() else "",
        numbers=" ".join(values.get("SN", ())),
    )


def _bibtex(entry: str, values: Mapping[str, str]) -> Reference:
    def first(*names: str) -> str:
        return next((values[name] for name in names if values.get(name)), "")

    kind = _BIBTEX_TYPES.get(entry, MaterialType.RESOURCE)
    chapter = first("title") if entry == "incollection" or first("booktitle") else first("chapter", "title")
    date = first("date") or "-".join(filter(None, (first("year"), first("month") if first("year") else "")))
    return _reference(
        kind,
        title=chapter if kind == MaterialType.CHAPTER else first("title"),
        whole=first("journaltitle", "journal", "booktitle") or (first("title") if entry == "inbook" else ""),
        author="; ".join(re.split(r"\s+and\s+", first("author"))),
        editor="; ".join(re.split(r"\s+and\s+", first("editor"))),
        date=date,
        volume=first("volume"),
        issue=first("number", "issue"),
        pages=re.sub(r"\s*[-\u2013]+\s*", "-", first("pages")),
        publisher=first("school", "institution", "publisher"),
        place=first("address", "location"),
        edition=first("edition"),
        language=first("language"),
        doi=first("doi"),
        pmid=first("pmid") or (first("eprint") if first("eprinttype").lower() == "pubmed" else ""),
        numbers=" ".join(f"{name.upper()} {values[name]}" for name in ("issn", "isbn") if values.get(name)),
    )


def _bibtex_fields(text: str, at: int) -> Iterator[tuple[str, str]]:
    """Yield the fields of an entry from a position on; an entry that is cut off ends with its last whole field."""
    while (name := _BIBTEX_NAME.match(text, at)) is not None:
        start = at = name.end()
        if text[start : start + 1] in ("{", '"'):
            closing, depth, at = "}" if text[start] == "{" else '"', 0, start + 1
            while at < len(text) and not (text[at] == closing and depth == 0):
                depth += (text[at] == "{") - (text[at] == "}")
                at += 2 if text[at] == "\\" else 1
            if at >= len(text):
                return
            value, at = text[start + 1 : at], at + 1
        else:
            bare = _BIBTEX_BARE.match(text, start)
            value, at = (bare[0], bare.end()) if bare else ("", start)
        yield name[1].lower(), _without_tex(value)


def _without_tex(value: str) -> str:
    value = _TEX_ACCENT.sub(
        lambda match: unicodedata.normalize("NFC", match[3] + _TEX_ACCENTS[match[1] or match[2]]), value
    )
    value = _TEX_LETTER.sub(lambda match: _TEX_LETTERS[match[1]], value)
    value = re.sub(r"\\([&%$#_{}])", r"\1", value)
    return _one_line(re.sub(r"[{}]|\\(?:text|emph|url)[a-z]*", "", value).replace("~", " "))


def _csl(text: str) -> Reference | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, list):
        found = next(iter(found), None)
    if not isinstance(found, dict) or not (isinstance(found.get("title"), str) or "DOI" in found):
        return None
    item: Mapping[str, Any] = found

    def value(key: str) -> str:
        one = item.get(key)
        if isinstance(one, list):  # Crossref has lists where the schema has texts
            one = " ".join(part for part in one if isinstance(part, str))
        return _one_line(str(one)) if isinstance(one, str | int) else ""

    return _reference(
        _CSL_TYPES.get(
            value("type"), MaterialType.ARTICLE if value("container-title") else MaterialType.RESOURCE
        ),
        title=value("title"),
        whole=value("container-title"),
        author=_csl_names(item.get("author")),
        editor=_csl_names(item.get("editor")),
        date=_csl_date(item.get("issued")),
        volume=value("volume"),
        issue=value("issue"),
        pages=value("page"),
        publisher=value("publisher"),
        place=value("publisher-place"),
        edition=value("edition"),
        language=value("language"),
        doi=value("DOI"),
        pmid=value("PMID"),
        numbers=" ".join((*(f"ISSN {one}" for one in value("ISSN").split()), value("ISBN"))),
    )


def _csl_names(names: object) -> str:
    found = []
    for name in names if isinstance(names, list) else ():
        if isinstance(name, dict):
            parts = (name.get("family"), name.get("given")) if name.get("family") else (name.get("literal"),)
            found.append(", ".join(_one_line(part) for part in parts if isinstance(part, str) and part))
    return "; ".join(one for one in found if one)


def _csl_date(issued: object) -> str:
    match issued:
        case {"date-parts": [[*parts], *_]}:
            return "-".join(str(part).zfill(2) for part in parts if isinstance(part, str | int))
        case {"raw": str(text)} | {"literal": str(text)}:
            return text
    return ""


def _reference(
    kind: MaterialType,
    *,
    title: str,
    whole: str,
    author: str,
    editor: str,
    date: str,
    volume: str,
    issue: str,
    pages: str,
    publisher: str,
    place: str,
    edition: str,
    language: str,
    doi: str,
    pmid: str,
    numbers: str,
) -> Reference:
    """Return the reference; *numbers* has ISBNs and ISSNs."""
    part = _PART_FIELDS.get(kind)
    year = re.search(r"[0-9]{4}", date)
    values = {
        "title": whole if part else title,
        (part or ("title", "author"))[0]: title,
        (part or ("title", "author"))[1]: author,
        "editor": editor,
        "year": "" if kind == MaterialType.THESIS else (year[0] if year else ""),
        "published_date": date.strip("/")
        if kind == MaterialType.THESIS or (year and date != year[0])
        else "",
        "volume": volume,
        "issue": issue,
        "pages": pages,
        "institution" if kind == MaterialType.THESIS else "publisher": publisher,
        "published_place": place,
        "part_edition": edition,
        "language": language,
        "doi": split_identifiers("doi", doi)[0],
        "pubmedid": pmid,
    }
    custom = {}
    for key in ("isbn", "issn"):
        first, others = split_identifiers(key, numbers, otherwise="")
        values[key] = first
        if others:
            custom[f"other_{key}"] = "; ".join(others)
    if numbers.strip() and not values["isbn"] and not values["issn"]:
        custom["other_number"] = numbers
    return Reference(type=kind, fields={key: one for key, one in values.items() if one}, custom=custom)


def _one_line(text: str) -> str:
    return " ".join(without_control_characters(text).split())
