"""
The plugin Table: a list in rows and columns.

The elements fill one column after the other. As in Perl, the dimensions (`size`, `nrows` and so on) are undefined.

Source: Template Toolkit 2.27, Template::Plugin::Table.
"""

import math

from koha_ill_sidecar.template_toolkit.context import Context
from koha_ill_sidecar.template_toolkit.errors import TemplateError
from koha_ill_sidecar.template_toolkit.loops import Loop
from koha_ill_sidecar.template_toolkit.text_methods import argument
from koha_ill_sidecar.template_toolkit.values import (
    Value,
    add,
    divide,
    integer,
    modulo,
    multiply,
    number,
    subtract,
    text,
    truncate,
    truth,
)

# FOREACH asks for `as_list`, which a table does not have.
_NOTHING = frozenset(("data", "size", "nrows", "ncols", "overlap", "pad", "as_list"))


class Table:
    """
    A list arranged in rows and columns.

    Args:
        data: The list.
        options: `ROWS` or `COLS`, `OVERLAP` (elements that a column shares with the next one) and `PAD` (0: do not
            fill the last column with empty elements).

    Raises:
        TemplateError: The options are not consistent.
    """

    def __init__(self, context: Context, data: list[Value], options: dict[str, Value]) -> None:
        self._context = context
        self._data = data
        self._size = len(data)
        pad = options.get("PAD")
        self._pads = pad is None or truth(pad)
        self._rows: Value = self._size
        self._columns: Value = 1
        # The distance in the list between the first elements of two neighbouring columns.
        self._step: Value = 0
        overlap = options.get("OVERLAP")
        self._shape(options.get("ROWS"), options.get("COLS"), overlap if truth(overlap) else 0)

    def _shape(self, rows: Value, columns: Value, overlap: Value) -> None:
        if truth(rows):
            if self._size >= number(rows):
                self._rows, self._step = rows, subtract(rows, overlap)
                self._columns = self._parts(self._step, overlap)
        elif truth(columns):
            if self._size < number(columns):
                self._rows, self._columns, self._step = 1, self._size, 1
            else:
                self._columns, self._step = columns, self._parts(columns, overlap)
                self._rows = add(self._step, overlap)

    def _parts(self, length: Value, overlap: Value) -> Value:
        rest = number(modulo(self._size, length)) > number(overlap)
        return add(truncate(divide(self._size, length)), int(rest))

    def template_get(self, name: str, args: list[Value]) -> Value:
        """
        Return one row or column by its number, counted from 0, or all of them.

        Raises:
            TemplateError: There is no such method.
        """
        which = argument(args, 0)
        match name:
            case "row" if which is not None:
                return self.row(which)
            case "col" if which is not None:
                return self.column(which)
            case "row" | "rows":
                return self.rows()
            case "col" | "cols":
                return self.columns()
        if name in _NOTHING:
            return None
        raise TemplateError("undef", f"no such table method: {name}")

    def row(self, which: Value) -> list[Value] | None:
        """Return the elements of a row; None if there is no such row."""
        if number(which) >= number(self._rows) or number(which) < 0:
            return None
        self._context.meter.check_size(_count(self._columns))
        self._context.meter.allocate_elements(_count(self._columns))
        elements: list[Value] = []
        index = number(which)
        for _ in range(_count(self._columns)):
            if index < self._size:
                elements.append(self._element(integer(index)))
            elif self._pads:
                elements.append(None)
            index = add(index, self._step)
        return elements

    def column(self, which: Value) -> list[Value] | None:
        """Return the elements of a column; None if there is no such column or it is empty."""
        if number(which) >= number(self._columns) or number(which) < 0:
            return None
        start = multiply(self._step, which)
        if start >= self._size:
            return None
        end = max(start, subtract(add(start, self._rows), 1))
        blanks = max(0, integer(add(subtract(end, self._size), 1))) if end >= self._size else 0
        self._context.meter.check_size(blanks)
        last = min(end, self._size - 1)
        self._context.meter.allocate_elements(max(0, integer(end) - integer(start)))
        elements = [self._element(index) for index in range(integer(start), integer(last) + 1)]
        return elements + [None] * blanks if self._pads else elements

    def rows(self) -> list[Value]:
        """Return all rows."""
        count = _last(self._rows)
        self._context.meter.check_size(count * max(1, _count(self._columns)))
        return [self.row(index) for index in range(count)]

    def columns(self) -> list[Value]:
        """Return all columns that have elements."""
        count = _last(self._columns)
        self._context.meter.check_size(count * max(1, _count(self._rows)))
        found = (self.column(index) for index in range(count))
        return [column for column in found if column is not None]

    def _element(self, index: int) -> Value:
        return self._data[index] if -len(self._data) <= index < len(self._data) else None


def _count(limit: Value) -> int:
    """Return how many whole numbers from 0 are less than *limit*, a possibly fractional number."""
    found = number(limit)
    return max(0, math.ceil(found)) if math.isfinite(found) else integer(found)


def _last(limit: Value) -> int:
    return max(0, integer(subtract(limit, 1)) + 1)


def make_table(context: Context, args: list[Value]) -> Table:
    """
    Create a table from a list or an iterator; the names of the options may be upper or lower case.

    Raises:
        TemplateError: Of the kind `plugin` if there is no list or the options are not consistent.
    """
    data, options = argument(args, 0), argument(args, 1)
    if isinstance(data, Loop):
        data = data.rest()
        if not data:
            raise _failed("iterator failed to provide data for table")
    if not isinstance(data, list):
        raise _failed("invalid table data, expecting a list")
    named = options if truth(options) else {}
    if not isinstance(named, dict):
        raise _failed("invalid table parameters, expecting a hash")
    try:
        return Table(context, data, {name.upper(): value for name, value in named.items()})
    except TemplateError as error:
        raise _failed(text(error.info)) from error


def _failed(reason: str) -> TemplateError:
    return TemplateError("plugin", f"Table plugin failed: {reason}")
