"""The engine compiles templates, caches them, and renders them."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping

from koha_ill_sidecar.template_toolkit.compiler import compile_tree, line_of
from koha_ill_sidecar.template_toolkit.context import Context, Document, PluginFactory
from koha_ill_sidecar.template_toolkit.errors import TemplateError, TemplateLimitError
from koha_ill_sidecar.template_toolkit.filters import (
    FILTER_FACTORIES,
    STATIC_FILTERS,
    FilterFactory,
    FilterFunction,
)
from koha_ill_sidecar.template_toolkit.limits import Limits, Meter
from koha_ill_sidecar.template_toolkit.parser import parse
from koha_ill_sidecar.template_toolkit.plugins import PLUGIN_FILTERS, STANDARD_PLUGINS
from koha_ill_sidecar.template_toolkit.source import Options
from koha_ill_sidecar.template_toolkit.text_methods import trim
from koha_ill_sidecar.template_toolkit.values import Value

Loader = Callable[[str], str | None]

_NAME = "input text"


class Template:
    """A compiled template. It can be rendered many times and from any thread."""

    def __init__(self, engine: "Engine", document: Document) -> None:
        self._engine = engine
        self._document = document

    @property
    def metadata(self) -> Mapping[str, str]:
        """The values that the template's META directive sets."""
        return self._document.metadata

    def render(self, variables: Mapping[str, Value]) -> str:
        """
        Render the template.

        Lists and hashes are not copied: a template that changes one changes the caller's.

        Raises:
            TemplateError: The template fails, throws, or exceeds a limit. Exceptions of other types come from the
                caller's own objects and functions, and pass through unchanged.
        """
        return self._engine.run(self._document, variables, Meter(self._engine.limits))


class Engine:
    """
    Renders templates.

    Args:
        filters: Static filters by name; they are added to the standard ones or replace them.
        filter_factories: Filters with arguments, by name.
        plugins: Plugins for USE by name; they are added to the standard ones or replace them.
        limits: How much a template may do.
        options: How templates are parsed.
        loader: Returns the source of a template that INCLUDE, PROCESS, WRAPPER or INSERT names and that is not a
            block. Without a loader no such template is found.
        cache_size: How many compiled templates are cached; the least recently used one is dropped first.
    """

    def __init__(
        self,
        *,
        filters: Mapping[str, FilterFunction] | None = None,
        filter_factories: Mapping[str, FilterFactory] | None = None,
        plugins: Mapping[str, PluginFactory] | None = None,
        limits: Limits | None = None,
        options: Options | None = None,
        loader: Loader | None = None,
        cache_size: int = 256,
    ) -> None:
        own_factories = filter_factories or {}
        # Static filters are looked up first, so a standard one would hide the caller's factory of the same name.
        standard = {name: function for name, function in STATIC_FILTERS.items() if name not in own_factories}
        self.filters: Mapping[str, FilterFunction] = {**standard, **(filters or {})}
        self.filter_factories: Mapping[str, FilterFactory] = {
            **FILTER_FACTORIES,
            **PLUGIN_FILTERS,
            **own_factories,
        }
        self.plugins: Mapping[str, PluginFactory] = {**STANDARD_PLUGINS, **(plugins or {})}
        self.limits = limits or Limits()
        self.options = options or Options()
        self.trim = self.options.trim
        self._loader = loader
        self._cache_size = cache_size
        self._cache: OrderedDict[str, Document] = OrderedDict()
        self._lock = threading.Lock()

    def compile(self, source: str) -> Template:
        """
        Compile a template, or return it from the cache.

        Raises:
            TemplateError: Of the kind `parse`, with line and column.
        """
        return Template(self, self.document(source, Meter(self.limits)))

    def render(self, source: str, variables: Mapping[str, Value]) -> str:
        """Compile and render a template; raises as `compile` and `Template.render` do."""
        meter = Meter(self.limits)
        return self.run(self.document(source, meter), variables, meter)

    def document(self, source: str, meter: Meter) -> Document:
        """Return the compiled form of *source*; only for the engine's own modules."""
        # The lock is not held during compilation: two threads may compile the same template, which is harmless.
        with self._lock:
            found = self._cache.get(source)
            if found is not None:
                self._cache.move_to_end(source)
                return found
        if len(source) > self.limits.source:
            raise TemplateLimitError(f"source longer than {self.limits.source} characters")
        document = compile_tree(parse(source, self.options, meter), _NAME)
        with self._lock:
            self._cache[source] = document
            while len(self._cache) > self._cache_size:
                self._cache.popitem(last=False)
        return document

    def load(self, name: str) -> str | None:
        """Return the source of another template, or None where the loader has no such template."""
        return None if self._loader is None else self._loader(name)

    def run(self, document: Document, variables: Mapping[str, Value], meter: Meter) -> str:
        """Render a compiled document; only for the engine's own modules."""
        context = Context(self, document, variables, meter)
        try:
            rendered = document.main(context)
        except TemplateError as error:
            if error.kind == "stop" and not isinstance(error, TemplateLimitError):
                return context.meter.join(error.output or [])
            if error.line is None:
                error.line = line_of(error.__traceback__)
            raise
        except RecursionError as error:
            raise TemplateLimitError("blocks or variables too deep inside each other") from error
        return trim(rendered) if self.trim else rendered
