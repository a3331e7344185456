"""The commands on requests, as somebody types them."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from sqlalchemy import Engine, text

from cast import ADA, NORTH, RIVERSIDE, WEN
from conftest import PASSWORD, USER, KohaDatabase
from factories import make_request
from koha_ill_sidecar.backends.base import KohaFeatures, status_graph
from koha_ill_sidecar.backends.registry import STANDARD
from koha_ill_sidecar.cli import main
from koha_ill_sidecar.cli.requests import requests as requests_group
from koha_ill_sidecar.domain.actions import ACTIONS
from koha_ill_sidecar.domain.attributes import LABELS, MaterialType
from koha_ill_sidecar.domain.statuses import Status
from koha_ill_sidecar.storage.database import Database


class Answer(NamedTuple):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Answer]


@pytest.fixture
def run(
    koha_database: KohaDatabase,
    admin: Engine,  # noqa: ARG001  (brings the reset)
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Return a function that runs ``koha-ill-sidecar requests ...`` on the test's database."""
    path = tmp_path / "config.yaml"
    connection = {
        "socket": str(koha_database.settings.socket),
        "name": koha_database.settings.database,
        "user": USER,
        "password": PASSWORD,
    }
    path.write_text(yaml.safe_dump({"koha": {"database": connection}}))

    def requests(*words: object) -> Answer:
        with pytest.raises(SystemExit) as end:
            main(["--config", str(path), "requests", *map(str, words)])
        printed = capsys.readouterr()
        return Answer(int(end.value.code or 0), printed.out, printed.err)

    return requests


@pytest.fixture
def make(admin: Engine, database: Database) -> Callable[..., int]:
    """Return a function that inserts a request."""

    def insert(**columns: Any) -> int:
        with admin.begin() as connection:
            return make_request(connection, database.koha(), **columns)

    return insert


def test_a_request_is_named_in_each_form(run: Run, make: Callable[..., int], tmp_path: Path) -> None:
    number = make()
    koha_conf = tmp_path / "koha-conf.xml"
    koha_conf.write_text(
        "<yazgfs><config><interlibrary_loans><branch><code>ADA</code><prefix>ADA</prefix></branch>"
        "</interlibrary_loans><database>koha</database><user>koha</user></config></yazgfs>"
    )
    path = tmp_path / "config.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["koha"]["conf"] = str(koha_conf)
    path.write_text(yaml.safe_dump(settings))

    assert [run("show", form, "--json").json["ill_request"]["illrequest_id"] for form in (
        number, f"#{number}", f"ADA-{number}", f"ada-{number}"
    )] == [number] * 4  # fmt: skip
    assert "There are: ADA-." in run("show", f"XYZ-{number}").err
    assert "is not the ID of a request, such as 201, #201 or CPL-201" in run("show", "ADA").err


def test_a_request_goes_through_its_life(run: Run) -> None:
    made = run(
        "create", "--type", "book", "--library", ADA, "--patron", "Page", "--as", "clara",
        "--field", "title=Crime and punishment", "--field", "isbn=9780140449136", "--custom", "shelf=A=1", "--json",
    ).json  # fmt: skip
    number = made["illrequest_id"]

    assert run("confirm", number, "--as", "clara").out == f"Request {number}: REQ\n"
    assert run("alias", number, "WAITING").out == f"Request {number}: REQ (WAITING)\n"
    assert run("revert", number).out == f"Request {number}: REQREV\n"
    assert run("comment", number, "They said no.", "--as", "clara").code == 0
    assert run("note", number, "--staff", "Ask again.", "--opac", "We ask again.").code == 0
    assert run("delete", number).code == 2
    assert run("complete", number).code == 1
    run("confirm", number)
    assert run("complete", number, "--alias", "CHASED").out == f"Request {number}: COMP (CHASED)\n"

    shown = run("show", number, "--json").json
    assert shown["metadata"] == {"ISBN": "9780140449136", "Shelf": "A=1", "Title": "Crime and punishment"}
    assert shown["patron"] == "Sam Page [20000005]"
    assert shown["comments"] == 1
    assert shown["ill_request"]["notesstaff"] == "Ask again."
    assert shown["status"] == "Supplier was reminded"
    log = run("log", number, "--json").json
    assert [entry["text"] for entry in log][-3:] == [
        "Status changed from Requested to Waiting for supplier",
        "Status changed from New request to Requested",
        "Status changed to New request",
    ]
    assert {entry["author"] for entry in log} == {"Clara Birchwood [20000002]", ""}
    assert "Ask again." in run("show", number).out
    assert "They said no." in run("comments", number).out
    assert "ISBN: 9780140449136" in run("metadata", number).out


