"""
Virtual methods of hashes: `x.keys`, `x.pairs`, `x.exists(...)` and so on.

Perl gives keys in a random order; here they come in the order in which they were set.

Source: Template Toolkit 2.27, Template::VMethods and Template::Stash::XS.
"""

from itertools import chain

from koha_ill_sidecar.template_toolkit.limits import Meter
from koha_ill_sidecar.template_toolkit.text_methods import Method, argument, lower
from koha_ill_sidecar.template_toolkit.values import Value, number, text


def _hash(value: Value) -> dict[str, Value]:
    return value if isinstance(value, dict) else {}


def _item(meter: Meter, value: Value, args: list[Value]) -> Value:
    del meter
    name = text(argument(args, 0))
    return None if name.startswith(("_", ".")) else _hash(value).get(name)


def _keys(meter: Meter, value: Value, args: list[Value]) -> Value:
    del meter, args
    return list(_hash(value))


def _values(meter: Meter, value: Value, args: list[Value]) -> Value:
    del meter, args
    return list(_hash(value).values())


def _each(meter: Meter, value: Value, args: list[Value]) -> Value:
    del meter, args
    return list(chain.from_iterable(_hash(value).items()))


def _pairs(meter: Meter, value: Value, args: list[Value]) -> Value:
    del meter, args
    return [
        {"key": key, "value": item} for key, item in sorted(_hash(value).items(), key=lambda pair: pair[0])
    ]


def _list(meter: Meter, value: Value, args: list[Value]) -> Value:
    listed = {"keys": _keys, "values": _values, "each": _each}.get(text(argument(args, 0)), _pairs)
    return listed(meter, value, args)


def _exists(meter: Meter, value: Value, args: list[Value]) -> Value:
    del meter
    return 1 if text(argument(args, 0)) in _hash(value) else ""


def _defined(meter: Meter, value: Value, args: list[Value]) -> Value:
    del meter
    if not args:
        return 1
    return 1 if _hash(value).get(text(args[0])) is not None else ""


def _delete(meter: Meter, value: Value, args: list[Value]) -> Value:
    del meter
    for name in args:
        _hash(value).pop(text(name), None)
    return ""


def _import(meter: Meter, value: Value, args: list[Value]) -> Value:
    del meter
    more = argument(args, 0)
    if isinstance(more, dict):
        _hash(value).update(more)
    return ""


def _sort(meter: Meter, value: Value, args: list[Value]) -> Value:
    del meter, args
    found = _hash(value)
    return sorted(found, key=lambda name: lower(text(found[name])))


def _nsort(meter: Meter, value: Value, args: list[Value]) -> Value:
    del meter, args
    found = _hash(value)
    return sorted(found, key=lambda name: number(found[name]))


HASH_METHODS: dict[str, Method] = {
    "defined": _defined,
    "delete": _delete,
    "each": _each,
    "empty": lambda _meter, value, _args: 0 if _hash(value) else 1,
    "exists": _exists,
    "hash": lambda _meter, value, _args: value,
    "import": _import,
    "item": _item,
    "items": _each,
    "keys": _keys,
    "list": _list,
    "nsort": _nsort,
    "pairs": _pairs,
    "size": lambda _meter, value, _args: len(_hash(value)),
    "sort": _sort,
    "values": _values,
}
