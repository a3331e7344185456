"""
The project is written in plain English: words that only its first authors used do not come back.

Identifiers, docstrings, comments and other strings of Python, messages of the catalogue, templates, documents and
scripts are searched for the words below. Each has what to write instead.
"""

import ast
import functools
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
ROOTS = (
    "koha_ill_sidecar",
    "tests",
    "docs",
    "benchmarks",
    "script",
    ".ci",
    "sql",
    "systemd",
    "koha_templates",
)
TEXTS = {".md", ".html", ".css", ".js", ".yaml", ".sql", ".service", ".conf", ".txt", ".toml", ""}


@dataclass(frozen=True)
class Rule:
    """
    A word to avoid.

    Attributes:
        pattern: Regular expression, in which a space stands for any white space; case does not matter.
        instead: What to write.
        unless: Around the word: then it is the right one.
        in_names: Whether identifiers are searched.
        in_texts: Whether all other text is searched.
    """

    pattern: str
    instead: str
    unless: str = ""
    in_names: bool = True
    in_texts: bool = True


RULES = (
    Rule(r"anew", "again; rebuild"),
    Rule(r"reckon\w*", "compute, count"),
    Rule(r"whoever|whomever|whosoever", "anyone who, the person who"),
    Rule(r"how-manieth", "attempt number"),
    Rule(r"meanwhile(?=[.,;:)]| ?$)", "in the meantime", in_names=False),
    Rule(r"by now", "already"),
    Rule(r"pass(?:ed|es|ing)? over", "ignored, skipped"),
    Rule(r"mend(?:s|ed|ing)?", "fix, correct"),
    Rule(r"slips?", "mistake", unless=r"notices and\W+slips"),  # Koha's tool has that name
    Rule(r"farewells?", "deleted request"),
    Rule(r"patience", "back-off"),
    Rule(r"housekeeping", "retention"),
    Rule(r"left-?overs?", "what remains; retention"),
    Rule(r"vendors?", "supplier (who supplies), backend (what talks to it)"),
    Rule(r"glances?", "snapshot"),
    Rule(r"knocks?", "probe"),
    Rule(r"tally|tallies", "counts"),
    Rule(r"parted", "separated"),
    Rule(r"broken off", "interrupted"),
    Rule(r"overtaken", "superseded"),
    Rule(r"lest", "so that … not"),
    Rule(r"the (?:door|entrance)s?", "endpoint; sign-in page"),
    Rule(r"words? to the staff|word to staff", "staff alert"),
    Rule(r"for ever", "forever, always"),
    Rule(r"die[sd]? of", "fails with"),
    Rule(r"g(?:o|oes|oing) out|went out", "is sent"),
    Rule(r"take[sn]? away|took away|taking away", "remove"),
    Rule(r"carr(?:y|ies|ied) out", "perform"),
    Rule(r"heed(?:s|ed)?", "respect, follow"),
    Rule(r"(?:hither|thither|thence|whence|hence|aright|withal)", "a word of this century"),
    Rule(r"(?:is|are|was|were|be|been|being) told", "is notified, is shown, gets", in_names=False),
    Rule(r"to be had", "available"),
    Rule(r"afresh|amiss", "again; wrong"),
    Rule(r"go(?:es)? on|went on|going on", "continue"),
    Rule(r"one's", "your, their"),
    Rule(r"dear(?:er|est)", "expensive"),
    Rule(r"cut short", "interrupted"),
    Rule(r"given? back|gave back", "release, return"),
    Rule(r"put together", "build, compose, combine"),
    Rule(r"as it (?:stands|came)", "unchanged, original"),
    Rule(r"cannot be meant", "is not valid"),
    Rule(r"wishes", "requests"),
    Rule(r"speaks?", "support"),
    Rule(r"ought|shall", "should"),
    Rule(r"look(?:s|ed)? after", "maintain"),
    Rule(r"(?:what )?bec(?:ame|omes) of", "result, what happened to"),
    Rule(r"lately", "recently"),
    # These are good words, and bad names.
    Rule(r"entrances?|doors?", "auth, endpoint, sign-in", in_texts=False),
    Rule(r"recogni[sz]e\w*", "load_user", in_texts=False),
    Rule(r"nobody", "anonymous, clear_user", in_texts=False),
    Rule(r"verbatim", "literal", in_texts=False),
    Rule(r"workplace|surroundings", "context", in_texts=False),
    Rule(r"evidence|proof", "AuthRequest, authenticated", in_texts=False),
    Rule(r"unless changed|who is meant", "check_unchanged, resolve", in_texts=False),
    Rule(r"suspects?|piles?|patients?", "candidates, accumulator, context", in_texts=False),
    Rule(r"knocks?|lengthens?|lengthened", "probe, renew", in_texts=False),
    Rule(r"wish", "pressed button, choice", in_texts=False),
    Rule(r"tells?|told|said", "message, notify, alert; text", in_texts=False),
    Rule(r"meant|gone|odd", "resolved, deleted, unusual", in_texts=False),
)

ORDERS_OF_A_RESULT = re.compile(r"(?:Give|Tell|Say|Speak|Word)\b")
"""A docstring of a function that returns something does not begin so: it returns, renders, formats or finds."""

EXEMPT: frozenset[tuple[str, str]] = frozenset(
    {
        ("benchmarks/bulk.py", "slip"),  # a loan slip, in the notes of sample requests
        ("benchmarks/request_list.py", "slip"),
        ("koha_ill_sidecar/errors.py", "slips"),  # Koha's tool is called "Notices and slips"
        ("docs/explanation/delivery.md", "pass over"),  # a pass over the queue
    }
)
"""File and word: quotations from Koha, Perl and standards, names of columns."""


