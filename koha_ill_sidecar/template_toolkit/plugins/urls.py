"""
The plugin URL: a function that builds URLs with queries.

Source: Template Toolkit 2.27, Template::Plugin::URL.
"""

import re
from collections.abc import Callable, Iterator

from koha_ill_sidecar.template_toolkit.context import Context
from koha_ill_sidecar.template_toolkit.errors import TemplateError
from koha_ill_sidecar.template_toolkit.text_methods import argument
from koha_ill_sidecar.template_toolkit.values import Value, text, truth

_UNSAFE = re.compile(rb"[^a-zA-Z0-9_.-]")


def make_url(context: Context, args: list[Value]) -> Callable[..., Value]:
    """
    Return a function `(base, parameters)` that builds a URL.

    *args* are the defaults: a call replaces the base and adds to the parameters. Parameters are sorted by name; those
    without a value are left out, and a list becomes one parameter per element.
    """
    base, parameters = argument(args, 0), argument(args, 1)

    def url(*given: Value) -> Value:
        rest = list(given)
        own_base = None if rest and isinstance(rest[0], dict) else argument([rest.pop(0)] if rest else [], 0)
        query = context.meter.join_each(_query({**_hash(parameters), **_hash(argument(rest, 0))}), "&amp;")
        stem = own_base if truth(own_base) else base if truth(base) else ""
        if not query:
            return stem
        return context.meter.checked(f"{text(stem)}?{query}" if text(stem) else query)

    return url


def _hash(value: Value) -> dict[str, Value]:
    if not truth(value):
        return {}
    if isinstance(value, dict):
        return value
    raise TemplateError("undef", "URL: the parameters are not named")


def _query(parameters: dict[str, Value]) -> Iterator[str]:
    for name in sorted(parameters):
        value = parameters[name]
        if isinstance(value, list):
            yield from (f"{_escape(name)}={_escape(element)}" for element in value)
        elif text(value):
            yield f"{_escape(name)}={_escape(value)}"


def _escape(value: Value) -> str:
    encoded = text(value).encode(errors="surrogatepass")
    return _UNSAFE.sub(lambda match: b"%%%02X" % match.group()[0], encoded).decode("ascii")
