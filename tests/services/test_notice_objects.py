"""What templates can name: objects, their accessors, and Koha's plugins."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from cast import ADA, CLARA, SAM
from factories import make_request
from koha_ill_sidecar.config.settings import IllSite
from koha_ill_sidecar.domain.actors import Actor, Interface
from koha_ill_sidecar.errors import TemplateFailed
from koha_ill_sidecar.services.notices import render_notice
from koha_ill_sidecar.storage.koha import requests
from koha_ill_sidecar.storage.transaction import Transaction
from messaging import add_letter, with_preferences

Queries = Callable[[], AbstractContextManager[list[str]]]


def rendered(tx: Transaction, template: str, **columns: Any) -> str:
    add_letter(tx, "TRY", content=template)
    number = make_request(tx.connection, tx.koha, **columns)
    actor = Actor(interface=Interface.INTRANET, borrowernumber=CLARA, branchcode=ADA)
    return render_notice(tx, requests.get(tx, number), "TRY", "email", actor=actor).content


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("[% illrequest.status %] [% illrequest.cost %]", "NEW 12.50"),
        ("[% illrequest.placed == today.substr(0, 10) %]", "1"),
        (
            "[% day = BLOCK %][% today | $KohaDates %][% END %][% today.length %] [% day == illrequest.placed %]",
            "16 1",
        ),
        ("[% illrequest.patron.surname %]", "Page"),
        ("[% FOREACH one IN borrower %][% one.surname %][% END %]", "Page"),
        ("[% illrequest.library.branchname %]", "Ada Lovelace Library"),
        ("[% illrequest.biblio.title %][% biblio.title %]", ""),
        ("[% illrequest.get_type %]", "article"),
        ("[% illrequest.metadata.Volume %]", "7"),
        ("[% illrequest.extended_attributes.count %]", "3"),
        ("[% illrequest.extended_attributes.find({ type => 'volume' }).value %]", "7"),
        ("[% illrequest.extended_attributes.search({ type => 'volume' }).count %]", "1"),
        ("[% FOREACH a IN illrequest.extended_attributes %][% a.type %];[% END %]", "title;type;volume;"),
        ("[% illrequestattributes.volume %]", "7"),
        ("[% illrequest.comments.count %]", "0"),
        ("[% illrequest.statusalias.lib %]", "Waiting for supplier"),
        ("[% illrequest.batch.name %]", ""),
        ("[% illrequest.due_date %]", ""),
        ("[% borrower.category.description %]", "Patron"),
        ("[% borrower.library.branchcode %]", "CPL"),
        ("[% borrower.sort1 %]", ""),
        ("[% borrower.extended_attributes.count %]", "0"),
        ("[% borrower.password %]<<borrowers.password>>", ""),
        ("[% branch.inbound_ill_address %]", "ill@ada.example.org"),
        ("[% branch.from_email_address %]", "desk@ada.example.org"),
        ("[% borrower.dateexpiry | $KohaDates %]", "2099-12-31"),
        ("[% USE KohaDates %][% '2026-03-09 14:05:00' | $KohaDates with_hours => 1 %]", "2026-03-09 14:05"),
        ("[% '2026-03-09 23:59:00' | $KohaDates as_due_date => 1 %]", "2026-03-09"),
        ("[% '' | $KohaDates %]", ""),
        ("[% USE Price %][% illrequest.cost | $Price %]", "12.50"),
        ("[% USE Branches %][% Branches.GetName('MPL') %][% Branches.GetName('NO') %]", "Riverside"),
        ("[% USE Branches %][% Branches.GetLoggedInBranchcode %]", "CPL"),
        (
            "[% USE AuthorisedValues %][% AuthorisedValues.GetByCode('ILL_STATUS_ALIAS', 'CHASED', 1) %]",
            "Waiting",
        ),
        ("[% USE Koha %][% Koha.Preference('dateformat') %]", "iso"),
        ("[% USE raw %][% '<b>' | $raw %]", "<b>"),
        ("[% 'Title /' | $Remove_MARC_punctuation %]", "Title "),
    ],
)
def test_templates_can_name_what_koha_names(tx: Transaction, template: str, expected: str) -> None:
    attributes = {"type": "article", "title": "Dune", "volume": "7"}

    assert rendered(tx, template, attributes=attributes, cost="12.50", status_alias="WAITING") == expected


@pytest.mark.parametrize(
    ("template", "error"),
    [
        ("[% borrower.nosuch %]", "borrower has no nosuch that the sidecar knows"),
        ("[% illrequest.statu %]", "illrequest has no statu; did you mean status?"),
        ("[% illrequest.comments.delete %]", "illrequest.comments has no delete"),
        ("[% USE Branches %][% Branches.all %]", "Branches has no all here"),
        ("[% USE NoSuchThing %]", "NoSuchThing"),
        ("[% 'tomorrow' | $KohaDates %]", "KohaDates"),
        ("[% USE Price %][% '1e99' | $Price %]", "too large"),
        ("[% USE Price %][% 7 | $Price with_symbol => 1 %]", "with_symbol"),
    ],
)
def test_what_koha_has_and_the_sidecar_lacks_is_an_error(tx: Transaction, template: str, error: str) -> None:
    with pytest.raises(TemplateFailed, match="cannot be processed") as raised:
        rendered(tx, template)

    assert error in str(raised.value)


@pytest.mark.parametrize("name", ["_plugins", "_row", "__class__", "borrower._row", "borrower.__class__"])
def test_nothing_of_the_program_can_be_reached(tx: Transaction, name: str) -> None:
    try:
        seen = rendered(tx, f"[% {name} %]")
    except TemplateFailed:
        seen = ""

    assert seen == ""


@pytest.mark.parametrize("value", ["1", "{}", "{ Branches => 1 }"])
def test_a_template_cannot_break_the_plugins(tx: Transaction, value: str) -> None:
    spread = f"[% _plugins = {value} %][% import({{ _plugins => {value} }}) %]"

    assert rendered(tx, spread + "[% USE Branches %]ok") == "ok"


def test_a_request_without_patron_has_no_borrower(tx: Transaction) -> None:
    template = "[% IF borrower %]somebody[% ELSE %]nobody[% END %][% illrequest.patron.surname %]"

    assert rendered(tx, template, borrowernumber=None) == "nobody"


def test_an_object_costs_nothing_until_it_is_used(tx: Transaction, queries: Queries) -> None:
    with queries() as unused:
        rendered(tx, "[% IF borrower && branch %]here[% END %]")
    tx.connection.rollback()  # takes back the first letter
    with queries() as used:
        rendered(tx, "[% IF borrower && branch %][% borrower.category.description %][% END %]")

    assert [statement for statement in unused if "borrowers" in statement] == []
    assert len(used) == len(unused) + 2


def test_the_id_prefix_is_that_of_the_library(tx: Transaction) -> None:
    object.__setattr__(tx, "site", IllSite(prefixes={ADA: "ADA"}))

    assert rendered(tx, "[% illrequest.id_prefix %]7") == "ADA-7"


def test_dates_follow_the_preferences(tx: Transaction) -> None:
    us = with_preferences(tx, dateformat="us", timeformat="12hr")

    assert rendered(us, "[% '2026-03-09 14:05:00' | $KohaDates with_hours => 1 %]") == "03/09/2026 02:05 PM"


def test_attributes_of_a_patron_are_named_in_the_older_syntax(admin: Engine, tx: Transaction) -> None:
    with admin.begin() as connection:
        connection.execute(
            text("INSERT INTO borrower_attribute_types (code, description) VALUES ('ROOM', 'Room')")
        )
        connection.execute(
            text(
                "INSERT INTO borrower_attributes (borrowernumber, code, attribute)"
                f" VALUES ({SAM}, 'ROOM', '12.'), ({SAM}, 'ROOM', '7')"
            )
        )

    content = "<<borrower-attribute:ROOM>> [% borrower.get_extended_attribute('ROOM').attribute %]"
    assert rendered(tx, content) == "12,7 12."


NAMES = st.sampled_from(
    [
        "borrower",
        "branch",
        "biblio",
        "illrequest",
        "illrequestattributes",
        "today",
        "patron",
        "library",
        "category",
        "comments",
        "metadata",
        "extended_attributes",
        "get_extended_attribute",
        "biblioitem",
        "batch",
        "statusalias",
        "id_prefix",
        "surname",
        "placed",
        "cost",
        "Branches",
        "AuthorisedValues",
        "Koha",
        "KohaDates",
        "Price",
        "GetName",
        "GetByCode",
        "Preference",
        "count",
        "first",
        "last",
        "next",
        "search",
        "find",
        "as_list",
        "type",
        "value",
        "nosuch",
        "_plugins",
        "size",
        "keys",
        "0",
        "-1",
    ]
)
ARGUMENTS = st.sampled_from(
    ["", "()", "('CPL')", "(1)", "({ type => 'title' })", "([1, 2])", "(borrower)", "('')"]
)
STEPS = st.tuples(NAMES, ARGUMENTS).map("".join)
PATHS = st.lists(STEPS, min_size=1, max_size=4).map(".".join)
FILTERS = st.sampled_from(
    [
        "",
        " | $KohaDates",
        " | $Price",
        " | $Remove_MARC_punctuation",
        " | $borrower",
        " | $KohaDates as_due_date => 1",
    ]
)
DIRECTIVES = st.one_of(
    st.builds("[% {}{} %]".format, PATHS, FILTERS),
    st.builds("[% FOREACH x IN {} %][% x.type %][% END %]".format, PATHS),
    st.builds("[% IF {} == {} %]same[% END %]".format, PATHS, PATHS),
    st.builds("[% {} = {} %]".format, PATHS, PATHS),
    st.builds("<<{}>>".format, PATHS),
    st.builds("<<{} | dateonly>>".format, PATHS),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(DIRECTIVES, min_size=1, max_size=4))
def test_whatever_a_letter_says_the_action_goes_on(tx: Transaction, pieces: list[str]) -> None:
    """A letter comes out or fails with our error; nothing else ever reaches the action that sends it."""
    plugins = "[% USE Branches %][% USE AuthorisedValues %][% USE Koha %][% USE Price %]"
    with tx.connection.begin_nested() as savepoint:
        with contextlib.suppress(TemplateFailed):
            rendered(tx, plugins + "".join(pieces), status_alias="WAITING")
        savepoint.rollback()
