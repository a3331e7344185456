"""What each member of staff has chosen for the list of requests: columns and saved views."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from koha_ill_sidecar.domain.request_index.documents import Column
from koha_ill_sidecar.storage.sidecar import person_settings
from koha_ill_sidecar.storage.transaction import Transaction

MAX_VIEWS = 30

_COLUMNS = "requests.columns"
_VIEWS = "requests.views"


@dataclass(frozen=True, kw_only=True, slots=True)
class ListSettings:
    """
    The choices of one person.

    Attributes:
        columns: None: the default ones.
        views: Query of each saved view, by name.
    """

    columns: Sequence[Column] | None
    views: Mapping[str, str]


def find(tx: Transaction, borrowernumber: int) -> ListSettings:
    """Return a person's choices; one query."""
    settings = person_settings.find(tx, borrowernumber)
    columns, views = settings.get(_COLUMNS), settings.get(_VIEWS)
    return ListSettings(
        # An older version may have stored a column that is gone.
        columns=[Column(name) for name in columns if name in set(Column)]
        if isinstance(columns, list)
        else None,
        views={str(name): str(query) for name, query in views.items()} if isinstance(views, dict) else {},
    )


def set_columns(tx: Transaction, borrowernumber: int, names: Collection[str] | None) -> None:
    """Store which columns a person wants to see; None restores the default ones."""
    chosen = None if names is None else [column.value for column in Column if column.value in names]
    person_settings.save(tx, borrowernumber, _COLUMNS, chosen)


def save_view(tx: Transaction, borrowernumber: int, name: str, query: str) -> bool:
    """Save a view, replacing one of the same name; False if there are too many."""
    views = {other: saved for other, saved in find(tx, borrowernumber).views.items() if other != name}
    if len(views) >= MAX_VIEWS:
        return False
    person_settings.save(tx, borrowernumber, _VIEWS, {**views, name: query})
    return True


def remove_view(tx: Transaction, borrowernumber: int, name: str) -> None:
    """Remove a saved view."""
    views = {other: saved for other, saved in find(tx, borrowernumber).views.items() if other != name}
    person_settings.save(tx, borrowernumber, _VIEWS, views)
