"""The letters, as the staff see them."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from sqlalchemy import Engine, text
from web.conftest import Desk

from koha_ill_sidecar.services.notices import templates
from koha_ill_sidecar.storage.database import Database

HOSTILE = "<script>alert(1)</script>"
NewRequest = Callable[..., int]
Letter = Callable[..., None]


@pytest.fixture
def letter(admin: Engine) -> Letter:
    """Return a function that adds a letter in Koha."""

    def add(code: str, content: str, *, title: str = "A title", is_html: int = 0) -> None:
        with admin.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO letter (module, code, branchcode, name, is_html, title, content,"
                    " message_transport_type, lang)"
                    " VALUES ('ill', :code, '', 'A name', :is_html, :title, :content, 'email', 'default')"
                ),
                {"code": code, "content": content, "title": title, "is_html": is_html},
            )

    return add


def test_letters_that_are_missing_are_named(clara: Desk) -> None:
    shown = clara.get("/operations/notices").text

    assert '<span class="state missing">Missing</span>' in shown
    assert "ILL_PICKUP_READY" in shown


def test_letters_of_ours_are_told_from_others(clara: Desk, database: Database, letter: Letter) -> None:
    letter("ILL_PICKUP_READY", "<b>Come</b>")
    database.transact(templates.install)

    shown = clara.get("/operations/notices").text

    assert "Same text as ours" in shown
    assert "Different text" in shown
    assert "-&lt;b&gt;Come&lt;/b&gt;" in shown
    assert '<span class="state missing">' not in shown


def test_what_is_wrong_is_told_with_its_place(clara: Desk, letter: Letter) -> None:
    letter("ILL_PICKUP_READY", "Dear\n[% IF x %]<script>alert(1)</script>")

    shown = clara.get("/operations/notices").text

    assert '<span class="state error">Error</span>' in shown
    assert "content · line" in shown
    assert HOSTILE not in shown


def test_what_is_wrong_is_told_in_the_language_of_the_page(clara: Desk, letter: Letter) -> None:
    letter("ILL_PICKUP_READY", "[% IF <b> %]", title="[% borrower.firstnam %] <<script>>")
    clara.post("/language", {"language": "zh-Hant-TW"})

    shown = clara.get("/operations/notices").text

    assert '<span class="soft">標題 · 第 1 行，第 13 欄</span>' in shown
    assert "borrower 沒有 firstnam；是否指 firstname？\n→ 請將 firstnam 改為 firstname。" in shown
    assert "&lt;&lt;script&gt;&gt; 沒有對應的內容" in shown
    assert "無法解讀範本：unexpected token (&lt;)\n→ 請更正標示之處；在此之前不會寄出任何通知。" in shown
    assert "沒有這個通知範本\n→ 請執行 `koha-ill-sidecar notices install`，或在 Koha 新增。" in shown


def test_a_letter_is_filled_in_for_a_request(clara: Desk, letter: Letter, new_request: NewRequest) -> None:
    letter("ILL_PICKUP_READY", "Number [% illrequest.illrequest_id %]\n<b>bold</b>", title="Ready!")
    number = new_request()

    form = clara.get("/operations/notices/preview?code=ILL_PICKUP_READY&transport=email&lang=default").text
    shown = clara.get(f"/operations/notices/preview?code=ILL_PICKUP_READY&transport=email&request={number}")

    assert '<option value="ILL_PICKUP_READY" selected>ILL_PICKUP_READY' in form
    assert shown.status_code == 200
    assert '<h2 lang="">Ready!</h2>' in shown.text
    assert f"Number {number}\n&lt;b&gt;bold&lt;/b&gt;" in shown.text


@pytest.mark.parametrize(
    ("code", "request_number", "problem"),
    [
        ("ILL_PICKUP_READY", "nonsense", "Enter a request ID."),
        ("ILL_PICKUP_READY", "999999", "There is no such request."),
        (HOSTILE, "", "Koha has no such notice template."),
        ("ILL_REQUEST_CANCEL", "", "The notice template cannot be rendered."),
    ],
)
def test_what_cannot_be_previewed_says_why(
    clara: Desk, letter: Letter, new_request: NewRequest, code: str, request_number: str, problem: str
) -> None:
    letter("ILL_PICKUP_READY", "It is ready")
    letter("ILL_REQUEST_CANCEL", "[% IF %]")
    wanted = request_number or new_request()

    answer = clara.get(f"/operations/notices/preview?code={code}&transport=email&request={wanted}")

    assert answer.status_code == 422
    assert problem in answer.text
    assert HOSTILE not in answer.text


def test_whatever_a_letter_and_a_request_hold_is_shown_and_not_run(
    clara: Desk, letter: Letter, new_request: NewRequest
) -> None:
    letter("ILL_PICKUP_READY", "[% illrequest.notesopac %]", title=HOSTILE, is_html=1)
    number = new_request(notesopac=HOSTILE)

    answer = clara.get(
        f"/operations/notices/preview?code=ILL_PICKUP_READY&transport=email&lang={HOSTILE}&request={number}"
    )

    assert answer.status_code == 200
    assert HOSTILE not in answer.text


def test_the_pages_cost_a_fixed_number_of_queries(
    clara: Desk, database: Database, queries: Callable[[], AbstractContextManager[list[str]]]
) -> None:
    database.transact(templates.install)
    clara.get("/operations/notices")

    with queries() as seen:
        clara.get("/operations/notices")

    assert len(seen) <= 9
