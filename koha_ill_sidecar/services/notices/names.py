"""
The names that a letter can use: variables and what follows them, and tokens of the older syntax.

They are derived from the same tables that rendering uses (`kinds`, `records`, `plugins`), and from the columns in the
schema and the installed database, so that a check without rendering agrees with rendering.
"""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from koha_ill_sidecar.domain.letter_syntax import ATTRIBUTE_PREFIX, SECRET_COLUMNS, LetterToken
from koha_ill_sidecar.services.notices.kinds import KINDS, SUBSTITUTES, VARIABLES
from koha_ill_sidecar.services.notices.plugins import AUTOMATIC, PLUGINS
from koha_ill_sidecar.services.notices.records import (
    ANYTHING,
    RECORD_METHODS,
    SET_METHODS,
    TEXT,
    RecordKind,
    Shape,
    ValueType,
)
from koha_ill_sidecar.storage.koha import notice_tables, schema
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.template_toolkit import EACH, LIST_METHOD_NAMES, TEXT_METHOD_NAMES

ROOTS: Mapping[str, ValueType] = {**VARIABLES, **{name: ValueType(Shape.PLUGIN, name) for name in AUTOMATIC}}
"""The names with which a path can begin."""

# The tables that tokens of the older syntax name, with the variable that shows the same row.
_TOKEN_TABLES: Mapping[str, str] = {
    table: name
    for name, variable in VARIABLES.items()
    if variable.shape is Shape.RECORD and (table := KINDS[variable.kind].table) is not None
}
_CONTENT_TOKENS = frozenset({"OPACBaseURL", "today"})

# Paths to the same record are one value, so that two languages may reach it in different ways.
_ALIASES: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("illrequest", "biblio"): ("biblio",),
    ("illrequest", "library"): ("branch",),
    ("illrequest", "patron"): ("borrower",),
}
_LIST_ELEMENTS = frozenset({EACH, "first", "last", "pop", "shift"})
# Template Toolkit takes an unknown name of a text or a list for an empty value; our own objects raise an error.
_STRICT = frozenset({Shape.RECORD, Shape.SET, Shape.PLUGIN})
_LISTS_OF_THE_SAME = frozenset({"nsort", "reverse", "slice", "sort", "splice", "unique", "grep"})


@dataclass(frozen=True, kw_only=True, slots=True)
class UnknownName:
    """
    An unknown name in a path.

    Attributes:
        position: Its index in the path.
        owner: The value that has no such name; None for an unknown variable.
        suggestion: The most similar known name.
    """

    position: int
    owner: ValueType | None
    suggestion: str | None

    @property
    def fails(self) -> bool:
        """Whether rendering fails on the name; else it is just empty."""
        return self.owner is not None and self.owner.shape in _STRICT


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return the known name that is most similar to *name*; None if none is similar."""
    by_lower = {each.lower(): each for each in sorted(known)}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[near[0]] if near else None


class NoticeNames:
    """The names that notices can use with the installed Koha."""

    def __init__(self, columns: Mapping[str, frozenset[str]], attribute_codes: frozenset[str]) -> None:
        self._columns = {name: _columns(kind, columns) for name, kind in KINDS.items()}
        self._attribute_codes = attribute_codes

    @classmethod
    def read(cls, tx: Transaction) -> "NoticeNames":
        """Read columns and patron attributes from the database; two queries."""
        return cls(notice_tables.columns(tx), notice_tables.patron_attribute_codes(tx))

    # Paths of Template Toolkit.

    def find_unknown(self, path: tuple[str, ...], own: Collection[str] = ()) -> UnknownName | None:
        """
        Return the first unknown name of a path; None if all are known.

        Args:
            own: Variables of the template itself, which are suggested too.
        """
        if path[0] not in ROOTS:
            return UnknownName(position=0, owner=None, suggestion=self._near_root(path[0], own))
        owner = ROOTS[path[0]]
        for position, name in enumerate(path[1:], start=1):
            following = self._step(owner, name)
            if following is None:
                return UnknownName(
                    position=position, owner=owner, suggestion=nearest(name, self._names(owner))
                )
            owner = following
        return None

    def value_path(self, path: tuple[str, ...]) -> tuple[str, ...] | None:
        """
        Return the shortest path of the value that a path leads to, without virtual methods at its end.

        None where the path is unknown or leads to no value.
        """
        while (same := _ALIASES.get(path[:2])) is not None:
            path = (*same, *path[2:])
        owner = ROOTS.get(path[0])
        for position, name in enumerate(path[1:], start=1):
            if owner == TEXT:
                return path[:position]
            if owner == ANYTHING:
                return path[: position + 1]
            owner = None if owner is None else self._step(owner, name)
        return path if owner == TEXT else None

    def _near_root(self, name: str, own: Collection[str]) -> str | None:
        near = nearest(name, {*ROOTS, *own})
        if near is not None:
            return near
        # A column without its record, such as "surname" for "borrower.surname".
        roots = (root for root in _TOKEN_TABLES.values() if name in self._names(ROOTS[root]))
        return next((f"{root}.{name}" for root in roots), None)

    def _names(self, owner: ValueType) -> Collection[str]:
        """Return the names that a value answers to, except those that are always empty."""
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

    def _step(self, owner: ValueType, name: str) -> ValueType | None:
        """Return the type of *name* of a value; None where there is no such name."""
        match owner.shape:
            case Shape.RECORD:
                return self._step_of_record(owner, name)
            case Shape.SET:
                return _step_of_set(owner, name)
            case Shape.LIST:
                return _step_of_list(owner, name)
            case Shape.TEXT if name == EACH:  # FOREACH takes a text for a list of one
                return TEXT
            case Shape.ANYTHING:
                return ANYTHING
        return ANYTHING if name in self._names(owner) else None

    def _step_of_record(self, owner: ValueType, name: str) -> ValueType | None:
        if name == EACH:
            return owner
        methods = {**RECORD_METHODS, **KINDS[owner.kind].accessors}
        if name in methods:
            return methods[name].returns
        return TEXT if name in self._columns[owner.kind] else None

    # Tokens of the older syntax.

    def token_path(self, token: LetterToken, part: str) -> tuple[str, ...] | None:
        """Return the path that shows the same value as a token; None where the token is unknown."""
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

    def nearest_token(self, token: LetterToken, part: str) -> str | None:
        """Return the known token that is most similar to an unknown one."""
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


def _columns(kind: RecordKind, installed: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return the columns of a kind of record, including those that only other versions of Koha have."""
    if kind.table is None:
        return frozenset({*kind.columns, *SECRET_COLUMNS})
    declared = schema.TABLES[kind.table]
    own = kind.columns or {*declared.required, *installed.get(kind.table, ())}
    return frozenset({*own, *declared.optional, *SECRET_COLUMNS})


def _step_of_set(owner: ValueType, name: str) -> ValueType | None:
    if name == EACH:
        return ValueType(Shape.RECORD, owner.kind)
    method = SET_METHODS.get(name)
    return None if method is None else method.value_type(owner.kind)


def _step_of_list(owner: ValueType, name: str) -> ValueType | None:
    if name in _LIST_ELEMENTS or name.removeprefix("-").isdecimal():
        return ValueType(Shape.RECORD, owner.kind)
    if name in _LISTS_OF_THE_SAME:
        return owner
    return ANYTHING if name in LIST_METHOD_NAMES else None
