"""The form in which staff edit a request."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from koha_ill_sidecar.domain.actors import StaffMember
from koha_ill_sidecar.domain.attributes import UNAUTHENTICATED
from koha_ill_sidecar.domain.requests import ILLRequest, values_by_type
from koha_ill_sidecar.domain.snapshots import ConcurrentChange, compare, one_line_ends
from koha_ill_sidecar.errors import RequestRefused
from koha_ill_sidecar.services.people import patron_search as patron_quick_search
from koha_ill_sidecar.services.people.patron_search import MAX_RESULTS, PatronMatch, visible_library
from koha_ill_sidecar.services.requests import editing
from koha_ill_sidecar.services.requests.creation import Visitor
from koha_ill_sidecar.services.requests.editing import RequestEdit
from koha_ill_sidecar.services.requests.header import shown_id
from koha_ill_sidecar.services.requests.statuses import graph_of
from koha_ill_sidecar.storage.koha import (
    attributes,
    authorised_values,
    batches,
    patron_search,
    patrons,
    requests,
)
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.koha.patrons import Patron
from koha_ill_sidecar.storage.transaction import Transaction

_COLUMNS = (
    "borrowernumber",
    "managedby",
    "biblio_id",
    "branchcode",
    "status_alias",
    "price_paid",
    "batch_id",
    "notesstaff",
    "notesopac",
)
_NUMBERS: Mapping[str, str] = {
    "managedby": "invalid_manager",
    "biblio_id": "invalid_biblio",
    "batch_id": "invalid_batch",
}
_MOST_DIGITS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestForm:
    """
    A request with what can be chosen for it.

    Attributes:
        status: Koha's name of the status, without the alias.
        values: The columns that may be edited, as texts.
        managers: Who may be in charge, by number; None where this Koha keeps nobody.
        aliases: What the site's own statuses are called, by code: those of the request's library, and its own.
        batches: What batches are called, by number; None where this Koha has none.
        visitor: Who asked without an account; None once a patron is known.
        matches: Patrons of the visitor's name or address.
        patron: Who it is for, as far as that is sure.
        candidates: Patrons who may be meant by what was typed.
    """

    ill_request: ILLRequest
    shown_id: str
    status: str
    type: str
    values: Mapping[str, str]
    patron: Patron | None
    managers: Mapping[int, str] | None
    aliases: Mapping[str, str]
    batches: Mapping[int, str] | None
    visitor: Visitor | None
    matches: Sequence[Patron]
    candidates: Sequence[Patron]


@dataclass(frozen=True, slots=True)
class TypedPatron:
    """
    What the field of the patron holds.

    Attributes:
        text: The label of the one that was chosen, or what is searched for: a card number, a name.
        chosen: Number of the one whose label *text* may be.
    """

    text: str
    chosen: int | None


@dataclass(frozen=True, slots=True)
class InvalidEdit:
    """
    Nothing was written.

    Attributes:
        by_column: What is wrong with each.
    """

    by_column: Mapping[str, RequestRefused]


def form(
    tx: Transaction, illrequest_id: int, member: StaffMember, *, typed_patron: TypedPatron | None = None
) -> RequestForm:
    """
    Return the form of a request; 13 queries at most, 8 before anything was typed.

    Args:
        typed_patron: What was typed for the patron; None: the one whose request it is.

    Raises:
        RequestNotFound: There is no such request.
    """
    ill_request = requests.get(tx, illrequest_id)
    known = values_by_type(attributes.find(tx, illrequest_id))
    visitor = _visitor(ill_request, known)
    values = _as_texts(tx.koha, ill_request)
    meant = _meant(tx, typed_patron or TypedPatron("", ill_request.borrowernumber), member)
    return RequestForm(
        ill_request=ill_request,
        shown_id=shown_id(tx, ill_request),
        status=graph_of(tx, ill_request).name(ill_request.status),
        type=known.get("type", ""),
        values=values,
        patron=meant.patron,
        managers=_managers(tx, ill_request),
        aliases=_aliases(tx, ill_request),
        batches=batches.names(tx) if tx.koha.features.batches else None,
        visitor=visitor,
        matches=_matches(tx, visitor, member) if visitor else (),
        candidates=meant.candidates,
    )


def save(
    tx: Transaction,
    illrequest_id: int,
    member: StaffMember,
    *,
    typed: Mapping[str, str],
    patron: TypedPatron,
    version: Mapping[str, str],
) -> ILLRequest | ConcurrentChange | InvalidEdit:
    """
    Write what was typed, unless somebody else has changed the request since it was shown.

    Only columns whose text differs are written. A request without a patron may stay without.

    Args:
        typed: Texts by column, but for the patron; the columns that this Koha lacks are passed over.
        seen: The texts that the form showed.

    Raises:
        RequestNotFound: There is no such request.
    """
    before = requests.get_for_update(tx, illrequest_id)
    now = _as_texts(tx.koha, before)
    meant = _meant(tx, patron, member)
    number = str(meant.patron.borrowernumber) if meant.patron else patron.text
    changed = compare(seen=version, now=now, yours={**typed, "borrowernumber": number})
    if changed is not None:
        return changed
    cleaned = {name: one_line_ends(text).strip() for name, text in typed.items() if name in now}
    edited = {name: text for name, text in cleaned.items() if text != one_line_ends(now[name]).strip()}
    columns, mistakes = _read(tx, edited)
    if number != now["borrowernumber"]:
        if meant.patron is None:
            mistakes["borrowernumber"] = _not_sure(meant, patron)
        else:
            columns["borrowernumber"] = meant.patron.borrowernumber
    if mistakes:
        return InvalidEdit(mistakes)
    return editing.edit(tx, illrequest_id, member, **cast("RequestEdit", columns))


def patron_labels(tx: Transaction, borrowernumbers: Iterable[int]) -> dict[int, str]:
    """Return what patrons are called, by number; one query."""
    return {number: patron.label for number, patron in patrons.find_many(tx, borrowernumbers).items()}


def _meant(tx: Transaction, typed: TypedPatron, member: StaffMember) -> PatronMatch:
    if typed.text:
        return patron_quick_search.resolve_patron(tx, typed.text, member, chosen=typed.chosen)
    return PatronMatch(None if typed.chosen is None else patrons.find(tx, typed.chosen))


def _not_sure(meant: PatronMatch, typed: TypedPatron) -> RequestRefused:
    if meant.candidates:
        return RequestRefused("ambiguous_patron", "More than one patron matches. Choose one.")
    if typed.text:
        return RequestRefused("invalid_patron", "There is no such patron. Search by name or card number.")
    return RequestRefused("missing_patron", "The patron of a request cannot be removed: choose one.")


def _read(tx: Transaction, edited: Mapping[str, str]) -> tuple[dict[str, object], dict[str, RequestRefused]]:
    """Return what is to be written, and what is wrong with the rest: all of it, to be told at once."""
    columns: dict[str, object] = {}
    mistakes: dict[str, RequestRefused] = {}
    for name, text in edited.items():
        try:
            columns[name] = editing.validated(tx, name, _number(name, text) if name in _NUMBERS else text)
        except RequestRefused as error:
            mistakes[name] = error
    return columns, mistakes


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


def _number(name: str, text: str) -> int | None:
    if not text:
        return None
    if not _is_number(text):
        raise RequestRefused(_NUMBERS[name], "“%(given)s” is not a number.", given=text)
    return int(text)


def _as_texts(koha: InstalledKoha, ill_request: ILLRequest) -> dict[str, str]:
    present = [name for name in _COLUMNS if name in requests.present_columns(koha)]
    values = {name: getattr(ill_request, name) for name in present}
    return {name: "" if value is None else str(value) for name, value in values.items()}


def _managers(tx: Transaction, ill_request: ILLRequest) -> dict[int, str] | None:
    if not tx.koha.features.managers:
        return None
    staff = {patron.borrowernumber: patron.label for patron in patrons.find_ill_staff(tx)}
    present = ill_request.managedby
    if present is not None and present not in staff:
        former = patrons.find(tx, present)
        staff[present] = former.label if former else str(present)
    return staff


def _aliases(tx: Transaction, ill_request: ILLRequest) -> dict[str, str]:
    visible = authorised_values.find(tx, tx.koha.status_alias_category, branchcode=ill_request.branchcode)
    aliases = {alias.authorised_value: alias.lib for alias in visible}
    if ill_request.status_alias is not None:
        aliases.setdefault(ill_request.status_alias, ill_request.status_alias)
    return aliases


def _visitor(ill_request: ILLRequest, known: Mapping[str, str]) -> Visitor | None:
    first_name, last_name, email = (known.get(name, "") for name in UNAUTHENTICATED)
    if ill_request.borrowernumber is not None or not (first_name or last_name or email):
        return None
    return Visitor(first_name=first_name, last_name=last_name, email=email)


def _matches(tx: Transaction, visitor: Visitor, member: StaffMember) -> list[Patron]:
    return patron_search.by_email_or_name(
        tx,
        email=visitor.email.strip(),
        surname=visitor.last_name.strip(),
        firstname=visitor.first_name.strip(),
        branchcode=visible_library(tx, member),
        limit=MAX_RESULTS,
    )
