"""
Find the names that a template uses, without rendering it.

The tree is walked twice: first for the names that the template sets anywhere, then for the names that it uses. Only
certain uses are reported: a path ends before its first dynamic part (`a.$b`), and a name that the template may have
set is not reported. A name that only stands for another path (`FOREACH c IN request.comments`, `p = request.patron`)
is resolved to that path.
"""

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from koha_ill_sidecar.template_toolkit import nodes
from koha_ill_sidecar.template_toolkit.errors import TemplateError
from koha_ill_sidecar.template_toolkit.limits import Limits, Meter
from koha_ill_sidecar.template_toolkit.list_methods import LIST_METHODS
from koha_ill_sidecar.template_toolkit.parser import parse
from koha_ill_sidecar.template_toolkit.source import Options, Positions
from koha_ill_sidecar.template_toolkit.text_methods import TEXT_METHODS

EACH = "[]"
"""Stands in a path for any element of a list that FOREACH iterates over."""

ENGINE_NAMES = frozenset({"component", "dec", "global", "import", "inc", "loop", "template"})
"""Variables that the engine sets in every template."""

TEXT_METHOD_NAMES = frozenset({*TEXT_METHODS, *LIST_METHODS})
"""Virtual methods of texts. Those of lists treat a text as a list of one element."""

LIST_METHOD_NAMES = frozenset(LIST_METHODS)
"""Virtual methods of lists."""

REFUSED_FILTERS = frozenset({"evalperl", "file", "perl", "redirect", "stderr", "stdout"})
"""Filters that the engine refuses to run."""

_EVALUATING_FILTERS = frozenset({"eval", "evaltt"})


class UseKind(Enum):
    """What a name is used as."""

    VARIABLE = "variable"
    FILTER = "filter"
    # `| $Name`: a plugin or another object that is used as a filter.
    FILTER_OBJECT = "filter object"
    # A path of one name: USE. A path of two names: a member of the plugin.
    PLUGIN = "plugin"
    # INCLUDE, PROCESS and WRAPPER.
    BLOCK = "block"
    # INSERT, which never inserts a block.
    FILE = "file"
    # PERL and RAWPERL.
    REFUSED = "refused directive"


@dataclass(frozen=True, order=True, slots=True)
class Place:
    """A position in a template; lines and columns count from 1."""

    line: int
    column: int


