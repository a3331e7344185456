"""
Bibliographic records: ``biblio``, ``biblioitems``, ``biblio_metadata``, and the queues of Koha's indexers.

Source: Koha, C4/Biblio.pm AddBiblio and ModZebra, Koha/SearchEngine/Elasticsearch/Indexer.pm, Koha/BackgroundJob.pm.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Integer, String, Text, func, insert, literal, select
from sqlalchemy import exists as sql_exists

from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.storage.koha.installed import truncate
from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class MappedSubfield:
    """A row of ``marc_subfield_structure``."""

    tag: str
    code: str
    kohafield: str  # table.column, or empty
    default: str  # empty: none


def exists(tx: Transaction, biblionumber: int) -> bool:
    """Return whether a record exists."""
    table = tx.koha.table("biblio")
    return bool(tx.connection.scalar(select(sql_exists().where(table.c.biblionumber == biblionumber))))


def has_framework(tx: Transaction, frameworkcode: str) -> bool:
    """Return whether a MARC framework exists."""
    table = tx.koha.table("biblio_framework")
    return bool(tx.connection.scalar(select(sql_exists().where(table.c.frameworkcode == frameworkcode))))


def subfields(tx: Transaction, frameworkcode: str) -> list[MappedSubfield]:
    """Return the subfields of a framework that are mapped to a column or have a default."""
    table = tx.koha.table("marc_subfield_structure")
    statement = (
        select(table.c.tagfield, table.c.tagsubfield, table.c.kohafield, table.c.defaultvalue)
        .where(
            table.c.frameworkcode == frameworkcode,
            (func.coalesce(table.c.kohafield, "") != "") | (func.coalesce(table.c.defaultvalue, "") != ""),
        )
        .order_by(table.c.tagfield, table.c.tagsubfield)
    )
    return [
        MappedSubfield(
            tag=row.tagfield,
            code=row.tagsubfield,
            kohafield=row.kohafield or "",
            default=row.defaultvalue or "",
        )
        for row in tx.connection.execute(statement)
    ]


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


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexJob:
    """
    A background job that waits for one of Koha's workers.

    Attributes:
        queue: The queue of the workers.
        message: What the broker sends them: the job's arguments and its ID.
    """

    queue: str
    message: Mapping[str, object]


def queue_for_index(tx: Transaction, biblionumber: int, *, actor: Actor) -> IndexJob | None:
    """
    Queue a record for the installation's indexer.

    Zebra's queue always gets a row, unless the record waits there already. For Elasticsearch there is also a
    background job, which is returned: unless the workers poll (JobsNotificationMethod), the broker must notify them.
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


def _add_index_job(tx: Transaction, biblionumber: int, actor: Actor) -> IndexJob:
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
    return IndexJob(queue=queue, message={**arguments, "job_id": job_id})


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
