"""What the services need to know of the person who is signed in, and of the configuration."""

from koha_ill_sidecar.backends.registry import supplier_names
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.requests.header import StaffContext
from koha_ill_sidecar.web.staff.session import current


def staff_context(runtime: Runtime) -> StaffContext:
    """Return the context of the staff pages about a request."""
    settings, member = runtime.settings, current().member
    return StaffContext(
        actor=member,
        suppliers=supplier_names({name: one.enabled for name, one in settings.backends.items()}),
        oldest_seconds=settings.delivery.ignore_older_than.total_seconds(),
    )
