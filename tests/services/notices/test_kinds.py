"""What templates can name: objects, their columns and accessors."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from cast import ADA, CLARA, SAM
from factories import make_request
from koha_ill_sidecar.config.settings import IllSite
from koha_ill_sidecar.errors import TemplateFailed
from koha_ill_sidecar.services.notices.kinds import KINDS
from koha_ill_sidecar.services.notices.records import KohaObjects
from koha_ill_sidecar.services.notices.rendering import render_notice
from koha_ill_sidecar.storage.koha import requests
from koha_ill_sidecar.storage.transaction import Transaction
from messaging import add_letter, rendered

TOMORROW = "DATE_ADD(CURDATE(), INTERVAL 1 DAY)"
BIRTHDAY = "DATE_SUB(CURDATE(), INTERVAL 30 YEAR)"
DAY_AFTER_BIRTHDAY = "DATE_ADD(DATE_SUB(CURDATE(), INTERVAL 30 YEAR), INTERVAL 1 DAY)"

Queries = Callable[[], AbstractContextManager[list[str]]]


@pytest.mark.all_versions
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
        ("[[% illrequest.requested_partners %]]", "[]"),
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
        ("[% branch.inbound_email_address %]", "desk@ada.example.org"),
        ("[% branch.from_email_address %]", "desk@ada.example.org"),
        ("[% borrower.dateexpiry | $KohaDates %]", "2099-12-31"),
        ("[% borrower.id %] [% illrequest.library.id %]", "5 CPL"),
        ("[% borrower.unblessed.surname %][% borrower.unblessed.password %]", "Page"),
        ("[% borrower.get_column('surname') %][% borrower.get_column('password') %]", "Page"),
        ("[% borrower.notice_email_address %]", "sam.page@example.org"),
        ("[% borrower.first_valid_email_address %]", "sam.page@example.org"),
        ("[% borrower.is_expired %][% borrower.is_going_to_expire %]", "00"),
        ("[% borrower.is_adult %][% borrower.is_child %]", "10"),
        ("[% IF borrower.is_debarred %]restricted[% END %]", ""),
        ("[% borrower.get_age %]", ""),
        ("[% borrower.extended_attributes.next.attribute %]", ""),
        ("[% branch.get_effective_marcorgcode %]", ""),
        ("[% illrequest.statusalias.opac_description %]", "Waiting"),
        ("[% illrequest.ill_batch.status.name %]", ""),
        ("[% illrequest.extended_attributes.get_column('type').join(' ') %]", "title type volume"),
        ("[% illrequest.extended_attributes.search({ type => ['title', 'volume'] }).count %]", "2"),
        ("[% illrequest.extended_attributes.search({ 'me.type' => 'title' }).single.value %]", "Dune"),
        ("[% illrequest.extended_attributes.unblessed.0.type %]", "title"),
        ("[% biblioitem.isbn %][% items.content %]", ""),
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
        ("[% illrequest.comments.search({ nosuch => 1 }, { order_by => 'x' }).count %]", "by columns alone"),
        (
            "[% illrequest.extended_attributes.search({ type => { '!=' => 'x' } }).count %]",
            "for values alone",
        ),
        ("[% illrequest.extended_attributes.search({ typ => 'x' }).count %]", "did you mean type?"),
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
    with queries() as used:
        rendered(tx, "[% IF borrower && branch %][% borrower.category.description %][% END %]")

    assert [statement for statement in unused if "borrowers" in statement] == []
    assert len(used) == len(unused) + 2


def test_a_library_has_an_address_for_replies_about_loans(tx: Transaction) -> None:
    assert rendered(tx, "[% branch.inbound_ill_address %]") == "ill@ada.example.org"


def test_the_id_prefix_is_that_of_the_library(tx: Transaction) -> None:
    object.__setattr__(tx, "site", IllSite(prefixes={ADA: "ADA"}))

    assert rendered(tx, "[% illrequest.id_prefix %]7") == "ADA-7"


def test_what_is_read_is_read_once(tx: Transaction, queries: Queries) -> None:
    """The letter, the item, the patron, the category, the library, and the clock; not again for what is named twice."""
    twice = (
        "[% borrower.is_expired %][% borrower.get_age %][% borrower.category.description %][% borrower.is_child %]"
        "[% branch.branchname %][% illrequest.patron.library.branchname %]<<borrowers.surname>>[% today %]<<today>>"
    )
    add_letter(tx, "TRY", title="[% borrower.category.description %]", content=twice + twice)
    ill_request = requests.get(tx, make_request(tx.connection, tx.koha))

    with queries() as seen:
        render_notice(tx, ill_request, "TRY", "email")

    assert len(seen) == 6, seen


def test_a_record_is_read_only_if_it_is_named(tx: Transaction, queries: Queries) -> None:
    add_letter(tx, "TRY", content="[% illrequest.biblio_id %] <<illrequests.biblio_id>>")
    ill_request = requests.get(tx, make_request(tx.connection, tx.koha))

    with queries() as seen:
        render_notice(tx, ill_request, "TRY", "email")

    assert [statement for statement in seen if "FROM biblio" in statement] == []


def test_the_record_its_data_and_its_items_are_named(admin: Engine, tx: Transaction) -> None:
    with admin.begin() as connection:
        number = connection.execute(
            text(
                "INSERT INTO biblio (frameworkcode, title, author, datecreated)"
                " VALUES ('', 'Dune /', 'Herbert, F.', CURDATE())"
            )
        ).lastrowid
        item_number = connection.execute(
            text("INSERT INTO biblioitems (biblionumber, isbn, itemtype) VALUES (:number, '9780', 'BK')"),
            {"number": number},
        ).lastrowid
        connection.execute(
            text(
                "INSERT INTO items (biblionumber, biblioitemnumber, barcode, homebranch, holdingbranch, itype)"
                " VALUES (:number, :item_number, '39', 'CPL', 'MPL', 'BK')"
            ),
            {"number": number, "item_number": item_number},
        )

    content = (
        "[% biblio.title %]|[% biblio.author | html %]|[% illrequest.biblio.biblioitem.isbn %]|[% biblio.itemtype %]|"
        "[% FOREACH one IN biblio.items %][% one.barcode %] [% one.home_branch.branchname %]"
        " [% one.holding_branch.branchname %] [% one.biblio.biblionumber == biblio.id %][% END %]|<<biblio.title>>"
    )
    assert rendered(tx, content, biblio_id=number) == (
        "Dune |Herbert, F|9780|BK|39 Ada Lovelace Library Riverside 1|Dune "
    )


@pytest.mark.all_versions
def test_a_batch_leads_to_its_library_and_status_where_koha_has_batches(
    admin: Engine, tx: Transaction
) -> None:
    content = "[% illrequest.batch.name %] [% illrequest.batch.status.name %] [% illrequest.batch.library.branchname %]"
    if not tx.koha.has("illbatches"):
        assert rendered(tx, content) == "  "
        return
    with admin.begin() as connection:
        connection.execute(
            text("INSERT INTO illbatch_statuses (name, code) VALUES ('Waiting for all', 'WAITALL')")
        )
        number = connection.execute(
            text(
                "INSERT INTO illbatches (name, backend, patron_id, library_id, status_code)"
                f" VALUES ('Thesis', 'Standard', {SAM}, 'MPL', 'WAITALL')"
            )
        ).lastrowid

    assert rendered(tx, content, batch_id=number) == "Thesis Waiting for all Riverside"


def test_comments_lead_to_their_authors(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha)
    for author in (CLARA, None):
        tx.connection.execute(
            tx.koha.table("illcomments").insert(),
            {"illrequest_id": number, "borrowernumber": author, "comment": "Asked again"},
        )
    add_letter(
        tx,
        "TRY",
        content="[% FOREACH c IN illrequest.comments %][% c.comment %] ([% c.patron.surname %]) [% END %]",
    )

    notice = render_notice(tx, requests.get(tx, number), "TRY", "email")

    assert notice.content == "Asked again (Birchwood) Asked again () "


@pytest.mark.parametrize(
    ("columns", "template", "expected"),
    [
        ({"dateexpiry": "2020-01-01"}, "[% borrower.is_expired %]", "1"),
        ({"dateexpiry": "9999-12-31"}, "[% borrower.is_expired %]", "0"),
        ({"dateexpiry": None}, "[% borrower.is_expired %]", "0"),
        ({"dateexpiry": TOMORROW}, "[% borrower.is_expired %][% borrower.is_going_to_expire %]", "01"),
        ({"debarred": "9999-12-31"}, "[% borrower.is_debarred %]", "9999-12-31"),
        ({"debarred": TOMORROW}, "[% borrower.is_debarred == borrower.debarred %]", "1"),
        ({"debarred": "2020-01-01"}, "[[% borrower.is_debarred %]]", "[]"),
        ({"dateofbirth": BIRTHDAY}, "[% borrower.get_age %]", "30"),
        ({"dateofbirth": DAY_AFTER_BIRTHDAY}, "[% borrower.get_age %]", "29"),
    ],
)
def test_what_dates_mean_for_a_patron(
    admin: Engine, tx: Transaction, columns: dict[str, str | None], template: str, expected: str
) -> None:
    settings = ", ".join(
        f"{name} = {'NULL' if value is None else value if '(' in value else repr(value)}"
        for name, value in columns.items()
    )
    with admin.begin() as connection:
        connection.execute(text(f"UPDATE borrowers SET {settings} WHERE borrowernumber = {SAM}"))
        connection.execute(
            text("INSERT INTO systempreferences (variable, value) VALUES ('NotifyBorrowerDeparture', '30')")
        )

    assert rendered(tx, template) == expected


def test_a_deleted_row_is_empty(admin: Engine, tx: Transaction) -> None:
    with admin.begin() as connection:
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
        connection.execute(text("DELETE FROM branches WHERE branchcode = 'MPL'"))
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 1"))
    objects = KohaObjects(
        tx, requests.get(tx, make_request(tx.connection, tx.koha)), kinds=KINDS, attributes=lambda: ()
    )

    library = objects.find("branch", "MPL")

    assert library is not None
    assert [library.template_get(name, []) for name in ("branchname", "id", "nosuch", "unblessed")] == [
        None,
        None,
        None,
        {},
    ]


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

    content = (
        "<<borrower-attribute:ROOM>> [% borrower.get_extended_attribute('ROOM').attribute %]"
        " [% borrower.get_extended_attribute('ROOM', '7').description %]"
        "[% borrower.get_extended_attribute('ROOM', '8').description %]"
        " [% FOREACH one IN borrower.extended_attributes %][% one.type.description %]=[% one.attribute %];[% END %]"
        "[% borrower.extended_attributes.next.authorised_value.lib %]"
    )
    assert rendered(tx, content) == "12,7 12. 7 Room=12.;Room=7;"


def test_a_patrons_attribute_that_is_no_authorised_value_is_not_described(
    admin: Engine, tx: Transaction
) -> None:
    with admin.begin() as connection:
        connection.execute(text("INSERT INTO authorised_value_categories (category_name) VALUES ('DEPTS')"))
        connection.execute(
            text(
                "INSERT INTO borrower_attribute_types (code, description, authorised_value_category)"
                " VALUES ('DEPT', 'Department', 'DEPTS')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO authorised_values (category, authorised_value, lib) VALUES ('DEPTS', 'H', 'History')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO borrower_attributes (borrowernumber, code, attribute)"
                f" VALUES ({SAM}, 'DEPT', 'GONE'), ({SAM}, 'DEPT', 'H')"
            )
        )

    content = (
        "<<borrower-attribute:DEPT>>:"
        "[% FOREACH one IN borrower.extended_attributes %]"
        "[% one.description %]/[% one.authorised_value.lib %];"
        "[% END %]"
    )
    assert rendered(tx, content) == "History:/;History/History;"


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
        "Categories",
        "To",
        "json",
        "all",
        "Get",
        "unblessed",
        "get_column",
        "items",
        "is_going_to_expire",
        "get_age",
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
        " | $KohaDates add_months => borrower.cost, subtract_days => 'x'",
        " | $Price with_symbol => 1",
        " | $To",
        " | $HtmlTags tag => borrower.surname",
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
def test_whatever_a_letter_contains_the_action_is_completed(tx: Transaction, pieces: list[str]) -> None:
    """A letter is rendered or fails with our error; no other error reaches the action that sends it."""
    plugins = "[% USE Branches %][% USE AuthorisedValues %][% USE Koha %][% USE Price %]"
    plugins += "[% USE Categories %][% USE To %][% USE HtmlTags %]"
    with tx.connection.begin_nested() as savepoint:
        with contextlib.suppress(TemplateFailed):
            rendered(tx, plugins + "".join(pieces), status_alias="WAITING")
        savepoint.rollback()
