"""
The catalogues: what our English messages are in other languages.

Translators write them (``*.po`` beside this file); they are compiled when they are first needed.
"""

import functools
import io
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

from koha_ill_sidecar.messages import LazyMessage

DIRECTORY = Path(__file__).parent

LANGUAGES = {"en": "English", "zh-Hant-TW": "正體中文"}
"""Every language by its code (BCP 47, as in Koha), and its own name for itself."""


@functools.cache
def catalogue(language: str) -> NullTranslations:
    """Return the translations of our messages; none for English and for languages without a catalogue."""
    if language not in LANGUAGES or language == "en":
        return NullTranslations()
    with (DIRECTORY / f"{language}.po").open("rb") as source:
        messages = read_po(source, locale=language.replace("-", "_"))
    compiled = io.BytesIO()
    write_mo(compiled, messages)
    compiled.seek(0)
    return Translations(compiled)


def match(tag: str) -> str | None:
    """Return the language for a tag, such as a browser's or the ``lang`` of a Koha letter; None if there is none."""
    tag = tag.lower()
    if tag.startswith(("zh-hant", "zh-tw", "zh-hk")) or tag == "zh":
        return "zh-Hant-TW"
    return "en" if tag.startswith("en") else None


def translate(message: LazyMessage, language: str) -> str:
    """Return a message, and those among its values, in a language."""
    if not message.text:  # gettext would return the catalogue's header
        return ""
    values = {
        name: translate(value, language) if isinstance(value, LazyMessage) else value
        for name, value in message.values.items()
    }
    return str(catalogue(language).ugettext(message.text)) % values
