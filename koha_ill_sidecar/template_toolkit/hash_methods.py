"""
Virtual methods of hashes: `x.keys`, `x.pairs`, `x.exists(...)` and so on.

Perl gives keys in a random order; here they come in the order in which they were set.

Source: Template Toolkit 2.27, Template::VMethods and Template::Stash::XS.
"""

from itertools import chain
from typing import TYPE_CHECKING

from koha_ill_sidecar.template_toolkit.text_methods import Method, argument, lower
from koha_ill_sidecar.template_toolkit.values import Value, number, text

if TYPE_CHECKING:
    from koha_ill_sidecar.template_toolkit.context import Context


def _hash(value: Value) -> dict[str, Value]:
    return value if isinstance(value, dict) else {}


def _item(context: "Context", value: Value, args: list[Value]) -> Value:
    del context
    name = text(argument(args, 0))
    return None if name.startswith(("_", ".")) else _hash(value).get(name)


def _keys(context: "Context", value: Value, args: list[Value]) -> Value:
    del context, args
    return list(_hash(value))


def _values(context: "Context", value: Value, args: list[Value]) -> Value:
    del context, args
    return list(_hash(value).values())


def _each(context: "Context", value: Value, args: list[Value]) -> Value:
    del context, args
    return list(chain.from_iterable(_hash(value).items()))


def _pairs(context: "Context", value: Value, args: list[Value]) -> Value:
    del context, args
    return [
        {"key": key, "value": item} for key, item in sorted(_hash(value).items(), key=lambda pair: pair[0])
    ]


def _list(context: "Context", value: Value, args: list[Value]) -> Value:
    listed = {"keys": _keys, "values": _values, "each": _each}.get(text(argument(args, 0)), _pairs)
    return listed(context, value, args)


def _exists(context: "Context", value: Value, args: list[Value]) -> Value:
    del context
    return 1 if text(argument(args, 0)) in _hash(value) else ""


def _defined(context: "Context", value: Value, args: list[Value]) -> Value:
    del context
    if not args:
        return 1
    return 1 if _hash(value).get(text(args[0])) is not None else ""


def _delete(context: "Context", value: Value, args: list[Value]) -> Value:
    del context
    for name in args:
        _hash(value).pop(text(name), None)
    return ""


def _import(context: "Context", value: Value, args: list[Value]) -> Value:
    del context
    more = argument(args, 0)
    if isinstance(more, dict):
        _hash(value).update(more)
    return ""


def _sort(context: "Context", value: Value, args: list[Value]) -> Value:
    del context, args
    found = _hash(value)
    return sorted(found, key=lambda name: lower(text(found[name])))


def _nsort(context: "Context", value: Value, args: list[Value]) -> Value:
    del context, args
    found = _hash(value)
    return sorted(found, key=lambda name: number(found[name]))


HASH_METHODS: dict[str, Method] = {
    "defined": _defined,
    "delete": _delete,
    "each": _each,
    "empty": lambda _context, value, _args: 0 if _hash(value) else 1,
    "exists": _exists,
    "hash": lambda _context, value, _args: value,
    "import": _import,
    "item": _item,
    "items": _each,
    "keys": _keys,
    "list": _list,
    "nsort": _nsort,
    "pairs": _pairs,
    "size": lambda _context, value, _args: len(_hash(value)),
    "sort": _sort,
    "values": _values,
}
