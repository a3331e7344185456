"""Every text of the pages is said in every language."""

import re
from pathlib import Path

import pytest

from koha_ill_sidecar.web import i18n, translations

_CATALOGUES = sorted(i18n.DIRECTORY.glob("*.po"))
_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%%")


def test_every_language_but_english_has_a_catalogue() -> None:
    assert {path.stem for path in _CATALOGUES} == set(i18n.LANGUAGES) - {"en"}


@pytest.mark.parametrize("path", _CATALOGUES, ids=lambda path: path.stem)
def test_no_text_is_left_untranslated(path: Path) -> None:
    catalogue = translations.read(path)
    missing = []
    for message, place, line in translations.messages():
        known = catalogue.get(message if isinstance(message, str) else message[0])
        said = known.string if known else ""
        if known is None or known.fuzzy or not all(said if isinstance(said, tuple | list) else (said,)):
            missing.append(f"{place}:{line}: {message!r}")

    assert missing == [], "run script/translations and translate what is empty in the catalogue"


@pytest.mark.parametrize("path", _CATALOGUES, ids=lambda path: path.stem)
def test_a_translation_has_the_same_places_for_values(path: Path) -> None:
    for message in translations.read(path):
        if not message.id:
            continue
        wanted = set(_PLACEHOLDER.findall(message.id if isinstance(message.id, str) else message.id[1]))
        said = message.string if isinstance(message.string, tuple | list) else (message.string,)
        for one in said:
            assert set(_PLACEHOLDER.findall(one or "")) == wanted, message.id


@pytest.mark.parametrize("path", _CATALOGUES, ids=lambda path: path.stem)
def test_a_catalogue_holds_nothing_that_no_page_says(path: Path) -> None:
    said = {message if isinstance(message, str) else message[0] for message, _, _ in translations.messages()}
    kept = {
        message.id if isinstance(message.id, str) else message.id[0]
        for message in translations.read(path)
        if message.id
    }

    assert kept - said == set(), "run script/translations"
