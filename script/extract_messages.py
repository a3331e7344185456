"""
Find every message that the catalogues must have; ``script/translations`` brings them up to date.

It serves developers only, so it is not part of the package.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from koha_ill_sidecar.backends.base import KohaFeatures, status_graph
from koha_ill_sidecar.backends.registry import STANDARD
from koha_ill_sidecar.domain import attributes
from koha_ill_sidecar.domain.notices import DEFAULT_LANG, EMAIL, SMS
from koha_ill_sidecar.domain.status_reports import ReportedStatus
from koha_ill_sidecar.resources import notice_templates
from koha_ill_sidecar.translations import DIRECTORY

_PACKAGE = Path(__file__).parents[1] / "koha_ill_sidecar"
_PAGES = _PACKAGE / "web"
_TEMPLATES = [("**/templates/**.html", "jinja2")]
_OPTIONS = {
    "**/templates/**.html": {"extensions": "jinja2.ext.i18n", "trim_blocks": "true", "lstrip_blocks": "true"}
}
_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}
_TEXTS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(("_", "gettext", "N_", "lazy", "LazyMessage"), (0,)),
    "ngettext": (0, 1),
    "RequestRefused": (1,),
}
"""Which arguments of a call in Python are texts, by the name of what is called."""

_HEADER = (
    "# What the pages of koha-ill-sidecar say, GPL-3.0-or-later. script/translations keeps it up to date."
)

_TRANSPORTS = (EMAIL, SMS, "phone", "print")  # as sentences name them

Message = str | tuple[str, ...]
"""A text, or its singular and plural."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """
    A call that says something, or gives it to be said.

    Attributes:
        texts: None for one that is not written out there.
        values: The names of what is given for the texts' places; None if they are not written out.
    """

    name: str
    file: str
    line: int
    texts: tuple[str | None, ...]
    values: frozenset[str] | None


def messages() -> Iterator[tuple[Message, str, int]]:
    """Yield every English text that the pages say, with the file (or what stands for one) and the line."""
    calls = list(calls_in_package())
    yield from _written_out(call for call in calls if call.file.startswith("web/"))
    for name, line, message, _, _ in extract_from_dir(str(_PAGES), _TEMPLATES, _OPTIONS, keywords=_KEYWORDS):
        yield (tuple(message) if isinstance(message, list | tuple) else message), f"web/{name}", line
    yield from _written_out(call for call in calls if not call.file.startswith("web/"))
    for label in _labels():
        yield label, "domain", 0


def calls_in_package() -> Iterator[Call]:
    """Yield the calls of all our Python files."""
    for path in sorted(_PACKAGE.rglob("*.py")):
        yield from calls_in(path.read_text(encoding="utf-8"), path.relative_to(_PACKAGE).as_posix())


def calls_in(source: str, file: str) -> Iterator[Call]:
    """Yield the calls in a Python file, wherever they stand; Babel's own way overlooks those inside other calls."""
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    for node in sorted(found, key=lambda node: (node.lineno, node.col_offset)):
        name = _name(node.func)
        if name in _TEXTS:
            names = [keyword.arg for keyword in node.keywords]
            yield Call(
                name=name,
                file=file,
                line=node.lineno,
                texts=tuple(_literal(node.args, position) for position in _TEXTS[name]),
                values=None if None in names else frozenset(filter(None, names)),
            )


def _name(called: ast.expr) -> str:
    match called:
        case ast.Name():
            return called.id
        case ast.Attribute():
            return called.attr
    return ""


def _literal(arguments: list[ast.expr], position: int) -> str | None:
    match arguments[position : position + 1]:
        case [ast.Constant(value=str() as text)]:
            return text
    return None


def _written_out(calls: Iterable[Call]) -> Iterator[tuple[Message, str, int]]:
    for call in calls:
        texts = tuple(text for text in call.texts if text is not None)
        if len(texts) == len(call.texts):
            yield (texts[0] if len(texts) == 1 else texts), call.file, call.line


def read(path: Path) -> Catalog:
    """Read a catalogue."""
    with path.open("rb") as source:
        return read_po(source, locale=path.stem.replace("-", "_"))


def update(path: Path) -> Catalog:
    """Return a catalogue with every message of today, and what was translated already."""
    before = read(path)
    after = Catalog(
        locale=before.locale,
        header_comment=_HEADER,
        project="koha-ill-sidecar",
        version="1",
        msgid_bugs_address="none",
        last_translator="none",
        language_team="none",
        creation_date=before.creation_date,
        fuzzy=False,
    )
    for message, name, _ in messages():
        known = before.get(message if isinstance(message, str) else message[0])
        after.add(message, known.string if known else "", locations=[(name, 0)])
    return after


def write(catalogue: Catalog, path: Path) -> None:
    """Write a catalogue, in the order in which the pages say things."""
    with path.open("wb") as target:
        write_po(target, catalogue, width=110, include_lineno=False)


def _labels() -> Iterator[str]:
    """Yield what statuses, actions, fields and types are called: the pages say it as the domain has it."""
    graph = status_graph(STANDARD, KohaFeatures())
    yield from (node.name for node in graph.nodes.values() if node.name)
    yield from (kind.label for kind in attributes.MaterialType)
    yield from (status.label for status in ReportedStatus)
    yield from (template.name for template in notice_templates() if template.lang == DEFAULT_LANG)
    yield from _TRANSPORTS
    yield attributes.label(attributes.MIGRATED_FROM).replace("_", " ")
    fields = (field.label for form in STANDARD.field_sets.values() for field in form.fields)
    yield from dict.fromkeys((*attributes.LABELS.values(), *fields))


if __name__ == "__main__":
    for catalogue_path in sorted(DIRECTORY.glob("*.po")):
        write(update(catalogue_path), catalogue_path)
