"""
What notices can name: variables, what they lead to, plugins, and the tokens of the older syntax.

The tables below say of each kind of object what `notice_objects` and `notice_plugins` offer; whoever adds an accessor
there adds it here, and the tests compare the two. Columns come from the schema and from the installed database.
"""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields

from koha_ill_sidecar.domain.letter_syntax import ATTRIBUTE_PREFIX, SECRET_COLUMNS, LetterToken
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.services.notices.plugins import AUTOMATIC
from koha_ill_sidecar.storage.koha import notice_tables, schema
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.template_toolkit import EACH, LIST_METHOD_NAMES, TEXT_METHOD_NAMES

TEXT = "text"
HASH = "hash"
"""A hash with whatever keys the request brings, or anything else of which nothing is known."""
PLUGIN = "plugin"
_LIST_OF = "list of "


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordKind:
    """
    A kind of record.

    Attributes:
        leads_to: Accessors, and the kind of what each gives.
        table: The table whose columns it has.
        columns: Columns that no table tells of.
    """

    leads_to: Mapping[str, str] = field(default_factory=dict)
    table: str | None = None
    columns: frozenset[str] = frozenset()


RECORDS: Mapping[str, RecordKind] = {
    "illrequest": RecordKind(
        leads_to={
            "batch": "batch",
            "biblio": "biblio",
            "comments": "comments",
            "extended_attributes": "attributes of a request",
            "get_type": TEXT,
            "id_prefix": TEXT,
            "illbatch": "batch",
            "illcomments": "comments",
            "illrequestattributes": "attributes of a request",
            "library": "branch",
            "metadata": HASH,
            "patron": "borrower",
            "statusalias": "statusalias",
        },
        table="illrequests",
    ),
    "borrower": RecordKind(
        leads_to={
            "category": "category",
            "extended_attributes": "attributes of a patron",
            "get_extended_attribute": "attribute of a patron",
            "library": "branch",
        },
        table="borrowers",
    ),
    "branch": RecordKind(
        leads_to={
            "from_email_address": TEXT,
            "inbound_email_address": TEXT,
            "inbound_ill_address": TEXT,
        },
        table="branches",
    ),
    "biblio": RecordKind(leads_to={"biblioitem": "biblioitem"}, table="biblio"),
    "biblioitem": RecordKind(table="biblioitems"),
    "category": RecordKind(table="categories"),
    "batch": RecordKind(table="illbatches"),
    "statusalias": RecordKind(columns=frozenset({"authorised_value", "category", "lib", "lib_opac"})),
    "comment": RecordKind(leads_to={"patron": "borrower"}, table="illcomments"),
    "attribute of a request": RecordKind(columns=frozenset({"backend", "readonly", "type", "value"})),
    "attribute of a patron": RecordKind(columns=frozenset({"attribute", "code", "description"})),
}

SETS: Mapping[str, str] = {
    "attributes of a patron": "attribute of a patron",
    "attributes of a request": "attribute of a request",
    "comments": "comment",
}
"""Kinds of sets, and the kind of their elements."""

SET_METHODS: Mapping[str, str] = {
    "as_list": "list",
    "count": TEXT,
    "find": "element",
    "first": "element",
    "last": "element",
    "next": "element",
    "reset": "set",
    "search": "set",
    "size": TEXT,
}
"""What sets can do, and what it gives."""

ROOTS: Mapping[str, str] = {
    "additional_text": TEXT,
    "biblio": "biblio",
    "borrower": "borrower",
    "branch": "branch",
    "ill_bib_author": TEXT,
    "ill_bib_title": TEXT,
    "ill_full_metadata": TEXT,
    "illrequest": "illrequest",
    "illrequestattributes": HASH,
    "today": TEXT,
    **dict.fromkeys(AUTOMATIC, PLUGIN),
}
"""The variables that a notice is given."""

