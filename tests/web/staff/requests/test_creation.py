"""The form of a new request."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine, text
from web.conftest import Desk
from web.staff.pages import custom_fields, error, field, options, select
from werkzeug.test import TestResponse

from cast import ADA, CLARA, RIVERSIDE, SAM, SUPER, WEN
from conftest import KohaDatabase
from factories import make_request
from koha_ill_sidecar.backends.standard.forms import FIELD_SETS
from koha_ill_sidecar.config.settings import BackendSettings, IllSite, KohaSettings, RequestLimit, Settings
from koha_ill_sidecar.domain.attributes import MaterialType
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.requests import references
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.web.app import create_app

ARTICLE = {
    "type": "article",
    "field.title": "Nature",
    "field.article_title": "Snow",
    "field.doi": "10.1000/182",
    "patron": "20000005",
    "branchcode": ADA,
    "default_branchcode": ADA,
}


def send(desk: Desk, wish: str = "create", **fields: object) -> TestResponse:
    return desk.post("/requests/new", {**ARTICLE, "do": wish, **fields})


def requests_in(admin: Engine) -> list[Mapping[str, object]]:
    with admin.connect() as connection:
        return [dict(row) for row in connection.execute(text("SELECT * FROM illrequests")).mappings()]


def attributes_in(admin: Engine) -> dict[str, str]:
    with admin.connect() as connection:
        rows = connection.execute(text("SELECT type, value FROM illrequestattributes"))
        return {row.type: row.value for row in rows}


@pytest.mark.all_versions
def test_a_request_is_created_with_kohas_effects(clara: Desk, admin: Engine) -> None:
    answer = send(clara, custom_key=["colour", ""], custom_value=["red", ""])

    (made,) = requests_in(admin)
    assert (answer.status_code, answer.location) == (303, f"/requests/{made['illrequest_id']}")
    assert (made["borrowernumber"], made["branchcode"], made["status"]) == (SAM, ADA, "NEW")
    stored = attributes_in(admin)
    assert stored["article_title"] == "Snow"
    assert stored["type"] == "article"
    assert stored["colour"] == "red"
    with admin.connect() as connection:
        logged = connection.execute(
            text("SELECT user, interface FROM action_logs WHERE module = 'ILL'")
        ).one()
    assert tuple(logged) == (CLARA, "intranet")


def test_what_happened_is_told(clara: Desk, admin: Engine) -> None:
    send(clara)

    (made,) = requests_in(admin)
    assert f"Request {made['illrequest_id']} was created." in clara.get("/requests").text


def test_a_book_gets_its_record(clara: Desk, admin: Engine) -> None:
    send(clara, **{"type": "book", "field.title": "Snow country"})

    assert requests_in(admin)[0]["biblio_id"] is not None


def test_every_type_has_its_own_fields_in_kohas_order(clara: Desk) -> None:
    page = clara.get("/requests/new").text
    assert options(page, "type") == [kind.value for kind in MaterialType]

    for kind in MaterialType:
        page = send(clara, "type", type=kind.value).text
        shown = [str(tag["name"]) for tag in select(page, '[name^="field."]')]
        assert shown == [f"field.{one.key}" for one in FIELD_SETS[kind].fields]


def test_changing_the_type_keeps_all_that_was_typed(clara: Desk, admin: Engine) -> None:
    page = send(
        clara, "type", type="book", custom_key=["colour", ""], custom_value=["red", ""], branchcode=RIVERSIDE
    ).text

    assert field(page, "field.title") == "Nature"
    assert custom_fields(page) == [("colour", "red"), ("article_title", "Snow"), ("", ""), ("", "")]
    assert field(page, "branchcode") == RIVERSIDE
    assert requests_in(admin) == []


def test_a_row_more_is_added_by_a_button(clara: Desk) -> None:
    page = send(clara, "add_row", custom_key=["colour", "", ""], custom_value=["red", "", ""]).text

    assert custom_fields(page) == [("colour", "red"), ("", ""), ("", ""), ("", "")]


def test_rows_have_an_end(clara: Desk) -> None:
    page = send(clara, "add_row", custom_key=[""] * 500, custom_value=[""] * 500).text

    assert len(custom_fields(page)) == 50


@pytest.mark.parametrize(
    ("fields", "name", "said"),
    [
        ({"type": ""}, "type", "Choose the type of material."),
        ({"type": "nonsense"}, "type", "Choose the type of material."),
        ({"patron": ""}, "patron", "Choose the patron who the request is for."),
        ({"patron": "Nobody At All"}, "patron", "There is no such patron."),
        ({"branchcode": "XX"}, "branchcode", "Choose a library."),
        ({"custom_key": "", "custom_value": "red"}, "row-1", "Enter a name for this field"),
        ({"custom_key": "requested_partners", "custom_value": "a@x"}, "row-1", "reserved by Koha"),
        ({"custom_key": "k" * 192, "custom_value": "x"}, "row-1", "the maximum is 191 characters"),
        ({"custom_key": "title", "custom_value": "x"}, "row-1", "There is already a field with this name."),
    ],
)
def test_a_mistake_is_told_at_its_field_and_nothing_is_lost(
    clara: Desk, admin: Engine, fields: dict[str, object], name: str, said: str
) -> None:
    answer = send(clara, "create", **fields)

    assert answer.status_code == 422
    assert requests_in(admin) == []
    assert said in error(answer.text, name)
    assert f'aria-describedby="{name}-error' in answer.text
    assert "Snow" in answer.text


def test_all_mistakes_are_told_at_once(clara: Desk) -> None:
    page = send(clara, type="", patron="Nobody At All", branchcode="XX").text

    for name in ("type", "patron", "branchcode"):
        assert f'id="{name}-error"' in page


def test_the_language_changes_with_all_that_is_typed(clara: Desk, admin: Engine) -> None:
    page = clara.post("/requests/new", {**ARTICLE, "language": "zh-Hant-TW"}).text

    assert '<html lang="zh-Hant-TW">' in page
    assert "Snow" in page
    assert requests_in(admin) == []
    assert '<html lang="zh-Hant-TW">' in clara.get("/requests").text


def test_hostile_values_are_shown_as_text(clara: Desk) -> None:
    hostile = "\"><script>alert('雪')</script>"
    page = send(
        clara,
        **{
            "field.title": hostile, "patron": hostile, "custom_key": hostile, "custom_value": hostile,
            "type": hostile, "branchcode": hostile, "supplier": hostile,
        },
    ).text  # fmt: skip

    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert") >= 4


def test_a_patron_may_be_typed_by_name(clara: Desk, admin: Engine) -> None:
    send(clara, patron="Page")

    assert requests_in(admin)[0]["borrowernumber"] == SAM


def test_of_several_patrons_one_is_chosen_with_a_click(clara: Desk, admin: Engine) -> None:
    with admin.begin() as connection:
        connection.execute(
            text("UPDATE borrowers SET surname = 'Page' WHERE borrowernumber = :wen"), {"wen": WEN}
        )

    asked = send(clara, patron="Page")
    assert asked.status_code == 422
    assert "More than one patron matches." in asked.text
    assert f'value="choose:{SAM}"' in asked.text

    page = send(clara, f"choose:{WEN}", patron="Page").text
    assert field(page, "patron") == "文 Page [20000006]"
    send(clara, patron=field(page, "patron"), borrowernumber=field(page, "borrowernumber"))
    assert requests_in(admin)[0]["borrowernumber"] == WEN


def test_a_name_that_only_the_search_finds_is_never_guessed(clara: Desk, admin: Engine) -> None:
    answer = send(clara, patron="pag")

    assert answer.status_code == 422
    assert requests_in(admin) == []
    assert f'value="choose:{SAM}"' in answer.text


def test_a_chosen_patron_counts_only_while_their_name_stands_there(clara: Desk, admin: Engine) -> None:
    send(clara, patron="20000005", borrowernumber=str(WEN))

    assert requests_in(admin)[0]["borrowernumber"] == SAM


def test_a_patron_who_was_taken_out_does_not_come_back(clara: Desk, admin: Engine) -> None:
    changed = send(clara, "type", patron="", borrowernumber=str(SAM)).text
    refused = send(clara, patron="", borrowernumber=str(SAM))

    assert field(changed, "patron") == ""
    assert (refused.status_code, field(refused.text, "patron")) == (422, "")
    assert requests_in(admin) == []


def test_the_library_follows_the_patron_until_somebody_chooses(clara: Desk) -> None:
    first = clara.get("/requests/new").text
    assert field(first, "branchcode") == ADA

    followed = send(clara, f"choose:{WEN}", patron="").text
    chosen = send(clara, f"choose:{WEN}", patron="", default_branchcode=RIVERSIDE).text

    assert field(followed, "branchcode") == RIVERSIDE
    assert field(followed, "default_branchcode") == RIVERSIDE
    assert field(chosen, "branchcode") == ADA


def test_a_patrons_number_in_the_address_begins_the_form(clara: Desk) -> None:
    page = clara.get(f"/requests/new?borrowernumber={WEN}").text

    assert field(page, "patron") == "文 林 [20000006]"
    assert field(page, "branchcode") == RIVERSIDE
    assert clara.get("/requests/new?borrowernumber=999999").status_code == 200


def test_a_reference_fills_in_the_form(clara: Desk, admin: Engine) -> None:
    page = send(
        clara,
        "fill_in",
        **{
            "reference": "https://r.example.org/?rft.genre=book&rft.btitle=Snow+country&rft.series=S",
            "type": "article",
            "field.title": "old",
        },
    ).text

    assert "Filled in from the OpenURL: Title, series." in page
    assert field(page, "type") == "book"
    assert field(page, "field.title") == "Snow country"
    assert field(page, "reference") == ""
    assert ("series", "S") in custom_fields(page)
    assert requests_in(admin) == []


def test_a_citation_of_several_lines_fills_in_the_form(clara: Desk) -> None:
    citation = "TY  - BOOK\r\nTI  - Snow\r\n  country\r\nAU  - Kawabata, Y.\r\nER  - \r\n"

    page = send(clara, "fill_in", reference=citation).text

    assert field(page, "field.title") == "Snow country"
    page = send(clara, "fill_in", reference="no reference\r\nat all").text
    assert field(page, "reference") == "no reference\r\nat all"


@pytest.mark.parametrize(
    ("reference", "kind", "where", "value"),
    [
        ("10.1000/999", "article", "field.doi", "10.1000/999"),
        ("978-0-306-40615-7", "book", "field.isbn", "9780306406157"),
        ("0378-5955", "journal", "field.issn", "0378-5955"),
    ],
)
def test_a_mere_number_goes_into_its_field(
    clara: Desk, reference: str, kind: str, where: str, value: str
) -> None:
    page = send(clara, "fill_in", **{"reference": reference, "type": "", "field.doi": ""}).text

    assert field(page, "type") == kind
    assert field(page, where) == value


@pytest.mark.parametrize(
    ("field_", "typed", "expected"),
    [
        ("title", "Bene\x0cfits", "Bene fits"),
        ("title", "A\x00B\x1fC\x85D", "ABC D"),
        ("isbn", "978-0-14-044913-6 (paperback)", "9780140449136"),
        ("doi", "https://doi.org/10.1000/182", "10.1000/182"),
        ("isbn", "0521860768 (hbk) 9780521860765 (ebk)", "0521860768 (hbk) 9780521860765 (ebk)"),
    ],
)
def test_what_is_typed_is_stored_without_what_nobody_means(
    clara: Desk, admin: Engine, field_: str, typed: str, expected: str
) -> None:
    send(clara, **{"type": "book", f"field.{field_}": typed})

    assert attributes_in(admin)[field_] == expected


def test_a_reference_does_not_silently_replace_what_is_on_the_form(clara: Desk) -> None:
    page = send(clara, "fill_in", reference="doi:10.1000/999").text

    assert "Replaced what was on the form: DOI “10.1000/182”." in page
    assert field(page, "field.article_title") == "Snow"


def test_a_type_that_a_reference_replaces_is_named(clara: Desk) -> None:
    page = send(clara, "fill_in", reference="978-0-306-40615-7").text

    assert "Replaced what was on the form: Type “Journal article”" in page


def test_a_pubmed_id_is_kept_although_no_form_has_a_field_for_it(clara: Desk, admin: Engine) -> None:
    page = send(clara, "fill_in", reference="PMID 31452104").text
    assert ("pubmedid", "31452104") in custom_fields(page)

    send(clara, custom_key="pubmedid", custom_value="31452104")
    assert attributes_in(admin)["pubmedid"] == "31452104"


def test_a_reference_that_waits_is_read_before_anything_is_created(clara: Desk, admin: Engine) -> None:
    page = send(clara, "create", reference="0378-5955").text

    assert "Filled in from the ISSN" in page
    assert requests_in(admin) == []


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("0378-5954", "The check digit of this ISSN is wrong."),
        ('"><b>x', "There is no OpenURL, DOI, PubMed ID, ISBN or ISSN in this text."),
    ],
)
def test_what_is_no_reference_is_told(clara: Desk, reference: str, said: str) -> None:
    page = send(clara, "fill_in", reference=reference).text

    assert said in page
    assert "<b>x" not in page
    assert field(page, "field.article_title") == "Snow"


_RESOLVER = """
from koha_ill_sidecar.domain.attributes import Reference

