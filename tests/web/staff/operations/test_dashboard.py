"""The dashboard."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from queued import Queue, dispatching
from sqlalchemy import Engine, text
from web.conftest import Desk
from web.staff.operations.conftest import Send
from web.staff.pages import link, select, text_of

from cast import ADA, NORTH
from koha_ill_sidecar.domain.figures import (
    By,
    DaysCount,
    FigureCounter,
    Group,
    OpenCount,
    OpenStatus,
    Outcome,
    OutcomeCount,
)
from koha_ill_sidecar.messages import LazyMessage, lazy, literal
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.scheduler.registry import jobs
from koha_ill_sidecar.services.delivery import messages
from koha_ill_sidecar.services.delivery.dispatcher import Dispatcher
from koha_ill_sidecar.services.operations import figures
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.koha import requests
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.web.staff.operations import plots
from supplier import callback_settings, report

HOSTILE = "\"'><script>alert(1)</script>"
MONTHS = [f"2026-{month:02}" for month in range(1, 13)]
NewRequest = Callable[..., int]


def adopt(admin: Engine) -> None:
    """Let the watch have seen every request."""
    with admin.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO ill_sidecar_requests (illrequest_id, seen_status, is_open, seen_at)"
                " SELECT illrequest_id, status, COALESCE(status, '') <> 'COMP', UTC_TIMESTAMP(6) FROM illrequests"
                " ON DUPLICATE KEY UPDATE seen_status = VALUES(seen_status)"
            )
        )


def tile(page: str, label: str) -> str:
    """Return the number on a tile."""
    found = [text_of(tag) for tag in select(page, ".tiles a")]
    return next((number for number, _, name in (one.partition(" ") for one in found) if name == label), "")


def ask_for_attention(tx: Transaction, number: int, *words: LazyMessage) -> None:
    sidecar_requests.add_alert(tx, requests.get(tx, number), words)


def test_what_waits_for_the_desk_is_counted_with_the_oldest(
    clara: Desk, new_request: NewRequest, admin: Engine
) -> None:
    first = new_request(placed=text("'2026-01-02'"))
    new_request()
    new_request(status="CANCREQ")
    new_request(status="COMP")
    adopt(admin)

    shown = clara.get("/dashboard").text

    assert tile(shown, "New request") == "2"
    assert tile(shown, "Cancellation requested") == "1"
    assert tile(shown, "Queued request") == "0"
    assert f'<a href="/requests/{first}">{first}</a> · <span class="nowrap">2026-01-02</span>' in shown


def test_staff_alerts_are_listed_newest_first(
    clara: Desk, new_request: NewRequest, database: Database
) -> None:
    older, newer = new_request(), new_request(status="REQ")
    database.transact(ask_for_attention, older, lazy("The supplier needs more information."))
    database.transact(ask_for_attention, newer, lazy("Supplier's message: %(message)s", message=HOSTILE))

    shown = clara.get("/dashboard").text

    assert "The supplier needs more information." in shown
    assert shown.rindex(f'/requests/{newer}"') < shown.rindex(f'/requests/{older}"')
    assert "Supplier&#39;s message: &#34;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "<script>alert" not in shown


def test_staff_alerts_are_in_the_language_of_the_page(
    clara: Desk, new_request: NewRequest, database: Database
) -> None:
    late = lazy("the library reverted the request")
    database.transact(
        ask_for_attention,
        new_request(),
        lazy("The supplier reports %(status)s, which was not applied: %(reason)s.", status="x", reason=late),
        lazy("Supplier's message: %(message)s", message="Sorry, 100 %"),
    )
    clara.post("/language", {"language": "zh-Hant-TW"})

    shown = clara.get("/dashboard").text

    assert (
        '<td class="long">供應者回報「x」，但未套用：圖書館已撤銷這筆請求。<br>供應者表示：Sorry, 100 %</td>'
        in shown
    )


def test_of_very_many_words_the_newest_are_shown(
    clara: Desk, new_request: NewRequest, database: Database
) -> None:
    for _ in range(21):
        database.transact(ask_for_attention, new_request(), literal("Look."))

    shown = clara.get("/dashboard").text

    assert shown.count('<td class="long">Look.</td>') == 20
    assert "There are more; only the newest are shown." in shown


def test_failed_messages_are_counted_but_for_those_given_up(
    clara: Desk, admin: Engine, database: Database
) -> None:
    rows = Queue(admin, database)
    given_up, *_others = [rows.add(to_address="nowhere") for _ in range(3)]
    with dispatching(database) as dispatcher:
        dispatcher.run_once()
    assert tile(clara.get("/dashboard").text, "Failed messages") == "3"

    database.transact(messages.give_up, given_up)

    assert tile(clara.get("/dashboard").text, "Failed messages") == "2"


def test_the_list_behind_the_failed_messages_has_exactly_those_that_are_counted(
    clara: Desk, admin: Engine, database: Database
) -> None:
    rows = Queue(admin, database)
    failed, given_up, too_long_ago, sent_since = (rows.add(to_address="nowhere") for _ in range(4))
    not_ours = rows.add(to_address="nowhere")
    with dispatching(database) as dispatcher:
        dispatcher.run_once()
    by_koha = rows.add(status="failed")
    long_ago = text("NOW() - INTERVAL 31 DAY")
    by_koha_long_ago = rows.add(status="failed", time_queued=long_ago, updated_on=long_ago)
    database.transact(messages.give_up, given_up)
    rows.change(sent_since, status="sent")
    rows.change(not_ours, letter_code="CHECKIN")
    rows.execute(
        "UPDATE ill_sidecar_deliveries SET settled_at = settled_at - INTERVAL 31 DAY WHERE message_id = :number",
        number=too_long_ago,
    )

    shown = clara.get("/dashboard").text
    listed = clara.get(link(shown, ".tiles a", "Failed messages")).text

    assert tile(shown, "Failed messages") == "2"
    every = (failed, given_up, too_long_ago, sent_since, not_ours, by_koha, by_koha_long_ago)
    assert {number for number in every if f'/operations/messages/{number}"' in listed} == {failed, by_koha}


def test_callbacks_without_a_request_are_counted(clara: Desk, send: Send) -> None:
    send(report(999_999, "evt_1"), "evt_1")

    assert tile(clara.get("/dashboard").text, "Callbacks without a matching request") == "1"


def test_before_the_job_has_run_the_page_says_so(clara: Desk) -> None:
    assert "The figures have not been calculated yet" in clara.get("/dashboard").text


def test_what_the_job_computes_is_shown_with_its_time(
    clara: Desk, new_request: NewRequest, database: Database, koha_database: object
) -> None:
    for took in (2, 4, 9):
        new_request(
            status="COMP", placed=text(f"CURDATE() - INTERVAL {took} DAY"), completed=text("CURDATE()")
        )
    new_request(status="REQREV")
    settings = callback_settings(koha_database.settings)  # type: ignore[attr-defined]
    runtime = Runtime(settings=settings, database=database)
    dispatcher = Dispatcher(database, runtime.mailer, settings)
    (job,) = [job for job in jobs(runtime, dispatcher, on_koha_changed=lambda: None) if job.name == "figures"]
    assert job.run(lambda: False) == {}
    assert database.transact(figures.latest) is None

    assert job.run(lambda: True) == {"computed": 1}
    dispatcher.close()

    shown = clara.get("/dashboard").text
    assert "As of " in shown
    assert "Ada Lovelace Library" in shown
    assert "<strong>4</strong>" in shown
    assert "<strong>75 %</strong>" in shown
    assert "Request reverted" in shown


def save_figures(database: Database, backends: int = 1) -> None:
    counter = FigureCounter()
    for number in range(backends):
        keys = {
            By.MONTH: "2026-01",
            By.BACKEND: f"{HOSTILE}{number}",
            By.LIBRARY: ADA,
            By.PARTNER: str(NORTH),
        }
        counter.add([DaysCount(keys, 3, 1, "2026-01"), OutcomeCount(keys, Outcome.FILLED, 1, "2026-02")])
        counter.add([OpenCount(HOSTILE, 4, 7)])
    counter.add([DaysCount({By.PARTNER: "4711", By.LIBRARY: "GONE"}, 3, 1, "2026-01")])
    database.transact(figures.save, counter.figures(MONTHS))


def test_groups_have_their_names_of_today(clara: Desk, database: Database) -> None:
    save_figures(database)

    shown = clara.get("/dashboard").text

    assert '<th scope="row">North Partner</th>' in shown
    assert '<th scope="row">4711</th>' in shown
    assert '<th scope="row">GONE</th>' in shown


def test_of_very_many_groups_the_largest_are_shown(clara: Desk, database: Database) -> None:
    save_figures(database, backends=20)

    assert "5 smaller groups are not shown." in clara.get("/dashboard").text


def test_nothing_on_the_page_has_a_style_or_a_script_of_its_own(clara: Desk, database: Database) -> None:
    save_figures(database)

    shown = clara.get("/dashboard").text

    assert "style=" not in shown
    assert "<script>" not in shown
    assert "onclick" not in shown
    assert "<svg" in shown


def test_the_page_costs_a_fixed_number_of_queries(
    clara: Desk,
    new_request: NewRequest,
    database: Database,
    admin: Engine,
    queries: Callable[[], AbstractContextManager[list[str]]],
) -> None:
    for status in ("NEW", "UNAUTH", "CANCREQ", "QUEUED"):
        database.transact(ask_for_attention, new_request(status=status), literal("Look."))
    adopt(admin)
    save_figures(database)
    clara.get("/dashboard")

    with queries() as seen:
        clara.get("/dashboard")

    assert len(seen) <= 20


@pytest.mark.parametrize(
    ("table", "condition", "key"),
    [
        ("ill_sidecar_requests", "is_open = 1 AND seen_status = 'NEW'", "ill_sidecar_requests_status"),
        ("ill_sidecar_receipts", "verdict = 'unknown_request'", "ill_sidecar_receipts_verdict"),
    ],
)
def test_what_is_counted_for_every_look_is_in_an_index(
    admin: Engine, table: str, condition: str, key: str
) -> None:
    with admin.connect() as connection:
        plan = connection.execute(
            text(f"EXPLAIN FORMAT=JSON SELECT 1 FROM {table} WHERE {condition} LIMIT 9")
        )
        step = json.dumps(json.loads(plan.scalar_one()))

    assert f'"key": "{key}"' in step or "const" in step


def test_a_scale_is_round_and_holds_every_value() -> None:
    assert [plots.scale_of([value]) for value in (0, 1, 2, 3, 5, 6, 10, 11, 99, 100, 101, 3001)] == [
        *(1, 1, 2, 5, 5, 10, 10, 20, 100, 100, 200, 5000)
    ]
    assert plots.scale_of([]) == 1


def test_shapes_stay_within_their_plot() -> None:
    status = OpenStatus(status="NEW", by_age=(1, 0, 300, 0, 699))
    shapes = plots.ages(status, 1000)

    assert [shape.kind for shape in shapes] == ["age-0", "age-2", "age-4"]
    assert [(shape.start, shape.width) for shape in shapes] == [(0, 0.8), (0.1, 30), (30.1, 69.9)]

    group = Group(key="", filled=1, unfilled=0, waiting=0, turnaround=None)
    assert plots.turnaround(group, 10) == []
    assert [(shape.start, shape.width) for shape in plots.fill_rate(group)] == [(0, 100)]


def test_a_median_at_the_end_of_the_scale_is_seen() -> None:
    counter = FigureCounter()
    counter.add([DaysCount({By.BACKEND: "a"}, 10, 3, "2026-01")])
    (group,) = counter.figures(MONTHS).groups[By.BACKEND]

    middle, median = plots.turnaround(group, 10)

    assert middle.width > 0
    assert median.start + median.width <= 100
