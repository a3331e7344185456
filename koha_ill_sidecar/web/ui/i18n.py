"""
The languages of the pages.

Catalogues are kept as their translators write them (``translations/*.po``) and compiled when the program starts.
"""

import functools
import io
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import g, request

from koha_ill_sidecar.messages import LazyMessage

DIRECTORY = Path(__file__).parent / "translations"

LANGUAGES = {"en": "English", "zh-Hant-TW": "正體中文"}
"""Every language of the pages by its code (BCP 47, as Koha's), and what it calls itself."""

FIELD = "language"
"""Name of the button that changes the language; it may be part of any form."""

COOKIE = "koha_ill_sidecar_language"
_KOHA_COOKIE = "KohaOpacLanguage"  # Koha's staff interface uses the same (Koha, C4/Languages.pm getlanguage)
_DEFAULT = "en"


@functools.cache
def catalogue(language: str) -> NullTranslations:
    """Return what the pages' English words are in another language."""
    path = DIRECTORY / f"{language}.po"
    if not path.exists():
        return NullTranslations()
    with path.open("rb") as source:
        messages = read_po(source, locale=language.replace("-", "_"))
    compiled = io.BytesIO()
    write_mo(compiled, messages)
    compiled.seek(0)
    return Translations(compiled)


def choose_language() -> str:
    """Return the language of this request: as chosen here, else as chosen in Koha, else as the browser asks for."""
    for chosen in (request.cookies.get(COOKIE), request.cookies.get(_KOHA_COOKIE)):
        if chosen in LANGUAGES:
            return chosen
    return _of_browser()


def _of_browser() -> str:
    for wanted, _ in request.accept_languages:
        tag = wanted.lower()
        if tag.startswith(("zh-hant", "zh-tw", "zh-hk")) or tag == "zh":
            return "zh-Hant-TW"
        if tag.startswith("en"):
            return "en"
    return _DEFAULT


def gettext(message: str, **values: object) -> str:
    """Say a message in the language of this request; ``%(name)s`` stands for a value."""
    said = str(catalogue(g.language).ugettext(message)) if message else ""
    return said % values if values else said


def translate(sentence: LazyMessage) -> str:
    """Say a sentence, and those that stand in it, in the language of this request."""
    values = {
        name: translate(value) if isinstance(value, LazyMessage) else value
        for name, value in sentence.values.items()
    }
    return str(catalogue(g.language).ugettext(sentence.text)) % values if sentence.text else ""


def ngettext(singular: str, plural: str, number: int, **values: object) -> str:
    """Say a message about a number of things."""
    said = str(catalogue(g.language).ungettext(singular, plural, number))
    return said % {"num": number, **values}
