"""The form of a wanted item: what was typed into it, and what of that can be stored."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from koha_ill_sidecar.domain.attributes import (
    LABELS,
    MAX_TYPE_LENGTH,
    MIGRATED_FROM,
    NOT_METADATA,
    Field,
    Reference,
)
from koha_ill_sidecar.errors import RequestRefused

NOT_SHOWN = (NOT_METADATA | {MIGRATED_FROM}) - {"type"}
"""Attributes that programs write, and no form shows."""


@dataclass(frozen=True, slots=True)
class FieldSet:
    """The form of one type of material."""

    label: str  # of the type
    fields: Sequence[Field]


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
        type: Type of material; empty until one is chosen.
        values: By key of a field; empty texts are possible.
        custom: Keys and values of the other fields.
        field_sets: The backend's form of each type.
    """

    type: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    custom: Sequence[tuple[str, str]] = ()
    field_sets: Mapping[str, FieldSet] = field(default_factory=dict)

    @property
    def fields(self) -> Sequence[Field]:
        """The fields of this type; none where the backend has no form for it."""
        form = self.field_sets.get(self.type)
        return form.fields if form else ()

    @property
    def stored(self) -> dict[str, str]:
        """The attributes to store, empty ones included; the type is not among them."""
        return {**self.values, **{key: value for key, value in self.custom if value}}

    def arranged(self) -> "ItemEntry":
        """
        Return the entry with every value in its place: in a field of the type, or else among the custom fields.

        So nothing that was typed is lost when the type changes, and it comes back with the type.
        """
        own = {one.key for one in self.fields}
        values = {one.key: self.values.get(one.key, "") for one in self.fields}
        others = [(key, value) for key, value in self.values.items() if key not in own and value]
        custom = []
        for key, value in [*self.custom, *others]:
            if key in own and not values[key]:
                values[key] = value
            elif key or value:
                custom.append((key, value))
        return replace(self, values=values, custom=tuple(custom))

    def filled_in(self, reference: Reference) -> "ItemEntry":
        """Return the entry with the values of a reference; values that it does not have stay."""
        custom = [(key, value) for key, value in self.custom if key not in reference.custom]
        return replace(
            self,
            type=reference.type or self.type,
            values={**self.values, **reference.fields},
            custom=(*custom, *reference.custom.items()),
        ).arranged()

    def mistakes(self) -> Iterator[RowMistake]:
        """Find the custom fields that cannot be stored; a row without a value is no field."""
        seen = {key.casefold() for key, value in self.values.items() if value}
        for row, (key, value) in enumerate(self.custom):
            if not value:
                continue
            if code := _mistake(key, seen):
                yield RowMistake(row, code)
            seen.add(key.casefold())


def entry_of(stored: Mapping[str, str], field_sets: Mapping[str, FieldSet]) -> ItemEntry:
    """Return the entry that shows what is stored of an item, without :data:`NOT_SHOWN`."""
    shown = {key: value for key, value in stored.items() if key not in NOT_SHOWN}
    kind = shown.pop("type", "")
    return ItemEntry(
        type=kind,
        field_sets=field_sets,
        values={key: value for key, value in shown.items() if key in LABELS},
        custom=tuple((key, value) for key, value in shown.items() if key not in LABELS),
    ).arranged()


def check_key(key: str) -> None:
    """Make sure that a key can be stored; refused: invalid_field."""
    if not key.strip() or key != key.strip():
        raise RequestRefused(
            "invalid_field",
            "“%(key)s” is not a valid field name: it is empty, or has spaces around it.",
            key=key,
        )
    if len(key) > MAX_TYPE_LENGTH:
        raise RequestRefused(
            "invalid_field",
            "The field name %(beginning)s… has %(length)s characters; the maximum is %(most)s.",
            beginning=key[:30],
            length=len(key),
            most=MAX_TYPE_LENGTH,
        )


def _mistake(key: str, seen: set[str]) -> str:
    if not key:
        return "no_key"
    if len(key) > MAX_TYPE_LENGTH:
        return "too_long"
    if key.casefold() in {*NOT_SHOWN, "type"}:
        return "reserved"
    return "repeated" if key.casefold() in seen else ""
