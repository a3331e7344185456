"""The list of requests."""

import csv
import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from sqlalchemy import Engine, text
from web.conftest import Desk
from web.staff.pages import attribute, link, one, select, text_of

from cast import ADA, CLARA, RIVERSIDE, SAM, WEN
from factories import make_request
from koha_ill_sidecar.domain.statuses import WAITING_FOR_STAFF
from koha_ill_sidecar.services.request_index import indexing, search
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.koha import requests
from koha_ill_sidecar.storage.request_index import postings, slices

Make = Callable[..., int]


@pytest.fixture
def make(admin: Engine, database: Database) -> Make:
    """Make requests as Koha does, and index them."""

    def made(**columns: Any) -> int:
        with admin.begin() as connection:
            number = make_request(connection, database.koha(), **columns)
        database.transact(indexing.index, [number])
        return number

    return made


@pytest.fixture(autouse=True)
def _index(database: Database) -> None:
    while database.transact(indexing.build) is not None:
        pass


def _numbers(page: str) -> list[int]:
    return [int(attribute(tag, "href").rpartition("/")[2]) for tag in select(page, "tbody th[scope=row] a")]


def test_it_shows_what_koha_shows(clara: Desk, make: Make) -> None:
    number = make(
        status="GENREQ",
        borrowernumber=SAM,
        branchcode=RIVERSIDE,
        orderid="X-1",
        cost="1234.5",
        notesstaff="n" * 150,
        attributes={"type": "article", "title": "A journal", "article_title": "An article", "author": "Ada"},
    )
    clara.post(
        "/requests/columns", {"column": ["order_id", "cost", "notes_staff", "patron", "status", "type"]}
    )

    page = clara.get("/requests").text

    assert _numbers(page) == [number]
    for shown in (
        "Sam Page [20000005]",
        "Requested from partners",
        "X-1",
        "1,234.50",
        "n" * 99 + "…",
        "Journal article",
    ):
        assert shown in page


def test_a_status_of_the_sites_own_stands_beside_kohas(clara: Desk, make: Make) -> None:
    make(status="REQ", status_alias="WAITING")

    assert "<i>Waiting for supplier</i>" in clara.get("/requests").text


def test_the_address_says_it_all(clara: Desk, make: Make) -> None:
    wanted = make(status="NEW", branchcode=ADA, borrowernumber=WEN, placed="2026-03-04")
    for other in (
        {"status": "COMP", "branchcode": ADA, "borrowernumber": WEN, "placed": "2026-03-04"},
        {"status": "NEW", "branchcode": RIVERSIDE, "borrowernumber": WEN, "placed": "2026-03-04"},
        {"status": "NEW", "branchcode": ADA, "borrowernumber": SAM, "placed": "2026-03-04"},
        {"status": "NEW", "branchcode": ADA, "borrowernumber": WEN, "placed": "2026-03-05"},
    ):
        make(**other)

    address = f"/requests?status=NEW&library={ADA}&patron=林&placed_from=2026-03-04&placed_to=2026-03-04"

    assert _numbers(clara.get(address).text) == [wanted]


@pytest.mark.parametrize("column", ["title", "updated", "patron", "status", "cost"])
def test_it_is_sorted_either_way(clara: Desk, make: Make, column: str) -> None:
    clara.post("/requests/columns", {"column": [column]})
    first = make(
        status="NEW",
        borrowernumber=SAM,
        cost="2",
        updated="2026-01-01",
        attributes={"type": "book", "title": "Aa"},
    )
    second = make(
        status="REQ",
        borrowernumber=WEN,
        cost="10",
        updated="2026-02-01",
        attributes={"type": "book", "title": "Bb"},
    )

    assert _numbers(clara.get(f"/requests?sort={column}").text) == [first, second]
    page = clara.get(f"/requests?sort=-{column}").text
    assert _numbers(page) == [second, first]
    assert 'aria-sort="descending"' in page


def test_pages_follow_each_other(clara: Desk, make: Make) -> None:
    numbers = [make() for _ in range(23)]

    first, second = clara.get("/requests").text, clara.get("/requests?page=2").text

    assert _numbers(first) == numbers[:2:-1]
    assert _numbers(second) == [numbers[2], numbers[1], numbers[0]]
    assert 'rel="next" href="/requests?page=2"' in first
    assert 'rel="prev"' in second
    assert "There is no such page." in clara.get("/requests?page=9").text


def test_statuses_are_counted_whatever_status_is_shown(clara: Desk, make: Make) -> None:
    make(status="NEW")
    make(status="NEW", branchcode=RIVERSIDE)
    make(status="COMP")

    page = clara.get(f"/requests?status=COMP&library={ADA}").text

    assert 'All <span class="soft-count">2</span>' in page
    assert 'Needs attention <span class="soft-count">1</span>' in page
    assert 'New request <span class="soft-count">1</span>' in page
    assert 'Completed <span class="soft-count">1</span>' in page


