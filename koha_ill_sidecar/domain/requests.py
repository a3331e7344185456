"""What an ILL request is: a row of Koha's ``illrequests`` and the attributes that describe the item."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class ILLRequest:
    """
    A row of ``illrequests``, in Koha's spelling.

    Columns that the installed version lacks are None. Koha makes a request in several steps: for a moment
    *backend* may be None or *branchcode* empty, and there may be no attributes.
    """

    illrequest_id: int
    borrowernumber: int | None = None  # the patron; None for a visitor without an account
    managedby: int | None = None  # staff member who manages it, from 26.05
    biblio_id: int | None = None
    deleted_biblio_id: int | None = None
    due_date: datetime | None = None  # wall-clock time of the library
    branchcode: str | None = None
    status: str | None = None
    status_alias: str | None = None
    placed: date | None = None
    replied: date | None = None
    updated: datetime | None = None  # wall-clock time of the library; MariaDB sets it at every change
    completed: date | None = None
    medium: str | None = None
    accessurl: str | None = None
    cost: str | None = None  # free text, in any currency
    price_paid: str | None = None
    notesopac: str | None = None
    notesstaff: str | None = None
    orderid: str | None = None  # the supplier's ID
    backend: str | None = None
    batch_id: int | None = None

    @property
    def is_in_progress(self) -> bool:
        """Whether Koha is still creating this request; read it again in a moment."""
        return not self.backend


@dataclass(frozen=True, kw_only=True, slots=True)
class Attribute:
    """A row of ``illrequestattributes``: one detail of the wanted item."""

    type: str
    value: str
    readonly: bool = True
    backend: str | None = None  # None where the installed version has no such column


def values_by_type(attributes: Iterable[Attribute]) -> dict[str, str]:
    """Return the values by type, leaving out empty ones: up to Koha 25.05 an empty row stands for no value."""
    return {attribute.type: attribute.value for attribute in attributes if attribute.value}
