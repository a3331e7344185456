"""
The plugin HTML: elements and their attributes.

Source: Template Toolkit 2.27, Template::Plugin::HTML.
"""

import re
from collections.abc import Callable

from koha_ill_sidecar.template_toolkit.context import Context
from koha_ill_sidecar.template_toolkit.errors import TemplateError
from koha_ill_sidecar.template_toolkit.text_methods import argument, escape_html
from koha_ill_sidecar.template_toolkit.values import MISSING, Value, split_arguments, text, truth

_UNSAFE = re.compile(r"[^a-zA-Z0-9_.-]")


class HTML:
    """
    Creates HTML elements.

    Args:
        attributes: The attributes of elements that have none of their own. This is the template's own hash; `add` and
            `replace` change it.
        is_sorted: Sort attributes by name instead of keeping their order.
    """

    def __init__(self, context: Context, attributes: Value, *, is_sorted: bool) -> None:
        self._context = context
        self._attributes = attributes
        self._is_sorted = is_sorted

    def template_get(self, name: str, args: list[Value]) -> Value:
        """Call a method."""
        method = _METHODS.get(name)
        return MISSING if method is None else method(self, args)

    def element(self, args: list[Value], end: str) -> str:
        """Return a tag. The arguments are a name and attributes, or a hash with one such pair."""
        name, attributes = argument(args, 0), argument(args, 1)
        if isinstance(name, dict):
            name, attributes = next(iter(name.items()), (None, None))
        if text(name) == "":
            return ""
        written = self.attributes([attributes])
        return self._context.meter.checked(f"<{text(name)}{written and ' '}{written}{end}")

    def attributes(self, args: list[Value]) -> str:
        """Format the attributes of a hash, or the plugin's own attributes."""
        given = argument(args, 0)
        attributes = given if truth(given) else self._attributes
        if not isinstance(attributes, dict):
            return ""
        names = sorted(attributes) if self._is_sorted else list(attributes)
        written = (f'{name}="{escape_html(text(attributes[name]))}"' for name in names)
        return self._context.meter.join_each(written, " ")

    def add(self, args: list[Value]) -> None:
        """Add attributes; the value is appended to that of an existing attribute."""
        for name, value in _named(args):
            own = self._own()
            own[name] = (
                self._context.meter.checked(f"{text(own[name])} {text(value)}") if name in own else value
            )

    def replace(self, args: list[Value]) -> None:
        """Set attributes."""
        for name, value in _named(args):
            self._own()[name] = value

    def clear(self) -> None:
        """Remove all attributes."""
        self._attributes = {}

    def _own(self) -> dict[str, Value]:
        if isinstance(self._attributes, dict):
            return self._attributes
        raise TemplateError("undef", "HTML: its attributes are not a hash")


def _named(args: list[Value]) -> list[tuple[str, Value]]:
    given = argument(args, 0)
    return list(given.items()) if isinstance(given, dict) else []


def _escape(args: list[Value]) -> Value:
    value = argument(args, 0)
    return None if value is None else escape_html(text(value))


def _url(args: list[Value]) -> str:
    # Perl escapes characters here, and bytes in the plugin URL.
    return _UNSAFE.sub(lambda match: f"%{ord(match.group()):02X}", text(argument(args, 0)))


_METHODS: dict[str, Callable[[HTML, list[Value]], Value]] = {
    "add": lambda html, args: html.add(args),
    "add_attribute": lambda html, args: html.add(args),
    "add_attributes": lambda html, args: html.add(args),
    "attributes": lambda html, args: html.attributes(args),
    "clear_attributes": lambda html, _: html.clear(),
    "closed_element": lambda html, args: html.element(args, " />"),
    "element": lambda html, args: html.element(args, ">"),
    "escape": lambda _, args: _escape(args),
    "replace": lambda html, args: html.replace(args),
    "replace_attribute": lambda html, args: html.replace(args),
    "replace_attributes": lambda html, args: html.replace(args),
    "url": lambda _, args: _url(args),
}


def make_html(context: Context, args: list[Value]) -> HTML:
    """Create the plugin; it takes `attributes` (or `attrs`) and `sorted` as named arguments."""
    named = split_arguments(args)[1]
    given = [named.get("attributes"), named.get("attrs")]
    return HTML(context, next(filter(truth, given), {}), is_sorted=truth(named.get("sorted")))