def test_the_log_says_who_and_which_program(run: Run, make: Callable[..., int], admin: Engine) -> None:
    number = make()

    run("confirm", number, "--as", "clara")

    with admin.connect() as connection:
        row = connection.execute(text("SELECT user, interface, script FROM action_logs")).one()
    assert tuple(row) == (2, "commandline", "koha-ill-sidecar")


@pytest.mark.parametrize(
    ("userid", "complaint"),
    [("dora", "dora lacks Koha's ill permission"), ("ghost", "Koha has no user")],
)
def test_only_staff_with_the_permission_act(
    run: Run, make: Callable[..., int], userid: str, complaint: str
) -> None:
    number = make()

    answer = run("confirm", number, "--as", userid)

    assert (answer.code, answer.out) == (1, "")
    assert complaint in answer.err
    assert run("show", number, "--json").json["ill_request"]["status"] == "NEW"


def test_a_superlibrarian_acts(run: Run, make: Callable[..., int]) -> None:
    assert run("confirm", make(), "--as", "super").code == 0


def test_an_action_that_is_not_allowed_is_one_clear_line(run: Run, make: Callable[..., int]) -> None:
    answer = run("revert", make())

    assert answer.code == 1
    assert answer.err.count("\n") == 1
    assert (
        "there is no cancel. Allowed now: confirm, generic_confirm, delete, migrate, edititem." in answer.err
    )


def test_an_unknown_request_is_one_clear_line(run: Run) -> None:
    for command in (["show"], ["log"], ["comments"], ["metadata"], ["confirm"], ["delete", "--yes"]):
        answer = run(command[0], 4711, *command[1:])

        assert (answer.code, answer.err.count("\n")) == (1, 1)
        assert "no request 4711" in answer.err


@pytest.mark.parametrize(
    "words",
    [
        ["create", "--library", ADA],
        ["create", "--library", ADA, "--patron", "sam", "--unauthenticated"],
        ["create", "--library", ADA, "--patron", "sam", "--type", "scroll"],
        ["create", "--library", ADA, "--patron", "sam", "--type", "book", "--field", "title"],
        ["create", "--library", ADA, "--patron", "sam", "--type", "book", "--supplier", "Nobody"],
        ["edit", "1"],
        ["note", "1"],
        ["note", "1", "--staff", "x", "--from-patron", "y"],
        ["confirm", "zero"],
        ["confirm", "0"],
        ["comment", "1", "text without anybody"],
        ["delete", "1"],
        ["list", "--placed-from", "yesterday"],
    ],
)
def test_wrong_usage_exits_with_two(run: Run, words: list[str]) -> None:
    answer = run(*words)

    assert answer.code == 2
    assert "Traceback" not in answer.err


def test_an_openurl_fills_in_the_other_fields(run: Run) -> None:
    made = run(
        "create", "--library", ADA, "--patron", "sam", "--field", "title=Nature", "--json", "--openurl",
        "https://example.org/?genre=article&atitle=Bees%20and%20%E8%8A%B1&title=other&rft_id=pmid:12&sid=x",
    ).json  # fmt: skip

    attributes = run("show", made["illrequest_id"], "--json").json["attributes"]
    assert {one["type"]: one["value"] for one in attributes} == {
        "type": "article",
        "article_title": "Bees and 花",
        "title": "Nature",
        "pmid": "12",
        "sid": "x",
    }


