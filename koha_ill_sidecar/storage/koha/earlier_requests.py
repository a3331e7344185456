"""What a patron asked for not long ago."""

from sqlalchemy import func, or_, select, text

from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.domain.statuses import INCOMPLETE_EXCEPT
from koha_ill_sidecar.storage.transaction import Transaction

_MOST = 500
_COLUMNS = ("illrequest_id", "borrowernumber", "branchcode", "status", "status_alias", "placed", "backend")


def find(tx: Transaction, borrowernumber: int) -> list[ILLRequest]:
    """
    Return a patron's requests that were placed within a year or are still open, newest first, 500 at most.

    One query; columns that do not matter for telling requests apart are None.
    """
    table = tx.koha.table("illrequests")
    is_recent = table.c.placed >= func.date_sub(func.curdate(), text("INTERVAL 1 YEAR"))
    is_open = func.coalesce(table.c.status, "").not_in(INCOMPLETE_EXCEPT)
    statement = (
        select(*(table.c[name] for name in _COLUMNS))
        .where(table.c.borrowernumber == borrowernumber, or_(is_recent, is_open))
        .order_by(table.c.illrequest_id.desc())
        .limit(_MOST)
    )
    return [ILLRequest(**row) for row in tx.connection.execute(statement).mappings()]
