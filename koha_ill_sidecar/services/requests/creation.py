"""
Creating requests.

Source: Koha, Koha/ILL/Backend/Standard.pm create and add_request, Koha/ILL/Request.pm backend_create.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from koha_ill_sidecar.backends.base import WantedItem
from koha_ill_sidecar.backends.registry import backend_for
from koha_ill_sidecar.domain import actions
from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.domain.attributes import (
    LABELS,
    MIGRATED,
    MIGRATED_FROM,
    UNAUTHENTICATED,
    from_openurl,
)
from koha_ill_sidecar.domain.limits import is_exceeded
from koha_ill_sidecar.domain.requests import ILLRequest, values_by_type
from koha_ill_sidecar.domain.statuses import Status
from koha_ill_sidecar.errors import RequestRefused
from koha_ill_sidecar.services.backends import features_of
from koha_ill_sidecar.services.requests import validation
from koha_ill_sidecar.services.requests.records import add_record
from koha_ill_sidecar.services.requests.snapshots import Version, lock
from koha_ill_sidecar.services.requests.statuses import require, set_status
from koha_ill_sidecar.storage.koha import action_logs, attributes, patrons, requests, statistics
from koha_ill_sidecar.storage.koha.patrons import Patron
from koha_ill_sidecar.storage.koha.statistics import StatisticType
from koha_ill_sidecar.storage.sidecar import history
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.transaction import Transaction

logger = logging.getLogger(__name__)

QUEUED = "queued"
"""
Kind of the history entry that says which limit was reached.

