"""
The plugin Iterator: what FOREACH's `loop` is, made beforehand.

Source: Template Toolkit 2.27, Template::Plugin::Iterator and Template::Iterator.
"""

from typing import TYPE_CHECKING

from koha_ill_sidecar.template_toolkit.loops import Loop
from koha_ill_sidecar.template_toolkit.text_methods import argument
from koha_ill_sidecar.template_toolkit.values import Value

if TYPE_CHECKING:
    from koha_ill_sidecar.template_toolkit.context import Context


def make_iterator(context: "Context", args: list[Value]) -> Loop:
    """Make an iterator over the first of *args*."""
    return Loop(argument(args, 0), context.meter.turn)
