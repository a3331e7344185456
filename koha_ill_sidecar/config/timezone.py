"""The time zone that the library's clock is in."""

from datetime import tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tzlocal import get_localzone

from koha_ill_sidecar.config.settings import Settings


def library_timezone(settings: Settings) -> tzinfo:
    """Return the zone that Koha is set to, else this host's."""
    try:
        return ZoneInfo(settings.koha.database.timezone or "")
    except (ZoneInfoNotFoundError, ValueError):
        return get_localzone()