Its detail has ``limit_of``, ``code`` (the patron's library, or the category whose rule holds) and ``count``.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Visitor:
    """A person without an account who makes a request (from 25.05, bug 36197)."""

    first_name: str
    last_name: str
    email: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NewRequest:
    """
    What is wanted, by whom, and for which library.

    One of *patron*, *borrowernumber* and *visitor* is set.
    """

    type: str
    branchcode: str
    patron: str | None = None  # as staff typed it: card number, surname, userid or first name
    borrowernumber: int | None = None
    visitor: Visitor | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    custom: Mapping[str, str] = field(default_factory=dict)
    openurl: Sequence[tuple[str, str]] = ()  # parameters of an OpenURL; the other fields override them
    batch_id: int | None = None
    backend: str | None = None  # None: the one that comes with Koha
    supplier_backend: str | None = None  # name of the supplier, where it is not Koha's own backend


def create(tx: Transaction, new: NewRequest, actor: Actor) -> ILLRequest:
    """
    Create a request, as its backend wants it: with Koha's own a book gets a brief record.

    A patron who has reached a limit of koha-conf.xml gets the request QUEUED. No notice is sent.

    Raises:
        RequestRefused: Something is wrong with *new*; the error's ``code`` is Koha's own (missing_type, missing_branch,
            invalid_branch, invalid_borrower, missing_unauth_data) or unknown_backend, ambiguous_borrower,
            unauthenticated_not_allowed, invalid_batch, invalid_field.
    """
    new = _with_openurl(tx, new)
    # Everything is checked first: a record that was made for a refused request would stay in the catalogue.
    branchcode = validation.library(tx, new.branchcode)
    backend = backend_for(new.supplier_backend)
    item = WantedItem(type=new.type, fields=new.fields, custom=new.custom)
    backend.validate(item)
    _check_backend(tx, new.backend)
    patron = _patron(tx, new)
    validation.check_batch(tx, new.batch_id)
    stored = backend.create(item, features_of(tx.koha))
    values = _with_visitor(stored.attributes, new.visitor)
    biblio_id = add_record(tx, values, actor) if stored.needs_record else None
    ill_request = _insert(
        tx,
        ILLRequest(
            illrequest_id=0,
            borrowernumber=patron.borrowernumber if patron else None,
            biblio_id=biblio_id,
            branchcode=branchcode,
            status=Status.NEW if patron else Status.UNAUTH,
            backend=tx.koha.generic_backend,
            batch_id=new.batch_id,
        ),
        actor,
    )
    attributes.add(tx, ill_request, values)
    # Koha counts the request before it checks the limits, so the row has the status NEW.
    statistics.add(
        tx,
        StatisticType.CREATED,
        ill_request,
        categorycode=patron.categorycode if patron else None,
        actor=actor,
    )
    if new.supplier_backend is not None:
        sidecar_requests.set_supplier_backend(tx, ill_request.illrequest_id, new.supplier_backend)
    # A visitor has no library or category of their own, and so no limit.
    if patron is not None and (reached := _reached_limit(tx, patron)):
        ill_request = set_status(tx, ill_request, Status.QUEUED, actor)
        history.add(tx, ill_request.illrequest_id, QUEUED, actor=actor, detail=reached)
    logger.info("request created", extra={"illrequest_id": ill_request.illrequest_id})
    return requests.get(tx, ill_request.illrequest_id)


def switch_provider(
    tx: Transaction,
    illrequest_id: int,
    actor: Actor,
    *,
    version: Version | None = None,
    supplier_backend: str | None = None,
) -> ILLRequest:
    """
    Create a request again for another supplier and return it: it takes over the item, the old one is reverted.

    The new one is NEW, without the record, notes, comments and batch of the old one; limits do not apply.

    Raises:
        ActionNotAllowed: The old request's status does not allow it.
        RequestChanged: The old request is not as *version* has it.
        RequestNotFound: There is no such request.

    Source: Koha, Koha/ILL/Backend/Standard.pm migrate.
    """
    original = lock(tx, illrequest_id, version)
    require(tx, original, actions.SWITCH_PROVIDER)
    known = values_by_type(attributes.find(tx, illrequest_id))
    ill_request = _insert(
        tx,
        ILLRequest(
            illrequest_id=0,
            borrowernumber=original.borrowernumber,
            branchcode=original.branchcode,
            status=Status.NEW,
            backend=tx.koha.generic_backend,
        ),
        actor,
    )
    copied = {key: known[key] for key in MIGRATED if key in known}
    attributes.add(tx, ill_request, {**copied, MIGRATED_FROM: str(illrequest_id)})
    if supplier_backend is not None:
        sidecar_requests.set_supplier_backend(tx, ill_request.illrequest_id, supplier_backend)
    set_status(tx, original, Status.REQREV, actor, orderid=None)
    history.add(tx, illrequest_id, "migrated", actor=actor, detail={"to": ill_request.illrequest_id})
    return requests.get(tx, ill_request.illrequest_id)


def _with_openurl(tx: Transaction, new: NewRequest) -> NewRequest:
    found = from_openurl(new.openurl, splits_ids=tx.koha.features.updates_single_attributes)
    return replace(
        new,
        type=new.type or found.pop("type", ""),
        fields={**{key: value for key, value in found.items() if key in LABELS}, **new.fields},
        custom={**{key: value for key, value in found.items() if key not in LABELS}, **new.custom},
        openurl=(),
    )


def _insert(tx: Transaction, ill_request: ILLRequest, actor: Actor) -> ILLRequest:
    columns = {
        name: getattr(ill_request, name)
        for name in ("borrowernumber", "biblio_id", "branchcode", "status", "backend", "batch_id")
    }
    added = replace(ill_request, illrequest_id=requests.add(tx, **columns))
    action_logs.add_status_change(tx, added.illrequest_id, before=None, after=added.status, actor=actor)
    history.add(tx, added.illrequest_id, "created", actor=actor, detail={"status": added.status})
    sidecar_requests.record_seen(tx, added)
    return added


def _check_backend(tx: Transaction, backend: str | None) -> None:
    if backend is not None and backend != tx.koha.generic_backend:
        raise RequestRefused(
            "unknown_backend",
            "Requests can be created here with the backend %(possible)s, not with “%(wanted)s”: only"
            " Koha knows what its other backends need.",
            possible=tx.koha.generic_backend,
            wanted=backend,
        )


def _patron(tx: Transaction, new: NewRequest) -> Patron | None:
    """Return the patron who makes the request; None for a visitor without an account."""
    if new.visitor is not None:
        _check_visitor(tx, new.visitor)
        return None
    if new.borrowernumber is not None:
        found = patrons.find(tx, new.borrowernumber)
        if found is None:
            raise RequestRefused(
                "invalid_borrower",
                "There is no patron with the ID %(number)s.",
                number=new.borrowernumber,
            )
        return found
    return validation.patron_as_typed(tx, new.patron or "")


def _check_visitor(tx: Transaction, visitor: Visitor) -> None:
    allowed = tx.koha.features.unauthenticated_requests and tx.preferences.flag(
        "ILLOpacUnauthenticatedRequest"
    )
    if not allowed:
        raise RequestRefused(
            "unauthenticated_not_allowed",
            "Requests without an account are disabled; the preference ILLOpacUnauthenticatedRequest"
            " (Koha 25.05 and later) enables them.",
        )
    if not all(part.strip() for part in (visitor.first_name, visitor.last_name, visitor.email)):
        raise RequestRefused(
            "missing_unauth_data",
            "Without an account, first name, last name and email address are all required.",
        )


def _with_visitor(attributes_: Mapping[str, str], visitor: Visitor | None) -> dict[str, str]:
    """Return the attributes with the names and address of a visitor, which no field may overwrite."""
    if visitor is None:
        return dict(attributes_)
    own = dict(zip(UNAUTHENTICATED, (visitor.first_name, visitor.last_name, visitor.email), strict=True))
    others = {key: value for key, value in attributes_.items() if key.casefold() not in own}
    return {"type": others.pop("type"), **own, **others}


def _reached_limit(tx: Transaction, patron: Patron) -> dict[str, object] | None:
    """Return the detail of the :data:`QUEUED` entry if, with the new request, a limit is reached."""
    of_library = partial(requests.count_for_limit, tx, branchcode=patron.branchcode)
    of_patron = partial(requests.count_for_limit, tx, borrowernumber=patron.borrowernumber)
    for limit, count, of, code in (
        (tx.site.branch_limit(patron.branchcode), of_library, "library", patron.branchcode),
        (tx.site.category_limit(patron.categorycode), of_patron, "patron", patron.categorycode),
    ):
        if is_exceeded(limit, count):
            return {"limit_of": of, "code": code, "count": limit.count}
    return None
