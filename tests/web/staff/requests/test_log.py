"""The log of a request, and its metadata as text."""

import pytest
from office import Office
from web.conftest import Desk
from web.staff.pages import press, rows


@pytest.mark.all_versions
def test_kohas_log_and_ours_are_one_list_with_its_sources(clara: Desk, office: Office) -> None:
    number = office.request()
    press(clara, f"/requests/{number}/actions/confirm")
    clara.post(f"/requests/{number}/comments", {"comment": "secret thoughts"})

    page = clara.get(f"/requests/{number}/log").text

    newest, oldest = (" ".join(row) for row in rows(page))
    assert "Comment added" in newest
    assert "Clara Birchwood [20000002] · Sidecar · Staff interface" in newest
    assert "secret thoughts" not in page
    assert "Status changed from New request to Requested" in oldest
    assert "Clara Birchwood [20000002] · Koha · Staff interface" in oldest


def test_the_log_is_in_the_language_of_the_page(clara: Desk, office: Office) -> None:
    number = office.request()
    press(clara, f"/requests/{number}/actions/confirm")
    clara.post("/language", {"language": "zh-Hant-TW"})

    assert "狀態由「新增請求」變更為「已請求」" in clara.get(f"/requests/{number}/log").text


def test_rows_that_break_kohas_own_page_are_shown_as_they_are(clara: Desk, office: Office) -> None:
    number = office.request()
    office.does(
        "INSERT INTO action_logs (module, action, object, info, user) VALUES ('ILL', 'batch_create', :number,"
        " '100% <b>sure</b> %(x)s', 0)",
        number=number,
    )

    page = clara.get(f"/requests/{number}/log").text

    assert "batch_create 100% &lt;b&gt;sure&lt;/b&gt; %(x)s" in page


def test_staff_are_told_that_kohas_log_is_off(clara: Desk, office: Office) -> None:
    office.prefers(IllLog="0")

    page = clara.get(f"/requests/{office.request()}/log").text

    assert "Koha&#39;s log is off" in page
    assert "The log is empty." in page


@pytest.mark.all_versions
def test_metadata_stands_in_a_field_to_copy_from(clara: Desk, office: Office) -> None:
    number = office.request(attributes={"type": "book", "title": "Dune & <sand>", "author": "Herbert"})

    page = clara.get(f"/requests/{number}/metadata").text

    assert 'readonly class="code">Author: Herbert\nTitle: Dune &amp; &lt;sand&gt;</textarea>' in page


def test_a_request_that_is_gone_has_neither(clara: Desk) -> None:
    assert clara.get("/requests/4711/log").status_code == 404
    assert clara.get("/requests/4711/metadata").status_code == 404
