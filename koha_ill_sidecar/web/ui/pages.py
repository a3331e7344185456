"""What all pages share: templates, languages, formats, styles, and the headers that protect them."""

import hashlib
from datetime import date, datetime, tzinfo
from functools import partial
from pathlib import Path

from flask import Flask, Response, g, make_response, render_template, send_from_directory, url_for
from jinja2 import StrictUndefined

from koha_ill_sidecar.domain.formats import DateStyle, format_price
from koha_ill_sidecar.translations import LANGUAGES
from koha_ill_sidecar.web.ui import csrf, flash, i18n, urls

_DIRECTORY = Path(__file__).parent
_STATIC = _DIRECTORY / "static"

PAGE_SIZE = 50
"""Rows on a page of a list."""

_CONTENT_SECURITY_POLICY = "; ".join(
    (
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:"),
        *("connect-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"),
    )
)
_FOREVER = "public, max-age=31536000, immutable"


def install(app: Flask, timezone: tzinfo) -> None:
    """
    Set up templates, languages and static files.

    Args:
        timezone: The library's, in which instants are shown. Koha's own times are in it already.
    """
    app.jinja_options = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    app.template_folder = str(_DIRECTORY / "templates")
    environment = app.jinja_env
    environment.add_extension("jinja2.ext.i18n")
    # Jinja's newer style treats every message as safe HTML, but some texts that are translated here people have typed.
    environment.install_gettext_callables(i18n.gettext, i18n.ngettext, newstyle=False)  # type: ignore[attr-defined]
    environment.filters["day"] = _day
    environment.filters["moment"] = partial(_moment, timezone)
    environment.filters["exact_moment"] = partial(_exact_moment, timezone)
    environment.filters["money"] = _money
    environment.filters["translate"] = i18n.translate
    environment.globals["csrf_token"] = csrf.token
    environment.globals["flashed_messages"] = flash.pop_flashed
    environment.globals["here"] = urls.here
    environment.globals["static"] = _static_url
    environment.globals["languages"] = LANGUAGES
    app.add_url_rule("/static/<version>/<path:name>", "static", _static_file)


def page(template: str, status: int = 200, /, **values: object) -> Response:
    """Render a page."""
    response = make_response(render_template(template, **values), status)
    response.headers["Content-Security-Policy"] = _CONTENT_SECURITY_POLICY
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def begin(face: str) -> None:
    """
    Begin a request that is answered with a page.

    Args:
        face: Name of a blueprint whose pages share ``<face>/layout.html`` and whose first page is ``<face>.home``.
    """
    g.face = face
    g.language = i18n.choose_language()
    g.date_style, g.currency_format = DateStyle("iso", "24hr"), "US"  # until Koha's preferences are read


def _day(value: date | None) -> str:
    return "" if value is None else g.date_style.date(datetime(value.year, value.month, value.day))  # noqa: DTZ001


def _moment(timezone: tzinfo, value: datetime | None) -> str:
    return "" if value is None else str(g.date_style.date_and_time(_at_library(timezone, value)))


def _exact_moment(timezone: tzinfo, value: datetime | None) -> str:
    return "" if value is None else str(g.date_style.date_and_exact_time(_at_library(timezone, value)))


def _at_library(timezone: tzinfo, value: datetime) -> datetime:
    return value.astimezone(timezone) if value.tzinfo else value


def _money(value: object) -> str:
    text = "" if value is None else str(value)
    try:
        return format_price(text, g.currency_format) if text else ""
    except ValueError:
        return text  # Koha's column accepts any text


def _static_url(name: str) -> str:
    return url_for("static", version=_version(name), name=name)


def _static_file(version: str, name: str) -> Response:
    response = send_from_directory(_STATIC, name)
    response.headers["Cache-Control"] = _FOREVER if version == _version(name) else "no-cache"
    return response


def _version(name: str) -> str:
    path = _STATIC / name
    if not path.is_relative_to(_STATIC) or not path.is_file():
        return "none"
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
