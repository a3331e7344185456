"""
The state of one rendering: variables, blocks, filters, plugins and limits.

Plugins receive the context and may use its public methods.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NoReturn, Protocol

from koha_ill_sidecar.template_toolkit.errors import TemplateError, TemplateLimitError
from koha_ill_sidecar.template_toolkit.filters import FilterFactory, FilterFunction
from koha_ill_sidecar.template_toolkit.limits import Limits, Meter
from koha_ill_sidecar.template_toolkit.loops import Loop
from koha_ill_sidecar.template_toolkit.stash import Stash, is_code
from koha_ill_sidecar.template_toolkit.text_methods import trim
from koha_ill_sidecar.template_toolkit.values import (
    MISSING,
    Value,
    split_arguments,
    subtract,
    successor,
    text,
)

Block = Callable[["Context"], str]
PluginFactory = Callable[["Context", list[Value]], Value]


@dataclass(frozen=True, slots=True)
class Document:
    """A compiled template: its main block, its named blocks, and the values of META."""

    name: str
    main: Block
    blocks: Mapping[str, Block]
    metadata: Mapping[str, str]

    def template_get(self, name: str, args: list[object]) -> object:
        """Return `template.name` or a value of META."""
        del args
        return self.name if name == "name" else self.metadata.get(name, MISSING)


class Environment(Protocol):
    """What the engine provides to each rendering."""

    limits: Limits
    trim: bool
    filters: Mapping[str, FilterFunction]
    filter_factories: Mapping[str, FilterFactory]
    plugins: Mapping[str, PluginFactory]

    def document(self, source: str, meter: Meter) -> Document:
        """Compile a template; raises TemplateError."""

    def load(self, name: str) -> str | None:
        """Return the source of a template by name, or None."""


class CaughtError:
    """The variable `error` in a CATCH."""

    def __init__(self, error: TemplateError) -> None:
        self.error = error

    def template_get(self, name: str, args: list[object]) -> object:
        """Return `error.type`, `error.info` and so on; `error.text` is the output before the error."""
        del args
        match name:
            case "type":
                return self.error.kind
            case "info":
                return self.error.info
            case "type_info":
                return [self.error.kind, self.error.info]
            case "text":
                return "".join(self.error.output or [])
            case "as_string":
                return self.template_text()
        return MISSING

    def template_text(self) -> str:
        """Return the error as Template Toolkit prints it."""
        return f"{self.error.kind} error - {text(self.error.info)}"


class Context:
    """The state of one rendering. The variables are copied, but not their values."""

    def __init__(
        self,
        environment: Environment,
        document: Document,
        variables: Mapping[str, Value],
        meter: Meter,
    ) -> None:
        self.environment = environment
        self.meter = meter
        first: dict[str, Value] = {"global": {}, **variables, "inc": _increment, "dec": _decrement}
        first["template"] = first["component"] = document
        self.stash = Stash(meter, first)
        self._parents: list[Stash] = []
        self._documents = [document]
        # Blocks of evaluated and loaded templates stay for the rest of the rendering, as with PROCESS.
        self._blocks: dict[str, Block] = {}
        self._filters: dict[str, FilterFunction] = {}
        self._depth = 0

    # Variables.

    def localise(self, more: dict[str, Value] | None = None) -> Stash:
        """Use a copy of the variables until `delocalise`."""
        self._parents.append(self.stash)
        self.stash = self.stash.localise(more or {})
        return self.stash

    def delocalise(self) -> Stash:
        """Return to the variables before the last `localise`."""
        self.stash = self._parents.pop()
        return self.stash

    def loop(self, items: Value, body: int) -> Loop:
        """Start a FOREACH whose *body* has so many characters of code."""
        if isinstance(items, Loop):
            return items
        if isinstance(items, dict):
            self.meter.visit(items)
            self.meter.created(items)
        return Loop(items, self.meter.count_turn, body)

    # Blocks.

    def include(self, names: Value, variables: dict[str, Value]) -> str:
        """Render blocks with a copy of the variables, as INCLUDE does."""
        blocks = self._find_all(names)
        self.localise(variables)
        try:
            return self._render_all(blocks)
        finally:
            self.delocalise()

    def process(self, names: Value, variables: dict[str, Value]) -> str:
        """Render blocks with the current variables, as PROCESS does."""
        blocks = self._find_all(names)
        self.stash.spread(variables)
        for _, block in blocks:
            if isinstance(block, Document):
                self._blocks.update(block.blocks)
        return self._render_all(blocks)

    def insert(self, names: Value) -> str:
        """Return the sources of templates unprocessed, as INSERT does."""
        return self.meter.join([self._load(name) for name in _names(names)])

    def evaluate(self, source: str) -> str:
        """Render *source* as a template of its own, with the current variables."""
        document = self.environment.document(source, self.meter)
        self._blocks.update(document.blocks)
        return self._render_all([("input text", document)])

    def _find_all(self, names: Value) -> list[tuple[str, "Block | Document"]]:
        if isinstance(names, Document):
            raise TemplateError("file", f"recursion into '{names.name}'")
        return [(name, self._find(name)) for name in _names(names)]

    def _find(self, name: str) -> "Block | Document":
        if block := self._blocks.get(name):
            return block
        for document in reversed(self._documents):
            if block := document.blocks.get(name):
                return block
        return replace(self.environment.document(self._load(name), self.meter), name=name)

    def _load(self, name: str) -> str:
        source = self.environment.load(name)
        if source is None:
            raise TemplateError("file", f"{name}: not found")
        return source

    def _render_all(self, blocks: list[tuple[str, "Block | Document"]]) -> str:
        stash = self.stash
        component = stash.get("component")
        rendered = []
        for name, block in blocks:
            stash["component"] = block if isinstance(block, Document) else {"name": name}
            output = self._render(block)
            rendered.append(trim(output) if self.environment.trim else output)
        stash["component"] = component
        return rendered[0] if len(rendered) == 1 else self.meter.join(rendered)

    def _render(self, block: "Block | Document") -> str:
        self._enter()
        try:
            if not isinstance(block, Document):
                return block(self)
            self._documents.append(block)
            try:
                return block.main(self)
            finally:
                self._documents.pop()
        finally:
            self._depth -= 1

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > self.meter.limits.depth:
            raise TemplateLimitError(f"blocks more than {self.meter.limits.depth} deep inside each other")
        self.meter.seconds_left()

    def macro(self, block: Block, parameters: tuple[str, ...] | None) -> Callable[..., str]:
        """Return the function that a MACRO defines."""

        def call(*args: Value) -> str:
            self._enter()
            try:
                self.localise(_macro_variables(parameters, args))
                try:
                    return block(self)
                finally:
                    self.delocalise()
            finally:
                self._depth -= 1

        return call

    # Filters and plugins.

    def filter(self, name: Value, args: list[Value] | None = None, alias: str = "") -> FilterFunction:
        """
        Find a filter by name, or use an object or function as a filter.

        Raises:
            TemplateError: There is no such filter, or its arguments are wrong.
        """
        found = self._filters.get(name) if args is None and isinstance(name, str) else None
        if found is None:
            found = self._named_filter(text(name), args) if isinstance(name, str | int | float) else None
        if found is None:
            found = _object_filter(name, args or [])
        if found is None:
            raise TemplateError("undef", f"{text(name)}: filter not found")
        if alias:
            self._filters[alias] = found
        return found

    def _named_filter(self, name: str, args: list[Value] | None) -> FilterFunction | None:
        if found := self.environment.filters.get(name):
            return found
        if factory := self.environment.filter_factories.get(name):
            return factory(self.meter, args or [])
        return self.evaluate if name in ("eval", "evaltt") else None

    def plugin(self, name: str, args: list[Value]) -> Value:
        """
        Create a plugin, as USE does.

        Raises:
            TemplateError: There is no such plugin.
        """
        factory = self.environment.plugins.get(name)
        if factory is None:
            raise TemplateError("plugin", f"{name}: plugin not found")
        return factory(self, args)

    # Errors.

    def throw(self, kind: Value, info: Value, output: list[str]) -> NoReturn:
        """Raise the error of a THROW; without *info* the kind is the message."""
        if isinstance(kind, CaughtError):
            raise kind.error
        if info is None:
            raise TemplateError("undef", text(kind), output=output)
        raise TemplateError(text(kind), info, output=output)

    def end_block(self, error: TemplateError, output: list[str]) -> None:
        """End a block after an exception: silently for RETURN, otherwise by raising the error again."""
        _take_output(error, output)
        if error.kind != "return" or isinstance(error, TemplateLimitError):
            raise error

    def catch(self, error: TemplateError, output: list[str]) -> TemplateError:
        """
        Hand an error to a TRY: set the variables `error` and `e`, and return it.

        RETURN, STOP and exceeded limits cannot be caught; they are raised again.
        """
        _take_output(error, output)
        if (
            isinstance(error, TemplateLimitError)
            or error.kind.startswith("return")
            or error.kind.endswith("stop")
        ):
            raise error
        self.stash["error"] = self.stash["e"] = CaughtError(error)
        return error

    @staticmethod
    def choose_handler(error: TemplateError, kinds: tuple[str, ...]) -> str | None:
        """Return the kind of the CATCH for an error: for `a.b.c` that kind, else `a.b`, else `a`."""
        kind = error.kind
        while kind:
            if kind in kinds:
                return kind
            kind = kind.rpartition(".")[0]
        return None


def _take_output(error: TemplateError, output: list[str]) -> None:
    if error.output is not None and error.output is not output:
        output.extend(error.output)
    error.output = output


def _names(names: Value) -> list[str]:
    return [text(name) for name in names] if isinstance(names, list) else [text(names)]


def _object_filter(name: Value, args: list[Value]) -> FilterFunction | None:
    apply = getattr(name, "template_filter", None)
    if apply is not None:
        positional, named = split_arguments(args)
        return lambda value: text(apply(value, positional, named))
    if is_code(name):
        function: Callable[[str], Value] = name  # type: ignore[assignment]
        return lambda value: text(function(value))
    return None


def _macro_variables(parameters: tuple[str, ...] | None, args: tuple[Value, ...]) -> dict[str, Value]:
    names = parameters or ()
    variables: dict[str, Value] = dict.fromkeys(names)
    variables.update(zip(names, args, strict=False))
    rest = args[len(names) :]
    if rest and isinstance(rest[0], dict):
        variables.update(rest[0])
    return variables


def _increment(value: Value = None, *_: Value) -> Value:
    return successor(value)


def _decrement(value: Value = None, *_: Value) -> Value:
    return subtract(value, 1)
