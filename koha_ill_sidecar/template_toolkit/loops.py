"""The `loop` variable of FOREACH."""

from collections.abc import Callable

from koha_ill_sidecar.template_toolkit.errors import TemplateError
from koha_ill_sidecar.template_toolkit.values import Value, truth


class Loop:
    """
    Iterates over a list and knows its position in it.

    The template may extend the list during the loop. As in Template Toolkit, the size at the start counts.
    """

    __slots__ = ("_body", "count_turn", "data", "index", "size", "started")

    def __init__(self, items: Value, count_turn: Callable[[int], None], body: int = 0) -> None:
        self.data = loop_items(items)
        self.size = 0
        self.index = -1
        self.started = False
        self.count_turn = count_turn
        self._body = body

    def __iter__(self) -> "Loop":
        self.size = len(self.data)
        self.index = -1
        self.started = self.size > 0
        return self

    def __next__(self) -> Value:
        index = self.index + 1
        if index >= self.size:
            raise StopIteration
        self.index = index
        self.count_turn(self._body)
        # The template may also have shortened the list.
        return self.data[index] if index < len(self.data) else None

    def template_get(self, name: str, args: list[object]) -> object:
        """
        Return `loop.count` and so on; None before the first element and for unknown names.

        Raises:
            TemplateError: `get_next` or `get_all` finds no more elements.
        """
        del args
        if name in _METHODS:
            return _METHODS[name](self)
        field = _FIELDS.get("count" if "number" in name.lower() else name.lower())
        return field(self) if field is not None and self.started else None

    def at(self, index: int) -> Value:
        return self.data[index] if 0 <= index < len(self.data) else None

    def count(self) -> int:
        return self.index + 1 if self.started else 0

    def get_first(self) -> Value:
        iter(self)
        return self.get_next()

    def get_next(self) -> Value:
        if not self.started or self.index + 1 >= self.size:
            raise _exhausted()
        return next(self)

    def get_all(self) -> Value:
        rest = self.rest()
        if not rest:
            raise _exhausted()
        return rest

    def rest(self) -> list[Value]:
        """Return the remaining elements and move to the end."""
        if not self.started:
            iter(self)
        rest = self.data[self.index + 1 : self.size]
        if rest:
            self.index = self.size - 1
        return rest


def _exhausted() -> TemplateError:
    """Return the error with which Template Toolkit's iterators end: the code 3 of their status "done"."""
    return TemplateError("undef", 3)


_FIELDS: dict[str, Callable[[Loop], Value]] = {
    "size": lambda loop: loop.size,
    "max": lambda loop: loop.size - 1,
    "index": lambda loop: loop.index,
    "count": lambda loop: loop.count(),
    "first": lambda loop: int(loop.index == 0),
    "last": lambda loop: int(loop.index == loop.size - 1),
    "prev": lambda loop: loop.at(loop.index - 1),
    "next": lambda loop: loop.at(loop.index + 1),
}
_METHODS: dict[str, Callable[[Loop], Value]] = {
    "odd": lambda loop: loop.count() % 2,
    "even": lambda loop: 1 - loop.count() % 2,
    "parity": lambda loop: "odd" if loop.count() % 2 else "even",
    "get_first": lambda loop: loop.get_first(),
    "get_next": lambda loop: loop.get_next(),
    "get_all": lambda loop: loop.get_all(),
}


def loop_items(items: Value) -> list[Value]:
    """Return the elements for FOREACH: those of a list, the pairs of a hash sorted by key, or a single true value."""
    if isinstance(items, list):
        return items
    if isinstance(items, dict):
        return [{"key": key, "value": items[key]} for key in sorted(items)]
    getter = getattr(items, "template_get", None)
    if getter is not None:
        listed = getter("as_list", [])
        if isinstance(listed, list):
            return listed
    return [items] if truth(items) else []
