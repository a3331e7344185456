"""What all pages for people share: templates, languages, formats, styles, and the headers that keep them safe."""

import hashlib
from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

from flask import Flask, Response, g, make_response, render_template, request, send_from_directory, url_for
from jinja2 import StrictUndefined

from koha_ill_sidecar.domain.formats import DateStyle, format_price
from koha_ill_sidecar.web.ui import i18n

_DIRECTORY = Path(__file__).parent
_STATIC = _DIRECTORY / "static"

_CONTENT_SECURITY_POLICY = "; ".join(
    (
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:"),
        *("connect-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"),
    )
)
_FOREVER = "public, max-age=31536000, immutable"


def install(app: Flask, timezone: tzinfo) -> None:
    """
    Give the application templates, languages and static files.

    Args:
        timezone: The library's: instants are shown in it, Koha's own times are in it already.
    """
    app.jinja_options = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    app.template_folder = str(_DIRECTORY.parent / "templates")
    environment = app.jinja_env
    environment.add_extension("jinja2.ext.i18n")
    # Jinja's newer style takes every message for safe HTML, and what is translated here may be what people wrote.
    environment.install_gettext_callables(i18n.gettext, i18n.ngettext, newstyle=False)  # type: ignore[attr-defined]
    environment.filters["day"] = _day
    environment.filters["moment"] = partial(_moment, timezone)
    environment.filters["exact_moment"] = partial(_exact_moment, timezone)
    environment.filters["money"] = _money
    environment.filters["translate"] = i18n.translate
    environment.globals["static"] = _static_address
    environment.globals["languages"] = i18n.LANGUAGES
    app.add_url_rule("/static/<version>/<path:name>", "static", _static_file)


def page(template: str, status: int = 200, /, **values: object) -> Response:
    """Render a page."""
    response = make_response(render_template(template, **values), status)
    response.headers["Content-Security-Policy"] = _CONTENT_SECURITY_POLICY
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def use_formats(date_style: DateStyle, currency_format: str) -> None:
    """Show dates and money of this request as Koha's preferences say."""
    g.date_style, g.currency_format = date_style, currency_format


def here(**changes: object) -> str:
    """Return the address of this page with other values in its query; None takes one out."""
    values: Mapping[str, object] = {**request.args.to_dict(flat=False), **changes}
    # Not given to url_for, to which some names mean something: an address may hold any.
    query = urlencode({name: value for name, value in values.items() if value is not None}, doseq=True)
    address = url_for(request.endpoint or "", **(request.view_args or {}))
    return f"{address}?{query}" if query else address


def begin() -> None:
    """Begin a request that a page answers; programs' requests go without."""
    g.language = i18n.choose_language()
    g.date_style, g.currency_format = DateStyle("iso", "24hr"), "US"


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
        return text  # Koha's column takes any text


def _static_address(name: str) -> str:
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
