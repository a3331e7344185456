"""The form in which a request is edited."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest
from sqlalchemy import Engine, text
from web.conftest import Desk
from web.staff.pages import Form, error, options, rows

from cast import ADA, CLARA, RIVERSIDE, SAM, SUPER, WEN
from koha_ill_sidecar.storage.database import Database

Make = Callable[..., int]


def edit(desk: Desk, number: int) -> Form:
    return Form(desk, f"/requests/{number}/edit")


def row(admin: Engine, number: int) -> Mapping[str, Any]:
    with admin.connect() as connection:
        found = connection.execute(text("SELECT * FROM illrequests WHERE illrequest_id = :n"), {"n": number})
        return dict(found.mappings().one())


def log_rows(admin: Engine) -> int:
    with admin.connect() as connection:
        return int(connection.scalar(text("SELECT COUNT(*) FROM action_logs WHERE module = 'ILL'")) or 0)


@pytest.mark.all_versions
def test_what_staff_may_edit_is_written(clara: Desk, admin: Engine, make: Make) -> None:
    number = make()

    answer = edit(clara, number).send(
        patron="20000006",
        branchcode=RIVERSIDE,
        status_alias="WAITING",
        price_paid="12.50",
        notesstaff="one\r\ntwo",
        notesopac="雪",
    )

    assert (answer.status_code, answer.location) == (303, f"/requests/{number}")
    found = row(admin, number)
    assert (found["borrowernumber"], found["branchcode"], found["status_alias"]) == (
        WEN,
        RIVERSIDE,
        "WAITING",
    )
    assert (found["price_paid"], found["notesstaff"], found["notesopac"]) == ("12.50", "one\ntwo", "雪")
    assert "The request was saved." in clara.get("/requests").text


def test_a_note_may_be_as_long_as_koha_takes_it(clara: Desk, admin: Engine, make: Make) -> None:
    number, note = make(), "雪" * 60_000

    assert edit(clara, number).send(notesstaff=note).status_code == 303
    assert row(admin, number)["notesstaff"] == note


def test_what_nobody_can_have_typed_is_refused(clara: Desk, admin: Engine, make: Make) -> None:
    number = make(notesstaff="before")

    assert edit(clara, number).send(notesstaff="雪" * 300_000).status_code == 413
    assert row(admin, number)["notesstaff"] == "before"


@pytest.mark.all_versions
def test_saving_what_is_there_changes_nothing_but_kohas_log(clara: Desk, admin: Engine, make: Make) -> None:
    number = make(
        notesstaff="one\r\ntwo \n", price_paid="1", status_alias="CHASED", updated=text("'2024-01-02'")
    )
    before = row(admin, number)

    edit(clara, number).send()

    assert row(admin, number) == before
    assert log_rows(admin) == 1


@pytest.mark.all_versions
def test_managed_by_and_batches_are_there_where_koha_has_them(
    clara: Desk, admin: Engine, make: Make, database: Database
) -> None:
    koha = database.koha()
    form = edit(clara, make())

    assert ("managedby" in form.fields) == koha.has("illrequests", "managedby")
    assert ("batch_id" in form.fields) == koha.has("illrequests", "batch_id")
    del admin


def test_somebody_who_may_work_on_it_is_put_in_charge(clara: Desk, admin: Engine, make: Make) -> None:
    number = make()
    form = edit(clara, number)
    assert options(form.page, "managedby") == [str(CLARA), str(SUPER)]

    form.send(managedby=str(CLARA))
    assert row(admin, number)["managedby"] == CLARA

    refused = edit(clara, number).send(managedby=str(SAM))
    assert refused.status_code == 422
    assert row(admin, number)["managedby"] == CLARA


def test_a_batch_is_chosen(clara: Desk, admin: Engine, make: Make) -> None:
    with admin.begin() as connection:
        batch = connection.execute(
            text("INSERT INTO illbatches (name, backend) VALUES ('Term papers', 'Standard')")
        ).lastrowid
    number = make()

    form = edit(clara, number)
    assert "Term papers" in form.page
    form.send(batch_id=str(batch))

    assert row(admin, number)["batch_id"] == batch


def test_only_aliases_of_the_requests_library_are_offered(clara: Desk, admin: Engine, make: Make) -> None:
    with admin.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO authorised_values_branches (av_id, branchcode)"
                " SELECT id, 'MPL' FROM authorised_values WHERE authorised_value = 'CHASED'"
            )
        )

    assert "Supplier was reminded" not in edit(clara, make()).page
    assert "Supplier was reminded" in edit(clara, make(branchcode=RIVERSIDE)).page
    assert "New request</option>" in edit(clara, make()).page


def test_cost_is_shown_and_not_edited(clara: Desk, make: Make) -> None:
    assert "N/A" in edit(clara, make()).page
    with_cost = edit(clara, make(cost="12.5"))
    assert "12.50" in with_cost.page
    assert "cost" not in with_cost.fields


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("patron", "999999", "There is no such patron."),
        ("patron", "page sam", "More than one patron matches."),
        ("patron", "", "The patron of a request cannot be removed"),
        ("biblio_id", "12345", "There is no record with this ID."),
        ("biblio_id", "x1", "There is no record with this ID."),
        ("branchcode", "XX", "Choose a library."),
        ("branchcode", "", "Choose a library."),
        ("batch_id", "77", "This batch no longer exists."),
        ("status_alias", "GONE", "This status no longer exists."),
        ("status_alias", "x" * 100, "This status no longer exists."),
        ("price_paid", "9" * 21, "This is too long: it has 21 characters, and Koha can store 20."),
        ("price_paid", "free", "This is not an amount of money. Write it like 1,234.50."),
    ],
)
def test_a_mistake_is_told_at_its_field_and_nothing_is_lost(
    clara: Desk, admin: Engine, make: Make, name: str, value: str, said: str
) -> None:
    number = make()
    form = edit(clara, number)

    answer = form.send(**{name: value, "notesstaff": "typed"})

    assert answer.status_code == 422
    assert said in error(form.page, name)
    assert form.fields["notesstaff"] == "typed"
    assert row(admin, number)["notesstaff"] is None


def test_a_mistake_is_told_in_the_language_of_the_page(clara: Desk, make: Make) -> None:
    clara.post("/language", {"language": "zh-Hant-TW"})
    form = edit(clara, make())

    form.send(branchcode="XX")

    assert "請選擇圖書館。" in form.page


def test_hostile_values_are_shown_as_text(clara: Desk, make: Make) -> None:
    hostile = "\"></textarea><script>alert('雪')</script>"
    number = make(
        notesstaff=hostile,
        notesopac=hostile,
        price_paid="<b>1</b>",
        cost="<b>2</b>",
        attributes={"type": "<i>"},
    )

    form = edit(clara, number)
    again = form.send(patron=hostile, biblio_id=hostile)

    for page in (form.page, again.text):
        assert "<script>alert" not in page
        assert "<b>" not in page
        assert "<i>" not in page


def test_a_patron_is_found_by_name_and_chosen(clara: Desk, admin: Engine, make: Make) -> None:
    number = make()
    form = edit(clara, number)
    assert "Sam Page [20000005]" in form.page

    form.send("find", patron="we", notesstaff="typed")
    assert f'value="choose:{WEN}"' in form.page
    form.send(f"choose:{WEN}")
    assert form.fields["borrowernumber"] == str(WEN)
    assert "文 林 [20000006]" in form.page
    assert row(admin, number)["borrowernumber"] == SAM

    form.send()
    assert (row(admin, number)["borrowernumber"], row(admin, number)["notesstaff"]) == (WEN, "typed")


def test_a_card_number_says_who_is_meant(clara: Desk, admin: Engine, make: Make) -> None:
    form = edit(clara, number := make())

    form.send("find", patron="20000006")
    assert form.fields["patron"] == "文 林 [20000006]"
    assert row(admin, number)["borrowernumber"] == SAM

    edit(clara, number).send(patron="20000006")
    assert row(admin, number)["borrowernumber"] == WEN


def test_all_mistakes_are_told_at_once(clara: Desk, make: Make) -> None:
    form = edit(clara, make())

    form.send(patron="nobody", biblio_id="x", price_paid="much", notesopac="typed")

    for name in ("patron", "biblio_id", "price_paid"):
        assert f'id="{name}-error"' in form.page
    assert (form.fields["patron"], form.fields["price_paid"], form.fields["notesopac"]) == (
        "nobody", "much", "typed",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("style", "typed", "stored"),
    [("US", "1,234.5", "1234.5"), ("FR", "1.234,56", "1234.56"), ("FR", "12.50", "12.50")],
)
def test_money_is_written_as_koha_is_set_up(
    clara: Desk, admin: Engine, make: Make, database: Database, style: str, typed: str, stored: str
) -> None:
    with admin.begin() as connection:
        connection.execute(
            text("REPLACE INTO systempreferences (variable, value) VALUES ('CurrencyFormat', :style)"),
            {"style": style},
        )
    database.cache.clear()

    edit(clara, number := make()).send(price_paid=typed)

    assert row(admin, number)["price_paid"] == stored


def test_a_price_that_nobody_touched_may_be_anything(clara: Desk, admin: Engine, make: Make) -> None:
    edit(clara, number := make(price_paid="a bottle of wine")).send(notesstaff="typed")

    assert row(admin, number)["price_paid"] == "a bottle of wine"


def unauthenticated(make: Make, **details: str) -> int:
    given = {"first_name": "Sam", "last_name": "Page", "email": "sam.page@unauth.example", **details}
    return make(
        borrowernumber=None,
        status="UNAUTH",
        attributes={"type": "book", **{f"unauthenticated_{key}": value for key, value in given.items()}},
    )


def test_an_unauthenticated_request_is_given_to_a_patron_with_one_click(
    clara: Desk, admin: Engine, make: Make
) -> None:
    number = unauthenticated(make)
    form = edit(clara, number)
    assert "Unauthenticated request details" in form.page
    assert "sam.page@unauth.example" in form.page
    assert f'value="choose:{SAM}"' in form.page

    form.send(f"choose:{SAM}")
    form.send()

    assert (row(admin, number)["borrowernumber"], row(admin, number)["status"]) == (SAM, "UNAUTH")
    assert "Unauthenticated request details" not in edit(clara, number).page


def test_a_visitor_is_also_known_by_their_address(clara: Desk, make: Make) -> None:
    form = edit(clara, unauthenticated(make, last_name="Pages", email="WEN@example.org"))

    assert f'value="choose:{WEN}"' in form.page


def test_who_is_no_member_yet_needs_a_patron_record_first(clara: Desk, admin: Engine, make: Make) -> None:
    number = unauthenticated(make, last_name="Stranger", email="")
    form = edit(clara, number)
    assert "needs a patron record first" in form.page

    assert form.send(notesstaff="asked at the desk").status_code == 303
    assert (row(admin, number)["borrowernumber"], row(admin, number)["notesstaff"]) == (
        None,
        "asked at the desk",
    )


def test_of_two_who_edit_at_once_the_second_sees_what_changed(
    clara: Desk, desk: Callable[[], Desk], admin: Engine, make: Make
) -> None:
    number = make(notesstaff="old", price_paid="1")
    sue = desk().sign_in(SUPER)
    first, second = edit(clara, number), edit(sue, number)
    first.send(notesstaff="Clara's", price_paid="2")

    told = second.send(notesstaff="Sue's", notesopac="for all")

    assert told.status_code == 409
    assert row(admin, number)["notesstaff"] == "Clara's"
    assert rows(told.text) == [
        ["Price paid", "1", "2", "not changed"],
        ["Staff notes", "old", "Clara's", "Sue's"],
    ]
    assert (second.fields["notesstaff"], second.fields["price_paid"], second.fields["notesopac"]) == (
        "Sue's", "2", "for all",
    )  # fmt: skip

    assert second.send().status_code == 303
    found = row(admin, number)
    assert (found["notesstaff"], found["price_paid"], found["notesopac"]) == ("Sue's", "2", "for all")


def test_the_new_values_can_be_taken_instead(clara: Desk, desk: Callable[[], Desk], make: Make) -> None:
    number = make(notesstaff="old")
    first, second = edit(clara, number), edit(desk().sign_in(SUPER), number)
    first.send(notesstaff="Clara's")

    told = second.send(notesstaff="Sue's")

    assert f'href="/requests/{number}/edit">Use the new values' in told.text
    assert edit(clara, number).fields["notesstaff"] == "Clara's"


def test_a_third_change_is_seen_too(clara: Desk, desk: Callable[[], Desk], admin: Engine, make: Make) -> None:
    number = make(notesstaff="old")
    first, second = edit(clara, number), edit(desk().sign_in(SUPER), number)
    first.send(notesstaff="Clara's")
    second.send(notesstaff="Sue's")
    edit(clara, number).send(notesstaff="Clara's again")

    assert second.send().status_code == 409
    assert row(admin, number)["notesstaff"] == "Clara's again"


@pytest.mark.parametrize("version", ["", "nonsense", "[]", '{"notesstaff": 7}'])
def test_a_form_that_forgot_what_it_showed_overwrites_nothing(
    clara: Desk, admin: Engine, make: Make, version: str
) -> None:
    number = make(notesstaff="old")

    assert edit(clara, number).send(version=version, notesstaff="new").status_code == 409
    assert row(admin, number)["notesstaff"] == "old"


def test_another_patron_takes_the_holds_along(clara: Desk, admin: Engine, make: Make) -> None:
    with admin.begin() as connection:
        connection.execute(
            text("INSERT INTO biblio (biblionumber, frameworkcode, datecreated) VALUES (7, '', CURDATE())")
        )
        connection.execute(
            text(
                "INSERT INTO reserves (borrowernumber, biblionumber, branchcode, priority)"
                f" VALUES ({SAM}, 7, '{ADA}', 1)"
            )
        )
    number = make(biblio_id=7)

    edit(clara, number).send(patron="20000006")

    with admin.connect() as connection:
        assert connection.scalar(text("SELECT borrowernumber FROM reserves")) == WEN


def test_a_request_that_is_gone_is_told(clara: Desk) -> None:
    assert clara.get("/requests/999/edit").status_code == 404
    assert clara.post("/requests/999/edit", {"do": "save"}).status_code == 404


def test_the_form_costs_few_queries(
    clara: Desk, make: Make, queries: Callable[[], AbstractContextManager[list[str]]]
) -> None:
    number = unauthenticated(make)
    clara.get("/requests")

    with queries() as opened:
        form = edit(clara, number)
    with queries() as searched:
        form.send("find", patron="nobody at all")
    with queries() as saved:
        form.send(patron="20000005", notesstaff="x", managedby=str(CLARA))

    assert len(opened) <= 15, opened
    assert len(searched) <= 20, searched
    assert len(saved) <= 20, saved
