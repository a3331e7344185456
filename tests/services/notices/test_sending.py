"""Patron and staff notices: what is queued, what is not and why, and what it costs."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Engine, select, text
from sqlalchemy.engine import RowMapping

from cast import ADA, CLARA, RIVERSIDE, SAM, SUPER, WEN
from factories import make_request
from koha_ill_sidecar.domain.actors import Actor, Interface
from koha_ill_sidecar.domain.notices import NotQueued, NotQueuedReason, RenderedNotice
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.errors import LetterMissing, RequestNotFound, TemplateFailed
from koha_ill_sidecar.resources import notice_templates
from koha_ill_sidecar.services.notices.rendering import preview_notice, render_notice
from koha_ill_sidecar.services.notices.sending import (
    preview_patron_notice,
    send_patron_notice,
    send_staff_notice,
)
from koha_ill_sidecar.services.requests import statuses
from koha_ill_sidecar.storage.koha import letters, requests
from koha_ill_sidecar.storage.koha.features import KohaVersion
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.sidecar import history
from koha_ill_sidecar.storage.transaction import Transaction
from messaging import BY_CLARA, add_letter, choose_transports, with_preferences

READY = "ILL_PICKUP_READY"
UPDATE = "ILL_REQUEST_UPDATE"
CANCEL = "ILL_REQUEST_CANCEL"
ENDLESS = "[% FOREACH m IN [1..1000] %][% FOREACH n IN [0..1000] %]"

Queries = Callable[[], AbstractContextManager[list[str]]]


def a_request(tx: Transaction, **columns: Any) -> ILLRequest:
    return requests.get(tx, make_request(tx.connection, tx.koha, **columns))


def queued(tx: Transaction) -> list[RowMapping]:
    table = tx.koha.table("message_queue")
    return list(tx.connection.execute(select(table).order_by(table.c.message_id)).mappings())


def logged(tx: Transaction) -> list[RowMapping]:
    return list(
        tx.connection.execute(
            text(
                "SELECT object, user, info FROM action_logs WHERE module = 'ILL' AND action = 'PATRON_NOTICE'"
            )
        ).mappings()
    )


def reasons(outcome: Any) -> dict[str, NotQueuedReason]:
    return {refused.transport: refused.reason for refused in outcome.not_queued}


class TestPatronNotices:
    @pytest.mark.all_versions
    def test_are_sent_by_each_transport_that_the_patron_chose(self, admin: Engine, tx: Transaction) -> None:
        choose_transports(admin, tx.koha, "Ill_ready", "email", "sms", borrowernumber=SAM)
        letters.add(tx, notice_templates())
        ill_request = a_request(tx, branchcode=RIVERSIDE, attributes={"title": "Dune", "author": "Herbert"})

        outcome = send_patron_notice(tx, ill_request, READY, BY_CLARA)

        email, sms = queued(tx)
        assert outcome.transports == ("email", "sms")
        assert outcome.not_queued == ()
        assert [found.message_id for found in outcome.queued] == [email["message_id"], sms["message_id"]]
        assert (email["borrowernumber"], email["letter_code"], email["to_address"]) == (SAM, READY, None)
        assert email["from_address"] == "desk@riverside.example.org"
        assert email.get("reply_address", "desk@riverside.example.org") == "desk@riverside.example.org"
        assert email["subject"] == "Your interlibrary loan has arrived"
        assert "Dear Sam Page," in email["content"]
        assert "Title: Dune\nAuthor: Herbert\n" in email["content"]
        assert sms["content"] == (
            f'Riverside: your interlibrary loan {ill_request.illrequest_id} "Dune" has arrived'
            " and is waiting for you.\n"
        )

    def test_are_logged_once_as_koha_logs_them(self, admin: Engine, tx: Transaction) -> None:
        choose_transports(admin, tx.koha, "Ill_ready", "email", "sms", borrowernumber=SAM)
        letters.add(tx, notice_templates())
        ill_request = a_request(tx)

        send_patron_notice(tx, ill_request, READY, BY_CLARA)

        (row,) = logged(tx)
        assert (row["object"], row["user"]) == (ill_request.illrequest_id, CLARA)
        assert row["info"] == '{"log_origin":"core","notice_code":"ILL_PICKUP_READY"}'

    def test_are_not_logged_where_kohas_page_cannot_show_them(self, admin: Engine, tx: Transaction) -> None:
        choose_transports(admin, tx.koha, "Ill_ready", "email", borrowernumber=SAM)
        letters.add(tx, notice_templates())
        koha = InstalledKoha(
            version=KohaVersion(19, 6),
            tables=tx.koha._tables,
            status_alias_category=tx.koha.status_alias_category,
        )
        old = replace(tx, koha=koha)

        outcome = send_patron_notice(old, a_request(tx), READY, BY_CLARA)

        assert outcome.queued
        assert logged(tx) == []

    def test_cost_nine_statements_for_two_transports(
        self, admin: Engine, tx: Transaction, queries: Queries
    ) -> None:
        """Preference, library, letters, item, patron, two messages, Koha's log, ours, and nothing more."""
        choose_transports(admin, tx.koha, "Ill_ready", "email", "sms", borrowernumber=SAM)
        letters.add(tx, notice_templates())
        ill_request = a_request(tx)

        with queries() as seen:
            send_patron_notice(tx, ill_request, READY, BY_CLARA)

        assert len(seen) == 9, seen

    def test_are_recorded_for_the_request_with_their_messages(self, admin: Engine, tx: Transaction) -> None:
        """Koha's queue does not say which request a message belongs to."""
        choose_transports(admin, tx.koha, "Ill_ready", "email", "sms", borrowernumber=SAM)
        letters.add(tx, notice_templates())
        ill_request = a_request(tx)

        outcome = send_patron_notice(tx, ill_request, READY, BY_CLARA)

        (entry,) = history.find_for_request(tx, ill_request.illrequest_id)
        assert (entry.kind, entry.borrowernumber) == ("notice", CLARA)
        assert entry.detail == {"code": READY, "messages": outcome.message_ids}

    def test_can_be_seen_before_they_are_sent(self, admin: Engine, tx: Transaction) -> None:
        choose_transports(admin, tx.koha, "Ill_update", "email", "phone", borrowernumber=SAM)
        letters.add(tx, notice_templates())
        ill_request = a_request(tx)

        preview = preview_patron_notice(tx, ill_request, UPDATE, BY_CLARA, additional_text="It left Oslo.")

        assert (preview.chosen, preview.refusal) == (("email", "phone"), None)
        email, sms, phone = (preview.by_transport[name] for name in ("email", "sms", "phone"))
        assert isinstance(email, RenderedNotice)
        assert "\nIt left Oslo.\n" in email.content
        assert isinstance(sms, RenderedNotice)
        assert isinstance(phone, NotQueued)
        assert phone.reason is NotQueuedReason.NO_LETTER
        assert queued(tx) == []
        assert history.find_for_request(tx, ill_request.illrequest_id) == []

    def test_whose_template_fails_say_where_to_fix_it(self, admin: Engine, tx: Transaction) -> None:
        tx = with_preferences(tx, staffClientBaseURL="https://koha.example.org")
        choose_transports(admin, tx.koha, "Ill_ready", "email", borrowernumber=SAM)
        add_letter(tx, READY, content="[% IF x %]never closed", branchcode=ADA)

        (refused,) = send_patron_notice(tx, a_request(tx), READY, BY_CLARA).not_queued

        assert refused.edit_url is not None
        assert refused.edit_url.startswith("https://koha.example.org/cgi-bin/koha/tools/letter.pl?")
        assert refused.edit_url.endswith(f"code={READY}&branchcode={ADA}")

    @pytest.mark.parametrize(
        ("letter", "typed", "told"),
        [
            ("[% additional_text %]", "[% illrequest.notesstaff %]", "[% illrequest.notesstaff %]"),
            ("[% additional_text %]", "[% PERL %]1[% END %] $illrequest", "[% PERL %]1[% END %] $illrequest"),
            # Koha looks for fields of the older syntax in what its templates have made.
            ("[% additional_text %]", "Dear <<borrowers.surname>>!", "Dear Page!"),
            ("[% additional_text %]", "<<borrowers.password>>.", "."),
            ("[% additional_text %]", "<<no.such>>.", "."),
            ("[% additional_text %]", "a << b >> c", "a << b >> c"),
            ("<<additional_text>>", "[% illrequest.notesstaff %]", "[% illrequest.notesstaff %]"),
            ("<<additional_text>>", "<<additional_text>>.", "."),
        ],
    )
    def test_do_not_take_the_additional_text_for_a_template(
        self, admin: Engine, tx: Transaction, letter: str, typed: str, told: str
    ) -> None:
        choose_transports(admin, tx.koha, "Ill_update", "email", borrowernumber=SAM)
        add_letter(tx, UPDATE, content=letter)

        send_patron_notice(tx, a_request(tx, notesstaff="secret"), UPDATE, BY_CLARA, additional_text=typed)

        assert [row["content"] for row in queued(tx)] == [told]

    def test_contain_the_additional_text(self, admin: Engine, tx: Transaction) -> None:
        choose_transports(admin, tx.koha, "Ill_update", "email", borrowernumber=SAM)
        letters.add(tx, notice_templates())

        send_patron_notice(tx, a_request(tx), UPDATE, BY_CLARA, additional_text="It left Oslo.")

        assert "\nIt left Oslo.\n" in queued(tx)[0]["content"]

    def test_whose_template_fails_leave_the_other_transport_alone(
        self, admin: Engine, tx: Transaction
    ) -> None:
        choose_transports(admin, tx.koha, "Ill_ready", "email", "sms", borrowernumber=SAM)
        add_letter(tx, READY, content="before [% IF borrower.surname %]never closed")
        add_letter(tx, READY, message_transport_type="sms")

        outcome = send_patron_notice(tx, a_request(tx), READY, BY_CLARA)

        (refused,) = outcome.not_queued
        assert outcome.transports == ("sms",)
        assert (refused.transport, refused.reason) == ("email", NotQueuedReason.TEMPLATE_FAILED)
        assert "ILL_PICKUP_READY (email, default)" in str(refused.detail)
        assert "line 1" in str(refused.detail)
        assert [row["message_transport_type"] for row in queued(tx)] == ["sms"]
        assert len(logged(tx)) == 1

    def test_that_reach_no_queue_are_not_logged_but_counted(self, admin: Engine, tx: Transaction) -> None:
        choose_transports(admin, tx.koha, "Ill_ready", "email", "sms", "phone", borrowernumber=SAM)
        add_letter(tx, READY, title="[% nosuch.deep( %]")
        add_letter(tx, READY, message_transport_type="sms", content="[% '' %] \n")
        labels = {"code": READY, "transport": "phone", "outcome": "no_letter"}
        before = REGISTRY.get_sample_value("koha_ill_sidecar_notices_total", labels) or 0

        outcome = send_patron_notice(tx, a_request(tx), READY, BY_CLARA)

        assert reasons(outcome) == {
            "email": NotQueuedReason.TEMPLATE_FAILED,
            "sms": NotQueuedReason.EMPTY,
            "phone": NotQueuedReason.NO_LETTER,
        }
        assert queued(tx) == []
        assert logged(tx) == []
        assert REGISTRY.get_sample_value("koha_ill_sidecar_notices_total", labels) == before + 1

    def test_that_the_patron_did_not_choose_are_not_sent(self, tx: Transaction) -> None:
        letters.add(tx, notice_templates())

        outcome = send_patron_notice(tx, a_request(tx), READY, BY_CLARA)

        chosen = NotQueuedReason.NOT_CHOSEN
        assert reasons(outcome) == {"email": chosen, "sms": chosen}
        assert queued(tx) == []

    def test_without_a_messaging_preference_are_not_sent(self, tx: Transaction) -> None:
        outcome = send_patron_notice(tx, a_request(tx), CANCEL, BY_CLARA)

        assert set(reasons(outcome).values()) == {NotQueuedReason.NO_PREFERENCE}

    def test_of_a_request_without_patron_are_not_sent(self, tx: Transaction) -> None:
        outcome = send_patron_notice(tx, a_request(tx, borrowernumber=None), READY, BY_CLARA)

        assert set(reasons(outcome).values()) == {NotQueuedReason.NO_PATRON}

    def test_in_html_have_its_content_type(self, admin: Engine, tx: Transaction) -> None:
        choose_transports(admin, tx.koha, "Ill_ready", "email", borrowernumber=SAM)
        add_letter(tx, READY, is_html=1, content="<p>[% borrower.surname | html %]</p>")

        send_patron_notice(tx, a_request(tx), READY, BY_CLARA)

        (row,) = queued(tx)
        assert (row["content"], row["content_type"]) == ("<p>Page</p>", 'text/html; charset="UTF-8"')

    def test_by_sms_are_cut_to_the_limit(self, admin: Engine, tx: Transaction) -> None:
        choose_transports(admin, tx.koha, "Ill_ready", "sms", borrowernumber=SAM)
        add_letter(tx, READY, message_transport_type="sms", content="0123456789")
        tx = with_preferences(tx, SMSSendMaxChar="8")

        send_patron_notice(tx, a_request(tx), READY, BY_CLARA)

        assert queued(tx)[0]["content"] == "01234..."


