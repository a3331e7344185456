"""Rows of ``statistics`` about requests."""

from enum import StrEnum

from sqlalchemy import func, insert

from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.storage.transaction import Transaction


class StatisticType(StrEnum):
    """The events that are counted."""

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
    Count a request, if this Koha does and the preference DisableStatistics is off.

    Args:
        categorycode: The patron's category; None for a request without a patron.

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
