"""
Virtual methods of lists: `x.size`, `x.join(...)`, `x.sort` and so on.

Source: Template Toolkit 2.27, Template::VMethods and Template::Stash::XS.
"""

from koha_ill_sidecar.template_toolkit import patterns
from koha_ill_sidecar.template_toolkit.errors import TemplateError
from koha_ill_sidecar.template_toolkit.limits import Meter
from koha_ill_sidecar.template_toolkit.text_methods import Method, argument, lower
from koha_ill_sidecar.template_toolkit.values import (
    MISSING,
    Number,
    Value,
    integer,
    looks_like_number,
    number,
    successor,
    text,
    truth,
)

_KEY_JOINT = "/*^unlikely^*/"


def _items(value: Value) -> list[Value]:
    return value if isinstance(value, list) else [value]


def _element(items: list[Value], index: int) -> Value:
    return items[index] if -len(items) <= index < len(items) else None


def _item(_meter: Meter, value: Value, args: list[Value]) -> Value:
    return _element(_items(value), integer(argument(args, 0)))


def _hash(_meter: Meter, value: Value, args: list[Value]) -> Value:
    items = _items(value)
    if args:
        key = args[0] if truth(args[0]) else 0
        numbered: dict[str, Value] = {}
        for item in items:
            numbered[text(key)] = item
            key = successor(key)
        return numbered
    padded = [*items, None] if len(items) % 2 else items
    return {text(name): item for name, item in zip(padded[::2], padded[1::2], strict=True)}


def _push(meter: Meter, value: Value, args: list[Value]) -> Value:
    items = _items(value)
    items.extend(args)
    meter.check_size(len(items))
    meter.allocate_elements(len(args))
    return ""


def _unshift(meter: Meter, value: Value, args: list[Value]) -> Value:
    items = _items(value)
    items[:0] = args
    meter.check_size(len(items))
    meter.allocate_elements(len(args))
    return ""


def _defined(_meter: Meter, value: Value, args: list[Value]) -> Value:
    if not args:
        return 1
    if not looks_like_number(args[0]):
        return None
    return 1 if _element(_items(value), integer(args[0])) is not None else ""


def _first(meter: Meter, value: Value, args: list[Value]) -> Value:
    items = _items(value)
    if not args:
        return _element(items, 0)
    return _between(meter, items, 0, integer(args[0]) - 1)


def _last(meter: Meter, value: Value, args: list[Value]) -> Value:
    items = _items(value)
    if not args:
        return _element(items, -1)
    return _between(meter, items, -integer(args[0]), -1)


def _between(meter: Meter, items: list[Value], first: int, last: int) -> list[Value]:
    """Return the elements from *first* to *last* like a Perl slice, with None for missing elements."""
    meter.check_size(last - first + 1)
    return [_element(items, index) for index in range(first, last + 1)]


def _slice(meter: Meter, value: Value, args: list[Value]) -> Value:
    items = _items(value)
    first = integer(argument(args, 0))
    last = len(items) - 1 if argument(args, 1) is None else integer(args[1])
    first += len(items) if first < 0 else 0
    last += len(items) if last < 0 else 0
    return _between(meter, items, first, last)


def _splice(meter: Meter, value: Value, args: list[Value]) -> Value:
    items = _items(value)
    start = integer(argument(args, 0)) if args else 0
    if start < -len(items):
        raise TemplateError(
            "undef", f"Modification of non-creatable array value attempted, subscript {start}"
        )
    start = start + len(items) if start < 0 else min(start, len(items))
    length = argument(args, 1)
    end = len(items)
    if length is not None:
        count = integer(length)
        end = start + count if count >= 0 else max(start, len(items) + count)
    elif len(args) > 2:
        end = start
    removed = items[start:end]
    more = args[2:]
    inserted = more[0] if len(more) == 1 and isinstance(more[0], list) else more
    meter.allocate_elements(len(inserted))
    items[start:end] = inserted
    meter.check_size(len(items))
    return removed


def _grep(meter: Meter, value: Value, args: list[Value]) -> Value:
    given = argument(args, 0)
    pattern = patterns.compile_pattern(text(given) if truth(given) else "")
    return [item for item in _items(value) if pattern.search(text(item), meter)]


def _join(meter: Meter, value: Value, args: list[Value]) -> Value:
    joint = " " if argument(args, 0) is None else text(args[0])
    items = _items(value)
    return meter.join([text(item) for item in items], joint)


def _sort(_meter: Meter, value: Value, args: list[Value]) -> Value:
    items = _items(value)
    if len(items) <= 1:
        return items
    fields = [text(field) for field in args]
    return sorted(items, key=lambda item: _sort_key(item, fields))


def _nsort(_meter: Meter, value: Value, args: list[Value]) -> Value:
    items = _items(value)
    if len(items) <= 1:
        return items
    fields = [text(field) for field in args]

    def key(item: Value) -> tuple[Number, ...]:
        if not fields:
            return (number(_sort_key(item, [])),)
        return tuple(number(_sort_key(item, [field])) for field in fields)

    return sorted(items, key=key)


def _sort_key(item: Value, fields: list[str]) -> str:
    if not fields:
        return lower(text(item))
    if isinstance(item, dict):
        return lower(_KEY_JOINT.join(text(item.get(field)) for field in fields))
    getter = getattr(item, "template_get", None)
    if getter is not None:
        found = [getter(field, []) for field in fields]
        return lower(_KEY_JOINT.join(text(item if value is MISSING else value) for value in found))
    return lower(text(item))


def _unique(_meter: Meter, value: Value, _args: list[Value]) -> Value:
    return list({text(item): item for item in reversed(_items(value))}.values())[::-1]


def _import(meter: Meter, value: Value, args: list[Value]) -> Value:
    items = _items(value)
    more = _lists(args)
    meter.allocate_elements(len(more))
    meter.check_size(len(items) + len(more))
    items.extend(more)
    return items


def _merge(meter: Meter, value: Value, args: list[Value]) -> Value:
    items, more = _items(value), _lists(args)
    meter.check_size(len(items) + len(more))
    return [*items, *more]


def _lists(args: list[Value]) -> list[Value]:
    return [item for given in args if isinstance(given, list) for item in given if item is not None]


LIST_METHODS: dict[str, Method] = {
    "defined": _defined,
    "empty": lambda _meter, value, _args: 0 if _items(value) else 1,
    "first": _first,
    "grep": _grep,
    "hash": _hash,
    "import": _import,
    "item": _item,
    "join": _join,
    "last": _last,
    "list": lambda _meter, value, _args: _items(value),
    "max": lambda _meter, value, _args: len(_items(value)) - 1,
    "merge": _merge,
    "nsort": _nsort,
    "pop": lambda _meter, value, _args: _items(value).pop() if _items(value) else None,
    "push": _push,
    "reverse": lambda _meter, value, _args: _items(value)[::-1],
    "shift": lambda _meter, value, _args: _items(value).pop(0) if _items(value) else None,
    "size": lambda _meter, value, _args: len(_items(value)),
    "slice": _slice,
    "sort": _sort,
    "splice": _splice,
    "unique": _unique,
    "unshift": _unshift,
}
