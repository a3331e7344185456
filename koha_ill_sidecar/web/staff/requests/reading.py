"""What is only read of a request: its log, and its metadata as text."""

from collections.abc import Mapping

from flask import Blueprint, request
from werkzeug.wrappers import Response

from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.requests.log import LogEntry
from koha_ill_sidecar.services.requests.reading import read_log, read_metadata
from koha_ill_sidecar.web.staff.session import staff_context
from koha_ill_sidecar.web.ui import forms
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.pages import page


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""

    def show_log(illrequest_id: int) -> Response:
        wanted = forms.number("page", request.args) or 1
        found = runtime.database.transact(read_log, illrequest_id, staff_context(runtime), wanted)
        return page("staff/requests/log.html", found=found, header=found.header, words=_words)

    def show_metadata(illrequest_id: int) -> Response:
        found = runtime.database.transact(read_metadata, illrequest_id, staff_context(runtime))
        return page("staff/requests/metadata.html", header=found.header, text=_as_text(found.item))

    blueprint.add_url_rule("/requests/<int:illrequest_id>/log", "request_log", show_log)
    blueprint.add_url_rule("/requests/<int:illrequest_id>/metadata", "request_metadata", show_metadata)


def _as_text(item: Mapping[str, str]) -> str:
    return "\n".join(_("%(label)s: %(value)s", label=_(label), value=value) for label, value in item.items())


def _words(entry: LogEntry) -> str:
    """Return what happened in the language of the page; what codes are called is translated one by one."""
    values = {name: ", ".join(_(word) for word in words) for name, words in entry.values.items()}
    return _(entry.message, **values)
