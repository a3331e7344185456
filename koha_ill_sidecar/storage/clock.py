"""The library's wall-clock time, which only MariaDB knows: the session's time zone is the library's."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime

from sqlalchemy import ColumnElement, func, literal, select, text

from koha_ill_sidecar.domain.callbacks import END_OF_DAY
from koha_ill_sidecar.storage.sidecar.schema import UTCDateTime
from koha_ill_sidecar.storage.transaction import Transaction


def today(tx: Transaction) -> date:
    """Return today's date at the library."""
    found: date = tx.connection.execute(select(func.curdate())).scalar_one()
    return found


def in_library_time(due: date) -> datetime | ColumnElement[datetime]:
    """Return a due date in the library's wall-clock time, as Koha's column holds it."""
    if not isinstance(due, datetime):
        return datetime.combine(due, END_OF_DAY)
    return func.convert_tz(literal(due, UTCDateTime), "+00:00", text("@@session.time_zone"))


def library_times(tx: Transaction, instants: Iterable[datetime | None]) -> Mapping[datetime, datetime]:
    """Return the library's wall-clock time of each instant; one query, none for no instants."""
    wanted = sorted({instant for instant in instants if instant is not None})
    if not wanted:
        return {}
    zone = text("@@session.time_zone")
    row = tx.connection.execute(
        select(
            *(
                func.convert_tz(literal(instant, UTCDateTime), "+00:00", zone).label(f"t{position}")
                for position, instant in enumerate(wanted)
            )
        )
    ).one()
    return {instant: _moment(found) for instant, found in zip(wanted, row, strict=True)}


def _moment(found: datetime | str) -> datetime:
    return found if isinstance(found, datetime) else datetime.fromisoformat(found)