PLUGIN_METHODS: Mapping[str, frozenset[str]] = {
    "AuthorisedValues": frozenset({"GetByCode"}),
    "Branches": frozenset({"GetLoggedInBranchcode", "GetName", "GetURL"}),
    "Koha": frozenset({"Preference"}),
}
"""Plugins whose methods are called; the others are filters."""

TOKEN_TABLES: Mapping[str, str] = {
    "illrequests": "illrequest",
    "borrowers": "borrower",
    "biblio": "biblio",
    "branches": "branch",
}
"""Tables that tokens name, in the order of search, and the variable with the same columns."""

TOKEN_TEXTS = frozenset({"additional_text", "ill_bib_author", "ill_bib_title", "ill_full_metadata"})
"""Tokens without a table."""

_CONTENT_TOKENS = frozenset({"OPACBaseURL", "today"})

_SAME: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("illrequest", "biblio"): ("biblio",),
    ("illrequest", "library"): ("branch",),
    ("illrequest", "patron"): ("borrower",),
}
_LIST_ELEMENTS = frozenset({EACH, "first", "last", "pop", "shift"})
_LISTS_OF_THE_SAME = frozenset({"nsort", "reverse", "slice", "sort", "splice", "unique", "grep"})


@dataclass(frozen=True, kw_only=True, slots=True)
class UnknownName:
    """
    A name in a path that stands for nothing.

    Attributes:
        position: Its index in the path.
        owner: The kind of what lacks it; empty for variables.
        near: The known name that is most like it.
        fails: Asking for it is an error, not just empty.
    """

    position: int
    owner: str
    near: str | None
    fails: bool


def nearest(name: str, known: Collection[str]) -> str | None:
    """Give the known name that is most like *name*, if any is."""
    by_lower = {each.lower(): each for each in sorted(known)}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[near[0]] if near else None


