"""The form of a wanted item: what is typed into it, and what of that can be stored."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from koha_ill_sidecar.domain.attributes import (
    FIELDS,
    LABELS,
    MAX_TYPE_LENGTH,
    MIGRATED_FROM,
    NOT_METADATA,
    Field,
    MaterialType,
    Reference,
)

KEPT = (NOT_METADATA | {MIGRATED_FROM}) - {"type"}
"""Attributes that programs write, and no form shows."""


@dataclass(frozen=True, slots=True)
class RowMistake:
    """
    What is wrong with a custom field.

    Attributes:
        row: Its place among the custom fields, from 0.
        code: no_key, too_long, reserved or repeated.
    """

    row: int
    code: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemEntry:
    """
    An item as it was typed.

    Attributes:
        type: Kind of material, usually a :class:`MaterialType`; empty while nobody has chosen one.
        values: By key of a field; empty texts are possible.
        custom: Keys and values of the other fields.
    """

    type: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    custom: Sequence[tuple[str, str]] = ()

    @property
    def fields(self) -> Sequence[Field]:
        """The fields that this type has."""
        return fields_of(self.type)

    @property
    def stored(self) -> dict[str, str]:
        """The attributes to store, with what was left empty; the type is not among them."""
        return {**self.values, **{key: value for key, value in self.custom if value}}

    def arranged(self) -> "ItemEntry":
        """
        Return every value its place: in a field of the type, or else among the custom ones.

        So nothing that was typed is lost when the type changes, and it comes back with the type.
        """
        own = {one.key for one in self.fields}
        values = {one.key: self.values.get(one.key, "") for one in self.fields}
        strangers = [(key, value) for key, value in self.values.items() if key not in own and value]
        custom = []
        for key, value in [*self.custom, *strangers]:
            if key in own and not values[key]:
                values[key] = value
            elif key or value:
                custom.append((key, value))
        return replace(self, values=values, custom=tuple(custom))

    def filled_in(self, reference: Reference) -> "ItemEntry":
        """Return the entry with what a reference says; what it is silent about stays."""
        kept = [(key, value) for key, value in self.custom if key not in reference.custom]
        return ItemEntry(
            type=reference.type or self.type,
            values={**self.values, **reference.fields},
            custom=(*kept, *reference.custom.items()),
        ).arranged()

    def mistakes(self) -> Iterator[RowMistake]:
        """Find the custom fields that cannot be stored; a row without a value is none."""
        seen = {key.casefold() for key, value in self.values.items() if value}
        for row, (key, value) in enumerate(self.custom):
            if not value:
                continue
            if code := _mistake(key, seen):
                yield RowMistake(row, code)
            seen.add(key.casefold())


def fields_of(kind: str) -> Sequence[Field]:
    """Return the fields of a type; one that no form is made for has custom fields only."""
    return FIELDS[MaterialType(kind)] if kind in set(MaterialType) else ()


def entry_of(stored: Mapping[str, str]) -> ItemEntry:
    """Return the entry that shows what is stored of an item; what :data:`KEPT` names is left out."""
    shown = {key: value for key, value in stored.items() if key not in KEPT}
    kind = shown.pop("type", "")
    return ItemEntry(
        type=kind,
        values={key: value for key, value in shown.items() if key in LABELS},
        custom=tuple((key, value) for key, value in shown.items() if key not in LABELS),
    ).arranged()


def _mistake(key: str, seen: set[str]) -> str:
    if not key:
        return "no_key"
    if len(key) > MAX_TYPE_LENGTH:
        return "too_long"
    if key.casefold() in {*KEPT, "type"}:
        return "reserved"
    return "repeated" if key.casefold() in seen else ""
