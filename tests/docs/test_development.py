"""What the pages for developers name exists, and the questions of the first half minute have an answer."""

import ast
import functools
import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PACKAGE = TOP / "koha_ill_sidecar"
PAGES = sorted((TOP / "docs/development").glob("*.md"))
MAP = (TOP / "docs/development/map.md").read_text(encoding="utf-8")

QUESTIONS = (
    "a callback is authenticated",
    "a callback is parsed",
    "a callback is applied",
    "a message is claimed",
    "the SQL of the list",
    "to add a page",
    "to add a job",
    "to add an action",
    "to add a backend",
    "to add a version difference",
    "to add a language",
)

_PATH = re.compile(r"[\w.-]+(?:/[\w.-]*)+|\w[\w.-]*\.(?:py|md|yaml|toml|po|html|css|js|sql)")
_SYMBOL = re.compile(r"[a-z_]+(?:\.\w+)+")
_PLACEHOLDER = re.compile(r"\b[A-Z]{2,}\b")
"""Stands for a name of the reader's own, as in ``services/NOUN/``."""


def code_in(text: str) -> list[str]:
    """Return what stands in backticks, outside of code blocks."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", prose)


def paths_in(text: str) -> list[str]:
    return [
        code for code in code_in(text) if _PATH.fullmatch(code) and not _PLACEHOLDER.search(code.split("/")[-1])
    ]


def symbols_in(text: str) -> list[str]:
    return [code for code in code_in(text) if _SYMBOL.fullmatch(code) and not _PATH.fullmatch(code)]


def exists(path: str) -> bool:
    """Return whether a path is one of the repository's or the package's; a bare name may be anywhere."""
    if "/" not in path:
        return any(file.name == path for file in every_file())
    return any((base / path).exists() for base in (TOP, PACKAGE))


@functools.cache
def every_file() -> tuple[Path, ...]:
    roots = ("koha_ill_sidecar", "docs", "tests", "sql", "koha_templates")
    return (*TOP.iterdir(), *(file for root in roots for file in (TOP / root).rglob("*")))


@functools.cache
def names_of(module: Path) -> frozenset[str]:
    """Return the names that a module defines, those of a class as ``Class.name``."""
    found: set[str] = set()
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        for name in _defined_by(node):
            found.add(name)
            if isinstance(node, ast.ClassDef):
                found.update(f"{name}.{inner}" for part in node.body for inner in _defined_by(part))
    return frozenset(found)


def _defined_by(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef() | ast.ClassDef():
            return [node.name]
        case ast.Assign():
            return [target.id for target in node.targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def is_defined(symbol: str) -> bool:
    """Return whether some module of the package has the name; ``lifecycle.confirm`` or longer."""
    parts = symbol.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module, name = "/".join(parts[:cut]), ".".join(parts[cut:])
        for file in (*PACKAGE.rglob(f"{parts[cut - 1]}.py"), *PACKAGE.rglob(f"{parts[cut - 1]}/__init__.py")):
            path = file.parent if file.name == "__init__.py" else file.with_suffix("")
            if path.as_posix().endswith(f"/{module}") and name in names_of(file):
                return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_exists(page: Path) -> None:
    assert [path for path in paths_in(page.read_text(encoding="utf-8")) if not exists(path)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_function_exists(page: Path) -> None:
    assert [name for name in symbols_in(page.read_text(encoding="utf-8")) if not is_defined(name)] == []


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_first_question_has_an_answer(question: str) -> None:
    """The map has a row for it, with a path and a function or a page that says more."""
    (row,) = [line for line in MAP.splitlines() if line.startswith(f"| {question}")]

    assert [path for path in paths_in(row) if exists(path)], row
    assert symbols_in(row) or "](" in row


def test_contributing_leads_to_every_page() -> None:
    text = (TOP / "CONTRIBUTING.md").read_text(encoding="utf-8")

    assert [page.name for page in PAGES if f"docs/development/{page.name}" not in text] == []


def test_a_wrong_name_is_found() -> None:
    assert not is_defined("lifecycle.no_such_function")
    assert not exists("services/no_such_file.py")