class TestTheLetterChosen:
    def test_is_in_the_patrons_language_where_notices_are_translated(self, tx: Transaction) -> None:
        letters.add(tx, notice_templates())
        ill_request = a_request(tx, borrowernumber=WEN)

        translated = render_notice(with_preferences(tx, TranslateNotices="1"), ill_request, READY, "email")
        plain = render_notice(with_preferences(tx, TranslateNotices="0"), ill_request, READY, "email")

        assert (translated.lang, plain.lang) == ("zh-Hant-TW", "default")
        assert translated.content.startswith("林文 讀者您好：\n")

    def test_is_that_of_the_requests_library(self, tx: Transaction) -> None:
        add_letter(tx, READY, content="for all")
        add_letter(tx, READY, content="for Riverside", branchcode=RIVERSIDE)

        at_ada = render_notice(tx, a_request(tx, branchcode=ADA), READY, "email")
        at_riverside = render_notice(tx, a_request(tx, branchcode=RIVERSIDE), READY, "email")

        assert (at_ada.content, at_riverside.content) == ("for all", "for Riverside")

    def test_is_that_of_the_staff_members_library_where_libraries_are_independent(
        self, tx: Transaction
    ) -> None:
        add_letter(tx, READY, content="of Ada", branchcode=ADA)
        add_letter(tx, READY, content="of Riverside", branchcode=RIVERSIDE)
        tx = with_preferences(tx, IndependentBranches="1")
        ill_request = a_request(tx, branchcode=RIVERSIDE)
        by_super = Actor(interface=Interface.INTRANET, borrowernumber=SUPER, branchcode=ADA)

        assert render_notice(tx, ill_request, READY, "email", actor=BY_CLARA).content == "of Ada"
        assert render_notice(tx, ill_request, READY, "email", actor=by_super).content == "of Riverside"
        assert render_notice(tx, ill_request, READY, "email").content == "of Riverside"

    def test_that_is_missing_is_named(self, tx: Transaction) -> None:
        with pytest.raises(LetterMissing, match="ILL_PICKUP_READY for sms"):
            render_notice(tx, a_request(tx), READY, "sms")


