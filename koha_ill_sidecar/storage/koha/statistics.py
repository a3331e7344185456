"""Rows of ``statistics`` about requests, which Koha writes from 25.11 on (bug 37901)."""

from enum import StrEnum

from sqlalchemy import func, insert

from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.storage.transaction import Transaction


class StatisticType(StrEnum):
    """What is counted."""

    CREATED = "illreq_created"
    COMPLETED = "illreq_comp"


def add(
    tx: Transaction,
    kind: StatisticType,
    ill_request: ILLRequest,
    *,
    categorycode: str | None,
    actor: Actor,
) -> None:
    """
    Count a request, where this Koha counts them and the preference DisableStatistics is off.

    Args:
        categorycode: The patron's category; None for somebody without an account.

    Source: Koha, Koha/ILL/Request.pm after_created and after_completed, C4/Stats.pm.
    """
    if not tx.koha.features.request_statistics or tx.preferences.flag("DisableStatistics"):
        return
    values = {
        "datetime": func.now(),
        "branch": ill_request.branchcode,
        "type": kind.value,
        "borrowernumber": ill_request.borrowernumber,
        "categorycode": categorycode,
        "illrequest_id": ill_request.illrequest_id,
        "interface": actor.interface.value,
    }
    table = tx.koha.table("statistics")
    installed = {name: value for name, value in values.items() if name in table.c}
    tx.connection.execute(insert(table).values(installed))
