"""What the documents name exists: commands, files, settings, labels of pages."""

import re
from pathlib import Path

import pytest
import yaml

from koha_ill_sidecar.cli.program import _COMMANDS
from koha_ill_sidecar.config.loading import known_keys

TOP = Path(__file__).parents[1]
DOCUMENTS = sorted([*TOP.glob("*.md"), *TOP.glob("docs/**/*.md")])
IDS = [str(path.relative_to(TOP)) for path in DOCUMENTS]

_COMMAND = re.compile(r"koha-ill-sidecar(?: --\w+(?:[ =](?!grants)\S*[/A-Z]\S*)?)* ([a-z]+)\b(?!\S*[.:/])")
_LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#]+)?(?:#([^)]+))?\)")
_PROSE = frozenset(
    {"is", "and", "on", "has", "works", "reads", "may", "to", "as", "needs", "writes", "does", "in"}
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_every_command_that_is_named_exists(document: Path) -> None:
    named = set(_COMMAND.findall(document.read_text(encoding="utf-8")))

    assert named - _PROSE - set(_COMMANDS) == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_every_link_leads_somewhere(document: Path) -> None:
    for path, anchor in _LINK.findall(document.read_text(encoding="utf-8")):
        target = (document.parent / path) if path else document
        assert target.exists(), path
        if anchor:
            assert anchor in headings(target), f"{path}#{anchor}"


def headings(document: Path) -> set[str]:
    found = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_every_yaml_block_is_a_configuration(document: Path) -> None:
    known = {key.replace("[]", "") for key in known_keys()}
    for block in re.findall(
        r"^```yaml\n(.*?)^```$", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    ):
        for section, keys in (yaml.safe_load(block) or {}).items():
            for key in keys if isinstance(keys, dict) and section != "backends" else ():
                assert any(f"{name}.".startswith(f"{section}.{key}.") for name in known), f"{section}.{key}"


_LABEL = re.compile(r"(?<![\w*])\*([A-Z][^*\n]+)\*(?!\*)")
_MESSAGE = re.compile(r'^msgid ((?:"(?:[^"\\]|\\.)*"\n)+)', re.MULTILINE)


@pytest.mark.parametrize(
    "name",
    [
        "reference/staff-interface",
        "reference/staff-forms",
        "reference/requests",
        "how-to/find-a-stuck-notice",
    ],
)
def test_every_label_of_the_pages_is_quoted_as_it_is(name: str) -> None:
    """Labels are in italics, and are messages of the catalogue or their beginnings."""
    catalogue = (TOP / "koha_ill_sidecar/translations/zh-Hant-TW.po").read_text(encoding="utf-8")
    messages = ["".join(re.findall(r'"((?:[^"\\]|\\.)*)"', lines)) for lines in _MESSAGE.findall(catalogue)]
    quoted = _LABEL.findall((TOP / f"docs/{name}.md").read_text(encoding="utf-8"))

    assert quoted
    assert [label for label in quoted if not any(message.startswith(label) for message in messages)] == []
