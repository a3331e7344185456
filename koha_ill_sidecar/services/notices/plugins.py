"""
Koha's Template Toolkit plugins, as far as notices use them.

``PLUGINS`` lists each with its filter, its methods or both. Any other method of Koha's is an error that names those
that exist here.

Source: Koha, Koha/Template/Plugin/, each in the file of its name.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.domain.formats import (
    INTERVAL_UNITS,
    CurrencySymbol,
    DateStyle,
    add_interval,
    format_price,
    format_time,
    is_null_date,
    parse_stored_date,
    price_for_editing,
    without_final_punctuation,
)
from koha_ill_sidecar.services.notices.kinds import KINDS
from koha_ill_sidecar.services.notices.records import KohaObjects, KohaRecords
from koha_ill_sidecar.storage.koha import notice_tables
from koha_ill_sidecar.storage.koha.notice_tables import TextRow
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.template_toolkit import TemplateError, split_arguments, text, truth

Options = Mapping[str, object]
"""The named arguments of a template."""


@dataclass(frozen=True, slots=True)
class PluginContext:
    """What the plugins of one notice work with: Koha's objects, and who acts."""

    objects: KohaObjects
    actor: Actor | None

    @property
    def tx(self) -> Transaction:
        """The transaction in which the notice is rendered."""
        return self.objects.tx

    @property
    def branchcode(self) -> str:
        """The library that the actor works at."""
        return (self.actor and self.actor.branchcode) or ""