class TestStaffNotices:
    @pytest.mark.all_versions
    def test_are_sent_from_and_to_the_librarys_ill_address(self, tx: Transaction) -> None:
        letters.add(tx, notice_templates())
        tx = with_preferences(
            tx,
            ILLSendStaffNotices="ILL_REQUEST_MODIFIED|ILL_REQUEST_CANCEL",
            ILLDefaultStaffEmail="ill@all.example",
        )
        ill_request = a_request(tx, branchcode=RIVERSIDE, attributes={"title": "Dune"})

        outcome = send_staff_notice(tx, ill_request, CANCEL, actor=BY_CLARA)

        (row,) = queued(tx)
        assert outcome.transports == ("email",)
        assert (row["to_address"], row["from_address"]) == ("ill@all.example", "ill@all.example")
        assert row.get("reply_address") is None
        assert row["borrowernumber"] == SAM
        assert "- Title: Dune" in row["content"]
        assert logged(tx) == []

    @pytest.mark.parametrize("preference", ["", "ILL_REQUEST_MODIFIED"])
    def test_that_are_not_enabled_are_not_sent(self, tx: Transaction, preference: str) -> None:
        letters.add(tx, notice_templates())
        tx = with_preferences(tx, ILLSendStaffNotices=preference)

        outcome = send_staff_notice(tx, a_request(tx), CANCEL, actor=BY_CLARA)

        assert reasons(outcome) == {"email": NotQueuedReason.NOT_ENABLED}
        assert queued(tx) == []

    def test_without_an_address_are_not_sent(self, admin: Engine, tx: Transaction) -> None:
        with admin.begin() as connection:
            connection.execute(text("UPDATE branches SET branchemail = NULL, branchillemail = ''"))
        letters.add(tx, notice_templates())
        tx = with_preferences(tx, ILLSendStaffNotices=CANCEL)

        outcome = send_staff_notice(tx, a_request(tx), CANCEL, actor=BY_CLARA)

        assert reasons(outcome) == {"email": NotQueuedReason.NO_LIBRARY_ADDRESS}

    def test_whose_template_fails_do_not_stop_the_action(self, tx: Transaction) -> None:
        add_letter(tx, CANCEL, content="[% THROW food 'burnt' %]")
        tx = with_preferences(tx, ILLSendStaffNotices=CANCEL)

        outcome = send_staff_notice(tx, a_request(tx), CANCEL, actor=BY_CLARA)

        assert reasons(outcome) == {"email": NotQueuedReason.TEMPLATE_FAILED}
        assert queued(tx) == []

    @pytest.mark.parametrize(
        ("content", "limit"),
        [
            (f"[% x = '{'x' * 1000}'; x.repeat(1001) %]", "text longer than 1000000 characters"),
            (f"{ENDLESS}[% END %][% END %]", "more than 1000000 loop turns"),
            (f"{ENDLESS}[% today | $KohaDates %][% END %][% END %]", "longer than 2 seconds"),
        ],
    )
    def test_that_take_too_long_are_stopped(self, tx: Transaction, content: str, limit: str) -> None:
        add_letter(tx, CANCEL, content=content)
        tx = with_preferences(tx, ILLSendStaffNotices=CANCEL)

        outcome = send_staff_notice(tx, a_request(tx), CANCEL, actor=BY_CLARA)

        (refused,) = outcome.not_queued
        assert refused.reason is NotQueuedReason.TEMPLATE_FAILED
        assert limit in str(refused.detail)

    @pytest.mark.parametrize("content", ["[% IF %]", f"{ENDLESS}[% END %][% END %]"])
    def test_that_fail_leave_the_new_status_in_place(self, tx: Transaction, content: str) -> None:
        add_letter(tx, CANCEL, content=content)
        tx = with_preferences(tx, ILLSendStaffNotices=CANCEL, IllLog="1")
        ill_request = a_request(tx, status="REQ")

        statuses.set_status(tx, ill_request, "CANCREQ", BY_CLARA)

        assert requests.get(tx, ill_request.illrequest_id).status == "CANCREQ"
        assert queued(tx) == []


