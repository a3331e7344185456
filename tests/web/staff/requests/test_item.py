"""The form in which the metadata of the wanted item are edited."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from sqlalchemy import Engine, text
from web.conftest import Desk
from web.staff.pages import Form, custom_fields, field

from cast import SUPER
from koha_ill_sidecar.storage.database import Database

ITEM = {"type": "article", "title": "Nature", "article_title": "Snow", "colour": "red"}

Make = Callable[..., int]


def edit(desk: Desk, number: int) -> Form:
    form = Form(desk, f"/requests/{number}/item")
    form.fields |= {"custom_key": "colour", "custom_value": "red"}
    return form


def stored(admin: Engine) -> dict[str, str]:
    with admin.connect() as connection:
        rows = connection.execute(text("SELECT type, value FROM illrequestattributes ORDER BY type"))
        return {row.type: row.value for row in rows if row.value}


@pytest.mark.all_versions
def test_fields_of_the_type_and_custom_ones_are_written(clara: Desk, admin: Engine, make: Make) -> None:
    number = make(attributes=ITEM)
    form = edit(clara, number)
    assert field(form.page, "field.article_title") == "Snow"
    assert custom_fields(form.page)[0] == ("colour", "red")

    answer = form.send(**{"field.article_title": "Ice", "field.volume": "7", "custom_value": "blue"})

    assert (answer.status_code, answer.location) == (303, f"/requests/{number}")
    assert stored(admin) == {**ITEM, "article_title": "Ice", "volume": "7", "colour": "blue"}


@pytest.mark.all_versions
def test_what_happens_to_an_emptied_field_is_announced_correctly(
    clara: Desk, admin: Engine, make: Make, database: Database
) -> None:
    form = edit(clara, make(attributes=ITEM))
    keeps = database.koha().features.updates_single_attributes
    assert ("keeps its old value" in form.page) == keeps

    form.send(**{"field.title": "", "custom_key": "", "custom_value": ""})

    told = clara.get("/requests").text
    if keeps:
        assert stored(admin) == ITEM
        assert "these keep their value: Colour, Title." in told
    else:
        assert stored(admin) == {"type": "article", "article_title": "Snow"}
        assert "The item metadata was saved." in told


@pytest.mark.all_versions
def test_what_programs_noted_stays_and_is_not_shown(clara: Desk, admin: Engine, make: Make) -> None:
    number = make(attributes={**ITEM, "requested_partners": "a@x.example", "migrated_from": "4"})
    form = edit(clara, number)
    assert "requested_partners" not in form.page

    form.send(**{"field.title": "Science"})

    assert stored(admin) == {
        **ITEM, "title": "Science", "requested_partners": "a@x.example", "migrated_from": "4",
    }  # fmt: skip


def test_another_type_keeps_what_was_typed(clara: Desk, admin: Engine, make: Make) -> None:
    form = edit(clara, make(attributes=ITEM))

    form.send("type", type="book")
    assert field(form.page, "field.title") == "Nature"
    assert custom_fields(form.page)[:2] == [("colour", "red"), ("article_title", "Snow")]
    assert stored(admin) == ITEM


@pytest.mark.parametrize("status", ["REQ", "GENREQ", "COMP", "QUEUED"])
def test_only_a_new_request_can_be_edited(clara: Desk, admin: Engine, make: Make, status: str) -> None:
    number = make(attributes=ITEM, status=status)

    shown = clara.get(f"/requests/{number}/item")
    sent = clara.post(f"/requests/{number}/item", {"do": "save", "type": "book", "version": "{}"})

    assert (shown.status_code, sent.status_code) == (409, 409)
    for page in (shown.text, sent.text):
        assert "This is not possible in the request&#39;s status" in page
        assert f'href="/requests/{number}/edit"' in page
    assert stored(admin) == ITEM


def test_a_request_confirmed_meanwhile_is_not_touched(clara: Desk, admin: Engine, make: Make) -> None:
    number = make(attributes=ITEM)
    form = edit(clara, number)
    with admin.begin() as connection:
        connection.execute(text("UPDATE illrequests SET status = 'REQ'"))

    assert form.send(**{"field.title": "Science"}).status_code == 409
    assert stored(admin) == ITEM


def test_of_two_who_edit_at_once_the_second_sees_what_changed(
    clara: Desk, desk: Callable[[], Desk], admin: Engine, make: Make
) -> None:
    number = make(attributes=ITEM)
    first, second = edit(clara, number), edit(desk().sign_in(SUPER), number)
    first.send(**{"field.title": "Science", "field.volume": "1"})

    told = second.send(**{"field.title": "Nature <b>", "field.issue": "9"})

    assert told.status_code == 409
    assert stored(admin)["title"] == "Science"
    assert "<b>" not in told.text
    assert field(told.text, "field.title") == "Nature <b>"
    assert field(told.text, "field.volume") == "1"
    second.fields |= {"custom_key": "colour", "custom_value": "red"}
    assert second.send().status_code == 303
    assert stored(admin) == {**ITEM, "title": "Nature <b>", "volume": "1", "issue": "9"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"type": ""}, "Choose the type of material."),
        ({"custom_key": ""}, "Enter a name for this field"),
        ({"custom_key": "migrated_from"}, "reserved by Koha"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_lost(
    clara: Desk, admin: Engine, make: Make, changes: dict[str, str], said: str
) -> None:
    answer = edit(clara, make(attributes=ITEM)).send(**{"field.title": "Science", **changes})

    assert answer.status_code == 422
    assert said in answer.text
    assert "Science" in answer.text
    assert stored(admin) == ITEM


def test_a_type_of_a_plug_in_is_kept(clara: Desk, admin: Engine, make: Make) -> None:
    form = edit(clara, make(attributes={"type": "map <i>", "scale": "1:10"}))
    assert "<option selected>map &lt;i&gt;</option>" in form.page
    assert custom_fields(form.page)[0] == ("scale", "1:10")

    form.send(type="map <i>", custom_key="scale", custom_value="1:20")

    assert stored(admin) == {"type": "map <i>", "scale": "1:20"}


def test_a_request_that_is_gone_is_told(clara: Desk) -> None:
    assert clara.get("/requests/999/item").status_code == 404


def test_the_form_costs_few_queries(
    clara: Desk, make: Make, queries: Callable[[], AbstractContextManager[list[str]]]
) -> None:
    number = make(attributes=ITEM)
    clara.get("/requests")

    with queries() as opened:
        form = edit(clara, number)
    with queries() as saved:
        form.send(**{"field.title": "Science"})

    assert len(opened) <= 8, opened
    assert len(saved) <= 20, saved
