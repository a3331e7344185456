"""
Koha's Template Toolkit plugins that notices use.

Source: Koha, Koha/Template/Plugin/.
"""

from collections.abc import Callable, Mapping, Sequence

from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.domain.formats import (
    DateStyle,
    format_price,
    parse_stored_date,
    without_final_punctuation,
)
from koha_ill_sidecar.storage.koha import notice_tables
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.template_toolkit import TemplateError


class FilterPlugin:
    """A plugin that is used as a filter: ``[% value | $Name option => 1 %]``."""

    def __init__(self, write: Callable[[str, Mapping[str, object]], str]) -> None:
        self._write = write

    def template_filter(self, text: str, args: Sequence[object], kwargs: Mapping[str, object]) -> str:  # noqa: ARG002  (the engine's protocol)
        """Filter a text."""
        return self._write(text, kwargs)


class MethodPlugin:
    """A plugin whose methods are called: ``[% Name.Method(…) %]``."""

    def __init__(self, name: str, methods: Mapping[str, Callable[[Sequence[object]], object]]) -> None:
        self._name = name
        self._methods = methods

    def template_get(self, name: str, args: Sequence[object]) -> object:
        """Call a method."""
        if name not in self._methods:
            known = ", ".join(sorted(self._methods))
            raise TemplateError("plugin", f"{self._name} has no {name} here; it has {known}")
        return self._methods[name](args)


def make_plugins(tx: Transaction, actor: Actor | None) -> dict[str, FilterPlugin | MethodPlugin]:
    """Make the plugins for one notice; they read the database when they are used."""
    dates = date_style(tx)
    return {
        "AuthorisedValues": MethodPlugin(
            "AuthorisedValues", {"GetByCode": lambda args: _authorised_value(tx, args)}
        ),
        "Branches": MethodPlugin(
            "Branches",
            {
                "GetName": lambda args: _library_column(tx, args, "branchname") or "",
                "GetURL": lambda args: _library_column(tx, args, "branchurl"),
                "GetLoggedInBranchcode": lambda _: (actor and actor.branchcode) or "",
            },
        ),
        "Koha": MethodPlugin(
            "Koha", {"Preference": lambda args: notice_tables.preference(tx, _argument(args, 0))}
        ),
        "KohaDates": FilterPlugin(lambda text, options: _date(text, options, dates)),
        "Price": FilterPlugin(lambda text, options: _price(text, options, tx)),
        "Remove_MARC_punctuation": FilterPlugin(lambda text, _: without_final_punctuation(text)),
        "raw": FilterPlugin(lambda text, _: text),
    }


PLUGIN_NAMES = (
    "AuthorisedValues",
    "Branches",
    "Koha",
    "KohaDates",
    "Price",
    "Remove_MARC_punctuation",
    "raw",
)
"""What make_plugins makes."""

AUTOMATIC = ("KohaDates", "Remove_MARC_punctuation")
"""Plugins that Koha loads for every notice (Koha, C4/Letters.pm _process_tt)."""


def date_style(tx: Transaction) -> DateStyle:
    """Give the date style of the preferences."""
    return DateStyle(tx.preferences.text("dateformat", "us"), tx.preferences.text("timeformat", "24hr"))


def _date(value: str, options: Mapping[str, object], dates: DateStyle) -> str:
    if not value or value == "0":
        return ""
    try:
        moment = parse_stored_date(value)
    except ValueError as error:
        raise TemplateError("filter", f"KohaDates: {error}") from error
    style = DateStyle(str(options["dateformat"]), dates.timeformat) if options.get("dateformat") else dates
    if _is_true(options.get("as_due_date")):
        return style.due_date(moment)
    return style.date_and_time(moment) if _is_true(options.get("with_hours")) else style.date(moment)


def _price(value: str, options: Mapping[str, object], tx: Transaction) -> str:
    if _is_true(options.get("with_symbol")):
        raise TemplateError("filter", "Price: with_symbol is not known here, for currencies are not read")
    currency_format = tx.preferences.text("CurrencyFormat", "US")
    try:
        return format_price(value, currency_format, for_editing=_is_true(options.get("on_editing")))
    except ValueError as error:
        raise TemplateError("filter", f"Price: {error}") from error


def _authorised_value(tx: Transaction, args: Sequence[object]) -> str:
    category, code = _argument(args, 0), _argument(args, 1)
    opac = len(args) > 2 and _is_true(args[2])
    found = notice_tables.authorised_value(tx, category, code, opac=opac)
    return code if found is None else found


def _library_column(tx: Transaction, args: Sequence[object], column: str) -> str | None:
    row = notice_tables.row(tx, "branches", _argument(args, 0))
    return None if row is None else row[column]


def _argument(args: Sequence[object], position: int) -> str:
    value = args[position] if position < len(args) else None
    return "" if value is None else str(value)


def _is_true(value: object) -> bool:
    return value not in (None, "", 0, "0", False)
