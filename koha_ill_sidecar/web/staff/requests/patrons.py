"""The quick search for patrons: suggestions for a field as JSON, and a page."""

from flask import Blueprint, jsonify, request
from werkzeug.wrappers import Response

from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.people import patron_search
from koha_ill_sidecar.web.staff.session import current
from koha_ill_sidecar.web.ui.pages import page

_MAX_LENGTH = 200


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the route."""

    def get() -> Response:
        """Return the patrons that match a text, as JSON if the client prefers that."""
        typed = request.args.get("q", "").strip()[:_MAX_LENGTH]
        found = runtime.database.transact(patron_search.search, typed, current().member)
        libraries = current().libraries
        if request.accept_mimetypes.best == "application/json":
            return jsonify(
                [
                    {
                        "number": patron.borrowernumber,
                        "label": patron.label,
                        "name": patron.name,
                        "cardnumber": patron.cardnumber or "",
                        "branchcode": patron.branchcode,
                        "library": libraries.get(patron.branchcode, patron.branchcode),
                    }
                    for patron in found
                ]
            )
        return page(
            "staff/requests/patrons.html",
            typed=typed,
            found=found,
            libraries=libraries,
            most=patron_search.MAX_RESULTS,
        )

    blueprint.add_url_rule("/patrons", "patrons", get)
