"""Rows for tests: a test names what matters to it, and the rest has a default here."""

from typing import Any

from sqlalchemy import Connection, text

from cast import ADA, SAM
from koha_ill_sidecar.storage.koha.installed import InstalledKoha


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
