"""The quick search for patrons: what a field suggests while somebody types, and a page of its own."""

from flask import Blueprint, jsonify, request
from werkzeug.wrappers import Response

from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.people import patron_search
from koha_ill_sidecar.web.staff.session import current
from koha_ill_sidecar.web.ui.pages import page

_LONGEST = 200


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the route."""

    def find() -> Response:
        """Return the patrons that a text may mean, as JSON where that is asked for."""
        typed = request.args.get("q", "").strip()[:_LONGEST]
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

    blueprint.add_url_rule("/patrons", "patrons", find)
