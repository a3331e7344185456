"""
Virtual methods of hashes: `x.keys`, `x.pairs`, `x.exists(...)` and so on.

Perl returns keys in random order; here they keep the order in which they were set.

Source: Template Toolkit 2.27, Template::VMethods and Template::Stash::XS.
"""

from itertools import chain

from koha_ill_sidecar.template_toolkit.limits import Meter
from koha_ill_sidecar.template_toolkit.text_methods import Method, argument, lower
from koha_ill_sidecar.template_toolkit.values import Value, number, text


def _hash(value: Value) -> dict[str, Value]:
    return value if isinstance(value, dict) else {}


def _item(_meter: Meter, value: Value, args: list[Value]) -> Value:
    name = text(argument(args, 0))
    return None if name.startswith(("_", ".")) else _hash(value).get(name)


def _pairs(_meter: Meter, value: Value, _args: list[Value]) -> Value:
    return [
        {"key": key, "value": item} for key, item in sorted(_hash(value).items(), key=lambda pair: pair[0])
    ]


_LISTS: dict[str, Method] = {
    "each": lambda _meter, value, _args: list(chain.from_iterable(_hash(value).items())),
    "keys": lambda _meter, value, _args: list(_hash(value)),
    "values": lambda _meter, value, _args: list(_hash(value).values()),
}


def _list(meter: Meter, value: Value, args: list[Value]) -> Value:
    return _LISTS.get(text(argument(args, 0)), _pairs)(meter, value, args)


def _exists(_meter: Meter, value: Value, args: list[Value]) -> Value:
    return 1 if text(argument(args, 0)) in _hash(value) else ""


def _defined(_meter: Meter, value: Value, args: list[Value]) -> Value:
    if not args:
        return 1
    return 1 if _hash(value).get(text(args[0])) is not None else ""


def _delete(_meter: Meter, value: Value, args: list[Value]) -> Value:
    for name in args:
        _hash(value).pop(text(name), None)
    return ""


def _import(meter: Meter, value: Value, args: list[Value]) -> Value:
    more = argument(args, 0)
    if isinstance(more, dict):
        meter.visit(more)
        meter.allocate_elements(len(more))
        _hash(value).update(more)
    return ""


def _sort(_meter: Meter, value: Value, _args: list[Value]) -> Value:
    found = _hash(value)
    return sorted(found, key=lambda name: lower(text(found[name])))


def _nsort(_meter: Meter, value: Value, _args: list[Value]) -> Value:
    found = _hash(value)
    return sorted(found, key=lambda name: number(found[name]))


HASH_METHODS: dict[str, Method] = _LISTS | {
    "defined": _defined,
    "delete": _delete,
    "empty": lambda _meter, value, _args: 0 if _hash(value) else 1,
    "exists": _exists,
    "hash": lambda _meter, value, _args: value,
    "import": _import,
    "item": _item,
    "items": _LISTS["each"],
    "list": _list,
    "nsort": _nsort,
    "pairs": _pairs,
    "size": lambda _meter, value, _args: len(_hash(value)),
    "sort": _sort,
}