class NoticeNames:
    """What notices can name in the installed Koha."""

    def __init__(self, columns: Mapping[str, frozenset[str]], attribute_codes: frozenset[str]) -> None:
        self._columns = {kind: _columns(record, columns) for kind, record in RECORDS.items()}
        self._attribute_codes = attribute_codes

    @classmethod
    def read(cls, tx: Transaction) -> "NoticeNames":
        """Ask the installed database; two queries."""
        return cls(notice_tables.columns(tx), notice_tables.patron_attribute_codes(tx))

    def members(self, kind: str) -> frozenset[str]:
        """Give the names that a kind of record has."""
        return self._columns[kind] | RECORDS[kind].leads_to.keys()

    # Paths of Template Toolkit.

    def unknown(self, path: tuple[str, ...], own: Collection[str] = ()) -> UnknownName | None:
        """
        Find the first name of a path that stands for nothing.

        Args:
            own: Variables of the template itself, which may be meant as well.
        """
        if path[0] not in ROOTS:
            return UnknownName(position=0, owner="", near=self._near_root(path[0], own), fails=False)
        kind = ROOTS[path[0]]
        for position, name in enumerate(path[1:], start=1):
            following = self._step(kind, name)
            if following is None:
                near = nearest(name, self._names(kind))
                fails = kind in RECORDS or kind in SETS
                return UnknownName(position=position, owner=kind, near=near, fails=fails)
            kind = following
        return None

    def value(self, path: tuple[str, ...]) -> tuple[str, ...] | None:
        """
        Give the path of the value that a letter shows or asks for, whichever of several ways it takes there.

        Virtual methods at its end are left out; None where the path is unknown or leads to no value.
        """
        while (same := _SAME.get(path[:2])) is not None:
            path = (*same, *path[2:])
        kind: str | None = ROOTS.get(path[0])
        for position, name in enumerate(path[1:], start=1):
            if kind == TEXT:
                return path[:position]
            if kind == HASH:
                return path[: position + 1]
            kind = None if kind is None else self._step(kind, name)
        return path if kind == TEXT else None

    def _near_root(self, name: str, own: Collection[str]) -> str | None:
        near = nearest(name, {*ROOTS, *own})
        if near is not None:
            return near
        # A column without what it belongs to.
        return next(
            (f"{root}.{name}" for root in ROOTS.keys() & RECORDS.keys() if name in self.members(root)), None
        )

    def _names(self, kind: str) -> Collection[str]:
        if kind in RECORDS:
            return self.members(kind) - SECRET_COLUMNS
        if kind in SETS:
            return SET_METHODS.keys()
        return TEXT_METHOD_NAMES if kind == TEXT else LIST_METHOD_NAMES if kind.startswith(_LIST_OF) else ()

    def _step(self, kind: str, name: str) -> str | None:
        """Give the kind of what *name* gives; None where there is none."""
        if kind == HASH:
            return HASH
        if kind in SETS:
            return _step_of_set(kind, name)
        if kind in RECORDS:
            return self._step_of_record(kind, name)
        if kind.startswith(_LIST_OF):
            return _step_of_list(kind, name)
        # A text, of which FOREACH makes a list of one; plugins that are filters have nothing.
        if kind == TEXT and name == EACH:
            return TEXT
        return HASH if kind == TEXT and name in TEXT_METHOD_NAMES else None

    def _step_of_record(self, kind: str, name: str) -> str | None:
        if name == EACH:
            return kind
        if name in RECORDS[kind].leads_to:
            return RECORDS[kind].leads_to[name]
        return TEXT if name in self._columns[kind] else None

    # Tokens of the older syntax.

    def value_of_token(self, token: LetterToken, part: str) -> tuple[str, ...] | None:
        """Give the path that shows the same as a token does; None where it stands for nothing."""
        if not token.date_only:
            if token.name in TOKEN_TEXTS or (part == "content" and token.name in _CONTENT_TOKENS):
                return (token.name,)
            if part == "content" and token.name.startswith(ATTRIBUTE_PREFIX):
                known = token.name.removeprefix(ATTRIBUTE_PREFIX) in self._attribute_codes
                return (token.name,) if known else None
        table_name, dot, column = token.name.rpartition(".")
        for table, root in TOKEN_TABLES.items():
            columns = self._columns[root] if root == "borrower" else self._shown(root)
            if (not dot or table == table_name) and column in columns:
                return (root, column)
        return None

    def near_token(self, token: LetterToken, part: str) -> str | None:
        """Give the known token that is most like an unknown one."""
        known = {f"{table}.{column}" for table, root in TOKEN_TABLES.items() for column in self._shown(root)}
        if "." not in token.name:
            known |= {column for root in TOKEN_TABLES.values() for column in self._shown(root)}
        if not token.date_only:
            known |= TOKEN_TEXTS
            if part == "content":
                known |= _CONTENT_TOKENS | {f"{ATTRIBUTE_PREFIX}{code}" for code in self._attribute_codes}
        return nearest(token.name, known)

    def _shown(self, kind: str) -> frozenset[str]:
        return self._columns[kind] - SECRET_COLUMNS


def _columns(record: RecordKind, installed: Mapping[str, frozenset[str]]) -> frozenset[str]:
    if record.table is None:
        return record.columns | SECRET_COLUMNS
    declared = schema.TABLES[record.table]
    own = {each.name for each in fields(ILLRequest)} if record.table == "illrequests" else declared.required
    return frozenset({*own, *declared.optional, *installed.get(record.table, ()), *SECRET_COLUMNS})


def _step_of_set(kind: str, name: str) -> str | None:
    if name == EACH:
        return SETS[kind]
    match SET_METHODS.get(name):
        case "element":
            return SETS[kind]
        case "list":
            return _LIST_OF + SETS[kind]
        case "set":
            return kind
        case following:
            return following


def _step_of_list(kind: str, name: str) -> str | None:
    if name in _LIST_ELEMENTS or name.removeprefix("-").isdecimal():
        return kind.removeprefix(_LIST_OF)
    if name in _LISTS_OF_THE_SAME:
        return kind
    return HASH if name in LIST_METHOD_NAMES else None
