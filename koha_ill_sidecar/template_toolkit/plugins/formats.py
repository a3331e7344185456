"""
The plugin Format: functions that format like `sprintf`.

Source: Template Toolkit 2.27, Template::Plugin::Format.
"""

from collections.abc import Callable

from koha_ill_sidecar.template_toolkit import sprintf as perl
from koha_ill_sidecar.template_toolkit.context import Context
from koha_ill_sidecar.template_toolkit.text_methods import argument
from koha_ill_sidecar.template_toolkit.values import Value, text

Formatter = Callable[..., str]


def make_format(context: Context, args: list[Value]) -> Formatter | Callable[..., Formatter]:
    """Return a formatter for the format in *args*; without a format, a function that creates formatters."""

    def formatter(*given: Value) -> Formatter:
        pattern = argument(list(given), 0)
        return _formatter(context, "%s" if pattern is None else text(pattern))

    return formatter if argument(args, 0) is None else formatter(*args)


def _formatter(context: Context, pattern: str) -> Formatter:
    return lambda *args: sprintf(context, pattern, list(args) or [""])


def sprintf(context: Context, pattern: str, args: list[Value]) -> str:
    """
    Format within the limits of a rendering.

    Raises:
        TemplateLimitError: The result may be too long.
        TemplateError: A width or precision is too large.
    """
    conversions = pattern.count("%")
    longest = max((len(text(value)) for value in args), default=0)
    context.meter.check_length(len(pattern) + conversions * longest)
    # If each width stays within its share, all of them together stay within the limit.
    share = context.meter.limits.output // max(conversions, 1)
    return context.meter.checked(perl.sprintf(pattern, args, share))
