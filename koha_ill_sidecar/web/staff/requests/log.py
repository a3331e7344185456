"""Pages of a request that are only read: its log, and its metadata as text."""

from collections.abc import Mapping

from flask import Blueprint, request
from werkzeug.wrappers import Response

from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.notices.metadata import metadata
from koha_ill_sidecar.services.requests.header import load_header
from koha_ill_sidecar.services.requests.log import LogEntry, read_page
from koha_ill_sidecar.web.staff.session import staff_context
from koha_ill_sidecar.web.ui import forms
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.pages import page


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""

    def get_log(illrequest_id: int) -> Response:
        header = runtime.database.transact(load_header, illrequest_id, staff_context(runtime))
        log_page = runtime.database.transact(
            read_page, illrequest_id, forms.number("page", request.args) or 1
        )
        return page("staff/requests/log.html", log=log_page, header=header, describe=_describe)

    def get_metadata(illrequest_id: int) -> Response:
        header = runtime.database.transact(load_header, illrequest_id, staff_context(runtime))
        values = runtime.database.transact(metadata, illrequest_id)
        return page("staff/requests/metadata.html", header=header, text=_as_text(values))

    blueprint.add_url_rule("/requests/<int:illrequest_id>/log", "request_log", get_log)
    blueprint.add_url_rule("/requests/<int:illrequest_id>/metadata", "request_metadata", get_metadata)


def _as_text(values: Mapping[str, str]) -> str:
    return "\n".join(
        _("%(label)s: %(value)s", label=_(label), value=value) for label, value in values.items()
    )


def _describe(entry: LogEntry) -> str:
    """Return what happened in the language of the page; the names of codes are translated one by one."""
    values = {name: ", ".join(_(word) for word in words) for name, words in entry.values.items()}
    return _(entry.message, **values)
