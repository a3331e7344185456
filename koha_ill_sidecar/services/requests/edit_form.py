"""The form in which staff edit a request."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from koha_ill_sidecar.domain.actors import StaffMember
from koha_ill_sidecar.domain.attributes import UNAUTHENTICATED
from koha_ill_sidecar.domain.concurrent_changes import RequestChanged, compare, one_line_ends
from koha_ill_sidecar.domain.requests import ILLRequest, values_by_type
from koha_ill_sidecar.errors import RequestRefused
from koha_ill_sidecar.services.people import patron_search as quick_search
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
_CODE_OF_INVALID_ID: Mapping[str, str] = {
    "managedby": "invalid_manager",
    "biblio_id": "invalid_biblio",
    "batch_id": "invalid_batch",
}
_MAX_DIGITS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestForm:
    """
    A request and the choices for its fields.

    Attributes:
        status: Koha's name of the status, without the alias.
        values: The columns that may be edited, as texts.
        managers: Names of the staff who may manage it, by ID; None where this Koha does not store who does.
        aliases: Names of the status aliases that may be set, by code; the request's own is among them.
        batches: Names of batches, by ID; None where this Koha has none.
        visitor: The person without an account who made it; None once a patron is linked.
        matches: Patrons with the visitor's name or email address.
        patron: The patron, if there is exactly one match for what was typed.
        candidates: Patrons who match what was typed, if there are several.
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
    The content of the patron field.

    Attributes:
        text: The label of the patron who was chosen, or a card number or name to search for.
        chosen: ID of the patron who was chosen before; *text* may have been changed since.
    """

    text: str
    chosen: int | None


def form(
    tx: Transaction, illrequest_id: int, member: StaffMember, *, typed_patron: TypedPatron | None = None
) -> RequestForm:
    """
    Return the form of a request; 13 queries at most, 8 before anything was typed. Raises RequestNotFound.

    Args:
        typed_patron: The content of the patron field; None before anything was typed.
    """
    ill_request = requests.get(tx, illrequest_id)
    known = values_by_type(attributes.find(tx, illrequest_id))
    visitor = _visitor(ill_request, known)
    values = _as_texts(tx.koha, ill_request)
    match = _match(tx, typed_patron or TypedPatron("", ill_request.borrowernumber), member)
    return RequestForm(
        ill_request=ill_request,
        shown_id=shown_id(tx, ill_request),
        status=graph_of(tx, ill_request).name(ill_request.status),
        type=known.get("type", ""),
        values=values,
        patron=match.patron,
        managers=_managers(tx, ill_request),
        aliases=_aliases(tx, ill_request),
        batches=batches.names(tx) if tx.koha.features.batches else None,
        visitor=visitor,
        matches=_matches(tx, visitor, member) if visitor else (),
        candidates=match.candidates,
    )


def save(
    tx: Transaction,
    illrequest_id: int,
    member: StaffMember,
    *,
    typed: Mapping[str, str],
    patron: TypedPatron,
    version: Mapping[str, str],
) -> ILLRequest | Mapping[str, RequestRefused]:
    """
    Write what was typed, unless somebody else has changed the request since it was shown.

    Only columns whose text differs are written. A request without a patron may stay without one. If some values are not
    valid, nothing is written, and what is wrong with each is returned by column.

    Args:
        typed: Texts by column, without the patron; columns that this Koha lacks are ignored.
        version: The texts that the form showed.

    Raises:
        RequestChanged: Somebody else has changed a value; nothing was written.
        RequestNotFound: There is no such request.
    """
    before = requests.get_for_update(tx, illrequest_id)
    now = _as_texts(tx.koha, before)
    match = _match(tx, patron, member)
    borrowernumber = str(match.patron.borrowernumber) if match.patron else patron.text
    changed = compare(seen=version, now=now, yours={**typed, "borrowernumber": borrowernumber})
    if changed is not None:
        raise RequestChanged(illrequest_id, changed)
    cleaned = {name: one_line_ends(text).strip() for name, text in typed.items() if name in now}
    edited = {name: text for name, text in cleaned.items() if text != one_line_ends(now[name]).strip()}
    columns, mistakes = _read(tx, edited)
    if borrowernumber != now["borrowernumber"]:
        if match.patron is None:
            mistakes["borrowernumber"] = _patron_mistake(match, patron)
        else:
            columns["borrowernumber"] = match.patron.borrowernumber
    if mistakes:
        return mistakes
    return editing.edit(tx, illrequest_id, member, **cast("RequestEdit", columns))


def patron_labels(tx: Transaction, borrowernumbers: Iterable[int]) -> dict[int, str]:
    """Return the labels of patrons by ID; one query."""
    return {
        borrowernumber: patron.label
        for borrowernumber, patron in patrons.find_many(tx, borrowernumbers).items()
    }


def _match(tx: Transaction, typed: TypedPatron, member: StaffMember) -> PatronMatch:
    if typed.text:
        return quick_search.resolve_patron(tx, typed.text, member, chosen=typed.chosen)
    return PatronMatch(None if typed.chosen is None else patrons.find(tx, typed.chosen))


def _patron_mistake(match: PatronMatch, typed: TypedPatron) -> RequestRefused:
    if match.candidates:
        return RequestRefused("ambiguous_patron", "More than one patron matches. Choose one.")
    if typed.text:
        return RequestRefused("invalid_patron", "There is no such patron. Search by name or card number.")
    return RequestRefused("missing_patron", "The patron of a request cannot be removed: choose one.")


def _read(tx: Transaction, edited: Mapping[str, str]) -> tuple[dict[str, object], dict[str, RequestRefused]]:
    """Return the values to write and all mistakes, so that a person sees every mistake at once."""
    columns: dict[str, object] = {}
    mistakes: dict[str, RequestRefused] = {}
    for name, text in edited.items():
        try:
            columns[name] = editing.validated(
                tx, name, _parse_id(name, text) if name in _CODE_OF_INVALID_ID else text
            )
        except RequestRefused as error:
            mistakes[name] = error
    return columns, mistakes


def _parse_id(name: str, text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise RequestRefused(_CODE_OF_INVALID_ID[name], "“%(given)s” is not a number.", given=text)
    return int(text)


def _as_texts(koha: InstalledKoha, ill_request: ILLRequest) -> dict[str, str]:
    present = [name for name in _COLUMNS if name in requests.present_columns(koha)]
    values = {name: getattr(ill_request, name) for name in present}
    return {name: "" if value is None else str(value) for name, value in values.items()}


def _managers(tx: Transaction, ill_request: ILLRequest) -> dict[int, str] | None:
    if not tx.koha.features.managers:
        return None
    # The present manager may have lost the permission: the form must not replace them unasked.
    staff = {patron.borrowernumber: patron.label for patron in patrons.find_ill_staff(tx)}
    manager = ill_request.managedby
    if manager is not None and manager not in staff:
        former = patrons.find(tx, manager)
        staff[manager] = former.label if former else str(manager)
    return staff


def _aliases(tx: Transaction, ill_request: ILLRequest) -> dict[str, str]:
    aliases = authorised_values.find(tx, tx.koha.status_alias_category, branchcode=ill_request.branchcode)
    # An alias may have been removed, or limited to other libraries, after it was set.
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
