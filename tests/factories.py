"""Rows for tests: a test names what matters to it, and the rest has a default here."""

import json
from typing import Any

from sqlalchemy import Connection, text

from cast import ADA, SAM
from koha_ill_sidecar.storage.koha import attributes as koha_attributes
from koha_ill_sidecar.storage.koha import staff_accounts
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.sidecar import sessions
from koha_ill_sidecar.storage.transaction import Transaction


def begin_session(tx: Transaction, token: str, borrowernumber: int, branchcode: str = ADA) -> None:
    """Sign somebody in to the staff interface, whatever their password."""
    account = staff_accounts.find(tx, borrowernumber)
    assert account is not None
    sessions.begin(tx, token, borrowernumber=borrowernumber, branchcode=branchcode, password=account.password)


def make_request(
    connection: Connection,
    koha: InstalledKoha,
    *,
    attributes: dict[str, str] | None = None,
    **columns: Any,
) -> int:
    """Insert a request as Koha does and return its ID."""
    table = koha.table("illrequests")
    values = {
        "borrowernumber": SAM,
        "branchcode": ADA,
        "status": "NEW",
        "backend": koha.generic_backend,
        "placed": text("CURDATE()"),
        **columns,
    }
    result = connection.execute(table.insert().values(values))
    illrequest_id = int(result.lastrowid)
    if attributes is None:
        attributes = {"type": "article", "title": "A journal", "article_title": "An article"}
    for kind, value in attributes.items():
        make_attribute(connection, koha, illrequest_id, kind, value)
    return illrequest_id


def make_attribute(
    connection: Connection, koha: InstalledKoha, illrequest_id: int, kind: str, value: str
) -> None:
    """Insert one attribute of a request."""
    values = {"illrequest_id": illrequest_id, "type": kind, "value": value, "readonly": 1}
    if koha.has("illrequestattributes", "backend"):
        values["backend"] = koha.generic_backend
    connection.execute(koha.table("illrequestattributes").insert().values(values))


def steps(tx: Transaction, number: int) -> list[tuple[str | None, str]]:
    """Return the status before and after each change, as Koha's log has it."""
    infos = tx.connection.scalars(
        text("SELECT info FROM action_logs WHERE object = :id AND module = 'ILL' ORDER BY action_id"),
        {"id": number},
    )
    return [(json.loads(info)["status_before"], json.loads(info)["status_after"]) for info in infos]


def kinds(tx: Transaction, number: int) -> dict[str, str]:
    """Return the attributes of a request, by type."""
    return {attribute.type: attribute.value for attribute in koha_attributes.find(tx, number)}