def test_what_waits_for_us_is_the_same_on_the_list_and_the_dashboard(
    clara: Desk, make: Make, admin: Engine
) -> None:
    waiting = [make(status=status) for status in WAITING_FOR_STAFF]
    make(status="REQ")
    with admin.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO ill_sidecar_requests (illrequest_id, seen_status, is_open, seen_at)"
                " SELECT illrequest_id, status, 1, UTC_TIMESTAMP(6) FROM illrequests"
            )
        )

    page = clara.get(link(clara.get("/requests").text, ".counts a", "Needs attention 5")).text

    assert sorted(_numbers(page)) == waiting
    assert text_of(one(page, '.counts [aria-current="true"]')) == "Needs attention 5"
    assert [attribute(tag, "value") for tag in select(page, "[name=status]")] == [*WAITING_FOR_STAFF, "REQ"]
    tiles = select(clara.get("/dashboard").text, '.tiles a[href^="/requests?status="]')
    assert [attribute(tile, "href") for tile in tiles if text_of(tile).startswith("1 ")] == [
        f"/requests?status={status}" for status in WAITING_FOR_STAFF
    ]


def test_what_koha_hides_is_hidden(clara: Desk, make: Make, admin: Engine, database: Database) -> None:
    shown = make(status="NEW")
    make(status="COMP")
    with admin.begin() as connection:
        connection.execute(
            text(
                "REPLACE INTO systempreferences (variable, value) VALUES ('ILLHiddenRequestStatuses', 'COMP')"
            )
        )
    database.cache.clear()

    assert _numbers(clara.get("/requests").text) == [shown]


def test_ones_own_change_shows_at_once(clara: Desk, make: Make, admin: Engine) -> None:
    number = make(status="NEW")
    with admin.begin() as connection:
        connection.execute(text("UPDATE illrequests SET status = 'COMP'"))
        connection.execute(
            text("INSERT INTO ill_sidecar_index_queue (illrequest_id) SELECT illrequest_id FROM illrequests")
        )

    assert _numbers(clara.get("/requests?status=NEW").text) == []
    assert _numbers(clara.get("/requests?status=COMP").text) == [number]


def test_invalid_values_are_reported_and_ignored(clara: Desk, make: Make) -> None:
    number = make()

    page = clara.get("/requests?placed_from=yesterday&sort=colour&page=x&per_page=100000&batch=-1").text

    assert _numbers(page) == [number]
    for said in (
        "Placed on: “yesterday” is not a date and was ignored.",
        "Sort order: “colour” was ignored.",
        "Page: “x” was ignored.",
        "Rows: “100000” was ignored.",
        "Batch: “-1” was ignored.",
    ):
        assert said in page
    assert 'value="yesterday" aria-invalid="true" aria-describedby="placed_from-error"' in page


def test_days_that_no_day_is_between_are_told(clara: Desk, make: Make) -> None:
    number = make()

    page = clara.get("/requests?placed_from=2026-03-05&placed_to=2026-03-04").text

    assert "The start date is after the end date: both were ignored." in page
    assert _numbers(page) == [number]
    for kept in ("2026-03-05", "2026-03-04"):
        assert f'value="{kept}"' in page


def test_a_keyword_that_is_too_long_is_told_and_stays(clara: Desk, make: Make) -> None:
    number = make(attributes={"type": "book", "title": "雪" * 250})

    page = clara.get("/requests?q=" + "雪" * 201).text

    assert "only the first 200 characters are searched for" in page
    assert f'value="{"雪" * 201}"' in page
    assert _numbers(page) == [number]


@pytest.mark.parametrize(
    "query", ["page=999999", "page=0", "page=-1", "page=" + "9" * 30, "per_page=0", "status=" + "x" * 300]
)
def test_no_address_is_too_odd_for_an_answer(clara: Desk, make: Make, query: str) -> None:
    make()

    assert clara.get(f"/requests?{query}").status_code == 200


def test_what_is_asked_for_and_unknown_stays_chosen(clara: Desk, make: Make) -> None:
    make()

    page = clara.get(f"/requests?library=GONE&type=scroll&library={ADA}").text

    assert "<option selected>GONE</option>" in page
    assert "<option selected>scroll</option>" in page
    assert f'<option value="{ADA}" selected>' in page


def test_an_empty_list_helps_on(clara: Desk) -> None:
    assert "There are no requests yet." in clara.get("/requests").text
    assert "No request matches these filters." in clara.get("/requests?q=nothing").text


