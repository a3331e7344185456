"""Letters are rendered byte for byte as a running Koha rendered them."""

from typing import Any

import pytest
from recordings import recording
from sqlalchemy import Engine, text

from cast import ADA
from factories import make_request
from koha_ill_sidecar.errors import TemplateFailed
from koha_ill_sidecar.services.notices.metadata import Metadata
from koha_ill_sidecar.services.notices.rendering import NoticeRenderer
from koha_ill_sidecar.storage.koha import requests
from koha_ill_sidecar.storage.transaction import Transaction
from messaging import add_letter, with_preferences

RECORDED = recording("letters-19.06.json")
PREFERENCES = {
    "dateformat": "iso",
    "timeformat": "24hr",
    "OPACBaseURL": "http://opac.example.org",
    "CurrencyFormat": "US",
}
NOW = "2026-11-23 21:05:40"


@pytest.fixture
def rendering(admin: Engine, tx: Transaction) -> NoticeRenderer:
    """Koha's rows, preferences and clock at the time of the recording."""
    for table, row in RECORDED["rows"].items():
        put_row(admin, table, row)
    tables = RECORDED["tables"]
    number = make_request(
        tx.connection,
        tx.koha,
        borrowernumber=tables["borrowers"],
        branchcode=tables["branches"],
        biblio_id=tables["biblio"],
    )
    then = with_preferences(tx, **PREFERENCES)
    substitute = RECORDED["substitute"]
    rendering = NoticeRenderer(then, requests.get(tx, number), additional_text=substitute["additional_text"])
    vars(rendering._objects)["now"] = NOW
    vars(rendering)["_metadata"] = Metadata(
        title=substitute["ill_bib_title"],
        author=substitute["ill_bib_author"],
        lines=substitute["ill_full_metadata"],
        attributes=substitute["illrequestattributes"],
    )
    return rendering


def put_row(admin: Engine, table: str, row: dict[str, Any]) -> None:
    with admin.begin() as connection:
        installed = set(
            connection.scalars(
                text(
                    "SELECT column_name FROM information_schema.columns"
                    " WHERE table_schema = DATABASE() AND table_name = :table"
                ),
                {"table": table},
            )
        )
        values = {name: value for name, value in row.items() if name in installed}
        names = ", ".join(f"`{name}`" for name in values)
        marks = ", ".join(f":{name}" for name in values)
        updates = ", ".join(f"`{name}` = VALUES(`{name}`)" for name in values)
        connection.execute(
            text(f"INSERT INTO `{table}` ({names}) VALUES ({marks}) ON DUPLICATE KEY UPDATE {updates}"),
            values,
        )


@pytest.mark.parametrize("case", RECORDED["cases"], ids=lambda case: case["name"])
def test_a_letter_is_rendered_as_koha_rendered_it(
    case: dict[str, Any], rendering: NoticeRenderer, tx: Transaction
) -> None:
    add_letter(tx, "RECORDED", title=case["title"], content=case["content"])
    assert rendering._request.branchcode == ADA

    if "error" in case["koha"]:
        with pytest.raises(TemplateFailed):
            rendering.render("RECORDED", "email")
    else:
        notice = rendering.render("RECORDED", "email")

        assert notice.content == case["koha"]["content"]
        if "[%" not in case["title"]:  # that Koha left them alone
            assert notice.title == case["koha"]["title"]
