"""Search for patrons, as staff type their names or cards."""

from collections.abc import Sequence
from dataclasses import dataclass

from koha_ill_sidecar.domain.actors import StaffMember
from koha_ill_sidecar.storage.koha import patron_search, patrons
from koha_ill_sidecar.storage.koha.patrons import Patron
from koha_ill_sidecar.storage.transaction import Transaction

MAX_RESULTS = 20
"""The most patrons that a search returns."""


@dataclass(frozen=True, slots=True)
class PatronMatch:
    """
    The patron that a text identifies.

    Attributes:
        patron: The patron; None if the text is ambiguous.
        candidates: The patrons to choose from in that case.
    """

    patron: Patron | None
    candidates: Sequence[Patron] = ()


_MOST_WORDS = 6
_LONGEST_WORD = 60


def search(tx: Transaction, typed: str, member: StaffMember) -> list[Patron]:
    """
    Return the patrons that match a text, at most :data:`MAX_RESULTS`.

    Every word must begin a surname, first name, card number or userid. Without such a patron, it may be anywhere in
    one of these or in the email address.

    With 100,000 patrons the first search takes a millisecond, or 30 to 75 for a surname that one patron in eight has;
    the second is a scan of a tenth of a second (:data:`koha_ill_sidecar.storage.koha.patron_search.ROWS_EXAMINED`).
    """
    words = [word[:_LONGEST_WORD] for word in typed.split()[:_MOST_WORDS]]
    if not words:
        return []
    branchcode = visible_library(tx, member)
    found = patron_search.by_prefix(tx, words, branchcode=branchcode, limit=MAX_RESULTS)
    return found or patron_search.by_substring(tx, words, branchcode=branchcode, limit=MAX_RESULTS)


def visible_library(tx: Transaction, member: StaffMember) -> str | None:
    """
    Return the one library whose patrons somebody may search; None for all libraries.

    Source: Koha, C4/Context.pm only_my_library: their own with IndependentBranches, except for superlibrarians.
    """
    is_bound = tx.preferences.flag("IndependentBranches") and not member.is_superlibrarian
    return member.branchcode if is_bound else None


def resolve_patron(
    tx: Transaction, typed: str, member: StaffMember, *, chosen: int | None = None
) -> PatronMatch:
    """
    Return the patron that a text identifies; at most six queries.

    Args:
        typed: A label that was chosen before, or what Koha's own form accepts: an exact card number, surname, userid
            or first name. A patron who is only found by the search is a candidate, for people to confirm.
        chosen: The borrowernumber of the patron whose label *typed* may be.
    """
    if not typed.strip():
        return PatronMatch(None)
    if chosen is not None:
        patron = patrons.find(tx, chosen)
        if patron is not None and patron.label == typed.strip():
            return PatronMatch(patron)
    found = patrons.find_as_typed(tx, typed.strip())
    if len(found) == 1:
        return PatronMatch(found[0])
    return PatronMatch(None, found[:MAX_RESULTS] or search(tx, typed, member))


def exists(tx: Transaction, borrowernumber: int) -> bool:
    """Return whether there is a patron with this ID; one query."""
    return patrons.find(tx, borrowernumber) is not None
