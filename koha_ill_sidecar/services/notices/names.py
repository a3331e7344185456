"""
What a letter can name, told before it is filled in: variables and where they lead, and tokens of the older syntax.

Everything is read from the tables by which letters are filled in (`objects`, `records`, `plugins`), the columns from
the schema and the installed database.
"""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from koha_ill_sidecar.domain.letter_syntax import ATTRIBUTE_PREFIX, SECRET_COLUMNS, LetterToken
from koha_ill_sidecar.services.notices.kinds import KINDS, SUBSTITUTES, VARIABLES
from koha_ill_sidecar.services.notices.plugins import AUTOMATIC, PLUGINS
from koha_ill_sidecar.services.notices.records import (
    A_TEXT,
    ANYTHING,
    RECORD_METHODS,
    SET_METHODS,
    Kind,
    Promise,
    Shape,
)
from koha_ill_sidecar.storage.koha import notice_tables, schema
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.template_toolkit import EACH, LIST_METHOD_NAMES, TEXT_METHOD_NAMES

ROOTS: Mapping[str, Promise] = {**VARIABLES, **{name: Promise(Shape.PLUGIN, name) for name in AUTOMATIC}}
"""What the first name of a path can be."""

_TOKEN_TABLES: Mapping[str, str] = {
    table: name
    for name, variable in VARIABLES.items()
    if variable.shape is Shape.RECORD and (table := KINDS[variable.kind].table) is not None
}
_CONTENT_TOKENS = frozenset({"OPACBaseURL", "today"})

_SAME: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("illrequest", "biblio"): ("biblio",),
    ("illrequest", "library"): ("branch",),
    ("illrequest", "patron"): ("borrower",),
}
_LIST_ELEMENTS = frozenset({EACH, "first", "last", "pop", "shift"})
_STRICT = frozenset({Shape.RECORD, Shape.SET, Shape.PLUGIN})
_LISTS_OF_THE_SAME = frozenset({"nsort", "reverse", "slice", "sort", "splice", "unique", "grep"})