def test_columns_are_remembered_for_each_person(clara: Desk, desk: Callable[[], Desk], make: Make) -> None:
    make(attributes={"type": "book", "title": "Seen"})

    clara.post("/requests/columns", {"column": ["backend"], "query": "q=seen&evil=1"})

    assert "Backend</a></th>" in clara.get("/requests").text
    assert 'sort=title"' not in str(one(clara.get("/requests").text, "thead"))
    assert 'sort=title"' in desk().sign_in(1).get("/requests").text
    clara.post("/requests/columns", {"reset": ""})
    assert 'sort=title"' in clara.get("/requests").text


def test_views_are_kept_and_let_go(clara: Desk) -> None:
    kept = clara.post(
        "/requests/views", {"name": "Mine <b>", "query": "status=NEW&evil=1&page=3"}, follow=True
    ).text
    assert "The view Mine &lt;b&gt; was saved." in kept
    assert '<a href="/requests?status=NEW">Mine &lt;b&gt;</a>' in kept

    gone = clara.post("/requests/views", {"name": "Mine <b>", "remove": ""}, follow=True).text
    assert "was removed" in gone
    assert '<a href="/requests?status=NEW">Mine' not in gone


def test_a_view_needs_a_name(clara: Desk) -> None:
    assert "Enter a name for the view." in clara.post("/requests/views", {"name": " "}, follow=True).text


def test_a_view_is_not_dropped_for_another(clara: Desk) -> None:
    for number in range(30):
        clara.post("/requests/views", {"name": f"View {number}", "query": "status=NEW"})

    told = clara.post("/requests/views", {"name": "One more", "query": ""}, follow=True).text

    assert "There are already 30 saved views." in told
    assert ">View 0</a>" in told
    again = clara.post("/requests/views", {"name": "View 0", "query": "status=COMP"}, follow=True).text
    assert '<a href="/requests?status=COMP">View 0</a>' in again


@pytest.mark.parametrize("query", ["status=" + "x" * 300 + "&q=1" * 300, "q=" + "x" * 1_000_000])
def test_a_view_that_no_address_can_be_does_no_harm(clara: Desk, query: str) -> None:
    assert clara.post("/requests/views", {"name": "Odd", "query": query}, follow=True).status_code == 200


def test_csv_with_an_invalid_filter_leads_back_to_the_list(clara: Desk) -> None:
    answer = clara.get("/requests.csv?placed_from=yesterday&status=NEW")

    assert (answer.status_code, answer.location) == (303, "/requests?status=NEW&placed_from=yesterday")


def test_csv_has_all_that_the_filter_picks(clara: Desk, make: Make) -> None:
    numbers = [make(attributes={"type": "book", "title": f"Book {index}"}) for index in range(25)]
    make(status="COMP")

    answer = clara.get("/requests.csv?status=NEW&sort=number")

    lines = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert answer.content_type == "text/csv; charset=utf-8"
    assert lines[0][0] == "Request ID"
    assert [int(line[0]) for line in lines[1:]] == numbers


def test_csv_has_names_and_codes_and_all_of_a_note(clara: Desk, make: Make) -> None:
    note, title = "雪" * 300 + "\nend", "t" * 300
    make(
        status="REQ",
        status_alias="WAITING",
        branchcode=RIVERSIDE,
        notesstaff=note,
        attributes={"type": "book", "title": title},
    )
    clara.post("/requests/columns", {"column": ["status", "library", "notes_staff", "title"]})

    (line,) = csv.DictReader(io.StringIO(clara.get("/requests.csv").text.removeprefix("\ufeff")))

    assert (line["Library"], line["Library code"]) == ("Riverside", RIVERSIDE)
    assert (line["Status"], line["Status code"]) == ("Requested (Waiting for supplier)", "WAITING")
    assert (line["Staff notes"], line["Title"]) == (note, title)


@pytest.mark.parametrize(
    "title", ["=HYPERLINK(1)", "+1", "-1", "@x", "\t=1", "\n=1", "\r=1", "＝1", "＋1", "－1", "＠x"]
)
def test_csv_holds_no_formula(clara: Desk, make: Make, title: str) -> None:
    make(attributes={"type": "book", "title": title})

    lines = list(csv.reader(io.StringIO(clara.get("/requests.csv").text)))

    assert not any(cell.startswith(tuple("=+-@＝＋－＠\t\r\n")) for line in lines[1:] for cell in line)


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7777*7 }}",
    "[% PERL %]",
    "javascript:alert(1)",
    "' onmouseover='alert(1)",
)


