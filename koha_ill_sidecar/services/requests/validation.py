"""Checks of what was entered for a request, before anything is written."""

from koha_ill_sidecar.domain.formats import format_price, read_price
from koha_ill_sidecar.errors import RequestRefused
from koha_ill_sidecar.storage.koha import (
    authorised_values,
    batches,
    biblios,
    libraries,
    notice_tables,
    patrons,
)
from koha_ill_sidecar.storage.koha.installed import overflow_of
from koha_ill_sidecar.storage.koha.patrons import Patron
from koha_ill_sidecar.storage.transaction import Transaction


def library(tx: Transaction, branchcode: str) -> str:
    """Return a library's code as Koha spells it; refused: missing_branch, invalid_branch."""
    if not branchcode.strip():
        raise RequestRefused("missing_branch", "The library is missing: enter its code.")
    found = libraries.find_code(tx, branchcode)
    if found is None:
        raise RequestRefused(
            "invalid_branch",
            "There is no library “%(library)s”. The libraries are %(known)s.",
            library=branchcode,
            known=", ".join(sorted(libraries.names(tx))),
        )
    return found


def patron_as_typed(tx: Transaction, entry: str) -> Patron:
    """Return the one patron that matches what staff typed; refused: invalid_borrower, ambiguous_borrower."""
    found = patrons.find_as_typed(tx, entry) if entry.strip() else []
    if not found:
        raise RequestRefused(
            "invalid_borrower",
            "There is no patron “%(entry)s”. Enter a card number, surname, user name or first name as it"
            " is in Koha.",
            entry=entry,
        )
    if len(found) > 1:
        raise RequestRefused(
            "ambiguous_borrower",
            "%(number)s patrons match “%(entry)s”. Enter the card number of the right one: %(cards)s.",
            number=len(found),
            entry=entry,
            cards=", ".join(patron.cardnumber or f"– ({patron.borrowernumber})" for patron in found[:10]),
        )
    return found[0]


def check_patron(tx: Transaction, borrowernumber: int) -> None:
    """Make sure that there is such a patron; refused: invalid_patron."""
    if patrons.find(tx, borrowernumber) is None:
        raise RequestRefused(
            "invalid_patron", "There is no patron with the ID %(number)s.", number=borrowernumber
        )


def check_manager(tx: Transaction, borrowernumber: int | None) -> None:
    """Make sure that a patron can manage requests; refused: invalid_manager."""
    if borrowernumber is None:
        return
    if not tx.koha.features.managers:
        raise RequestRefused(
            "invalid_manager",
            "Koha %(release)s does not record who manages a request (26.05 does).",
            release=tx.koha.version.release,
        )
    patron = patrons.find(tx, borrowernumber)
    if patron is None or not patrons.may_work_on_ill(tx, patron):
        raise RequestRefused(
            "invalid_manager",
            "The patron with the ID %(number)s is not a member of staff with the ill permission.",
            number=borrowernumber,
        )


def check_record(tx: Transaction, biblionumber: int) -> None:
    """Make sure that there is such a record; refused: invalid_biblio."""
    if not biblios.exists(tx, biblionumber):
        raise RequestRefused(
            "invalid_biblio", "There is no record with the ID %(number)s.", number=biblionumber
        )


def check_batch(tx: Transaction, batch_id: int | None) -> None:
    """Make sure that there is such a batch; refused: invalid_batch."""
    if batch_id is None:
        return
    if not tx.koha.features.batches:
        raise RequestRefused(
            "invalid_batch", "Koha %(release)s has no batches (23.11 has).", release=tx.koha.version.release
        )
    if not batches.exists(tx, batch_id):
        raise RequestRefused("invalid_batch", "There is no batch with the ID %(number)s.", number=batch_id)


def check_status_alias(tx: Transaction, alias: str | None) -> None:
    """Make sure that the site has this status alias; refused: unknown_status_alias."""
    category = tx.koha.status_alias_category
    if alias is not None and not authorised_values.exists(tx, category, alias):
        raise RequestRefused(
            "unknown_status_alias",
            "“%(alias)s” is not an authorised value of %(category)s. Add it there first.",
            alias=alias,
            category=category,
        )


def price(tx: Transaction, typed: str) -> str:
    """Return an amount as Koha stores it (:func:`read_price`); refused: invalid_price."""
    style = tx.preferences.text("CurrencyFormat", "US")
    currency = notice_tables.active_currency(tx)
    try:
        return read_price(typed, style, currency.symbol if currency else "")
    except ValueError as error:
        raise RequestRefused(
            "invalid_price",
            "This is not an amount of money. Write it like %(example)s.",
            example=format_price("1234.5", style),
        ) from error


def check_length(tx: Transaction, table: str, column: str, value: str) -> None:
    """Make sure that a text fits its column; refused: too_long."""
    overflow = overflow_of(tx.koha.table(table).c[column], value)
    if overflow is None:
        return
    taken, most, in_bytes = overflow
    if in_bytes:
        raise RequestRefused(
            "too_long",
            "This is too long: it takes %(taken)s bytes, and Koha can store %(most)s. A Latin letter"
            " takes one, a Chinese character three.",
            taken=taken,
            most=most,
        )
    raise RequestRefused(
        "too_long",
        "This is too long: it has %(taken)s characters, and Koha can store %(most)s.",
        taken=taken,
        most=most,
    )