def test_a_person_without_an_account_makes_a_request(run: Run, admin: Engine) -> None:
    words = [
        "create", "--library", ADA, "--type", "article", "--unauthenticated", "--first-name", "Vera",
        "--last-name", "Visitor", "--email", "vera@example.org", "--json",
    ]  # fmt: skip
    assert "ILLOpacUnauthenticatedRequest" in run(*words).err
    with admin.begin() as connection:
        connection.execute(
            text(
                "REPLACE INTO systempreferences (variable, value) VALUES ('ILLOpacUnauthenticatedRequest', '1')"
            )
        )

    made = run(*words).json

    assert (made["status"], made["borrowernumber"]) == ("UNAUTH", None)


def test_an_item_is_described_again(run: Run, make: Callable[..., int]) -> None:
    number = make(attributes={"type": "book", "title": "Old"})

    run("edit-item", number, "--field", "type=book", "--field", "title=New")

    assert run("metadata", number, "--json").json == {"Title": "New"}


def test_edit_changes_only_the_options_used(run: Run, make: Callable[..., int]) -> None:
    number = make(price_paid="3")

    edited = run("edit", number, "--library", RIVERSIDE, "--patron", WEN, "--price-paid", "", "--json").json

    assert (edited["branchcode"], edited["borrowernumber"], edited["price_paid"]) == (RIVERSIDE, WEN, None)


def test_requests_are_listed_by_each_option(run: Run, make: Callable[..., int]) -> None:
    first, second = make(), make(status="REQ", borrowernumber=WEN, branchcode=RIVERSIDE)
    run("reindex")

    def ids(*words: object) -> list[int]:
        return [one["ill_request"]["illrequest_id"] for one in run("list", *words, "--json").json]

    assert ids() == [second, first]
    assert ids("--limit", 1) == [second]
    assert ids("--status", "REQ") == [second]
    assert ids("--patron", "20000005") == [first]
    assert ids("--library", RIVERSIDE, "--backend", "Standard") == [second]
    assert ids("--placed-to", "2001-01-01") == []
    assert "An article" in run("list").out
    assert run("list", "--status", "COMP").out == "Nothing found.\n"


def test_a_listed_status_stands_for_requests_without_an_alias(run: Run, make: Callable[..., int]) -> None:
    plain, aliased = make(status="REQ"), make(status="REQ", status_alias="WAITING")
    old = make(placed="2020-02-02")
    run("reindex")

    def ids(*words: object) -> list[int]:
        return [one["ill_request"]["illrequest_id"] for one in run("list", *words, "--json").json]

    assert ids("--status", "REQ") == [plain]
    assert ids("--status", "WAITING", "--status", "REQ") == [aliased, plain]
    assert ids("--placed-from", "2020-02-03") == [aliased, plain]
    assert ids("--placed-from", "2020-02-02", "--placed-to", "2020-02-02") == [old]


def test_listed_requests_have_these_keys_in_json(run: Run, make: Callable[..., int]) -> None:
    make(attributes={"type": "article", "article_title": "On ships", "title": "Nature", "author": "Ng"})
    run("reindex")

    (listed,) = run("list", "--json").json

    assert list(listed) == ["ill_request", "shown_id", "patron", "type", "title", "author"]
    assert listed["patron"].endswith("[20000005]")
    assert (listed["type"], listed["title"], listed["author"]) == ("article", "On ships", "Ng")


def test_requests_with_a_hidden_status_are_listed(run: Run, make: Callable[..., int], admin: Engine) -> None:
    number = make(status="COMP")
    with admin.begin() as connection:
        connection.execute(
            text(
                "REPLACE INTO systempreferences (variable, value) VALUES ('ILLHiddenRequestStatuses', 'COMP')"
            )
        )
    run("reindex")

    assert [one["ill_request"]["illrequest_id"] for one in run("list", "--json").json] == [number]


def test_a_list_before_the_index_is_built_says_that_requests_may_be_missing(
    run: Run, make: Callable[..., int]
) -> None:
    make()

    listed = run("list")

    assert listed.out == "Nothing found.\n"
    assert "not all requests are shown yet" in listed.err


