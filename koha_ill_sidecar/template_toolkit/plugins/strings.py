"""
The plugin String: a text with methods that change it.

Source: Template Toolkit 2.27, Template::Plugin::String.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping

from koha_ill_sidecar.template_toolkit import patterns, text_methods
from koha_ill_sidecar.template_toolkit.context import Context
from koha_ill_sidecar.template_toolkit.errors import TemplateError
from koha_ill_sidecar.template_toolkit.plugins.formats import sprintf
from koha_ill_sidecar.template_toolkit.text_methods import argument
from koha_ill_sidecar.template_toolkit.values import (
    MISSING,
    Value,
    integer,
    is_reference,
    number,
    split_arguments,
    subtract,
    text,
    truth,
)

_NAMES = re.compile(r"\s*\W+\s*")


class String:
    """A text, and the filters that are applied whenever it is printed."""

    def __init__(self, context: Context, value: str) -> None:
        self.context = context
        self.value = value
        self._filters: list[tuple[Value, list[Value]]] = []

    def template_get(self, name: str, args: list[Value]) -> Value:
        """Call a method; those that change the text return the object itself."""
        if change := _CHANGES.get(name):
            changed = change(self, args)
            if changed is not None:
                self.value = self.context.meter.checked(changed)
            return self
        method = _METHODS.get(name)
        return MISSING if method is None else method(self, args)

    def template_text(self) -> str:
        """Return the text after the output filters."""
        filtered = self.value
        for name, args in self._filters:
            filtered = self.filtered(filtered, name, args)
        return filtered

    def filtered(self, value: str, name: Value, args: list[Value]) -> str:
        """
        Apply a filter to a text.

        Raises:
            TemplateError: Of the kind `String` if there is no such filter.
        """
        try:
            apply = self.context.filter(name, args)
        except TemplateError as error:
            if text(error.info).endswith(": filter not found"):
                raise TemplateError("String", error.info) from error
            raise
        self.context.meter.count_turn()
        return self.context.meter.checked(apply(value))

    def add_filters(self, given: Value) -> str:
        """
        Add output filters.

        Args:
            given: A text with names; a list of names, each of which may be followed by a list of its arguments; or a
                hash of names and arguments.
        """
        pending = deque(_filter_list(given))
        while pending:
            name = pending.popleft()
            has_arguments = pending and (is_reference(pending[0]) or text(pending[0]) == "")
            args = pending.popleft() if has_arguments else None
            self._filters.append((name, args if isinstance(args, list) else [args] if truth(args) else []))
        return ""


def _filter_list(given: Value) -> list[Value]:
    if isinstance(given, dict):
        return [element for pair in given.items() for element in pair]
    if isinstance(given, list):
        return list(given)
    names: list[Value] = [*_NAMES.split(text(given))]
    while names and not names[-1]:
        names.pop()
    return names


def make_string(context: Context, args: list[Value]) -> String:
    """Create a String from a text or the argument `text`, with the output filters in `filter` or `filters`."""
    positional, named = split_arguments(args)
    given = named.get("text")
    string = String(context, text(argument(positional, 0) if given is None else given))
    filters = _either(named, "filter", "filters")
    if truth(filters):
        string.add_filters(filters)
    return string


def _either(named: Mapping[str, Value], first: str, second: str) -> Value:
    return named[first] if truth(named.get(first)) else named.get(second)


# Methods that change the text: each returns the new text, or None for no change.


def _append(string: String, args: list[Value]) -> str:
    return string.context.meter.join_each(map(text, [string.value, *args]))


def _prepend(string: String, args: list[Value]) -> str:
    return string.context.meter.join_each(map(text, [*args, string.value]))


def _cut(string: String, args: list[Value], before: str, after: str) -> str | None:
    pattern = argument(args, 0)
    if not truth(pattern):
        return None
    compiled = patterns.compile_pattern(f"{before}{text(pattern)}{after}")
    return compiled.replace(lambda _: "", string.value, string.context.meter, count=1)


def _missing_width(string: String, args: list[Value]) -> int:
    width = number(argument(args, 0))
    missing = integer(subtract(width, len(string.value))) if width > len(string.value) else 0
    string.context.meter.check_length(missing)
    return missing


def _center(string: String, args: list[Value]) -> str:
    missing = _missing_width(string, args)
    return " " * (missing // 2) + string.value + " " * (missing - missing // 2)


def _truncate(string: String, args: list[Value]) -> str | None:
    length, suffix = argument(args, 0), argument(args, 1)
    if length is None or len(string.value) <= number(length):
        return None
    end = text(suffix) if truth(suffix) else ""
    return string.value[: integer(subtract(length, len(end)))] + end


def _repeat(string: String, args: list[Value]) -> str | None:
    times = argument(args, 0)
    return None if times is None else text_methods.repeat(string.context.meter, string.value, times)


def _replace(string: String, pattern: Value, replacement: Value) -> str:
    replaces = text(replacement)
    return patterns.compile_pattern(text(pattern)).replace(
        lambda _: replaces, string.value, string.context.meter
    )


def _format(string: String, args: list[Value]) -> str:
    pattern = argument(args, 0)
    return sprintf(string.context, "%s" if pattern is None else text(pattern), [string.value])


def _capital(value: str) -> str:
    return value[:1].upper() + value[1:]


_CHANGES: dict[str, Callable[[String, list[Value]], str | None]] = {
    "append": _append,
    "capital": lambda string, _: _capital(string.value),
    "center": _center,
    "centre": _center,
    "chomp": lambda string, _: string.value.removesuffix("\n"),
    "chop": lambda string, _: string.value[:-1],
    "collapse": lambda string, _: text_methods.collapse(string.value),
    "format": _format,
    "left": lambda string, args: string.value + " " * _missing_width(string, args),
    "lower": lambda string, _: text_methods.lower(string.value),
    "pop": lambda string, args: _cut(string, args, "", "$"),
    "prepend": _prepend,
    "push": _append,
    "remove": lambda string, args: _replace(string, argument(args, 0), ""),
    "repeat": _repeat,
    "replace": lambda string, args: (
        None if argument(args, 0) is None else _replace(string, args[0], argument(args, 1))
    ),
    "right": lambda string, args: " " * _missing_width(string, args) + string.value,
    "shift": lambda string, args: _cut(string, args, "^", ""),
    "trim": lambda string, _: text_methods.trim(string.value),
    "truncate": _truncate,
    "unshift": _prepend,
    "upper": lambda string, _: string.value.upper(),
}


# Methods that return a value.


def _search(string: String, args: list[Value]) -> Value:
    """Return the groups of the first match, or 1 if the pattern has no groups."""
    pattern = patterns.compile_pattern(text(argument(args, 0)))
    match = pattern.search(string.value, string.context.meter)
    if match is None:
        return None
    groups: list[Value] = list(match.groups()) or [1]
    if len(groups) == 1:
        return groups[0]
    if groups[0] is None:
        # Template Toolkit takes a list that starts with an undefined value for an error and its message.
        raise TemplateError("undef", text(groups[1]))
    return groups


def _split(string: String, args: list[Value]) -> Value:
    given, limit = argument(args, 0), argument(args, 1)
    pattern = r"\s+" if given is None else text(given)
    # In Perl a single space means any white space, without an empty field at the start.
    compiled = None if pattern == " " else patterns.compile_pattern(text_methods.splitting(pattern))
    fields = patterns.split(compiled, string.value, integer(limit), string.context.meter)
    string.context.meter.check_size(len(fields))
    return fields


def _substr(string: String, args: list[Value]) -> Value:
    """Return a part of the text and replace it by the third argument, if there is one."""
    length, replacement = argument(args, 1), argument(args, 2)
    part = text_methods.TEXT_METHODS["substr"](string.context.meter, string.value, args[:2])
    if length is not None and replacement is not None:
        changed = text_methods.TEXT_METHODS["substr"](string.context.meter, string.value, args[:3])
        string.value = string.context.meter.checked(text(changed))
    return part


def _throw(string: String, args: list[Value]) -> Value:
    raise TemplateError("String", string.context.meter.join_each(map(text, args)))


_METHODS: dict[str, Callable[[String, list[Value]], Value]] = {
    "copy": lambda string, _: String(string.context, string.value),
    "equals": lambda string, args: 1 if string.value == text(argument(args, 0)) else "",
    "filter": lambda string, args: string.filtered(string.value, argument(args, 0), args[1:]),
    "length": lambda string, _: len(string.value),
    "new": lambda string, args: make_string(string.context, args),
    "output_filter": lambda string, args: string.add_filters(argument(args, 0)),
    "search": _search,
    "split": _split,
    "substr": _substr,
    "text": lambda string, _: string.template_text(),
    "throw": _throw,
}
