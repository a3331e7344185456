"""
The catalogues of the pages, and what is to be in them.

``python -m koha_ill_sidecar.web.translations`` brings the catalogues up to date with what the pages say.
"""

from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from koha_ill_sidecar.domain import attributes, callbacks, statuses
from koha_ill_sidecar.domain.actors import Interface
from koha_ill_sidecar.domain.notices import DEFAULT_LANG, EMAIL, SMS
from koha_ill_sidecar.domain.status_reports import ReportedStatus
from koha_ill_sidecar.resources import notice_templates
from koha_ill_sidecar.web.i18n import DIRECTORY

_PAGES = DIRECTORY.parent
_PACKAGE = _PAGES.parent
_WRITTEN_ELSEWHERE = [("domain/**.py", "python"), ("services/**.py", "python")]
_METHODS = [("templates/**.html", "jinja2"), ("**.py", "python")]
_OPTIONS = {
    "templates/**.html": {"extensions": "jinja2.ext.i18n", "trim_blocks": "true", "lstrip_blocks": "true"}
}
_KEYWORDS = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2)}
_HEADER = (
    "# What the pages of koha-ill-sidecar say, GPL-3.0-or-later. script/translations keeps it up to date."
)

Message = str | tuple[str, ...]
"""A text, or its singular and plural."""


def messages() -> Iterator[tuple[Message, str, int]]:
    """Give every English text that the pages say, with the file (or what stands for one) and the line."""
    for name, line, message, _, _ in extract_from_dir(str(_PAGES), _METHODS, _OPTIONS, keywords=_KEYWORDS):
        yield (tuple(message) if isinstance(message, list | tuple) else message), f"web/{name}", line
    for name, line, message, _, _ in extract_from_dir(
        str(_PACKAGE), _WRITTEN_ELSEWHERE, keywords={"N_": None}
    ):
        yield str(message), name, line
    for label in _labels():
        yield label, "domain", 0


def read(path: Path) -> Catalog:
    """Read a catalogue."""
    with path.open("rb") as source:
        return read_po(source, locale=path.stem.replace("-", "_"))


def update(path: Path) -> Catalog:
    """Give a catalogue with every message of today, and what was translated already."""
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
    """Give what statuses, actions, fields and types are called: the pages say it as the domain has it."""
    graph = statuses.status_graph(is_generic=True, has_unauthenticated=True, can_revert_from_partners=True)
    for node in graph.nodes.values():
        yield from (label for label in (node.name, node.button) if label)
    yield from (kind.label for kind in attributes.MaterialType)
    yield from (status.value.replace("_", " ") for status in ReportedStatus)
    yield from (rule.attention for rule in callbacks.RULES.values() if rule.attention)
    yield from (template.name for template in notice_templates() if template.lang == DEFAULT_LANG)
    yield from (*Interface, EMAIL, SMS)
    fields = (field.label for form in attributes.FIELDS.values() for field in form)
    yield from dict.fromkeys((*attributes.LABELS.values(), *fields))
