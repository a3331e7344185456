"""What each member of staff has chosen for the list of requests: columns and saved views."""

from collections.abc import Collection

from koha_ill_sidecar.domain.request_index.documents import Column
from koha_ill_sidecar.storage.sidecar import person_settings
from koha_ill_sidecar.storage.transaction import Transaction

MAX_VIEWS = 30

_COLUMNS = "requests.columns"
_VIEWS = "requests.views"


def find(tx: Transaction, borrowernumber: int) -> tuple[list[Column] | None, dict[str, str]]:
    """Return the columns that a person chose (None: the default ones), and the query of each saved view; one query."""
    settings = person_settings.find(tx, borrowernumber)
    columns, views = settings.get(_COLUMNS), settings.get(_VIEWS)
    return (
        # An older version may have stored a column that is gone.
        [Column(name) for name in columns if name in set(Column)] if isinstance(columns, list) else None,
        {str(name): str(query) for name, query in views.items()} if isinstance(views, dict) else {},
    )


def set_columns(tx: Transaction, borrowernumber: int, names: Collection[str] | None) -> None:
    """Store which columns a person wants to see; None restores the default ones."""
    chosen = None if names is None else [column.value for column in Column if column.value in names]
    person_settings.save(tx, borrowernumber, _COLUMNS, chosen)


def save_view(tx: Transaction, borrowernumber: int, name: str, query: str) -> bool:
    """Save a view, replacing one of the same name; False if there are too many."""
    views = {other: saved for other, saved in find(tx, borrowernumber)[1].items() if other != name}
    if len(views) >= MAX_VIEWS:
        return False
    person_settings.save(tx, borrowernumber, _VIEWS, {**views, name: query})
    return True


def remove_view(tx: Transaction, borrowernumber: int, name: str) -> None:
    """Remove a saved view."""
    views = {other: saved for other, saved in find(tx, borrowernumber)[1].items() if other != name}
    person_settings.save(tx, borrowernumber, _VIEWS, views)
