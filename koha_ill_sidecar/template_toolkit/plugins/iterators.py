"""
The plugin Iterator: what FOREACH's `loop` is, made beforehand.

Source: Template Toolkit 2.27, Template::Plugin::Iterator and Template::Iterator.
"""

from typing import TYPE_CHECKING

from koha_ill_sidecar.template_toolkit.errors import TemplateError
from koha_ill_sidecar.template_toolkit.loops import Loop
from koha_ill_sidecar.template_toolkit.text_methods import argument
from koha_ill_sidecar.template_toolkit.values import MISSING, Value

if TYPE_CHECKING:
    from koha_ill_sidecar.template_toolkit.context import Context

_STEPS = frozenset(("get_first", "get_next", "get_all"))


class Iterator(Loop):
    """Walks over a list, at FOREACH's pace or at the template's."""

    __slots__ = ()

    def template_get(self, name: str, args: list[Value]) -> Value:
        """
        Answer as `loop` does; what an iterator does not know is nothing, virtual methods included.

        Raises:
            TemplateError: There are no more elements to get.
        """
        if name in _STEPS and self._is_at_end(name):
            raise TemplateError("undef", f"{name}: the iterator is at its end")
        value = super().template_get(name, args)
        return None if value is MISSING else value

    def _is_at_end(self, step: str) -> bool:
        if step == "get_first" or (step == "get_all" and not self.started):
            return not self.data
        return not self.started or self.index + 1 >= self.size


def make_iterator(context: "Context", args: list[Value]) -> Iterator:
    """Make an iterator over the first of *args*."""
    return Iterator(argument(args, 0), context.turn)
