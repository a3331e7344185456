"""
Bibliographic records: ``biblio``, ``biblioitems``, ``biblio_metadata``, and the queues of Koha's indexers.

Source: Koha, C4/Biblio.pm AddBiblio and ModZebra, Koha/SearchEngine/Elasticsearch/Indexer.pm, Koha/BackgroundJob.pm.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Integer, Row, Select, String, Text, func, insert, literal, select
from sqlalchemy import exists as sql_exists

from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.storage.koha.installed import truncate
from koha_ill_sidecar.storage.transaction import Transaction


def exists(tx: Transaction, biblionumber: int) -> bool:
    """Return whether a record exists."""
    table = tx.koha.table("biblio")
    return bool(tx.connection.scalar(select(sql_exists().where(table.c.biblionumber == biblionumber))))


def has_framework(tx: Transaction, frameworkcode: str) -> bool:
    """Return whether a MARC framework exists."""
    table = tx.koha.table("biblio_framework")
    return bool(tx.connection.scalar(select(sql_exists().where(table.c.frameworkcode == frameworkcode))))


def subfields(tx: Transaction, frameworkcode: str) -> Sequence[Row[Any]]:
    """Return tag, code, kohafield and default of the subfields that are mapped to a column or have a default."""
    table = tx.koha.table("marc_subfield_structure")
    kohafield, default = func.coalesce(table.c.kohafield, ""), func.coalesce(table.c.defaultvalue, "")
    statement: Select[Any] = (
        select(
            table.c.tagfield.label("tag"),
            table.c.tagsubfield.label("code"),
            kohafield.label("kohafield"),
            default.label("default"),
        )
        .where(table.c.frameworkcode == frameworkcode, (kohafield != "") | (default != ""))
        .order_by(table.c.tagfield, table.c.tagsubfield)
    )
    return tx.connection.execute(statement).all()


def add_biblio(tx: Transaction, *, frameworkcode: str, columns: Mapping[str, str]) -> int:
    """Insert a row of ``biblio`` and return its ID; columns that are no text keep their defaults."""
    values = _fitted(tx, "biblio", columns) | {
        "frameworkcode": frameworkcode,
        "datecreated": func.curdate(),
        "serial": 0,
    }
    return int(tx.connection.execute(insert(tx.koha.table("biblio")).values(values)).lastrowid)


def add_biblioitem(tx: Transaction, biblionumber: int, *, columns: Mapping[str, str]) -> int:
    """Insert the row of ``biblioitems`` of a record and return its ID."""
    values = _fitted(tx, "biblioitems", columns) | {"biblionumber": biblionumber, "cn_sort": ""}
    return int(tx.connection.execute(insert(tx.koha.table("biblioitems")).values(values)).lastrowid)


def add_metadata(tx: Transaction, biblionumber: int, *, marcflavour: str, marcxml: str) -> None:
    """Store the MARC record."""
    values = {
        "biblionumber": biblionumber,
        "format": "marcxml",
        "schema": marcflavour,
        "metadata": marcxml,
    }
    tx.connection.execute(insert(tx.koha.table("biblio_metadata")).values(values))


def now(tx: Transaction) -> tuple[str, str]:
    """Return today as ``YYYYMMDD`` and the time in the format of MARC field 005, both in the library's time."""
    statement = select(
        func.date_format(func.curdate(), "%Y%m%d"), func.date_format(func.now(), "%Y%m%d%H%i%s.0")
    )
    today, moment = tx.connection.execute(statement).one()
    return today, moment


def queue_for_index(tx: Transaction, biblionumber: int, *, actor: Actor) -> dict[str, object] | None:
    """
    Queue a record for the installation's indexer.

    Zebra's queue always gets a row, unless the record waits there already. For Elasticsearch there is also a
    background job. What the broker must send the workers is returned (their queue and the message), for unless they
    poll (JobsNotificationMethod) they do not look for it.
    """
    queue = tx.koha.table("zebraqueue")
    row = {
        "biblio_auth_number": biblionumber,
        "operation": "specialUpdate",
        "server": "biblioserver",
        "done": 0,
    }
    waiting = sql_exists().where(*(queue.c[name] == value for name, value in row.items()))
    tx.connection.execute(
        insert(queue).from_select(
            list(row), select(*(literal(value) for value in row.values())).where(~waiting)
        )
    )
    if tx.preferences.text("SearchEngine") == "Elasticsearch" and tx.koha.features.background_jobs:
        return _add_index_job(tx, biblionumber, actor)
    return None


def _add_index_job(tx: Transaction, biblionumber: int, actor: Actor) -> dict[str, object]:
    queue = tx.koha.features.index_job_queue
    arguments = {"record_server": "biblioserver", "record_ids": [biblionumber]}
    context = {
        "interface": actor.interface.value,
        "number": actor.borrowernumber or None,
        "branch": actor.branchcode,
    }
    values = {
        "status": "new",
        "size": 1,
        "borrowernumber": actor.borrowernumber or None,
        "type": "update_elastic_index",
        "queue": queue,
        "data": json.dumps(arguments),
        "context": json.dumps(context),
        "enqueued_on": func.now(),
    }
    table = tx.koha.table("background_jobs")
    installed = {name: value for name, value in values.items() if name in table.c}
    job_id = int(tx.connection.execute(insert(table).values(installed)).lastrowid)
    return {"queue": queue, "message": {**arguments, "job_id": job_id}}


def _fitted(tx: Transaction, table: str, columns: Mapping[str, str]) -> dict[str, object]:
    """Select the values that the table has a column for; those that are too long are truncated, as in Koha."""
    found = tx.koha.table(table)
    fitted: dict[str, object] = {}
    for name, value in columns.items():
        column = found.c.get(name)
        if column is None or column.primary_key:
            continue
        if isinstance(column.type, (String, Text)):
            fitted[name] = truncate(column, value)
        elif name == "opac_suppressed" and isinstance(column.type, Integer):
            fitted[name] = 1 if value not in ("", "0") else 0
    return fitted
