"""
What a template has while it is rendered: its variables, blocks, filters and plugins, and its limits.

Plugins and filter factories are given the context; its public methods are theirs to use.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
    """A compiled template: its main block, its named blocks, and what META says."""

    name: str
    main: Block
    blocks: Mapping[str, Block]
    metadata: Mapping[str, str]

    def template_get(self, name: str, args: list[object]) -> object:
        """Answer `template.name` and what META has set."""
        del args
        return self.name if name == "name" else self.metadata.get(name, MISSING)


class Environment(Protocol):
    """What the engine lends to each rendering."""

    limits: Limits
    trim: bool
    filters: Mapping[str, FilterFunction]
    filter_factories: Mapping[str, FilterFactory]
    plugins: Mapping[str, PluginFactory]

    def document(self, source: str) -> Document:
        """Compile a text; raises TemplateError."""

    def load(self, name: str) -> str | None:
        """Return the source of a template by its name; None where there is none."""


class CaughtError:
    """The variable `error` in a CATCH."""

    def __init__(self, error: TemplateError) -> None:
        self.error = error

    def template_get(self, name: str, args: list[object]) -> object:
        """Answer `error.type`, `error.info`, and what was rendered before it."""
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


@dataclass(slots=True)
class Context:
    """The state of one rendering."""

    environment: Environment
    document: Document
    meter: Meter
    stash: Stash = field(init=False)
    _parents: list[Stash] = field(default_factory=list)
    _documents: list[Document] = field(default_factory=list)
    # Blocks of evaluated and loaded templates stay for the rest of the rendering, as with PROCESS.
    _blocks: dict[str, Block] = field(default_factory=dict)
    _filters: dict[str, FilterFunction] = field(default_factory=dict)
    _depth: int = 0

    @classmethod
    def begin(cls, environment: Environment, document: Document, variables: Mapping[str, Value]) -> "Context":
        """Prepare a rendering; the variables are copied, what they refer to is not."""
        context = cls(environment, document, Meter(environment.limits))
        first: dict[str, Value] = {"global": {}, **variables, "inc": _increment, "dec": _decrement}
        context.stash = Stash(context.meter, first | {"template": document, "component": document})
        context._documents.append(document)
        return context

    # Variables.

    def localise(self, more: dict[str, Value] | None = None) -> Stash:
        """Work on a copy of the variables until `delocalise`."""
        self._parents.append(self.stash)
        self.stash = self.stash.localise(more or {})
        return self.stash

    def delocalise(self) -> Stash:
        """Return to the variables before the last `localise`."""
        self.stash = self._parents.pop()
        return self.stash

    def loop(self, items: Value) -> Loop:
        """Begin a FOREACH."""
        return items if isinstance(items, Loop) else Loop(items, self.meter.turn)

    # Blocks.

    def include(self, names: Value, variables: dict[str, Value]) -> str:
        """Render blocks with variables of their own, as INCLUDE does."""
        blocks = self._find_all(names)
        self.localise(variables)
        try:
            return self._render_all(blocks)
        finally:
            self.delocalise()

    def process(self, names: Value, variables: dict[str, Value]) -> str:
        """Render blocks with the variables that are there, as PROCESS does."""
        blocks = self._find_all(names)
        self.stash.spread(variables)
        for _, block in blocks:
            if isinstance(block, Document):
                self._blocks.update(block.blocks)
        return self._render_all(blocks)

    def insert(self, names: Value) -> str:
        """Return the sources of templates as they are, as INSERT does."""
        found = []
        for name in _names(names):
            source = self.environment.load(name)
            if source is None:
                raise TemplateError("file", f"{name}: not found")
            found.append(source)
        return self.meter.join(found)

    def evaluate(self, source: str) -> str:
        """Render a text as a template of its own, with the variables that are there."""
        document = self.environment.document(source)
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
        source = self.environment.load(name)
        if source is None:
            raise TemplateError("file", f"{name}: not found")
        loaded = self.environment.document(source)
        return Document(name, loaded.main, loaded.blocks, loaded.metadata)

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
        """Make a function of a MACRO's block."""

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
        Find a filter: by its name, or a plugin that is one.

        Raises:
            TemplateError: There is no such filter, or it refuses its arguments.
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
        Make a plugin, as USE does.

        Raises:
            TemplateError: There is no such plugin.
        """
        factory = self.environment.plugins.get(name)
        if factory is None:
            raise TemplateError("plugin", f"{name}: plugin not found")
        return factory(self, args)

    # Errors.

    def throw(self, kind: Value, info: Value, output: list[str]) -> NoReturn:
        """Raise what THROW says; without *info* the kind is the message."""
        if isinstance(kind, CaughtError):
            raise kind.error
        if info is None:
            raise TemplateError("undef", text(kind), output=output)
        raise TemplateError(text(kind), info, output=output)

    def returned(self, error: TemplateError, output: list[str]) -> None:
        """End a block: quietly if it was left by RETURN, else by raising the error anew."""
        _take_output(error, output)
        if error.kind != "return" or isinstance(error, TemplateLimitError):
            raise error

    def caught(self, error: TemplateError, output: list[str]) -> TemplateError:
        """Let TRY have an error, which becomes the variables `error` and `e`; others go on their way."""
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
    def handler(error: TemplateError, kinds: tuple[str, ...]) -> str | None:
        """Choose the CATCH for an error: of `a.b.c` the one for that kind, or else for `a.b`, or for `a`."""
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
