"""The table ``letter``: templates of the notices of interlibrary loans."""

import functools
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Insert, Select, bindparam, insert, select
from sqlalchemy.engine import Row

from koha_ill_sidecar.domain.notices import DEFAULT_LANG, MODULE, Letter, choose_letter
from koha_ill_sidecar.resources import NoticeTemplate
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.transaction import Transaction

_COLUMNS = ("code", "branchcode", "name", "message_transport_type", "lang", "title", "content", "is_html")


def find(
    tx: Transaction, code: str, *, transports: Collection[str], branchcode: str, lang: str
) -> dict[str, Letter]:
    """
    Return the letter to use for each transport, without transports that have none; one query.

    One transport's letter is never used for another.

    Args:
        branchcode: The library of the request.
        lang: The reader's language; ``default`` if the preference TranslateNotices is off.

    Source: Koha, Koha/Notice/Templates.pm find_effective_template.
    """
    rows = tx.connection.execute(
        _select_candidates(tx.koha),
        {
            "code": code,
            "transports": list(transports),
            "libraries": list({branchcode, ""}),
            "langs": list({lang, DEFAULT_LANG}),
        },
    )
    letters = [_letter(row) for row in rows]
    chosen = {
        transport: choose_letter(
            (letter for letter in letters if letter.transport == transport), branchcode=branchcode, lang=lang
        )
        for transport in transports
    }
    return {transport: letter for transport, letter in chosen.items() if letter is not None}


def all_of_module(tx: Transaction) -> tuple[Letter, ...]:
    """Return all letters of interlibrary loans, of every library and language; one query."""
    return tuple(_letter(row) for row in tx.connection.execute(_select_all(tx.koha)))


def codes(tx: Transaction) -> frozenset[str]:
    """Return the codes of the notices of all modules; one query."""
    return frozenset(tx.connection.scalars(select(tx.koha.table("letter").c.code).distinct()))


def names(tx: Transaction) -> dict[str, str]:
    """Return the names of the module's notices by code, in the default language if there is one; one query."""
    table = tx.koha.table("letter")
    rows = tx.connection.execute(
        select(table.c.code, table.c.name, table.c.lang).where(table.c.module == MODULE).distinct()
    ).all()
    in_any_language = {row.code: row.name for row in rows}
    return in_any_language | {row.code: row.name for row in rows if row.lang == DEFAULT_LANG}


def add(tx: Transaction, templates: Iterable[NoticeTemplate]) -> None:
    """Insert letters for all libraries; IntegrityError if one exists already."""
    rows = [
        {
            "module": MODULE,
            "code": template.code,
            "branchcode": "",
            "name": template.name,
            "is_html": int(template.is_html),
            "title": template.title,
            "content": template.content,
            "message_transport_type": template.transport,
            "lang": template.lang,
        }
        for template in templates
    ]
    if rows:
        tx.connection.execute(_insert(tx.koha), rows)


@functools.cache
def _select_all(koha: InstalledKoha) -> Select[Any]:
    table = koha.table("letter")
    columns = [table.c[name] for name in _COLUMNS]
    if koha.has("letter", "id"):
        columns.append(table.c.id)
    order = (table.c.code, table.c.message_transport_type, table.c.lang, table.c.branchcode)
    return select(*columns).where(table.c.module == MODULE).order_by(*order)


@functools.cache
def _select_candidates(koha: InstalledKoha) -> Select[Any]:
    table = koha.table("letter")
    return _select_all(koha).where(
        table.c.code == bindparam("code"),
        table.c.message_transport_type.in_(bindparam("transports", expanding=True)),
        table.c.branchcode.in_(bindparam("libraries", expanding=True)),
        table.c.lang.in_(bindparam("langs", expanding=True)),
    )


@functools.cache
def _insert(koha: InstalledKoha) -> Insert:
    return insert(koha.table("letter"))


def _letter(row: Row[Any]) -> Letter:
    return Letter(
        code=row.code,
        branchcode=row.branchcode,
        name=row.name,
        transport=row.message_transport_type,
        lang=row.lang,
        title=row.title,
        content=row.content or "",
        is_html=bool(row.is_html),
        letter_id=getattr(row, "id", None),
    )
