"""
Rows of ``action_logs``.

Koha's page of a request reads every row of module ILL with the request's ID, and crashes on any that its core would
not have written (Koha, Koha/ILL/Request/Logger.pm get_request_logs). So only the two kinds below are written under that
module, and only by the functions here. ``trace`` and ``diff`` stay NULL.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, func, select, text

from koha_ill_sidecar.domain import strict_json
from koha_ill_sidecar.domain.actors import Actor, Interface
from koha_ill_sidecar.storage.direct import queue
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.transaction import Transaction

_LONGEST_NAME = 75  # borrowers.userid

STATUS_CHANGES = "action_logs l FORCE INDEX (PRIMARY)"
"""The log under the name ``l``, read by its primary key; join it with :data:`IS_STATUS_CHANGE`."""

IS_STATUS_CHANGE = "l.module = 'ILL' AND l.action = 'STATUS_CHANGE'"


def add_status_change(
    tx: Transaction, illrequest_id: int, *, before: str | None, after: str | None, actor: Actor
) -> None:
    """
    Log a change of status or alias, if the preference IllLog is on.

    Args:
        before: The former alias, or the status if there was none; None for a new request.
        after: The new alias, or the new status if there is none.

    Source: Koha, Koha/ILL/Request/Logger.pm log_status_change.
    """
    info = {"log_origin": "core", "status_before": before, "status_after": after}
    _add_ill(tx, "STATUS_CHANGE", illrequest_id, info, actor)


def add_patron_notice(tx: Transaction, illrequest_id: int, notice_code: str, actor: Actor) -> None:
    """
    Log that a notice was queued for the patron, if the preference IllLog is on and this Koha logs notices.

    Source: Koha, Koha/ILL/Request/Logger.pm log_patron_notice.
    """
    if tx.koha.features.logs_patron_notices:
        info = {"log_origin": "core", "notice_code": notice_code}
        _add_ill(tx, "PATRON_NOTICE", illrequest_id, info, actor)


def add_biblio(tx: Transaction, biblionumber: int, *, actor: Actor) -> None:
    """
    Log a new record, if the preference CataloguingLog is on.

    Source: Koha, C4/Biblio.pm AddBiblio.
    """
    if tx.preferences.flag("CataloguingLog"):
        _add(tx, "CATALOGUING", "ADD", biblionumber, "biblio", actor)


def add_sign_in(tx: Transaction, borrowernumber: int, *, succeeded: bool, name: str, actor: Actor) -> None:
    """
    Log that somebody signed in or failed to; the caller checks the preferences that ask for it.

    Source: Koha, C4/Auth.pm checkpw: module AUTH, the borrowernumber or 0, a text with the login name.
    """
    outcome = "signed in" if succeeded else "could not sign in"
    info = f"{name[:_LONGEST_NAME]} {outcome} to the ILL sidecar"
    _add(tx, "AUTH", "SUCCESS" if succeeded else "FAILURE", borrowernumber, info, actor)


def find_for_request(tx: Transaction, illrequest_id: int) -> Sequence[Row[Any]]:
    """Return the ILL rows of a request, newest first; *info* is JSON if Koha's core wrote it, else may be anything."""
    table = tx.koha.table("action_logs")
    statement = (
        select(*(table.c[name] for name in ("action_id", "timestamp", "user", "action", "info", "interface")))
        .where(table.c.object == illrequest_id, table.c.module == "ILL")
        .order_by(table.c.timestamp.desc(), table.c.action_id.desc())
    )
    return tx.connection.execute(statement).all()


def count_patron_notices(tx: Transaction, illrequest_id: int) -> int:
    """Count the notices to the patron in the log of a request; one query."""
    columns = tx.koha.table("action_logs").c
    statement = select(func.count()).where(
        columns.object == illrequest_id, columns.module == "ILL", columns.action == "PATRON_NOTICE"
    )
    return int(tx.connection.scalar(statement) or 0)


def highest_id(tx: Transaction) -> int:
    """Return the ID of the newest row, 0 where the log is empty."""
    return int(tx.connection.scalar(text("SELECT COALESCE(MAX(action_id), 0) FROM action_logs")) or 0)


def _add_ill(
    tx: Transaction, action: str, illrequest_id: int, info: Mapping[str, str | None], actor: Actor
) -> None:
    if tx.preferences.flag("IllLog"):
        _add(tx, "ILL", action, illrequest_id, strict_json.dumps(info), actor)


def _add(tx: Transaction, module: str, action: str, object_id: int, info: str, actor: Actor) -> None:
    has_script = actor.interface in (Interface.CRON, Interface.COMMANDLINE)
    values = {
        "user": actor.borrowernumber,
        "module": module,
        "action": action,
        "object": object_id,
        "info": info,
        "interface": actor.interface.value,
        "script": actor.script if has_script else None,
    }
    queue(tx, _insert(tx.koha), values)


@functools.cache
def _insert(koha: InstalledKoha) -> str:
    names = ("user", "module", "action", "object", "info", "interface", "script")
    present = [name for name in names if koha.has("action_logs", name)]
    columns = ", ".join(f"`{name}`" for name in present)
    values = ", ".join(f"%({name})s" for name in present)
    return f"INSERT INTO action_logs ({columns}) VALUES ({values})"
