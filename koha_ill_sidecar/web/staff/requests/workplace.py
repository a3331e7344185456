"""With what the person who is signed in works."""

from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.requests.header import StaffContext
from koha_ill_sidecar.web.staff.session import current


def staff_context(runtime: Runtime) -> StaffContext:
    """Return it, for the services that show what can be done with a request."""
    settings, member = runtime.settings, current().member
    return StaffContext(
        actor=member,
        suppliers=[name for name, backend in settings.backends.items() if backend.enabled],
        oldest_seconds=settings.delivery.ignore_older_than.total_seconds(),
    )
