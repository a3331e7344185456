"""
Koha's Template Toolkit plugins that notices use.

``PLUGINS`` tells what each is here: a filter, a set of methods, or both. A method that means nothing in a notice is
an error that names those that do.

Source: Koha, Koha/Template/Plugin/, each in the file of its name.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.domain.formats import (
    SPANS,
    CurrencySymbol,
    DateStyle,
    format_price,
    format_time,
    is_null_date,
    moved,
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
    """What the plugins of one notice know: Koha's objects, and who acts."""

    objects: KohaObjects
    actor: Actor | None

    @property
    def tx(self) -> Transaction:
        """The transaction in which the notice is made."""
        return self.objects.tx

    @property
    def branchcode(self) -> str:
        """The library that the actor works at."""
        return (self.actor and self.actor.branchcode) or ""


Filter = Callable[[PluginContext, str, Options], str]
Method = Callable[[PluginContext, Sequence[object], Options], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class PluginKind:
    """What a plugin can do."""

    filter: Filter | None = None
    methods: Mapping[str, Method] = field(default_factory=dict)


class Plugin:
    """A plugin as a template sees it: ``[% value | $Name option => 1 %]``, ``[% Name.Method(…) %]``."""

    def __init__(self, name: str, surroundings: PluginContext) -> None:
        self._name = name
        self._kind = PLUGINS[name]
        self._surroundings = surroundings

    def template_filter(self, value: str, args: Sequence[object], options: Options) -> str:  # noqa: ARG002  (the engine's protocol)
        """Filter a text; options that nobody knows are passed over, as in Koha."""
        if self._kind.filter is None:
            raise TemplateError("filter", f"{self._name} is not a filter")
        return self._kind.filter(self._surroundings, value, options)

    def template_get(self, name: str, args: list[object]) -> object:
        """Call a method."""
        if name not in self._kind.methods:
            known = ", ".join(sorted(self._kind.methods))
            has = f"it has {known}" if known else "it is a filter"
            raise TemplateError("plugin", f"{self._name} has no {name} here; {has}")
        positional, options = split_arguments(args)
        return self._kind.methods[name](self._surroundings, positional, options)


def make_plugins(objects: KohaObjects, actor: Actor | None) -> dict[str, Plugin]:
    """Make the plugins for one notice; they read the database when they are used."""
    surroundings = PluginContext(objects, actor)
    return {name: Plugin(name, surroundings) for name in PLUGINS}


AUTOMATIC = ("KohaDates", "Remove_MARC_punctuation")
"""Plugins that Koha loads for every notice (Koha, C4/Letters.pm _process_tt)."""


def date_style(tx: Transaction) -> DateStyle:
    """Return the date style of the preferences."""
    return DateStyle(tx.preferences.text("dateformat", "us"), tx.preferences.text("timeformat", "24hr"))


def _koha_dates(world: PluginContext, value: str, options: Options) -> str:
    if not truth(value) or is_null_date(value):
        return ""
    try:
        moment = parse_stored_date(value)
        for unit, amount in _spans(options):
            moment = moved(moment, unit, amount)
    except ValueError as error:
        raise TemplateError("filter", f"KohaDates: {error}") from error
    style = date_style(world.tx)
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


def _spans(options: Options) -> Iterator[tuple[str, int]]:
    for name, value in options.items():
        sign, _, unit = name.partition("_")
        if sign not in _SIGNS or unit not in SPANS:
            continue
        if not re.fullmatch(r"\s*[+-]?\d{1,9}", text(value)):
            raise ValueError(f"{name} needs a whole number, not {text(value)[:30]!r}")
        yield unit, _SIGNS[sign] * int(text(value))


_SIGNS: Mapping[str, int] = {"add": 1, "subtract": -1}


def _price(world: PluginContext, value: str, options: Options) -> str:
    if truth(options.get("on_editing")):
        return price_for_editing(value)
    currency = _currency(world, options.get("p_cs_precedes")) if truth(options.get("with_symbol")) else None
    return format_price(value, world.tx.preferences.text("CurrencyFormat", "US"), currency)


def _currency(world: PluginContext, precedes: object) -> CurrencySymbol | None:
    """
    Return the sign of the active currency.

    Where Koha does not say whether it stands before the amount (before bug 37511), it does.
    """
    _require(world, "currency", "Price")
    found = notice_tables.active_currency(world.tx)
    if found is None:
        return None
    return CurrencySymbol(
        symbol=found.symbol,
        precedes=found.precedes is not False if precedes is None else truth(precedes),
        separated_by_space=found.separated_by_space,
    )


def _koha_times(world: PluginContext, value: str, _: Options) -> str:
    return format_time(value, world.tx.preferences.text("timeformat", "24hr")) if truth(value) else ""


def _html_tags(_: PluginContext, value: str, options: Options) -> str:
    tag, attributes = text(options.get("tag")), text(options.get("attributes"))
    if not truth(value):
        return ""
    if not truth(tag):
        return value
    return f"<{tag} {attributes}>{value}</{tag}>" if truth(attributes) else f"<{tag}>{value}</{tag}>"


def _json(value: object) -> str:
    """Return JSON for the inside of quotes: without those of a text, and its line breaks escaped twice."""
    try:
        encoded = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise TemplateError("plugin", "To: only texts, numbers, lists and hashes can be JSON") from error
    encoded = encoded.removeprefix('"').removesuffix('"')
    return encoded.replace(r"\r", r"\\r").replace(r"\n", r"\\n")


def _authorised_value(world: PluginContext, args: Sequence[object], _: Options) -> str:
    category, code = _argument(args, 0), _argument(args, 1)
    row = world.objects.authorised_value_row(category, code)
    if row is None:
        return code
    # Koha, Koha/AuthorisedValue.pm opac_description: staff's words where the OPAC has none.
    return (row["lib_opac"] if _flag(args, 2) else None) or row["lib"] or ""


def _authorised_values(world: PluginContext, args: Sequence[object], _: Options) -> list[object]:
    """Answer ``Get``, whose second argument asks for the OPAC's words in ``lib``."""
    opac = _flag(args, 1)
    rows = notice_tables.authorised_values(world.tx, _argument(args, 0), world.branchcode)
    if opac:
        rows = tuple(sorted(rows, key=lambda row: (row["lib_opac"] or "").lower()))
    return [{**row, "lib": (row["lib_opac"] if opac else None) or row["lib"]} for row in rows]


def _authorised_value_records(world: PluginContext, args: Sequence[object], _: Options) -> KohaRecords:
    category = _argument(args, 0)
    return KohaRecords(
        KINDS["authorised value"],
        "AuthorisedValues.GetAuthValueDropbox",
        lambda: [
            world.objects.record("authorised value", row)
            for row in notice_tables.authorised_values(world.tx, category, world.branchcode)
        ],
    )


def _authorised_value_categories(world: PluginContext, _: Sequence[object], options: Options) -> list[object]:
    return [
        {"category": name, **_selected(name in _selection(options))}
        for name in notice_tables.authorised_value_categories(world.tx)
    ]


def _library_name(world: PluginContext, args: Sequence[object], _: Options) -> str:
    return _library_column(world, _argument(args, 0), "branchname")


def _library_url(world: PluginContext, args: Sequence[object], _: Options) -> str:
    return _library_column(world, _argument(args, 0), "branchurl")


def _library_column(world: PluginContext, branchcode: str, column: str) -> str:
    return (world.objects.row("branches", branchcode) or {}).get(column) or ""


def _all_libraries(world: PluginContext, _: Sequence[object], options: Options) -> list[object]:
    """Answer ``all``: the libraries, or the actor's alone where libraries are independent."""
    known = {"selected", "unfiltered", "search_params", "do_not_select_my_library"}
    _refuse_others("Branches.all", options, known)
    rows = _libraries_like(world, options)
    if not truth(options.get("unfiltered")) and _is_bound_to_own_library(world):
        rows = [row for row in rows if row["branchcode"] == world.branchcode]
    chooses_own = not truth(options.get("do_not_select_my_library"))
    return _with_selection(world, rows, options, chooses_own=chooses_own)


def _pickup_locations(world: PluginContext, _: Sequence[object], options: Options) -> list[object]:
    _refuse_others("Branches.pickup_locations", options, {"selected"})
    rows = [row for row in world.objects.rows("branches") if truth(row["pickup_location"])]
    return _with_selection(world, rows, options, chooses_own=True)


def _libraries_like(world: PluginContext, options: Options) -> list[TextRow]:
    conditions = options.get("search_params") or {}
    if not isinstance(conditions, Mapping):
        raise TemplateError("plugin", "Branches.all: search_params are { column => value }")
    return [
        row
        for row in world.objects.rows("branches")
        if all(row.get(str(name)) == text(value) for name, value in conditions.items())
    ]


def _with_selection(
    world: PluginContext, rows: Sequence[TextRow], options: Options, *, chooses_own: bool
) -> list[object]:
    selection = _selection(options) or ([world.branchcode] if chooses_own else [])
    return [{**row, **_selected(row["branchcode"] in selection)} for row in rows]


def _may_see_all_libraries(world: PluginContext, _args: Sequence[object], _options: Options) -> int:
    """Answer ``InIndependentBranchesMode``, which in Koha is true where libraries are *not* independent."""
    return int(not world.tx.preferences.flag("IndependentBranches") or _is_superlibrarian(world))


def _is_bound_to_own_library(world: PluginContext) -> bool:
    """Source: Koha, C4/Context.pm only_my_library."""
    independent = world.tx.preferences.flag("IndependentBranches")
    return bool(independent and world.branchcode and not _is_superlibrarian(world))


def _is_superlibrarian(world: PluginContext) -> bool:
    """Whoever is nobody may everything, as in Koha's scripts. Source: Koha, C4/Context.pm IsSuperLibrarian."""
    number = world.actor.borrowernumber if world.actor else None
    return not number or world.objects.is_superlibrarian(number)


def _category_name(world: PluginContext, args: Sequence[object], _: Options) -> str:
    row = world.objects.row("categories", _argument(args, 0))
    if row is None:
        raise TemplateError("plugin", f"Categories.GetName: there is no category {_argument(args, 0)!r}")
    return row["description"] or ""


def _all_categories(world: PluginContext, _: Sequence[object], options: Options) -> KohaRecords:
    categories = KohaRecords(
        KINDS["category"],
        "Categories.all",
        lambda: [world.objects.record("category", row) for row in world.objects.rows("categories")],
    )
    return categories.search([options])


def _item_type_description(world: PluginContext, args: Sequence[object], _: Options) -> str:
    """Answer ``GetDescription``, with what it is a kind of before it if asked; not translated."""
    _require(world, "itemtypes", "ItemTypes")
    row = world.objects.row("itemtypes", _argument(args, 0))
    if row is None:
        return ""
    parent = world.objects.row("itemtypes", row.get("parent_type")) if _flag(args, 1) else None
    before = f"{parent['description'] or ''}->" if parent else ""
    return before + (row["description"] or "")


def _multivalue_preference(world: PluginContext, args: Sequence[object], _: Options) -> list[object]:
    """Source: Koha, C4/Context.pm multivalue_preference; Perl's split drops empty parts at the end."""
    value = world.objects.preference(_argument(args, 0)) or ""
    parts = value.split("|" if "|" in value else ",")
    while parts and not parts[-1]:
        parts.pop()
    return [*parts]


def _version(world: PluginContext, _args: Sequence[object], _options: Options) -> dict[str, object]:
    """Answer ``Version`` from the database's; Koha asks its program, which is the same after an update."""
    version = world.tx.koha.version
    maintenance, development = version.rest[:2] or "00", version.rest[2:5]
    return {
        "major": f"{version.major:02d}",
        "minor": f"{version.minor:02d}",
        "release": version.release,
        "maintenance": f"{version.release}.{maintenance}",
        "development": development if development.strip("0") else None,
    }


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
            "GetLoggedInBranchcode": lambda world, _args, _options: world.branchcode,
            "GetLoggedInBranchname": lambda world, _args, _options: _library_column(
                world, world.branchcode, "branchname"
            ),
            "GetName": _library_name,
            "GetURL": _library_url,
            "InIndependentBranchesMode": _may_see_all_libraries,
            "all": _all_libraries,
            "pickup_locations": _pickup_locations,
        }
    ),
    "Categories": PluginKind(methods={"GetName": _category_name, "all": _all_categories}),
    "HtmlTags": PluginKind(filter=_html_tags),
    "ItemTypes": PluginKind(methods={"GetDescription": _item_type_description}),
    "Koha": PluginKind(
        methods={
            "MultivaluePreference": _multivalue_preference,
            "Preference": lambda world, args, _: world.objects.preference(_argument(args, 0)),
            "Version": _version,
        }
    ),
    "KohaDates": PluginKind(filter=_koha_dates),
    "KohaTimes": PluginKind(filter=_koha_times),
    "Price": PluginKind(filter=_price),
    "Remove_MARC_punctuation": PluginKind(filter=lambda _world, value, _: without_final_punctuation(value)),
    "To": PluginKind(
        filter=lambda _world, value, _: _json(value),
        methods={"json": lambda _world, args, _: _json(args[0] if args else None)},
    ),
    "raw": PluginKind(filter=lambda _world, value, _: value),
}
"""Every plugin that USE finds, by its name."""


def _argument(args: Sequence[object], position: int) -> str:
    return text(args[position]) if position < len(args) else ""


def _flag(args: Sequence[object], position: int) -> bool:
    return position < len(args) and truth(args[position])


def _selection(options: Options) -> list[str]:
    chosen = options.get("selected")
    if isinstance(chosen, list):
        return [text(one) for one in chosen]
    return [] if chosen is None else [text(chosen)]


def _selected(chosen: bool) -> dict[str, object]:  # noqa: FBT001  (the only thing that it says)
    return {"selected": 1} if chosen else {}


def _refuse_others(method: str, options: Options, known: set[str]) -> None:
    for name in options:
        if name not in known:
            raise TemplateError("plugin", f"{method}: {name} is not known here")


def _require(world: PluginContext, table: str, plugin: str) -> None:
    if not world.tx.koha.has(table):
        raise TemplateError(
            "plugin",
            f"{plugin}: Koha's table {table} cannot be read; run what `koha-ill-sidecar grants` prints",
        )
