"""Koha's plugins as notice templates use them."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from cast import ADA, CLARA, RIVERSIDE, SUPER
from conftest import USER, KohaDatabase
from koha_ill_sidecar.domain.actors import Actor, Interface
from koha_ill_sidecar.errors import TemplateFailed
from koha_ill_sidecar.resources import grants_sql
from koha_ill_sidecar.services.notices.plugins import PLUGINS, _json
from koha_ill_sidecar.storage.koha import installed
from koha_ill_sidecar.storage.transaction import Transaction
from messaging import BY_CLARA, rendered, with_preferences

Queries = Callable[[], AbstractContextManager[list[str]]]

USE_ALL = "".join(f"[% USE {name} %]" for name in PLUGINS)
BY_SUPER = Actor(interface=Interface.INTRANET, borrowernumber=SUPER, branchcode=ADA)


def shown(tx: Transaction, template: str, *, actor: Actor | None = BY_CLARA) -> str:
    return rendered(tx, USE_ALL + template, actor=actor, cost="12.50")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("[% '2026-03-09' | $KohaDates %]", "2026-03-09"),
        ("[% '2026-03-09 14:05:00' | $KohaDates with_hours => 1 %]", "2026-03-09 14:05"),
        ("[% '2026-03-09 14:05:00' | $KohaDates with_hours => 0 %]", "2026-03-09"),
        ("[% '2026-03-09 14:05:00' | $KohaDates dateformat => 'metric' %]", "09/03/2026"),
        ("[% '2026-03-09 14:05:00' | $KohaDates dateformat => 'us', with_hours => 1 %]", "03/09/2026 14:05"),
        ("[% '2026-03-09 14:05:00' | $KohaDates dateformat => 'rfc3339' %]", "2026-03-09"),
        ("[% '2026-03-09 14:05:00' | $KohaDates dateformat => nosuch %]", "2026-03-09"),
        ("[% '2026-03-09 23:59:00' | $KohaDates as_due_date => 1 %]", "2026-03-09"),
        (
            "[% '2026-03-09 14:05:00' | $KohaDates as_due_date => 1, dateformat => 'dmydot' %]",
            "09.03.2026 14:05",
        ),
        ("[% '2026-03-09' | $KohaDates add_days => 14 %]", "2026-03-23"),
        ("[% '2026-03-09' | $KohaDates subtract_weeks => 1, dateformat => 'us' %]", "03/02/2026"),
        ("[% '2026-03-09' | $KohaDates unheard_of => 1 %]", "2026-03-09"),
        ("[% '2026-03-09T14:05:00Z' | $KohaDates %]", "2026-03-09"),
        ("[% '' | $KohaDates %][% '0' | $KohaDates %][% '0000-00-00' | $KohaDates %]", ""),
        ("[% '14:05:00' | $KohaTimes %][% '' | $KohaTimes %]", "14:05"),
        ("[% illrequest.cost | $Price %]", "12.50"),
        ("[% '' | $Price %]", "0.00"),
        ("[% 1234.5 | $Price on_editing => 1, with_symbol => 1 %]", "1234.50"),
        ("[% '1e99' | $Price %]", "1e99"),
        ("[% 'Title /' | $Remove_MARC_punctuation %]", "Title "),
        ("[% '<b>' | $raw %]", "<b>"),
        ("[% 'Hi' | $HtmlTags tag => 'h1' %]", "<h1>Hi</h1>"),
        ("[% 'Hi' | $HtmlTags tag => 'p', attributes => 'class=\"x\"' %]", '<p class="x">Hi</p>'),
        ("[% 'Hi' | $HtmlTags %][% '' | $HtmlTags tag => 'p' %]", "Hi"),
        ("[% To.json('a\"b') %]", 'a\\"b'),
        ('[% "one\\ntwo" | $To %]', "one\\\\ntwo"),
        ("[% To.json([1, 'é', { a => 'b' }]) %]", '[1,"é",{"a":"b"}]'),
        ("[% Branches.GetName('MPL') %][% Branches.GetName('NO') %][% Branches.GetName('') %]", "Riverside"),
        ("[[% Branches.GetURL('MPL') %]]", "[]"),
        (
            "[% Branches.GetLoggedInBranchcode %] [% Branches.GetLoggedInBranchname %]",
            "CPL Ada Lovelace Library",
        ),
        ("[% Branches.InIndependentBranchesMode %]", "1"),
        ("[% FOREACH b IN Branches.all %][% b.branchcode %][% b.selected %];[% END %]", "CPL1;MPL;"),
        (
            "[% FOREACH b IN Branches.all(selected => 'MPL') %][% b.branchcode %][% b.selected %];[% END %]",
            "CPL;MPL1;",
        ),
        ("[% Branches.all(search_params => { branchname => 'Riverside' }).0.branchcode %]", "MPL"),
        (
            "[% FOREACH b IN Branches.pickup_locations %][% b.branchname %];[% END %]",
            "Ada Lovelace Library;Riverside;",
        ),
        ("[% AuthorisedValues.GetByCode('ILL_STATUS_ALIAS', 'CHASED') %]", "Supplier was reminded"),
        ("[% AuthorisedValues.GetByCode('ILL_STATUS_ALIAS', 'CHASED', 1) %]", "Waiting"),
        ("[% AuthorisedValues.GetByCode('ILL_STATUS_ALIAS', 'NO') %]", "NO"),
        (
            "[% FOREACH v IN AuthorisedValues.Get('ILL_STATUS_ALIAS') %][% v.lib %];[% END %]",
            "Supplier was reminded;Waiting for supplier;",
        ),
        ("[% AuthorisedValues.Get('ILL_STATUS_ALIAS', 1).0.lib %]", "Waiting"),
        (
            "[% AuthorisedValues.GetAuthValueDropbox('ILL_STATUS_ALIAS').last.opac_description %]",
            "Waiting",
        ),
        (
            "[% FOREACH c IN AuthorisedValues.GetCategories(selected => 'ILL_STATUS_ALIAS') %][% c.selected; END %]",
            "1",
        ),
        ("[% Categories.GetName('PT') %]", "Patron"),
        ("[% FOREACH c IN Categories.all %][% c.categorycode %];[% END %]", "ST;IL;PT;S;"),
        ("[% Categories.all({ category_type => 'S' }).next.description %]", "Staff"),
        ("[[% ItemTypes.GetDescription('NO') %]]", "[]"),
        ("[% Koha.Preference('dateformat') %][% Koha.Preference('NoSuch') %]", "iso"),
        ("[% Koha.MultivaluePreference('OPACLanguages').size %]", "1"),
        ("[% Koha.MultivaluePreference('NoSuch').size %]", "0"),
        ("[% Koha.Version.release %] [% Koha.Version.major %] [% Koha.Version.minor %]", "26.05 26 05"),
        ("[% Koha.Version.maintenance %][% Koha.Version.development %]", "26.05.00"),
    ],
)
def test_plugins_behave_as_koha_s_do(tx: Transaction, template: str, expected: str) -> None:
    assert shown(tx, template) == expected


@pytest.mark.parametrize(
    ("template", "error"),
    [
        ("[% 'tomorrow' | $KohaDates %]", "KohaDates: 'tomorrow' is not a date"),
        ("[% '2026-02-30' | $KohaDates %]", "KohaDates"),
        ("[% '2026-03-09' | $KohaDates add_days => 'x' %]", "add_days needs a whole number"),
        ("[% '2026-03-09' | $KohaDates add_years => 99999 %]", "KohaDates"),
        ("[% '2026-03-09' | $KohaDates dateformat => 'rfc3339', with_hours => 1 %]", "time zone"),
        ("[% KohaDates.tz %]", "KohaDates has no tz here; it is a filter"),
        (
            "[% Branches.GetBranchSpecificCSS('CPL') %]",
            "Branches has no GetBranchSpecificCSS here; it has GetLogged",
        ),
        ("[% Branches.all(only_from_group => 1) %]", "only_from_group is not known here"),
        (
            "[% Branches.pickup_locations(search_params => { item => 1 }) %]",
            "search_params is not known here",
        ),
        ("[% Branches.all(search_params => 1) %]", "search_params"),
        ("[% Categories.GetName('NO') %]", "there is no category 'NO'"),
        ("[% To.json(borrower) %]", "To: only texts"),
        ("[% 'x' | $Branches %]", "Branches is not a filter"),
        ("[% 7 | $Price with_symbol => 1 %]", "Koha's table currency cannot be read"),
    ],
)
def test_an_unknown_method_is_an_error_that_names_the_known_ones(
    tx: Transaction, template: str, error: str
) -> None:
    with pytest.raises(TemplateFailed) as raised:
        shown(tx, template)

    assert error in str(raised.value)


def test_dates_and_times_follow_the_preferences(tx: Transaction) -> None:
    us = with_preferences(tx, dateformat="us", timeformat="12hr")
    template = "[% '2026-03-09 14:05:00' | $KohaDates with_hours => 1 %] [% '14:05' | $KohaTimes %]"

    assert shown(us, template) == "03/09/2026 02:05 PM 02:05 pm"


def test_a_due_date_at_the_end_of_the_day_shows_no_time_by_either_clock(tx: Transaction) -> None:
    template = "[% '2026-03-09 23:59:00' | $KohaDates as_due_date => 1 %]"

    assert shown(with_preferences(tx, dateformat="us", timeformat="12hr"), template) == "03/09/2026"


@pytest.mark.parametrize(
    ("actor", "libraries", "sees_all"),
    [(BY_CLARA, "CPL;", "0"), (BY_SUPER, "CPL;MPL;", "1"), (None, "CPL;MPL;", "1")],
)
def test_independent_libraries_show_staff_their_own(
    tx: Transaction, actor: Actor | None, libraries: str, sees_all: str
) -> None:
    independent = with_preferences(tx, IndependentBranches="1")
    template = (
        "[% FOREACH b IN Branches.all %][% b.branchcode %];[% END %] [% Branches.InIndependentBranchesMode %]"
    )

    assert shown(independent, template, actor=actor) == f"{libraries} {sees_all}"


def test_nobody_is_logged_in_where_nobody_acts(tx: Transaction) -> None:
    template = "[% Branches.GetLoggedInBranchcode %][% Branches.GetLoggedInBranchname %]"

    assert shown(tx, template, actor=None) == ""


def test_authorised_values_of_other_libraries_are_left_out(admin: Engine, tx: Transaction) -> None:
    with admin.begin() as connection:
        connection.execute(text("INSERT INTO authorised_value_categories (category_name) VALUES ('ROOM')"))
        number = connection.execute(
            text(
                "INSERT INTO authorised_values (category, authorised_value, lib) VALUES ('ROOM', 'A', 'Attic')"
            )
        ).lastrowid
        connection.execute(
            text("INSERT INTO authorised_values_branches (av_id, branchcode) VALUES (:number, :library)"),
            {"number": number, "library": RIVERSIDE},
        )
    there = Actor(interface=Interface.INTRANET, borrowernumber=CLARA, branchcode=RIVERSIDE)
    template = (
        "[% AuthorisedValues.Get('ROOM').size %][% AuthorisedValues.GetAuthValueDropbox('ROOM').count %]"
    )

    assert shown(tx, template) == "00"
    assert shown(tx, template, actor=there) == "11"


def test_an_item_type_is_described_with_its_parent(admin: Engine, tx: Transaction) -> None:
    with admin.begin() as connection:
        connection.execute(text("INSERT INTO itemtypes (itemtype, description) VALUES ('DISC', 'Disc')"))
        connection.execute(
            text("INSERT INTO itemtypes (itemtype, description, parent_type) VALUES ('DVD', 'DVD', 'DISC')")
        )

    template = "[% ItemTypes.GetDescription('DVD') %] [% ItemTypes.GetDescription('DVD', 1) %]"
    assert shown(tx, template) == "DVD Disc->DVD"


@pytest.fixture(params=["p_sep_by_space TINYINT, p_cs_precedes TINYINT", "p_sep_by_space TINYINT", ""])
def in_euros(
    admin: Engine, koha_database: KohaDatabase, tx: Transaction, request: pytest.FixtureRequest
) -> Iterator[Transaction]:
    """A Koha whose active currency is the euro, with the columns of one version or another; the sign comes last."""
    more = f", {request.param}" if request.param else ""
    name = koha_database.settings.database
    with admin.begin() as connection:
        connection.execute(
            text(
                f"CREATE TABLE currency (currency VARCHAR(10) PRIMARY KEY, symbol VARCHAR(5), active TINYINT{more})"
            )
        )
        connection.execute(
            text("INSERT INTO currency (currency, symbol, active) VALUES ('USD', '$', 0), ('EUR', '€', 1)")
        )
        if "space" in more:
            connection.execute(text("UPDATE currency SET p_sep_by_space = 1"))
        if "precedes" in more:
            connection.execute(text("UPDATE currency SET p_cs_precedes = 0"))
        for statement in grants_sql(database=name, user=USER, host="localhost"):
            connection.exec_driver_sql(statement.replace("%", "%%"))
    yield dataclasses.replace(tx, koha=installed.load(tx.connection))
    with admin.begin() as connection:
        connection.execute(text(f"REVOKE SELECT ON currency FROM {USER}@localhost"))


def test_a_price_has_the_symbol_of_the_active_currency(in_euros: Transaction) -> None:
    columns = in_euros.koha.table("currency").c
    expected = (
        "1,234.50 €"
        if "p_cs_precedes" in columns
        else "€ 1,234.50"
        if "p_sep_by_space" in columns
        else "€1,234.50"
    )

    assert shown(in_euros, "[% 1234.5 | $Price with_symbol => 1 %]") == expected
    assert shown(in_euros, "[% 1234.5 | $Price %]") == "1,234.50"


def test_a_template_can_place_the_symbol(in_euros: Transaction) -> None:
    template = "[% 7 | $Price with_symbol => 1, p_cs_precedes => {} %]"

    assert shown(in_euros, template.format(1)).startswith("€")
    assert shown(in_euros, template.format(0)).endswith("€")


def test_a_price_without_an_active_currency_has_no_symbol(admin: Engine, in_euros: Transaction) -> None:
    with admin.begin() as connection:
        connection.execute(text("UPDATE currency SET active = 0"))

    assert shown(in_euros, "[% 7 | $Price with_symbol => 1 %]") == "7.00"


def test_the_currency_is_read_only_for_its_symbol(in_euros: Transaction, queries: Queries) -> None:
    with queries() as seen:
        shown(in_euros, "[% 7 | $Price %]")

    assert [statement for statement in seen if "currency" in statement] == []


def test_a_plugin_reads_a_library_once(tx: Transaction, queries: Queries) -> None:
    template = "[% Branches.GetName('MPL') %][% Branches.GetName('MPL') %][% Branches.GetURL('MPL') %]"

    with queries() as seen:
        shown(tx, template)

    assert len([statement for statement in seen if "FROM branches" in statement]) == 1


@given(st.text())
def test_any_text_is_json_to_put_between_quotes(value: str) -> None:
    encoded = _json(value)

    assert "\n" not in encoded
    assert "\r" not in encoded
