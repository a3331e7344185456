"""
Virtual methods of texts and numbers: `x.length`, `x.replace(...)` and so on.

Source: Template Toolkit 2.27, Template::VMethods.
"""

import re
from collections.abc import Callable

from koha_ill_sidecar.template_toolkit import patterns
from koha_ill_sidecar.template_toolkit.errors import TemplateError
from koha_ill_sidecar.template_toolkit.limits import Meter
from koha_ill_sidecar.template_toolkit.values import Value, integer, text, truth

Method = Callable[[Meter, Value, list[Value]], Value]

# Perl's white space; Python's `str.strip` also strips four control characters.
SPACE = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_SPACE_CHARACTERS = SPACE.replace("\u2000-\u200a", "".join(map(chr, range(0x2000, 0x200B))))
_SPACES = re.compile(f"[{SPACE}]+")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})
_XML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"})


def argument(args: list[Value], index: int) -> Value:
    """Return the argument at *index*, or None."""
    return args[index] if index < len(args) else None


def trim(value: str) -> str:
    """Strip white space from both ends."""
    return value.strip(_SPACE_CHARACTERS)


def collapse(value: str) -> str:
    """Strip white space from both ends and replace each run of white space inside by one space."""
    return _SPACES.sub(" ", trim(value))


def lower(value: str) -> str:
    """Return *value* in lower case, without Python's special case for a final Greek sigma."""
    return "".join(map(str.lower, value)) if "\u03a3" in value else value.lower()


def capitalise_first(value: str) -> str:
    """Return *value* with its first letter in title case."""
    return value[:1].title() + value[1:]


def escape_html(value: str) -> str:
    """Escape the characters that are special in HTML."""
    return value.translate(_HTML)


def escape_xml(value: str) -> str:
    """Escape the characters that are special in XML."""
    return value.translate(_XML)


def repeat(meter: Meter, value: str, count: Value) -> str:
    """Return *value* repeated *count* times."""
    times = max(0, integer(count))
    meter.check_length(len(value) * times)
    return value * times


def replace(meter: Meter, value: str, args: list[Value], *, everywhere: bool = True) -> str:
    """Replace the matches of a pattern; `$1` and so on in the replacement are the groups."""
    pattern = patterns.compile_pattern(text(argument(args, 0)))
    replacement = text(argument(args, 1))
    refers = re.search(r"\$\d+", replacement) is not None
    count = 0 if everywhere else 1
    return pattern.replace(
        lambda match: _expand(match, replacement) if refers else replacement, value, meter, count=count
    )


def _expand(match: patterns.Match, replacement: str) -> str:
    def group(reference: re.Match[str]) -> str:
        if reference.group(1):
            return reference.group(1)
        index = int(reference.group(2)[:6])
        if index == 0 or index > len(match.groups()):
            return ""
        return match.group(index) or ""

    return re.sub(r"\\(\\|\$)|\$(\d+)", group, replacement)


def _repeat(meter: Meter, value: Value, args: list[Value]) -> Value:
    count = argument(args, 0)
    return repeat(meter, text(value), count) if truth(count) else ""


def _replace(meter: Meter, value: Value, args: list[Value]) -> Value:
    everywhere = argument(args, 2)
    return replace(meter, text(value), args, everywhere=everywhere is None or truth(everywhere))


def _remove(meter: Meter, value: Value, args: list[Value]) -> Value:
    if argument(args, 0) is None:
        return value
    return replace(meter, text(value), args[:1])


def _match(meter: Meter, value: Value, args: list[Value]) -> Value:
    given = argument(args, 0)
    if given is None:
        return value
    pattern = patterns.compile_pattern(text(given))
    if truth(argument(args, 1)):
        found: list[Value] = []
        for match in pattern.find_all(text(value), meter):
            found.extend(match.groups() or (match.group(),))
            meter.check_size(len(found))
        return found or ""
    first = pattern.search(text(value), meter)
    if first is None:
        return ""
    return list(first.groups()) or [1]


def _search(meter: Meter, value: Value, args: list[Value]) -> Value:
    pattern = argument(args, 0)
    if pattern is None:
        return value
    found = patterns.compile_pattern(text(pattern)).search(text(value), meter)
    if found is None:
        return ""
    # The groups are returned, as Perl's stash in C does.
    groups: list[Value] = list(found.groups())
    return groups if len(groups) > 1 else (*groups, 1)[0]


def _split(meter: Meter, value: Value, args: list[Value]) -> Value:
    given = argument(args, 0)
    pattern = None if given is None else patterns.compile_pattern(splitting(text(given)))
    limit = argument(args, 1)
    fields = patterns.split(pattern, text(value), integer(limit) if truth(limit) else 0, meter)
    meter.check_size(len(fields))
    return fields


def splitting(pattern: str) -> str:
    """Return the pattern to split at: `^` alone means the start of any line (Perl, perldoc -f split)."""
    return "(?m)^" if pattern == "^" else pattern


def _chunk(meter: Meter, value: Value, args: list[Value]) -> Value:
    size = integer(argument(args, 0)) or 1
    whole = text(value)
    chunks: list[Value] = []
    meter.check_size(len(whole) // abs(size))
    # The dot in Perl's pattern for this does not match a line break, so chunks end there.
    for line in whole.split("\n"):
        if size > 0:
            chunks += [line[start : start + size] for start in range(0, len(line), size)]
        else:
            first = len(line) % -size
            chunks += [line[:first]] if first else []
            chunks += [line[start : start - size] for start in range(first, len(line), -size)]
    return chunks


def _substr(_meter: Meter, value: Value, args: list[Value]) -> Value:
    whole = text(value)
    start = integer(argument(args, 0))
    start = start + len(whole) if start < 0 else start
    length = argument(args, 1)
    if length is None:
        end = len(whole)
    else:
        count = integer(length)
        end = start + count if count >= 0 else len(whole) + count
    replacement = argument(args, 2)
    replaces = length is not None and replacement is not None
    if start > len(whole) or (start < 0 and end < 0):
        if replaces:
            raise TemplateError("undef", "substr outside of string")
        return None
    start, end = max(start, 0), max(end, 0)
    if replaces:
        return whole[:start] + text(replacement) + whole[max(start, end) :]
    return whole[start:end]


def _escape_quotes(value: str, quote: str) -> str:
    return value.replace("\\", "\\\\").replace(quote, "\\" + quote)


def _on_text(function: Callable[[str], Value]) -> Method:
    return lambda _meter, value, _args: function(text(value))


TEXT_METHODS: dict[str, Method] = {
    "chunk": _chunk,
    "collapse": _on_text(collapse),
    "defined": lambda _meter, _value, _args: 1,
    "dquote": _on_text(lambda value: _escape_quotes(value, '"').replace("\n", "\\n")),
    "empty": _on_text(lambda value: 0 if value else 1),
    "hash": lambda _meter, value, _args: {"value": value},
    "html": _on_text(escape_html),
    "item": lambda _meter, value, _args: value,
    "lcfirst": _on_text(lambda value: lower(value[:1]) + value[1:]),
    "length": _on_text(len),
    "list": lambda _meter, value, _args: [value],
    "lower": _on_text(lower),
    "match": _match,
    "remove": _remove,
    "repeat": _repeat,
    "replace": _replace,
    "search": _search,
    "size": lambda _meter, _value, _args: 1,
    "split": _split,
    "squote": _on_text(lambda value: _escape_quotes(value, "'")),
    "substr": _substr,
    "trim": _on_text(trim),
    "ucfirst": _on_text(capitalise_first),
    "upper": _on_text(str.upper),
    "xml": _on_text(escape_xml),
}
