"""Letters are found with every fallback, and added where they are missing."""

import pytest
from sqlalchemy import select

from cast import ADA, RIVERSIDE
from koha_ill_sidecar.resources import notice_templates
from koha_ill_sidecar.storage.koha import letters
from koha_ill_sidecar.storage.transaction import Transaction
from messaging import add_letter

pytestmark = pytest.mark.all_versions


def found_title(tx: Transaction, *, branchcode: str, lang: str) -> str | None:
    found = letters.find(tx, "ILL_PICKUP_READY", transports=["email"], branchcode=branchcode, lang=lang)
    return found["email"].title if found else None


def test_the_most_specific_letter_is_found(tx: Transaction) -> None:
    for branchcode, lang in [("", "default"), (ADA, "default"), ("", "zh-Hant-TW")]:
        add_letter(tx, branchcode=branchcode, lang=lang, title=f"{branchcode} {lang}")

    assert found_title(tx, branchcode=ADA, lang="zh-Hant-TW") == " zh-Hant-TW"
    assert found_title(tx, branchcode=ADA, lang="default") == f"{ADA} default"
    assert found_title(tx, branchcode=ADA, lang="fr-FR") == f"{ADA} default"
    assert found_title(tx, branchcode=RIVERSIDE, lang="fr-FR") == " default"


def test_letters_of_another_transport_module_or_code_are_never_used(tx: Transaction) -> None:
    add_letter(tx, message_transport_type="sms")
    add_letter(tx, module="circulation")
    add_letter(tx, code="ILL_REQUEST_UNAVAIL")

    assert found_title(tx, branchcode=ADA, lang="default") is None


def test_each_transport_has_its_own_letter_and_id(tx: Transaction) -> None:
    add_letter(tx)
    add_letter(tx, message_transport_type="sms", is_html=1, title="short")

    found = letters.find(
        tx, "ILL_PICKUP_READY", transports=["email", "sms", "phone"], branchcode=ADA, lang="default"
    )

    assert sorted(found) == ["email", "sms"]
    assert (found["sms"].title, found["sms"].is_html, found["email"].is_html) == ("short", True, False)
    assert (found["sms"].letter_id is not None) is tx.koha.has("letter", "id")


def test_every_notice_of_ours_fits_into_koha_unchanged(tx: Transaction) -> None:
    letters.add(tx, notice_templates())

    table = tx.koha.table("letter")
    rows = tx.connection.execute(
        select(table.c.code, table.c.message_transport_type, table.c.lang, table.c.title, table.c.content)
    )
    stored = {(row.code, row.message_transport_type, row.lang): (row.title, row.content) for row in rows}
    assert stored == {
        (template.code, template.transport, template.lang): (template.title, template.content)
        for template in notice_templates()
    }
    assert len(letters.all_of_module(tx)) == 24
