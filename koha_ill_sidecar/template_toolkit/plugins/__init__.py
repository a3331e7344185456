"""
The standard plugins for USE.

These are Template Toolkit's plugins that need no Perl code, files or database. Their output is the same as Perl's, and
they respect the limits of the rendering.

Source: Template Toolkit 2.27, Template::Plugins and Template::Plugin::*.
"""

from collections.abc import Iterator, Mapping

from koha_ill_sidecar.template_toolkit.context import PluginFactory
from koha_ill_sidecar.template_toolkit.filters import FilterFactory
from koha_ill_sidecar.template_toolkit.loops import Loop
from koha_ill_sidecar.template_toolkit.plugins.dates import make_date
from koha_ill_sidecar.template_toolkit.plugins.formats import make_format
from koha_ill_sidecar.template_toolkit.plugins.lookups import make_assert, make_scalar
from koha_ill_sidecar.template_toolkit.plugins.markup import make_html
from koha_ill_sidecar.template_toolkit.plugins.mathematics import make_math
from koha_ill_sidecar.template_toolkit.plugins.strings import make_string
from koha_ill_sidecar.template_toolkit.plugins.tables import make_table
from koha_ill_sidecar.template_toolkit.plugins.urls import make_url
from koha_ill_sidecar.template_toolkit.plugins.wrapping import make_wrap, wrap_filter
from koha_ill_sidecar.template_toolkit.text_methods import argument

_IN_ANY_CASE: Mapping[str, PluginFactory] = {
    "Assert": make_assert,
    "Date": make_date,
    "Format": make_format,
    "HTML": make_html,
    "Iterator": lambda context, args: Loop(argument(args, 0), context.meter.count_turn),
    "Scalar": make_scalar,
    "Table": make_table,
    "URL": make_url,
    "Wrap": make_wrap,
}
# Template::Plugins does not list these, so Perl finds them only by their exact name.
_AS_WRITTEN: Mapping[str, PluginFactory] = {"Math": make_math, "String": make_string}


def _spellings(name: str) -> Iterator[str]:
    yield from (name, name.lower(), name.upper(), name.capitalize())


STANDARD_PLUGINS: Mapping[str, PluginFactory] = {
    spelling: factory for name, factory in _IN_ANY_CASE.items() for spelling in _spellings(name)
} | dict(_AS_WRITTEN)
"""The plugins by name. Perl accepts any mixture of upper and lower case; these are the four that people write."""

PLUGIN_FILTERS: Mapping[str, FilterFactory] = {"wrap": wrap_filter}
"""The filters of plugins. Perl defines them when the plugin is used; here they are always available."""
