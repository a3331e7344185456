"""The time zone of the library."""

from datetime import tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tzlocal import get_localzone

from koha_ill_sidecar.config.settings import Settings


def library_timezone(settings: Settings) -> tzinfo:
    """Return the time zone that is configured for Koha, otherwise this host's."""
    try:
        return ZoneInfo(settings.koha.database.timezone or "")
    except (ZoneInfoNotFoundError, ValueError):
        return get_localzone()