def found_in(text: str, *, names: bool = False, strict: bool = True) -> Iterator[tuple[int, str, Rule]]:
    """
    Return the offset of each word to avoid, with its rule.

    Args:
        strict: Whether rules count that are about names only; tests are stories and may use such names.
    """
    if not _ANY.search(text):
        return
    for rule, pattern in _COMPILED:
        if not (rule.in_names if names else rule.in_texts) or not (strict or rule.in_texts):
            continue
        for hit in pattern.finditer(text):
            around = text[max(0, hit.start() - 30) : hit.end() + 30]
            if not (rule.unless and re.search(rule.unless, around, re.IGNORECASE)):
                yield hit.start(), hit[0], rule


def _compiled(pattern: str) -> re.Pattern[str]:
    # A line break in a comment is followed by another comment sign.
    spaced = pattern.replace(" ", r"\s+(?:[#*] )?")
    return re.compile(rf"(?<![\w-])(?:{spaced})(?!\w)", re.IGNORECASE | re.MULTILINE)


_COMPILED = [(rule, _compiled(rule.pattern)) for rule in RULES]
_ANY = _compiled("|".join(rule.pattern for rule in RULES))


def words_of(name: str) -> str:
    """Return an identifier as words: ``go_on`` and ``GoOn`` are both "go on"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|_+", " ", name).strip()


@functools.cache
def is_complained_of(name: str, *, strict: bool) -> bool:
    return any(found_in(words_of(name), names=True, strict=strict))


def files(*suffixes: str) -> list[Path]:
    found = [
        TOP / name
        for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "config.example.yaml", "pyproject.toml")
    ]
    for root in ROOTS:
        found += (TOP / root).rglob("*")
    return sorted(
        path
        for path in found
        if path.is_file()
        and path.suffix in suffixes
        and not path.is_relative_to(TOP / "sql/migrations")  # fingerprints of them are stored
        and "__pycache__" not in path.parts
        and path != Path(__file__)
    )


def is_strict(path: Path) -> bool:
    return path.is_relative_to(TOP / "koha_ill_sidecar")


def complaints(path: Path, line: int, text: str, *, names: bool = False) -> Iterator[str]:
    name = path.relative_to(TOP).as_posix()
    for offset, word, rule in found_in(text, names=names, strict=is_strict(path)):
        if (name, " ".join(word.lower().split())) not in EXEMPT:
            yield f"{name}:{line + text.count(chr(10), 0, offset)}: {' '.join(word.split())!r}: write {rule.instead}"


def python_complaints(path: Path) -> Iterator[str]:
    source = path.read_text(encoding="utf-8")
    comment, comment_line, last_line = "", 0, 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        line = token.start[0]
        if token.type == tokenize.COMMENT and line == last_line + 1 and comment:
            comment += "\n" + token.string
            last_line = line
            continue
        if token.type == tokenize.COMMENT:
            yield from complaints(path, comment_line, comment)
            comment, comment_line, last_line = token.string, line, line
        elif token.type == tokenize.NAME and is_complained_of(token.string, strict=is_strict(path)):
            yield from complaints(path, line, words_of(token.string), names=True)
        elif tokenize.tok_name[token.type] in ("STRING", "FSTRING_MIDDLE"):
            yield from complaints(path, line, token.string)
    yield from complaints(path, comment_line, comment)
    yield from docstring_complaints(path, ast.parse(source))


def docstring_complaints(path: Path, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or _returns_nothing(node):
            continue
        begin = ORDERS_OF_A_RESULT.match(ast.get_docstring(node) or "")
        if begin:
            name = path.relative_to(TOP).as_posix()
            yield f"{name}:{node.lineno}: docstring of {node.name} begins with {begin[0]!r}: write Return …"


def _returns_nothing(node: ast.FunctionDef) -> bool:
    return node.returns is None or (isinstance(node.returns, ast.Constant) and node.returns.value is None)


def messages_of(path: Path) -> Iterator[tuple[int, str]]:
    """Return the English of a catalogue with its lines; the translations are not ours to judge."""
    text = path.read_text(encoding="utf-8")
    for hit in re.finditer(r'^msgid(?:_plural)? ((?:"(?:[^"\\]|\\.)*"\n)+)', text, re.MULTILINE):
        yield text.count("\n", 0, hit.start()) + 1, " ".join(re.findall(r'"((?:[^"\\]|\\.)*)"', hit[1]))


def test_python_is_plain_english() -> None:
    assert [one for path in files(".py") for one in python_complaints(path)] == []


def test_messages_are_plain_english() -> None:
    found = [
        one
        for path in files(".po")
        for line, text in messages_of(path)
        for one in complaints(path, line, text)
    ]

    assert found == []


def test_documents_and_templates_are_plain_english() -> None:
    found = [one for path in files(*TEXTS) for one in complaints(path, 1, path.read_text(encoding="utf-8"))]

    assert found == []


@pytest.mark.parametrize(
    ("text", "names", "words"),
    [
        ("That is housekeeping.", False, ["housekeeping"]),
        ("householders", False, []),
        (words_of("glance_total"), True, ["glance"]),
        (words_of("OneGlanceMore"), True, ["Glance"]),
        ("carried\n    # out", False, ["carried\n    # out"]),
        ("Tools → Notices and slips", False, []),
    ],
)
def test_a_word_is_found_where_it_stands(text: str, names: bool, words: list[str]) -> None:  # noqa: FBT001
    assert [word for _, word, _ in found_in(text, names=names)] == words
