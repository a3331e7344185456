"""
Reading of citations as reference managers export them: RIS and CSL JSON.

Sources: the RIS format of Reference Manager (tags by type), and the schema of CSL data (citationstyles.org).
"""

import json
import re
from collections.abc import Mapping
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

_PART_FIELDS: Mapping[str, tuple[str, str]] = {
    MaterialType.ARTICLE: ("article_title", "article_author"),
    MaterialType.CHAPTER: ("chapter", "chapter_author"),
    MaterialType.CONFERENCE: ("paper_title", "paper_author"),
}


def read_citation(text: str) -> Reference | None:
    """Read the first citation of a text in RIS or CSL JSON; None if the text is neither."""
    text = text.strip().lstrip("\ufeff")[:_LONGEST]
    if text.startswith("TY  - "):
        return _ris(text)
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