class Broken:
    def resolve(self, identifier):
        raise OSError("no network")

class Catalogue:
    def resolve(self, identifier):
        if identifier.value == "10.1000/999":
            return Reference(fields={"title": "Looked up", "article_title": "Found"})
"""


@pytest.fixture
def resolvers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package with resolvers: one whose network is away, one that works, one that is missing."""
    (tmp_path / "some_resolvers.py").write_text(_RESOLVER)
    described = tmp_path / "some_resolvers-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: some-resolvers\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(
        f"[{references.ENTRY_POINTS}]\na = some_resolvers:Broken\nb = some_resolvers:Catalogue\n"
        "c = some_resolvers:Missing\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    references.installed_resolvers.cache_clear()
    monkeypatch.setattr(references, "installed_resolvers", references.installed_resolvers.__wrapped__)


@pytest.mark.usefixtures("resolvers")
def test_a_resolver_that_is_installed_looks_the_number_up(clara: Desk) -> None:
    found = send(clara, "fill_in", **{"reference": "10.1000/999", "field.doi": ""}).text
    unknown = send(clara, "fill_in", **{"reference": "10.1000/1", "field.doi": ""}).text

    assert field(found, "field.title") == "Looked up"
    assert field(found, "field.doi") == "10.1000/999"
    assert field(unknown, "field.doi") == "10.1000/1"


