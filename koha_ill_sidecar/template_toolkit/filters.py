"""
The standard filters.

A static filter is a function from text to text. A factory takes the meter of the rendering and the filter's arguments
and returns such a function. Filters that write to files or run Perl are refused. The context implements `eval`.

Source: Template Toolkit 2.27, Template::Filters.
"""

import re
from collections.abc import Callable
from html.entities import codepoint2name
from urllib.parse import quote

from koha_ill_sidecar.template_toolkit import patterns
from koha_ill_sidecar.template_toolkit.errors import TemplateError
from koha_ill_sidecar.template_toolkit.limits import Meter
from koha_ill_sidecar.template_toolkit.sprintf import sprintf
from koha_ill_sidecar.template_toolkit.text_methods import (
    argument,
    capitalise_first,
    collapse,
    escape_html,
    escape_xml,
    lower,
    repeat,
    trim,
)
from koha_ill_sidecar.template_toolkit.values import Value, integer, text

FilterFunction = Callable[[str], str]
FilterFactory = Callable[[Meter, list[Value]], FilterFunction]

_PARAGRAPHS = re.compile(r"(?:\r?\n){2,}")
_PARAGRAPH_BREAK = re.compile(r"(\r?\n){2,}")
_LINE_BREAK = re.compile(r"(\r?\n)")
_LINE_START = re.compile(r"^(?!\Z)|\A", re.MULTILINE)
# The characters that Perl's HTML::Entities encodes by default.
_NOT_PLAIN = re.compile(r"[^\n\r\t !#$%(-;=?-~]")


def _html_paragraphs(value: str) -> str:
    paragraphs = _PARAGRAPHS.split(value)
    while paragraphs and not paragraphs[-1]:
        paragraphs.pop()
    return "<p>\n" + "\n</p>\n\n<p>\n".join(paragraphs) + "</p>\n"


def _html_paragraph_breaks(value: str) -> str:
    return _PARAGRAPH_BREAK.sub(r"\1<br />\1<br />\1", value)


def _html_line_breaks(value: str) -> str:
    return _LINE_BREAK.sub(r"<br />\1", value)


def _uri(value: str) -> str:
    return quote(value, safe="-_.!~*'()", errors="surrogatepass")


def _url(value: str) -> str:
    return quote(value, safe=";/?:@&=+$,-_.!~*'()", errors="surrogatepass")


STATIC_FILTERS: dict[str, FilterFunction] = {
    "collapse": collapse,
    "html": escape_html,
    "html_break": _html_paragraph_breaks,
    "html_line_break": _html_line_breaks,
    "html_para": _html_paragraphs,
    "html_para_break": _html_paragraph_breaks,
    "lcfirst": lambda value: lower(value[:1]) + value[1:],
    "lower": lower,
    "null": lambda _: "",
    "trim": trim,
    "ucfirst": capitalise_first,
    "upper": str.upper,
    "uri": _uri,
    "url": _url,
    "xml": escape_xml,
}


def _html_entity(_meter: Meter, _args: list[Value]) -> FilterFunction:
    return lambda value: _NOT_PLAIN.sub(_entity, value)


def _entity(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code == 0x27:
        return "&#39;"
    name = codepoint2name.get(code)
    return f"&{name};" if name else f"&#x{code:X};"


def _indent(meter: Meter, args: list[Value]) -> FilterFunction:
    given = argument(args, 0)
    pad = "    " if given is None else text(given)
    if re.fullmatch(r"\d+\n?", pad, re.ASCII):
        pad = repeat(meter, " ", pad)

    def indent(value: str) -> str:
        meter.check_length(len(pad) * (value.count("\n") + 1))
        return _LINE_START.sub(lambda _: pad, value)

    return indent


def _format(meter: Meter, args: list[Value]) -> FilterFunction:
    given = argument(args, 0)
    pattern = "%s" if given is None else text(given)

    def apply(value: str) -> str:
        lines = value.split("\n")
        while lines and not lines[-1]:
            lines.pop()
        meter.check_length(len(pattern) * len(lines))
        return "\n".join([sprintf(pattern, [line], meter.limits.output) for line in lines])

    return apply


def _repeat(meter: Meter, args: list[Value]) -> FilterFunction:
    count = argument(args, 0)
    times = 1 if count is None or text(count) == "" else count
    return lambda value: repeat(meter, value, times)


def _replace(meter: Meter, args: list[Value]) -> FilterFunction:
    pattern = patterns.compile_pattern(text(argument(args, 0)))
    replacement = text(argument(args, 1))
    return lambda value: pattern.replace(lambda _: replacement, value, meter)


def _remove(meter: Meter, args: list[Value]) -> FilterFunction:
    pattern = patterns.compile_pattern(text(argument(args, 0)))
    return lambda value: pattern.replace(lambda _: "", value, meter)


def _truncate(_meter: Meter, args: list[Value]) -> FilterFunction:
    length = 32 if argument(args, 0) is None else integer(args[0])
    addition = "..." if argument(args, 1) is None else text(args[1])
    if length < len(addition):
        addition = addition[:length] if length >= 0 else addition[: len(addition) + length]
    start = max(0, length - len(addition))

    def truncate(value: str) -> str:
        return value if len(value) <= length else value[:start] + addition

    return truncate


def _refused(name: str, kind: str) -> FilterFactory:
    def refuse(_meter: Meter, _args: list[Value]) -> FilterFunction:
        raise TemplateError(kind, f"filter {name} is refused by this engine")

    return refuse


FILTER_FACTORIES: dict[str, FilterFactory] = {
    "format": _format,
    "html_entity": _html_entity,
    "indent": _indent,
    "remove": _remove,
    "repeat": _repeat,
    "replace": _replace,
    "truncate": _truncate,
} | {
    "evalperl": _refused("evalperl", "perl"),
    "file": _refused("file", "redirect"),
    "perl": _refused("perl", "perl"),
    "redirect": _refused("redirect", "redirect"),
    "stderr": _refused("stderr", "filter"),
    "stdout": _refused("stdout", "filter"),
}