@dataclass(frozen=True, kw_only=True, slots=True)
class NameUse:
    """
    A name, or a path of names, that a template uses.

    Attributes:
        path: The names, beginning with the first; `EACH` for the elements of a list.
        places: The position of each name. Names that come from a variable of the template have its position.
        is_caught: The template's own TRY catches an error at this place.
    """

    kind: UseKind
    path: tuple[str, ...]
    places: tuple[Place, ...]
    is_caught: bool = False

    @property
    def place(self) -> Place:
        """The position of the first name."""
        return self.places[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplateNames:
    """
    The names of a template.

    Attributes:
        uses: What it uses but does not set or define, in the order of the source.
        own: The variables, filters and blocks that it sets or defines.
    """

    uses: tuple[NameUse, ...]
    own: frozenset[str]


def inspect_template(
    source: str, *, given: Collection[str] = (), options: Options | None = None
) -> TemplateNames:
    """
    Return the variables, filters, plugins and blocks that a template uses but does not set or define.

    Some templates set variables that cannot be known in advance (by `import`, the filter `eval`, or a FOREACH without a
    variable). For these only uses of *given* variables are reported.

    Args:
        given: The variables that the caller passes when it renders the template.

    Raises:
        TemplateError: Of the kind `parse`, with line and column.
    """
    tree = parse(source, options or Options(), Meter(Limits()))
    own = _OwnNames.of(tree, frozenset(given))
    try:
        return _Inspector(own, Positions(source)).inspect(tree)
    except RecursionError as error:
        raise TemplateError("parse", "nested too deeply") from error


def _children(node: object) -> Iterator[object]:
    """Yield the parts of a node; a tuple's parts are its elements."""
    if isinstance(node, tuple):
        yield from node
    elif isinstance(node, dict):
        yield from node.values()
    elif isinstance(node, nodes.Set):
        # Its assignments are not visited as nodes: how they count depends on whether this is a DEFAULT.
        for assignment in node.assignments:
            yield from (assignment.path, assignment.value)
    elif dataclasses.is_dataclass(node):
        for each in dataclasses.fields(node):
            yield getattr(node, each.name)


def _descendants(node: object) -> Iterator[object]:
    waiting = [node]
    while waiting:
        found = waiting.pop()
        yield found
        waiting.extend(_children(found))


def _names_of(path: nodes.Path) -> tuple[str, ...]:
    """Return the names of a path up to its first dynamic part."""
    names: list[str] = []
    for step in path:
        if not isinstance(step.name, nodes.Literal):
            break
        names.append(str(step.name.value))
    return tuple(names)


def _name(node: nodes.Expression | None) -> str | None:
    return str(node.value) if isinstance(node, nodes.Literal) else None


@dataclass(frozen=True, slots=True)
class _Meaning:
    """The path that a name stands for."""

    path: tuple[str, ...]
    kind: UseKind = UseKind.VARIABLE


@dataclass(slots=True)
class _OwnNames:
    """The names that a template sets or defines anywhere."""

    given: frozenset[str]
    # The values of each variable; None for a value that is not a path.
    values: dict[str, list[nodes.Expression | _Meaning | None]] = field(default_factory=dict)
    # Variables of loops and macros. They exist inside these, and in the blocks that are used there.
    local: set[str] = field(default_factory=set)
    # Paths below given variables that the template sets.
    paths: set[tuple[str, ...]] = field(default_factory=set)
    filters: set[str] = field(default_factory=set)
    blocks: set[str] = field(default_factory=set)
    macros: set[str] = field(default_factory=set)
    # The template may set further variables that cannot be known in advance.
    is_open: bool = False

    @classmethod
    def of(cls, tree: nodes.TemplateTree, given: frozenset[str]) -> "_OwnNames":
        own = cls(given, blocks=set(tree.blocks))
        everything = [*_descendants(tree.body), *_descendants(tree.blocks)]
        own.macros = {node.name for node in everything if isinstance(node, nodes.Macro)}
        for node in everything:
            own._record_value(node)
            own._record_scope(node)
        return own

    def _record_value(self, node: object) -> None:
        match node:
            case nodes.Set(assignments, default):
                for assignment in assignments:
                    self._set(assignment.path, assignment.value, default=default)
            case nodes.Assignment(path, value):
                self._set(path, value)
            case nodes.Capture(path):
                self._set(path, None)
            case nodes.Use(names):
                self._use(names)
            case nodes.Filter(names):
                self._filter(names)
            case nodes.Variable(path):
                self._call(path)

    def _record_scope(self, node: object) -> None:
        match node:
            case nodes.ForEach(str(target)):
                self.local.add(target)
            case nodes.Macro(name, parameters):
                self._add(name, None)
                self.local.update(parameters or ())
            case nodes.Include(_, names):
                self._arguments(names)
            case nodes.Wrapper(names):
                self._arguments(names)
                self._add("content", None)
            case nodes.Try():
                self._add("error", None)
                self._add("e", None)

    def _add(self, name: str, value: nodes.Expression | _Meaning | None) -> None:
        self.values.setdefault(name, []).append(value)

    def _set(self, path: nodes.Path, value: nodes.Expression | None, *, default: bool = False) -> None:
        names = _names_of(path)
        if not names:
            self.is_open = True
        elif default and names[0] in self.given:
            # DEFAULT only replaces an empty value, so the name still stands for the given variable.
            pass
        elif len(path) == 1:
            self._add(names[0], value)
        elif names[0] in self.given:
            self.paths.add(names)
        else:
            self._add(names[0], None)

    def _use(self, names: nodes.Named) -> None:
        plugin, variable = _name(names.names[0]), _name(names.alias or names.names[0])
        if variable is None:
            self.is_open = True
            return
        meaning = None if plugin is None else _Meaning((plugin,), UseKind.PLUGIN)
        self._add(variable.partition(".")[0], meaning if "." not in variable else None)

    def _arguments(self, names: nodes.Named) -> None:
        for key, _ in names.arguments.named:
            name = _name(key)
            if name is None or name == "import":
                self.is_open = True
            else:
                self._add(name, None)

    def _filter(self, names: nodes.Named) -> None:
        if alias := _name(names.alias):
            self.filters.add(alias)
        if any(_name(name) in _EVALUATING_FILTERS for name in names.names):
            self.is_open = True

    def _call(self, path: nodes.Path) -> None:
        """Record the named arguments of a macro call, and that `import` sets variables."""
        name, arguments = _name(path[0].name), path[0].arguments
        if name == "import" and arguments is not None:
            self.is_open = True
        if name in self.macros and arguments is not None:
            for key, _ in arguments.named:
                if (variable := _name(key)) is not None:
                    self._add(variable, None)


class _Inspector:
    """Walks a tree and records the names that it uses."""

    def __init__(self, own: _OwnNames, positions: Positions) -> None:
        self._own = own
        self._positions = positions
        self._uses: list[NameUse] = []
        # Variables of the enclosing loops and macros.
        self._local: dict[str, _Meaning | None] = {}
        self._tries = 0
        self._loops_without_name = 0

    def inspect(self, tree: nodes.TemplateTree) -> TemplateNames:
        self._visit(tree.body)
        self._visit(tree.blocks)
        own = self._own
        return TemplateNames(
            uses=tuple(sorted(self._uses, key=lambda use: use.place)),
            own=frozenset({*own.values, *own.local, *own.filters, *own.blocks}),
        )

    def _visit(self, node: object) -> None:
        match node:
            case nodes.Variable(path) | nodes.Reference(path):
                self._path(path)
            case nodes.Assignment(path, value):
                self._parts(path)
                self._visit(value)
            case nodes.Capture(path, body):
                self._parts(path)
                self._visit(body)
            case nodes.ForEach():
                self._for_each(node)
            case nodes.Macro(_, parameters, body):
                self._with_local(dict.fromkeys(parameters or ()), body)
            case nodes.Try():
                self._try(node)
            case _:
                self._visit_named(node)

    def _visit_named(self, node: object) -> None:
        match node:
            case nodes.Filter(names, body):
                self._visit(body)
                self._filter(names)
            case nodes.Use(names):
                self._named(UseKind.PLUGIN, names)
            case nodes.Include(directive, names):
                self._named(UseKind.FILE if directive == "INSERT" else UseKind.BLOCK, names)
            case nodes.Wrapper(names, body):
                self._named(UseKind.BLOCK, names)
                self._visit(body)
            case nodes.Refused(directive, _, offset):
                self._add(UseKind.REFUSED, (directive,), (offset,))
            case _:
                for child in _children(node):
                    self._visit(child)

    def _add(self, kind: UseKind, path: tuple[str, ...], offsets: tuple[int, ...]) -> None:
        places = tuple(
            Place(self._positions.line(offset), self._positions.column(offset)) for offset in offsets
        )
        self._uses.append(NameUse(kind=kind, path=path, places=places, is_caught=self._tries > 0))

    # Variables.

    def _path(self, path: nodes.Path) -> None:
        self._parts(path)
        names = _names_of(path)
        if not names or "." in names[0]:
            return
        meaning = self._meaning(names[0])
        if meaning is None:
            return
        whole = (*meaning.path, *names[1:])
        # USE already reports the plugin itself, so only its members are reported here.
        if meaning.kind is UseKind.PLUGIN and len(whole) == 1:
            return
        if any(whole[: len(own)] == own for own in self._own.paths):
            return
        offsets = [path[0].offset] * len(meaning.path) + [step.offset for step in path[1 : len(names)]]
        self._add(meaning.kind, whole, tuple(offsets))

    def _parts(self, path: nodes.Path) -> None:
        """Visit the expressions inside a path: arguments and dynamic names."""
        for step in path:
            self._visit(step.name)
            self._visit(step.arguments)

    def _meaning(self, name: str) -> _Meaning | None:
        """Return the path that a variable stands for; None where the template sets it or may set it."""
        own = self._own
        if name in own.values:
            return self._value(name, ())
        if name in self._local:
            return self._local[name]
        return self._unset((name,))

    def _unset(self, path: tuple[str, ...]) -> _Meaning | None:
        """Return the path itself, or None where its first name may be set somewhere that is not visible here."""
        own, name = self._own, path[0]
        if name in own.given:
            return _Meaning(path)
        uncertain = name in own.local or own.is_open or self._loops_without_name
        return None if uncertain or name in ENGINE_NAMES else _Meaning(path)

    def _value(self, name: str, before: tuple[str, ...]) -> _Meaning | None:
        """Resolve a variable that is set exactly once, to a path; *before* guards against cycles."""
        own = self._own
        values = own.values[name]
        if len(values) > 1 or name in own.given | own.local or name in before:
            return None
        value = values[0]
        if isinstance(value, _Meaning):
            return value
        if not isinstance(value, nodes.Variable):
            return None
        names = _names_of(value.path)
        if len(names) < len(value.path) or "." in names[0]:
            return None
        if names[0] in own.values:
            meaning = self._value(names[0], (*before, name))
            return None if meaning is None else dataclasses.replace(meaning, path=meaning.path + names[1:])
        return self._unset(names)

    def _for_each(self, node: nodes.ForEach) -> None:
        self._visit(node.items)
        if node.target is None:
            self._loops_without_name += 1
            self._visit(node.body)
            self._loops_without_name -= 1
            return
        self._with_local({node.target: self._element(node.items)}, node.body)

    def _element(self, items: nodes.Expression) -> _Meaning | None:
        """Return the path that a loop variable stands for."""
        if not isinstance(items, nodes.Variable):
            return None
        names = _names_of(items.path)
        if len(names) < len(items.path) or "." in names[0]:
            return None
        meaning = self._meaning(names[0])
        if meaning is None or meaning.kind is not UseKind.VARIABLE:
            return None
        return _Meaning((*meaning.path, *names[1:], EACH))

    def _with_local(self, more: Mapping[str, _Meaning | None], body: object) -> None:
        around = self._local
        self._local = {**around, **more}
        self._visit(body)
        self._local = around

    def _try(self, node: nodes.Try) -> None:
        catches = any(kind is None and body for kind, body in node.handlers)
        self._tries += catches
        self._visit(node.body)
        self._tries -= catches
        self._visit(node.handlers)
        self._visit(node.final)

    # Filters, plugins and blocks.

    def _named(self, kind: UseKind, names: nodes.Named) -> None:
        for node, offset in zip(names.names, names.offsets, strict=True):
            name = _name(node)
            if name is None:
                self._visit(node)
            elif kind is not UseKind.BLOCK or name not in self._own.blocks:
                self._add(kind, (name,), (offset,))
        self._visit(names.arguments)
        self._visit(names.alias)

    def _filter(self, names: nodes.Named) -> None:
        node = names.names[0]
        self._visit(names.arguments)
        self._visit(names.alias)
        if isinstance(node, nodes.Variable) and len(node.path) == 1:
            self._filter_object(node.path)
        elif (name := _name(node)) is None:
            self._visit(node)
        elif name not in self._own.filters:
            self._add(UseKind.FILTER, (name,), (names.offsets[0],))

    def _filter_object(self, path: nodes.Path) -> None:
        self._parts(path)
        name = _name(path[0].name)
        if name is None:
            return
        values = self._own.values.get(name, [])
        plugins = [value.path for value in values if isinstance(value, _Meaning)]
        if len(plugins) == len(values) == 1:
            self._add(UseKind.FILTER_OBJECT, plugins[0], (path[0].offset,))
        elif not values and self._meaning(name) is not None:
            self._add(UseKind.FILTER_OBJECT, (name,), (path[0].offset,))