def test_what_the_patron_has_asked_for_before_is_pointed_out(
    clara: Desk, admin: Engine, database: Database
) -> None:
    with admin.begin() as connection:
        earlier = make_request(
            connection, database.koha(), attributes={"type": "article", "doi": "10.1000/182", "title": "<i>"}
        )

    warned = send(clara)

    assert warned.status_code == 200
    assert "This patron has requested this before" in warned.text
    assert f'href="/requests/{earlier}"' in warned.text
    assert len(requests_in(admin)) == 1

    assert send(clara, "create_anyway").status_code == 303
    assert len(requests_in(admin)) == 2


@pytest.mark.parametrize(
    ("columns", "is_warned"),
    [
        ({"status": "COMP", "placed": text("CURDATE() - INTERVAL 2 YEAR")}, False),
        ({"status": "COMP"}, True),
        ({"status": "REQ", "placed": text("CURDATE() - INTERVAL 2 YEAR")}, True),
        ({"borrowernumber": WEN}, False),
    ],
)
def test_only_recent_or_open_requests_of_the_same_patron_count(
    clara: Desk, admin: Engine, database: Database, columns: dict[str, object], *, is_warned: bool
) -> None:
    with admin.begin() as connection:
        make_request(
            connection, database.koha(), attributes={"type": "article", "doi": "10.1000/182"}, **columns
        )

    assert (send(clara).status_code == 200) is is_warned


