"""
Keyboard shortcuts of a single key, and the page that turns them off.

People who dictate, or hit keys by accident, must be able to turn them off (WCAG 2.2, 2.1.4).
"""

from collections.abc import Mapping

from flask import Blueprint, redirect, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.web.ui import flash
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.pages import page

_COOKIE = "koha_ill_sidecar_keys"
_OFF = "off"
_YEAR_SECONDS = 365 * 86400

_KEYS: Mapping[str, str] = {
    "/": N_("The keyword field of the request list"),
    "j": N_("The next request in the list"),
    "k": N_("The previous request in the list"),
    "e": N_("Edit the current request"),
    "n": N_("New ILL request"),
    "l": N_("The request list"),
    "d": N_("Dashboard"),
    "?": N_("This page"),
}


def install(blueprint: Blueprint) -> None:
    """Add the routes."""
    blueprint.add_url_rule("/keyboard", "keyboard", _show)
    blueprint.add_url_rule("/keyboard", "switch_keys", _switch, methods=["POST"])


def shortcut(key: str) -> Markup:
    """Return the attribute that gives a link or field a shortcut; nothing while shortcuts are off."""
    return Markup() if _are_off() else Markup(' aria-keyshortcuts="{}"').format(key)


def _show() -> Response:
    return page(
        "staff/keyboard.html", keys=[(key, _(text)) for key, text in _KEYS.items()], are_off=_are_off()
    )


def _switch() -> Response:
    response = redirect(url_for("staff.keyboard"), 303)
    path = request.script_root or "/"
    if request.form.get("keys") == _OFF:
        response.set_cookie(_COOKIE, _OFF, max_age=_YEAR_SECONDS, samesite="Lax", path=path)
        flash.flash("done", _("Keyboard shortcuts are off in this browser."))
    else:
        response.delete_cookie(_COOKIE, path=path)
        flash.flash("done", _("Keyboard shortcuts are on in this browser."))
    return response


def _are_off() -> bool:
    return request.cookies.get(_COOKIE) == _OFF