@pytest.mark.parametrize("value", HOSTILE)
def test_nothing_that_somebody_typed_becomes_markup(clara: Desk, make: Make, value: str) -> None:
    make(
        notesopac=value,
        notesstaff=value,
        accessurl=value,
        orderid=value[:50],
        attributes={"type": value, "title": value, "author": value},
    )
    clara.post(
        "/requests/columns",
        {"column": ["notes_opac", "notes_staff", "access_url", "order_id", "title", "type"]},
    )

    page = clara.get("/requests", **{"Accept-Language": "en"}).text
    echoed = clara.client.get("/requests", query_string={"q": value, "sort": value, "patron": value}).text

    for shown in (page, echoed):
        assert "<script>alert" not in shown
        assert "<img" not in shown
        assert "onmouseover='alert" not in shown
        assert 'href="javascript' not in shown
        assert "54439" not in shown


@pytest.mark.all_versions
def test_a_page_costs_at_most_twelve_queries(
    clara: Desk,
    make: Make,
    admin: Engine,
    queries: Callable[[], AbstractContextManager[list[str]]],
) -> None:
    for index in range(30):
        make(
            status_alias="WAITING" if index % 2 else None,
            attributes={"type": "book", "title": f"History of {index}"},
        )
    with admin.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO ill_sidecar_index_queue (illrequest_id) SELECT MAX(illrequest_id) FROM illrequests"
            )
        )
    clara.get("/requests")

    for address in (
        "/requests",
        "/requests?sort=title",
        "/requests?q=history&sort=patron",
        f"/requests?status=NEW&library={ADA}&patron=page&placed_from=2020-01-01&type=book&sort=-updated",
        "/requests?q=nothing+at+all",
        "/requests?page=2",
    ):
        with queries() as seen:
            assert clara.get(address).status_code == 200
        assert len(seen) <= 12


def test_the_most_expensive_page_costs_no_more(
    clara: Desk,
    make: Make,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    queries: Callable[[], AbstractContextManager[list[str]]],
) -> None:
    """A change that waits; a word inside others that some share; an order in which what has it stands last."""
    monkeypatch.setattr(search, "_FEW", 3)
    monkeypatch.setattr(search, "_QUICKLY_COMPARED", 0)
    monkeypatch.setattr(slices, "_LARGEST", 4)
    monkeypatch.setattr(slices, "SIZE", 2)
    monkeypatch.setattr(postings, "_SHARED_BY", 4)
    shared = [make(notesstaff=f"journals {number}") for number in range(30)]
    database.transact(indexing.index, shared, rewrite=True)
    make(notesstaff="newjournals")
    for number in range(60):
        make(notesstaff=f"before all of them in the order {number}")
    number = make()
    database.transact(lambda tx: requests.update(tx, number, notesstaff="journals"))
    monkeypatch.setattr(slices, "SIZE", 1000)  # so that too few are read at first
    clara.get("/requests")

    with queries() as seen:
        page = clara.get("/requests?q=journals&status=NEW&sort=notes_staff").text

    assert len(_numbers(page)) == 20
    assert len(seen) == 12


def test_what_there_is_can_be_chosen_on_the_left(clara: Desk, make: Make, admin: Engine) -> None:
    with admin.begin() as connection:
        batch = connection.execute(
            text("INSERT INTO illbatches (name, backend) VALUES ('Term papers', 'Standard')")
        ).lastrowid
    number = make(batch_id=batch, backend="Standard")
    make(backend="FreeForm", status="REQ")

    page = clara.get("/requests").text
    chosen = clara.get(f"/requests?batch={batch}&backend=Standard&status=NEW").text

    for offered in ("Term papers</option>", "FreeForm</option>", 'name="status" value="REQ"'):
        assert offered in page
    assert _numbers(chosen) == [number]
    for kept in (
        f'value="{batch}" selected',
        'value="Standard" selected',
        'name="status" value="NEW" checked',
    ):
        assert kept in chosen


def test_an_old_batch_that_is_asked_for_stays_chosen(clara: Desk, make: Make) -> None:
    make()

    assert 'value="4711" selected' in clara.get("/requests?batch=4711").text


def test_the_page_is_light(clara: Desk, make: Make) -> None:
    for index in range(20):
        make(
            attributes={
                "type": "book",
                "title": f"A rather long title of a book, number {index}" * 3,
                "author": "Lovelace, Ada",
            }
        )
    clara.post(
        "/requests/columns",
        {"column": ["author", "title", "patron", "library", "updated"]},
    )

    assert len(clara.get("/requests").data) < 150_000


def test_staff_of_another_language_read_it_in_theirs(clara: Desk, make: Make) -> None:
    make(status="NEW", attributes={"type": "article", "title": "x"})
    clara.post("/language", {"language": "zh-Hant-TW"})

    page = clara.get("/requests").text

    for said in ("館際互借請求", "新增請求", "期刊文章"):
        assert said in page


def test_who_is_not_signed_in_sees_nothing(desk: Callable[[], Desk]) -> None:
    for address in ("/requests", "/requests.csv"):
        assert desk().get(address).status_code == 303
    assert CLARA