@pytest.fixture
def strict_site(koha_database: KohaDatabase, database: Database, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """An application on a Koha whose libraries may have one request open."""
    site = IllSite(prefixes={ADA: "ADA"}, branch_limits={ADA: RequestLimit(count=1)})
    monkeypatch.setattr(database, "site", site)
    return create_app(
        Runtime(settings=Settings(koha=KohaSettings(database=koha_database.settings)), database=database)
    )


def test_a_queued_request_is_told_with_its_reason(
    strict_site: Flask, database: Database, admin: Engine
) -> None:
    clara = Desk(strict_site.test_client(), database).sign_in(CLARA)

    send(clara)

    (made,) = requests_in(admin)
    assert made["status"] == "QUEUED"
    told = clara.get("/requests").text
    assert f"Request ADA-{made['illrequest_id']} was created and queued" in told
    assert "the patron&#39;s library has reached its limit of 1 requests" in told


def test_a_supplier_is_chosen_only_where_there_are_any(
    clara: Desk, koha_database: KohaDatabase, database: Database, admin: Engine
) -> None:
    assert 'name="supplier"' not in clara.get("/requests/new").text

    settings = Settings(
        koha=KohaSettings(database=koha_database.settings),
        backends={"supplier_a": BackendSettings(), "off": BackendSettings(enabled=False)},
    )
    with_supplier = Desk(
        create_app(Runtime(settings=settings, database=database)).test_client(), database
    ).sign_in(SUPER)
    page = with_supplier.get("/requests/new").text
    assert "<option>supplier_a</option>" in page
    assert "<option>off</option>" not in page
    send(with_supplier, supplier="supplier_a")
    with admin.connect() as connection:
        supplier = connection.scalar(text("SELECT supplier_backend FROM ill_sidecar_requests"))
    assert supplier == "supplier_a"


def test_the_form_costs_few_queries(
    clara: Desk, queries: Callable[[], AbstractContextManager[list[str]]]
) -> None:
    clara.get("/requests/new")

    with queries() as opened:
        clara.get(f"/requests/new?borrowernumber={SAM}")
    with queries() as searched:
        send(clara, "find", patron="pag")

    assert len(opened) <= 6, opened
    assert len(searched) <= 12, searched


def test_why_koha_cannot_take_it_is_told_in_the_language_of_the_page(
    clara: Desk, admin: Engine, database: Database
) -> None:
    clara.post("/language", {"language": "zh-Hant-TW"})
    site = database.site
    database.site = IllSite(framework="<b>")
    try:
        answer = send(clara, type="book")
    finally:
        database.site = site

    assert answer.status_code == 422
    assert "用來編目所請求書籍的 MARC 框架 &lt;b&gt; 不存在。" in answer.text
    assert requests_in(admin) == []