Filter = Callable[[PluginContext, str, Options], str]
Method = Callable[[PluginContext, Sequence[object], Options], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class PluginKind:
    """The filter and the methods of a plugin."""

    filter: Filter | None = None
    methods: Mapping[str, Method] = field(default_factory=dict)


class Plugin:
    """A plugin in a template: ``[% value | $Name option => 1 %]``, ``[% Name.Method(…) %]``."""

    def __init__(self, name: str, context: PluginContext) -> None:
        self._name = name
        self._kind = PLUGINS[name]
        self._context = context

    def template_filter(self, value: str, args: Sequence[object], options: Options) -> str:  # noqa: ARG002  (the engine's protocol)
        """Filter a text; unknown options are ignored, as in Koha."""
        if self._kind.filter is None:
            raise TemplateError("filter", f"{self._name} is not a filter")
        return self._kind.filter(self._context, value, options)

    def template_get(self, name: str, args: list[object]) -> object:
        """Call a method."""
        if name not in self._kind.methods:
            known = ", ".join(sorted(self._kind.methods.keys() - {"filter"}))
            has = f"it has {known}" if known else "it is a filter"
            raise TemplateError("plugin", f"{self._name} has no {name} here; {has}")
        positional, options = split_arguments(args)
        return self._kind.methods[name](self._context, positional, options)


def make_plugins(objects: KohaObjects, actor: Actor | None) -> dict[str, Plugin]:
    """Return the plugins for one notice; they read the database when they are used."""
    context = PluginContext(objects, actor)
    return {name: Plugin(name, context) for name in PLUGINS}


AUTOMATIC = ("KohaDates", "Remove_MARC_punctuation")
"""Plugins that Koha loads for every notice (Koha, C4/Letters.pm _process_tt)."""


def date_style(tx: Transaction) -> DateStyle:
    """Return the date and time format of the preferences."""
    return DateStyle(tx.preferences.text("dateformat", "us"), tx.preferences.text("timeformat", "24hr"))


def _koha_dates(context: PluginContext, value: str, options: Options) -> str:
    if not truth(value) or is_null_date(value):
        return ""
    try:
        moment = parse_stored_date(value)
        for unit, amount in _intervals(options):
            moment = add_interval(moment, unit, amount)
    except ValueError as error:
        raise TemplateError("filter", f"KohaDates: {error}") from error
    style = date_style(context.tx)
    if options.get("dateformat") is not None:
        style = DateStyle(text(options["dateformat"]), style.timeformat)
    with_time = truth(options.get("with_hours")) or truth(options.get("as_due_date"))
    if with_time and style.dateformat == "rfc3339":
        raise TemplateError(
            "filter", "KohaDates: rfc3339 with a time would need the time zone, which is not known"
        )
    if truth(options.get("as_due_date")):
        return style.due_date(moment)
    return style.date_and_time(moment) if with_time else style.date(moment)


def _intervals(options: Options) -> Iterator[tuple[str, int]]:
    for name, value in options.items():
        sign, _, unit = name.partition("_")
        if sign not in _SIGNS or unit not in INTERVAL_UNITS:
            continue
        if not re.fullmatch(r"\s*[+-]?\d{1,9}", text(value)):
            raise ValueError(f"{name} needs a whole number, not {text(value)[:30]!r}")
        yield unit, _SIGNS[sign] * int(text(value))


_SIGNS: Mapping[str, int] = {"add": 1, "subtract": -1}


def _price(context: PluginContext, value: str, options: Options) -> str:
    if truth(options.get("on_editing")):
        return price_for_editing(value)
    currency = _currency(context, options.get("p_cs_precedes")) if truth(options.get("with_symbol")) else None
    return format_price(value, context.tx.preferences.text("CurrencyFormat", "US"), currency)


def _currency(context: PluginContext, precedes: object) -> CurrencySymbol | None:
    """
    Return the symbol of the active currency.

    Where Koha has no setting for its position (before bug 37511), it comes before the amount.
    """
    _require_table(context, "currency", "Price")
    found = notice_tables.active_currency(context.tx)
    if found is None:
        return None
    return CurrencySymbol(
        symbol=found.symbol,
        precedes=found.precedes is not False if precedes is None else truth(precedes),
        separated_by_space=found.separated_by_space,
    )


def _koha_times(context: PluginContext, value: str, _: Options) -> str:
    return format_time(value, context.tx.preferences.text("timeformat", "24hr")) if truth(value) else ""


def _html_tags(_: PluginContext, value: str, options: Options) -> str:
    tag, attributes = text(options.get("tag")), text(options.get("attributes"))
    if not truth(value):
        return ""
    if not truth(tag):
        return value
    return f"<{tag} {attributes}>{value}</{tag}>" if truth(attributes) else f"<{tag}>{value}</{tag}>"


def _json(value: object) -> str:
    """Return JSON to put between quotes: without the quotes of a text, and with line breaks escaped twice."""
    try:
        encoded = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise TemplateError("plugin", "To: only texts, numbers, lists and hashes can be JSON") from error
    encoded = encoded.removeprefix('"').removesuffix('"')
    return encoded.replace(r"\r", r"\\r").replace(r"\n", r"\\n")


def _authorised_value(context: PluginContext, args: Sequence[object], _: Options) -> str:
    category, code = _argument(args, 0), _argument(args, 1)
    row = context.objects.authorised_value_row(category, code)
    if row is None:
        return code
    # Koha, Koha/AuthorisedValue.pm opac_description: the staff description where the OPAC has none.
    return (row["lib_opac"] if _flag(args, 2) else None) or row["lib"] or ""


def _authorised_values(context: PluginContext, args: Sequence[object], _: Options) -> list[object]:
    """Implement ``Get``, whose second argument asks for the OPAC's descriptions in ``lib``."""
    opac = _flag(args, 1)
    rows = notice_tables.authorised_values(context.tx, _argument(args, 0), context.branchcode)
    if opac:
        rows = tuple(sorted(rows, key=lambda row: (row["lib_opac"] or "").lower()))
    return [{**row, "lib": (row["lib_opac"] if opac else None) or row["lib"]} for row in rows]


def _authorised_value_records(context: PluginContext, args: Sequence[object], _: Options) -> KohaRecords:
    category = _argument(args, 0)
    return KohaRecords(
        KINDS["authorised value"],
        "AuthorisedValues.GetAuthValueDropbox",
        lambda: [
            context.objects.record("authorised value", row)
            for row in notice_tables.authorised_values(context.tx, category, context.branchcode)
        ],
    )


def _authorised_value_categories(
    context: PluginContext, _: Sequence[object], options: Options
) -> list[object]:
    return [
        {"category": name, **_selected_key(name in _selection(options))}
        for name in notice_tables.authorised_value_categories(context.tx)
    ]


def _library_name(context: PluginContext, args: Sequence[object], _: Options) -> str:
    return _library_column(context, _argument(args, 0), "branchname")


def _library_url(context: PluginContext, args: Sequence[object], _: Options) -> str:
    return _library_column(context, _argument(args, 0), "branchurl")


def _library_column(context: PluginContext, branchcode: str, column: str) -> str:
    return (context.objects.row("branches", branchcode) or {}).get(column) or ""


def _all_libraries(context: PluginContext, _: Sequence[object], options: Options) -> list[object]:
    """Implement ``all``: the libraries, or only the actor's where libraries are independent."""
    known = {"selected", "unfiltered", "search_params", "do_not_select_my_library"}
    _reject_unknown_options("Branches.all", options, known)
    rows = _libraries_like(context, options)
    if not truth(options.get("unfiltered")) and _is_bound_to_own_library(context):
        rows = [row for row in rows if row["branchcode"] == context.branchcode]
    chooses_own = not truth(options.get("do_not_select_my_library"))
    return _with_selection(context, rows, options, chooses_own=chooses_own)


def _pickup_locations(context: PluginContext, _: Sequence[object], options: Options) -> list[object]:
    _reject_unknown_options("Branches.pickup_locations", options, {"selected"})
    rows = [row for row in context.objects.rows("branches") if truth(row["pickup_location"])]
    return _with_selection(context, rows, options, chooses_own=True)


def _libraries_like(context: PluginContext, options: Options) -> list[TextRow]:
    conditions = options.get("search_params") or {}
    if not isinstance(conditions, Mapping):
        raise TemplateError("plugin", "Branches.all: search_params are { column => value }")
    return [
        row
        for row in context.objects.rows("branches")
        if all(row.get(str(name)) == text(value) for name, value in conditions.items())
    ]


def _with_selection(
    context: PluginContext, rows: Sequence[TextRow], options: Options, *, chooses_own: bool
) -> list[object]:
    selection = _selection(options) or ([context.branchcode] if chooses_own else [])
    return [{**row, **_selected_key(row["branchcode"] in selection)} for row in rows]


def _may_see_all_libraries(context: PluginContext, _args: Sequence[object], _options: Options) -> int:
    """Implement ``InIndependentBranchesMode``, which in Koha is true where libraries are *not* independent."""
    return int(not context.tx.preferences.flag("IndependentBranches") or _is_superlibrarian(context))


def _is_bound_to_own_library(context: PluginContext) -> bool:
    """Source: Koha, C4/Context.pm only_my_library."""
    independent = context.tx.preferences.flag("IndependentBranches")
    return bool(independent and context.branchcode and not _is_superlibrarian(context))


def _is_superlibrarian(context: PluginContext) -> bool:
    """Without a person there are no limits, as in Koha's scripts. Source: Koha, C4/Context.pm IsSuperLibrarian."""
    number = context.actor.borrowernumber if context.actor else None
    return not number or context.objects.is_superlibrarian(number)


def _category_name(context: PluginContext, args: Sequence[object], _: Options) -> str:
    row = context.objects.row("categories", _argument(args, 0))
    if row is None:
        raise TemplateError("plugin", f"Categories.GetName: there is no category {_argument(args, 0)!r}")
    return row["description"] or ""


def _all_categories(context: PluginContext, _: Sequence[object], options: Options) -> KohaRecords:
    categories = KohaRecords(
        KINDS["category"],
        "Categories.all",
        lambda: [context.objects.record("category", row) for row in context.objects.rows("categories")],
    )
    return categories.search([options])


def _item_type_description(context: PluginContext, args: Sequence[object], _: Options) -> str:
    """Implement ``GetDescription``, with the parent type before it on request; not translated."""
    _require_table(context, "itemtypes", "ItemTypes")
    row = context.objects.row("itemtypes", _argument(args, 0))
    if row is None:
        return ""
    parent = context.objects.row("itemtypes", row.get("parent_type")) if _flag(args, 1) else None
    before = f"{parent['description'] or ''}->" if parent else ""
    return before + (row["description"] or "")


def _multivalue_preference(context: PluginContext, args: Sequence[object], _: Options) -> list[object]:
    """Source: Koha, C4/Context.pm multivalue_preference; Perl's split drops empty parts at the end."""
    value = context.objects.preference(_argument(args, 0)) or ""
    parts = value.split("|" if "|" in value else ",")
    while parts and not parts[-1]:
        parts.pop()
    return [*parts]


def _version(context: PluginContext, _args: Sequence[object], _options: Options) -> dict[str, object]:
    """Return Koha's version from the database; Koha reads its program's, which is the same after an update."""
    version = context.tx.koha.version
    maintenance, development = version.rest[:2] or "00", version.rest[2:5]
    return {
        "major": f"{version.major:02d}",
        "minor": f"{version.minor:02d}",
        "release": version.release,
        "maintenance": f"{version.release}.{maintenance}",
        "development": development if development.strip("0") else None,
    }


def _csv_delimiter(context: PluginContext, args: Sequence[object], _options: Options) -> str:
    """Return a separator of CSV files (Koha, C4/Context.pm csv_delimiter); without a name, the preference's."""
    delimiter = _argument(args, 0) or context.objects.preference("CSVDelimiter") or ","
    return "\t" if delimiter == "tabulation" else delimiter


def _filtering(apply: Filter, methods: Mapping[str, Method] | None = None) -> PluginKind:
    """
    Return a plugin that is a filter, which templates may also call as a method: ``Price.filter(value)``.

    Named arguments of that call do not reach the filter's options, as in Perl (Template::Plugin::Filter).
    """
    return PluginKind(
        filter=apply,
        methods={
            "filter": lambda context, args, _options: apply(context, _argument(args, 0), {}),
            **(methods or {}),
        },
    )


PLUGINS: Mapping[str, PluginKind] = {
    "AuthorisedValues": PluginKind(
        methods={
            "Get": _authorised_values,
            "GetAuthValueDropbox": _authorised_value_records,
            "GetByCode": _authorised_value,
            "GetCategories": _authorised_value_categories,
        }
    ),
    "Branches": PluginKind(
        methods={
            "GetLoggedInBranchcode": lambda context, _args, _options: context.branchcode,
            "GetLoggedInBranchname": lambda context, _args, _options: _library_column(
                context, context.branchcode, "branchname"
            ),
            "GetName": _library_name,
            "GetURL": _library_url,
            "InIndependentBranchesMode": _may_see_all_libraries,
            "all": _all_libraries,
            "pickup_locations": _pickup_locations,
        }
    ),
    "Categories": PluginKind(methods={"GetName": _category_name, "all": _all_categories}),
    "HtmlTags": _filtering(_html_tags),
    "ItemTypes": PluginKind(methods={"GetDescription": _item_type_description}),
    "Koha": PluginKind(
        methods={
            "CSVDelimiter": _csv_delimiter,
            "MultivaluePreference": _multivalue_preference,
            "Preference": lambda context, args, _: context.objects.preference(_argument(args, 0)),
            "Version": _version,
        }
    ),
    "KohaDates": _filtering(_koha_dates),
    "KohaTimes": _filtering(_koha_times),
    "Price": _filtering(_price),
    "Remove_MARC_punctuation": _filtering(lambda _context, value, _: without_final_punctuation(value)),
    "To": _filtering(
        lambda _context, value, _: _json(value),
        {"json": lambda _context, args, _: _json(args[0] if args else None)},
    ),
    "raw": _filtering(lambda _context, value, _: value),
}
"""Every plugin that USE finds, by name."""


def _argument(args: Sequence[object], position: int) -> str:
    return text(args[position]) if position < len(args) else ""


def _flag(args: Sequence[object], position: int) -> bool:
    return position < len(args) and truth(args[position])


def _selection(options: Options) -> list[str]:
    chosen = options.get("selected")
    if isinstance(chosen, list):
        return [text(one) for one in chosen]
    return [] if chosen is None else [text(chosen)]


def _selected_key(chosen: bool) -> dict[str, object]:  # noqa: FBT001  (the only argument)
    return {"selected": 1} if chosen else {}


def _reject_unknown_options(method: str, options: Options, known: set[str]) -> None:
    for name in options:
        if name not in known:
            raise TemplateError("plugin", f"{method}: {name} is not known here")


def _require_table(context: PluginContext, table: str, plugin: str) -> None:
    if not notice_tables.can_read(context.tx, table):
        raise TemplateError(
            "plugin",
            f"{plugin}: Koha's table {table} cannot be read; run what `koha-ill-sidecar grants` prints",
        )