@dataclass(frozen=True, kw_only=True, slots=True)
class UnknownName:
    """
    A name in a path that stands for nothing.

    Attributes:
        position: Its index in the path.
        owner: What lacks it; None for variables.
        near: The known name that is most like it.
    """

    position: int
    owner: Promise | None
    near: str | None

    @property
    def fails(self) -> bool:
        """Asking for it is an error, not just empty."""
        return self.owner is not None and self.owner.shape in _STRICT


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return the known name that is most like *name*, if any is."""
    by_lower = {each.lower(): each for each in sorted(known)}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[near[0]] if near else None


class NoticeNames:
    """What notices can name in the installed Koha."""

    def __init__(self, columns: Mapping[str, frozenset[str]], attribute_codes: frozenset[str]) -> None:
        self._columns = {name: _columns(kind, columns) for name, kind in KINDS.items()}
        self._attribute_codes = attribute_codes

    @classmethod
    def read(cls, tx: Transaction) -> "NoticeNames":
        """Ask the installed database; two queries."""
        return cls(notice_tables.columns(tx), notice_tables.patron_attribute_codes(tx))

    # Paths of Template Toolkit.

    def unknown(self, path: tuple[str, ...], own: Collection[str] = ()) -> UnknownName | None:
        """
        Find the first name of a path that stands for nothing.

        Args:
            own: Variables of the template itself, which may be meant as well.
        """
        if path[0] not in ROOTS:
            return UnknownName(position=0, owner=None, near=self._near_root(path[0], own))
        owner = ROOTS[path[0]]
        for position, name in enumerate(path[1:], start=1):
            following = self._step(owner, name)
            if following is None:
                return UnknownName(position=position, owner=owner, near=nearest(name, self._names(owner)))
            owner = following
        return None

    def value(self, path: tuple[str, ...]) -> tuple[str, ...] | None:
        """
        Return the path of the value that a letter shows or asks for, whichever of several ways it takes there.

        Virtual methods at its end are left out; None where the path is unknown or leads to no value.
        """
        while (same := _SAME.get(path[:2])) is not None:
            path = (*same, *path[2:])
        owner = ROOTS.get(path[0])
        for position, name in enumerate(path[1:], start=1):
            if owner == A_TEXT:
                return path[:position]
            if owner == ANYTHING:
                return path[: position + 1]
            owner = None if owner is None else self._step(owner, name)
        return path if owner == A_TEXT else None

    def _near_root(self, name: str, own: Collection[str]) -> str | None:
        near = nearest(name, {*ROOTS, *own})
        if near is not None:
            return near
        # A column without what it belongs to.
        roots = (root for root in _TOKEN_TABLES.values() if name in self._names(ROOTS[root]))
        return next((f"{root}.{name}" for root in roots), None)

    def _names(self, owner: Promise) -> Collection[str]:
        """Return what can be asked of something, but for what is always empty."""
        match owner.shape:
            case Shape.RECORD:
                return {*KINDS[owner.kind].accessors, *RECORD_METHODS, *self._shown(owner.kind)}
            case Shape.SET:
                return SET_METHODS.keys()
            case Shape.LIST:
                return LIST_METHOD_NAMES
            case Shape.TEXT:
                return TEXT_METHOD_NAMES
            case Shape.PLUGIN:
                return PLUGINS[owner.kind].methods.keys()
            case Shape.ANYTHING:
                return ()

    def _step(self, owner: Promise, name: str) -> Promise | None:
        """Return what *name* gives; None where there is none."""
        match owner.shape:
            case Shape.RECORD:
                return self._step_of_record(owner, name)
            case Shape.SET:
                return _step_of_set(owner, name)
            case Shape.LIST:
                return _step_of_list(owner, name)
            case Shape.TEXT if name == EACH:  # FOREACH makes a list of one of it
                return A_TEXT
            case Shape.ANYTHING:
                return ANYTHING
        return ANYTHING if name in self._names(owner) else None

    def _step_of_record(self, owner: Promise, name: str) -> Promise | None:
        if name == EACH:
            return owner
        methods = {**RECORD_METHODS, **KINDS[owner.kind].accessors}
        if name in methods:
            return methods[name].gives
        return A_TEXT if name in self._columns[owner.kind] else None

    # Tokens of the older syntax.

    def value_of_token(self, token: LetterToken, part: str) -> tuple[str, ...] | None:
        """Return the path that shows the same as a token does; None where it stands for nothing."""
        if not token.date_only:
            if token.name in SUBSTITUTES or (part == "content" and token.name in _CONTENT_TOKENS):
                return (token.name,)
            if part == "content" and token.name.startswith(ATTRIBUTE_PREFIX):
                known = token.name.removeprefix(ATTRIBUTE_PREFIX) in self._attribute_codes
                return (token.name,) if known else None
        table_name, dot, column = token.name.rpartition(".")
        for table, root in _TOKEN_TABLES.items():
            columns = self._columns[root] if root == "borrower" else self._shown(root)
            if (not dot or table == table_name) and column in columns:
                return (root, column)
        return None

    def near_token(self, token: LetterToken, part: str) -> str | None:
        """Return the known token that is most like an unknown one."""
        known = {f"{table}.{column}" for table, root in _TOKEN_TABLES.items() for column in self._shown(root)}
        if "." not in token.name:
            known |= {column for root in _TOKEN_TABLES.values() for column in self._shown(root)}
        if not token.date_only:
            known |= {*SUBSTITUTES}
            if part == "content":
                known |= _CONTENT_TOKENS | {f"{ATTRIBUTE_PREFIX}{code}" for code in self._attribute_codes}
        return nearest(token.name, known)

    def _shown(self, kind: str) -> frozenset[str]:
        return self._columns[kind] - SECRET_COLUMNS


def _columns(kind: Kind, installed: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return the columns of a kind of record, with those that are empty in the installed version."""
    if kind.table is None:
        return frozenset({*kind.columns, *SECRET_COLUMNS})
    declared = schema.TABLES[kind.table]
    own = kind.columns or {*declared.required, *installed.get(kind.table, ())}
    return frozenset({*own, *declared.optional, *SECRET_COLUMNS})


def _step_of_set(owner: Promise, name: str) -> Promise | None:
    if name == EACH:
        return Promise(Shape.RECORD, owner.kind)
    method = SET_METHODS.get(name)
    return None if method is None else method.promise(owner.kind)


def _step_of_list(owner: Promise, name: str) -> Promise | None:
    if name in _LIST_ELEMENTS or name.removeprefix("-").isdecimal():
        return Promise(Shape.RECORD, owner.kind)
    if name in _LISTS_OF_THE_SAME:
        return owner
    return ANYTHING if name in LIST_METHOD_NAMES else None
