"""The language of a page, and messages in it."""

from flask import g, request

from koha_ill_sidecar import translations
from koha_ill_sidecar.messages import LazyMessage
from koha_ill_sidecar.translations import LANGUAGES, catalogue

FIELD = "language"
"""Name of the button that changes the language; it may be part of any form."""

COOKIE = "koha_ill_sidecar_language"
_KOHA_COOKIE = "KohaOpacLanguage"  # Koha's staff interface uses the same (Koha, C4/Languages.pm getlanguage)
_DEFAULT = "en"


def choose_language() -> str:
    """Return the language of this request: as chosen here, else as chosen in Koha, else as the browser asks for."""
    for chosen in (request.cookies.get(COOKIE), request.cookies.get(_KOHA_COOKIE)):
        if chosen in LANGUAGES:
            return chosen
    return _of_browser()


def _of_browser() -> str:
    known = (translations.match(tag) for tag, _ in request.accept_languages)
    return next(filter(None, known), _DEFAULT)


def gettext(message: str, **values: object) -> str:
    """Return a message in the language of this request; ``%(name)s`` stands for a value."""
    text = str(catalogue(g.language).ugettext(message)) if message else ""
    return text % values if values else text


def translate(message: LazyMessage) -> str:
    """Return a message, and those among its values, in the language of this request."""
    return translations.translate(message, g.language)


def ngettext(singular: str, plural: str, number: int, **values: object) -> str:
    """Return a message about a number of things."""
    text = str(catalogue(g.language).ungettext(singular, plural, number))
    return text % {"num": number, **values}