class TestRendering:
    def test_runs_template_toolkit_first_and_the_older_syntax_after(self, tx: Transaction) -> None:
        add_letter(
            tx,
            READY,
            title="<<branches.branchname>>: [% ill_bib_title %]",
            content="[% SET column = 'surname' %]<<borrowers.[% column %]>> <<ill_bib_title>><<gone>>",
        )

        notice = render_notice(tx, a_request(tx, attributes={"title": "Dune"}), READY, "email")

        assert notice.title == "Ada Lovelace Library: Dune"
        assert notice.content == "Page Dune"

    def test_reads_only_what_the_letter_names(self, tx: Transaction, queries: Queries) -> None:
        add_letter(tx, READY, content="[% ill_bib_title %] [% illrequest.status %] <<illrequests.backend>>")
        ill_request = a_request(tx)

        with queries() as seen:
            render_notice(tx, ill_request, READY, "email")

        assert len(seen) == 2, seen  # the letter and the item

    def test_reads_each_row_once(self, tx: Transaction, queries: Queries) -> None:
        content = (
            "[% borrower.surname %] [% borrower.firstname %] <<borrowers.email>> [% illrequest.patron.city %]"
        )
        add_letter(tx, READY, content=content)
        ill_request = a_request(tx)

        with queries() as seen:
            render_notice(tx, ill_request, READY, "email")

        assert len([statement for statement in seen if "FROM borrowers" in statement]) == 1

    def test_of_a_template_that_fails_says_which_and_where(self, tx: Transaction) -> None:
        add_letter(tx, READY, branchcode=ADA, content="one\ntwo [% borrower.surnam %]")

        with pytest.raises(
            TemplateFailed, match=r"content of notice template ILL_PICKUP_READY .* of library CPL"
        ) as raised:
            render_notice(tx, a_request(tx), READY, "email")

        assert "did you mean surname?" in str(raised.value)
        assert str(raised.value).endswith("Correct it in Koha under Tools, Notices and slips.")

    def test_of_a_template_that_fails_links_to_where_it_can_be_fixed(self, tx: Transaction) -> None:
        add_letter(tx, READY, branchcode=ADA, content="[% borrower.surnam %]")
        then = with_preferences(tx, staffClientBaseURL="https://staff.example.org")

        with pytest.raises(TemplateFailed) as raised:
            render_notice(then, a_request(tx), READY, "email")

        assert str(raised.value).endswith(
            ". Correct it in Koha: https://staff.example.org/cgi-bin/koha/tools/letter.pl"
            f"?op=add_form&module=ill&code={READY}&branchcode={ADA}"
        )

    def test_of_an_unknown_request_is_refused(self, tx: Transaction) -> None:
        with pytest.raises(RequestNotFound):
            preview_notice(tx, 999_999, READY, "email")

    @pytest.mark.all_versions
    @pytest.mark.parametrize(
        "template", notice_templates(), ids=lambda one: f"{one.code}-{one.transport}-{one.lang}"
    )
    def test_every_notice_of_ours_is_rendered_completely(self, tx: Transaction, template: Any) -> None:
        letters.add(tx, notice_templates())
        ill_request = a_request(tx, attributes={"type": "book", "title": "Dune", "author": "Herbert"})

        notice = render_notice(
            tx, ill_request, template.code, template.transport, lang=template.lang, additional_text="News."
        )

        assert notice.lang == template.lang
        assert "Dune" in notice.content
        assert "[%" not in notice.title + notice.content
        assert notice.content == notice.content.strip() + "\n"
