"""What all pages share."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, g, render_template_string

from koha_ill_sidecar.domain.formats import DateStyle
from koha_ill_sidecar.messages import LazyMessage, lazy, literal
from koha_ill_sidecar.web.ui import pages, urls


@pytest.fixture
def application() -> Flask:
    application = Flask("pages", static_folder=None)
    pages.install(application, ZoneInfo("Asia/Taipei"))
    application.add_url_rule("/list/<kind>", "list", lambda kind: kind)
    return application


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (datetime(2026, 3, 1, 20, 30, tzinfo=UTC), "2026-03-02 04:30"),
        (datetime(2026, 3, 1, 20, 30), "2026-03-01 20:30"),  # noqa: DTZ001  (Koha's own column)
        (None, ""),
    ],
)
def test_instants_are_shown_in_the_librarys_time_zone(
    application: Flask, moment: datetime | None, shown: str
) -> None:
    with application.test_request_context("/list/all"):
        g.date_style = DateStyle("iso", "24hr")

        assert render_template_string("{{ moment|moment }}", moment=moment) == shown


def test_this_page_with_another_query_keeps_what_else_was_asked_for(application: Flask) -> None:
    with application.test_request_context("/list/all?q=a%26b&status=NEW&status=REQ&page=2"):
        assert urls.here(page=3) == "/list/all?q=a%26b&status=NEW&status=REQ&page=3"
        assert urls.here(page=None, status=None) == "/list/all?q=a%26b"


def test_no_name_in_an_address_means_more_than_its_value(application: Flask) -> None:
    with application.test_request_context("/list/all?endpoint=x&_external=1&kind=none&_anchor=y"):
        assert urls.here() == "/list/all?endpoint=x&_external=1&kind=none&_anchor=y"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (lazy("the supplier has already reported %(status)s", status=lazy("lost")), "先前已是「遺失」"),
        (lazy("Supplier's message: %(message)s", message="<b> 5 %"), "供應者表示：&lt;b&gt; 5 %"),
        (lazy("Begin the tag differently, for example with [%%- or GET."), "例如 [%- 或 GET。"),
        (lazy("No catalogue has this: %(it)s", it=lazy("lost")), "No catalogue has this: 遺失"),
        (literal("100 % <sure>"), "100 % &lt;sure&gt;"),
        (literal(""), ""),
    ],
)
def test_a_sentence_is_said_in_the_language_of_the_page_with_all_that_stands_in_it(
    application: Flask, said: LazyMessage, shown: str
) -> None:
    with application.test_request_context("/list/all"):
        g.language = "zh-Hant-TW"

        page = render_template_string("{{ said|translate }}", said=said)

    assert page.endswith(shown)
