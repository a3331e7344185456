"""The list of requests."""

from flask import Blueprint, Response

from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services import overview
from koha_ill_sidecar.storage.koha.requests import RequestFilter
from koha_ill_sidecar.web.pages import page


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""

    def show() -> Response:
        found = runtime.database.transact(overview.list_requests, RequestFilter(), limit=50)
        return page("staff/requests/list.html", found=found)

    blueprint.add_url_rule("/requests", "requests", show)