def test_a_request_is_placed_with_partners(run: Run, make: Callable[..., int], admin: Engine) -> None:
    number = make(attributes={"type": "book", "title": "Crime"})
    with admin.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO letter (module, code, branchcode, name, is_html, title, content,"
                " message_transport_type, lang) VALUES ('ill', 'ILL_PARTNER_REQ', '', 'Partners', 0, 'Ask',"
                " 'Have you [% ill_bib_title %]?', 'email', 'default')"
            )
        )
    assert [one["borrowernumber"] for one in run("partners", "--json").json].count(NORTH) == 1

    draft = run("place-with-partners", number, "--draft")
    assert draft.out == f"Subject: Ask\n\nHave you Crime?\n\nRequest ID: {number}\n"
    placed = run(
        "place-with-partners", number, "--partner", NORTH, "--subject", "Please", "--as", "clara", "--json"
    ).json

    assert placed["ill_request"]["status"] == "GENREQ"
    with admin.connect() as connection:
        row = connection.execute(
            text("SELECT message_id, subject, content, to_address FROM message_queue")
        ).one()
    assert tuple(row) == (
        placed["message_ids"][0],
        "Please",
        f"Have you Crime?\n\nRequest ID: {number}",
        "ill@north.example.org",
    )
    assert "ill@north.example.org" in run("show", number).out


def test_cancel_switch_and_delete(run: Run, make: Callable[..., int]) -> None:
    number = make()
    assert run("cancel", number).out == f"Request {number}: CANCREQ\n"

    made = run("switch-provider", number, "--json").json

    assert made["status"] == "NEW"
    assert run("show", number, "--json").json["ill_request"]["status"] == "REQREV"
    assert run("delete", number, "--yes").out == f"Request {number} is deleted.\n"


def test_a_notice_that_is_not_queued_exits_with_one(run: Run, make: Callable[..., int]) -> None:
    answer = run("notice", make(), "ILL_PICKUP_READY")

    assert answer.code == 1
    assert "messaging preferences" in answer.err


def test_a_patrons_note_is_stored(run: Run, make: Callable[..., int]) -> None:
    number = make()

    run("note", number, "--from-patron", "Any edition")

    assert run("show", number, "--json").json["ill_request"]["notesopac"] == "Any edition"


REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "requests.md"


def test_every_command_and_field_is_documented() -> None:
    page = REFERENCE.read_text(encoding="utf-8")

    assert [name for name in requests_group.commands if f"`{name}" not in page] == []
    assert [key for key in LABELS if f"`{key}`" not in page and key != "type"] == []
    assert [kind.value for kind in MaterialType if f"`{kind}`" not in page] == []


def test_the_documented_status_table_is_the_graph() -> None:
    page = REFERENCE.read_text(encoding="utf-8")
    graph = status_graph(STANDARD, KohaFeatures())
    table = re.findall(r"^\| `([A-Z]+)` \| ([^|]+) \|([^|]*)\|$", page, re.MULTILINE)

    documented = {
        code: set(re.findall("[a-z_]+", re.sub(r"\(.*?\)", "", actions))) for code, _, actions in table
    }
    offered = {action.edge: action.method for action in ACTIONS.values()}
    expected = {status.value: {offered[node.id] for node in graph.next_nodes(status)} for status in Status}
    assert documented == expected
    assert all(called.startswith(graph.name(code)) for code, called, _ in table)


def test_reindex_brings_the_index_up_to_date_at_once(run: Run, admin: Engine, database: Database) -> None:
    with admin.begin() as connection:
        make_request(connection, database.koha())
    first = run("reindex")
    with admin.begin() as connection:
        connection.execute(text("UPDATE illrequests SET notesstaff = 'changed', status = 'COMP'"))
    second, third, rebuilt = run("reindex"), run("reindex"), run("reindex", "--all")

    assert first.out == "Indexed again: 1. In the index: 1 of 1.\n"
    assert second.out == first.out
    assert third.out == "Indexed again: 0. In the index: 1 of 1.\n"
    assert rebuilt.out == first.out
