from collections.abc import Callable

import pytest
from sqlalchemy import text

from cast import SAM
from factories import make_request
from koha_ill_sidecar.domain.actors import Actor, Interface
from koha_ill_sidecar.errors import ActionNotAllowed
from koha_ill_sidecar.services.requests import patron_actions
from koha_ill_sidecar.storage.database import Database

PATRON = Actor(interface=Interface.OPAC, borrowernumber=SAM)

ExecuteAsKoha = Callable[..., None]


@pytest.fixture
def staff_are_told(execute_as_koha: ExecuteAsKoha) -> None:
    """The staff want both notices, and Koha has letters for them."""
    execute_as_koha(
        "REPLACE INTO systempreferences (variable, value)"
        " VALUES ('ILLSendStaffNotices', 'ILL_REQUEST_CANCEL|ILL_REQUEST_MODIFIED')"
    )
    for code in ("ILL_REQUEST_CANCEL", "ILL_REQUEST_MODIFIED"):
        execute_as_koha(
            "INSERT INTO letter (module, code, branchcode, name, is_html, title, content,"
            " message_transport_type, lang) VALUES ('ill', :code, '', :code, 0, :code, 'Look.', 'email', 'default')",
            code=code,
        )


def queued(database: Database) -> list[tuple[object, ...]]:
    with database.engine.connect() as connection:
        rows = connection.execute(
            text("SELECT letter_code, to_address, borrowernumber FROM message_queue ORDER BY message_id")
        )
        return [tuple(row) for row in rows]


def request_in(database: Database, status: str) -> int:
    return database.transact(lambda tx: make_request(tx.connection, tx.koha, status=status))


@pytest.mark.usefixtures("staff_are_told")
def test_staff_get_a_notice_of_a_request_for_cancellation(database: Database) -> None:
    number = request_in(database, "NEW")

    changed = database.transact(patron_actions.ask_to_cancel, number, PATRON)

    assert changed.status == "CANCREQ"
    assert queued(database) == [("ILL_REQUEST_CANCEL", "ill@ada.example.org", SAM)]


@pytest.mark.usefixtures("staff_are_told")
def test_staff_get_a_notice_of_a_changed_note(database: Database) -> None:
    number = request_in(database, "REQ")

    changed = database.transact(patron_actions.edit_note, number, "Any edition will do.", PATRON)

    assert (changed.notesopac, changed.status) == ("Any edition will do.", "REQ")
    assert queued(database) == [("ILL_REQUEST_MODIFIED", "ill@ada.example.org", SAM)]


def test_staff_who_want_no_notices_get_none(database: Database) -> None:
    number = request_in(database, "NEW")

    database.transact(patron_actions.ask_to_cancel, number, PATRON)

    assert queued(database) == []


@pytest.mark.usefixtures("staff_are_told")
def test_only_a_new_request_can_be_cancelled(database: Database) -> None:
    number = request_in(database, "REQ")

    with pytest.raises(ActionNotAllowed, match="while it is NEW"):
        database.transact(patron_actions.ask_to_cancel, number, PATRON)

    assert queued(database) == []
