"""Every text of the pages is said in every language."""

import re
from collections.abc import Collection
from pathlib import Path

import pytest

from koha_ill_sidecar.translations import DIRECTORY, LANGUAGES
from script import extract_messages

_CATALOGUES = sorted(DIRECTORY.glob("*.po"))
_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%%")

_CHINESE = r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]"
_HALF_WIDTH = re.compile(rf"{_CHINESE} ?[,.:;?!()]|[,.:;?!()] ?{_CHINESE}")
_NO_SENTENCE = re.compile(r"%\(\w+\)[sd]|\[%%.*?%%\]|`.*?`|<<.*?>>")
"""What stands for a value, or is written as a program reads it."""

_LABELLING = frozenset({"_", "gettext"})
"""Functions of the pages, which say labels that others have: those are in the catalogues by :func:`_labels`."""

_MADE_OF_PARTS = frozenset(
    {
        "messages.py",
        "errors.py",
        "domain/callbacks.py",
    }
)
"""Where a sentence is made of a text that stands elsewhere: given by the caller, a status, or stored."""


def test_every_language_but_english_has_a_catalogue() -> None:
    assert {path.stem for path in _CATALOGUES} == set(LANGUAGES) - {"en"}


@pytest.mark.parametrize("path", _CATALOGUES, ids=lambda path: path.stem)
def test_no_text_is_left_untranslated(path: Path) -> None:
    catalogue = extract_messages.read(path)
    missing = []
    for message, place, line in extract_messages.messages():
        known = catalogue.get(message if isinstance(message, str) else message[0])
        said = known.string if known else ""
        if known is None or known.fuzzy or not all(said if isinstance(said, tuple | list) else (said,)):
            missing.append(f"{place}:{line}: {message!r}")

    assert missing == [], "run script/translations and translate what is empty in the catalogue"


def test_no_message_is_composed_where_it_cannot_be_extracted() -> None:
    hidden = [
        f"{call.file}:{call.line}: {call.name}"
        for call in extract_messages.calls_in_package()
        if None in call.texts
        and call.name not in _LABELLING
        and not (call.name == "LazyMessage" and call.file in _MADE_OF_PARTS)
    ]

    assert hidden == [], "write the text out, and give its values by name"


def test_every_place_of_a_text_is_given_its_value() -> None:
    said = [
        (f"{call.file}:{call.line}: {text!r}", text, call.values)
        for call in extract_messages.calls_in_package()
        for text in call.texts
        if text is not None and call.name in ("lazy", "RequestRefused")
    ]

    assert [place for place, _, values in said if values is None] == []
    assert [place for place, text, values in said if not _can_be_filled_in(text, values or ())] == []


def _can_be_filled_in(text: str, values: Collection[str]) -> bool:
    try:
        return bool(text % dict.fromkeys(values, "x"))
    except (KeyError, ValueError):
        return False


def test_texts_are_found_wherever_the_call_stands() -> None:
    source = (
        'raise RequestRefused("no_dog", "There is no dog %(name)s. "\n'
        '    "Buy one.", name=lazy("%(many)s dogs", many=3))\n'
        'told(words.lazy(f"a {dog}"), lazy("a" + dog), lazy(), lazy("a", **values))'
    )

    found = [(call.line, call.texts, call.values) for call in extract_messages.calls_in(source, "dogs.py")]

    assert found == [
        (1, ("There is no dog %(name)s. Buy one.",), {"name"}),
        (2, ("%(many)s dogs",), {"many"}),
        (3, (None,), set()),
        (3, (None,), set()),
        (3, (None,), set()),
        (3, ("a",), None),
    ]


@pytest.mark.parametrize("path", _CATALOGUES, ids=lambda path: path.stem)
def test_a_translation_has_the_same_places_for_values(path: Path) -> None:
    for message in extract_messages.read(path):
        if not message.id:
            continue
        wanted = set(_PLACEHOLDER.findall(message.id if isinstance(message.id, str) else message.id[1]))
        said = message.string if isinstance(message.string, tuple | list) else (message.string,)
        for one in said:
            assert set(_PLACEHOLDER.findall(one or "")) == wanted, message.id
            assert not wanted or "%" not in _PLACEHOLDER.sub("", one or ""), message.id


def test_chinese_has_its_own_punctuation() -> None:
    """Beside a Chinese character or sign, with or without a space between them."""
    catalogue = extract_messages.read(DIRECTORY / "zh-Hant-TW.po")
    said = [
        text
        for message in catalogue
        if message.id
        for text in ([message.string] if isinstance(message.string, str) else message.string or ())
    ]

    assert [text for text in said if _HALF_WIDTH.search(_NO_SENTENCE.sub("x", text))] == []


@pytest.mark.parametrize("path", _CATALOGUES, ids=lambda path: path.stem)
def test_a_catalogue_holds_nothing_that_no_page_says(path: Path) -> None:
    said = {
        message if isinstance(message, str) else message[0] for message, _, _ in extract_messages.messages()
    }
    kept = {
        message.id if isinstance(message.id, str) else message.id[0]
        for message in extract_messages.read(path)
        if message.id
    }

    assert kept - said == set(), "run script/translations"
