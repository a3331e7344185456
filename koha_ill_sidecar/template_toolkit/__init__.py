"""
A Template Toolkit engine in Python, usable on its own.

It renders templates for Template Toolkit 2.27 and 3 as Perl's engine does, but without Perl. Templates are sandboxed:
they can reach plain values, the functions that the caller passes in, and objects that implement `TemplateObject`.

    engine = Engine()
    engine.render("Dear [% name | html %]", {"name": "Ada"})
"""

from koha_ill_sidecar.template_toolkit.context import Context, PluginFactory
from koha_ill_sidecar.template_toolkit.engine import Engine, Template
from koha_ill_sidecar.template_toolkit.errors import TemplateError, TemplateLimitError
from koha_ill_sidecar.template_toolkit.filters import FilterFactory, FilterFunction
from koha_ill_sidecar.template_toolkit.inspection import (
    EACH,
    LIST_METHOD_NAMES,
    REFUSED_FILTERS,
    TEXT_METHOD_NAMES,
    NameUse,
    Place,
    TemplateNames,
    UseKind,
    inspect_template,
)
from koha_ill_sidecar.template_toolkit.limits import Limits
from koha_ill_sidecar.template_toolkit.source import Options
from koha_ill_sidecar.template_toolkit.values import (
    MISSING,
    TemplateObject,
    TemplateText,
    Value,
    split_arguments,
    text,
    truth,
)

__all__ = [
    "EACH",
    "LIST_METHOD_NAMES",
    "MISSING",
    "REFUSED_FILTERS",
    "TEXT_METHOD_NAMES",
    "Context",
    "Engine",
    "FilterFactory",
    "FilterFunction",
    "Limits",
    "NameUse",
    "Options",
    "Place",
    "PluginFactory",
    "Template",
    "TemplateError",
    "TemplateLimitError",
    "TemplateNames",
    "TemplateObject",
    "TemplateText",
    "UseKind",
    "Value",
    "inspect_template",
    "split_arguments",
    "text",
    "truth",
]
