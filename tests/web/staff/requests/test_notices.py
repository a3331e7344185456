"""Sending notices to the patron of a request."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from office import HOSTILE, Office
from web.conftest import Desk
from web.staff.pages import press, version_in

from cast import PAT_WITHOUT_EMAIL, SUPER, WEN

READY, UNAVAILABLE, UPDATE = "ILL_PICKUP_READY", "ILL_REQUEST_UNAVAIL", "ILL_REQUEST_UPDATE"


@pytest.fixture
def letters(office: Office) -> None:
    """The notices are installed, and Sam wants them by email and SMS."""
    office.writes_letters()
    for name in ("Ill_ready", "Ill_unavailable", "Ill_update"):
        office.wants(name, "email", "sms")


def queued(office: Office) -> list[tuple[str, ...]]:
    return office.asks(
        "SELECT letter_code, message_transport_type FROM message_queue ORDER BY message_transport_type"
    )


@pytest.mark.usefixtures("letters")
def test_the_menu_names_the_notices_that_there_are(clara: Desk, office: Office) -> None:
    number = office.request()

    page = clara.get(f"/requests/{number}").text
    for code in (READY, UNAVAILABLE, UPDATE):
        assert f'href="/requests/{number}/notices/{code}"' in page
    office.does("DELETE FROM letter WHERE code = :code", code=READY)
    page = clara.get(f"/requests/{number}").text
    assert f"/notices/{READY}" not in page
    assert f"/notices/{UPDATE}" in page


def test_there_is_no_menu_without_letters(clara: Desk, office: Office) -> None:
    assert "Send notice to patron" not in clara.get(f"/requests/{office.request()}").text


@pytest.mark.all_versions
@pytest.mark.usefixtures("letters")
def test_a_notice_is_seen_by_every_transport_before_it_goes(clara: Desk, office: Office) -> None:
    number = office.request(attributes={"title": "Dune", "author": "Herbert"})

    page = clara.get(f"/requests/{number}/notices/{READY}").text

    assert page.count("will be queued") == 2
    assert "<dd>sam.page@example.org</dd>" in page
    assert "<dd>+4915112345678</dd>" in page
    assert "Dear Sam Page," in page
    assert "Title: Dune\nAuthor: Herbert\n" in page
    assert queued(office) == []


@pytest.mark.all_versions
@pytest.mark.usefixtures("letters")
def test_sending_tells_what_was_queued(clara: Desk, office: Office) -> None:
    number = office.request()

    answer = press(clara, f"/requests/{number}/notices/{READY}")

    assert (answer.status_code, answer.location) == (303, f"/requests/{number}")
    assert queued(office) == [(READY, "email"), (READY, "sms")]
    page = clara.get(answer.location).text
    assert "The notice was queued by Email as message" in page
    assert "The notice was queued by SMS as message" in page


@pytest.mark.usefixtures("letters")
def test_the_patrons_language_is_previewed(clara: Desk, office: Office) -> None:
    office.prefers(TranslateNotices="1")
    office.wants("Ill_ready", "email", borrowernumber=WEN)
    number = office.request(borrowernumber=WEN)

    page = clara.get(f"/requests/{number}/notices/{READY}").text

    assert "<dd>Chinese (Traditional)</dd>" in page
    assert "您" in page


@pytest.mark.usefixtures("letters")
def test_a_transport_that_the_patron_did_not_choose_is_not_used(clara: Desk, office: Office) -> None:
    office.does("DELETE FROM borrower_message_transport_preferences WHERE message_transport_type = 'sms'")
    number = office.request()

    page = clara.get(f"/requests/{number}/notices/{READY}").text

    assert page.count("will be queued") == 1
    assert "The patron did not choose it." in page


@pytest.mark.usefixtures("letters")
def test_a_patron_who_chose_nothing_is_sent_nothing_and_staff_see_why(clara: Desk, office: Office) -> None:
    number = office.request(borrowernumber=PAT_WITHOUT_EMAIL)

    page = clara.get(f"/requests/{number}/notices/{READY}").text
    assert "The notice will not be sent." in page
    assert "messaging preferences select no transport" in page
    assert "Send notice</button>" not in page

    answer = press(clara, f"/requests/{number}/notices/{READY}", follow=True)
    assert answer.text.count("The notice was not queued: The patron&#39;s messaging preferences") == 1
    assert queued(office) == []


@pytest.mark.usefixtures("letters")
def test_a_patron_without_an_address_is_noticed_before(clara: Desk, office: Office) -> None:
    office.wants("Ill_ready", "email", borrowernumber=PAT_WITHOUT_EMAIL)
    number = office.request(borrowernumber=PAT_WITHOUT_EMAIL)

    assert "The patron has no address for this." in clara.get(f"/requests/{number}/notices/{READY}").text


def test_why_a_letter_fails_is_told_in_the_language_of_the_page(clara: Desk, office: Office) -> None:
    office.wants("Ill_ready", "email", "sms")
    office.writes_letter(READY, content="[% IF x %]<b>never closed", branchcode="CPL")
    number = office.request()
    clara.post("/language", {"language": "zh-Hant-TW"})

    page = clara.get(f"/requests/{number}/notices/{READY}").text
    told = press(clara, f"/requests/{number}/notices/{READY}", follow=True).text

    for said in (page, told):
        assert "無法處理通知範本「圖書館 CPL 的 ILL_PICKUP_READY（電子郵件，預設語言）」的內容：" in said


def test_a_letter_that_fails_leads_to_where_it_can_be_fixed(clara: Desk, office: Office) -> None:
    office.prefers(staffClientBaseURL="https://koha.example.org")
    office.wants("Ill_ready", "email", "sms")
    office.writes_letter(READY, content="[% IF x %]<b>never closed", branchcode="CPL")
    number = office.request()
    address = (
        "https://koha.example.org/cgi-bin/koha/tools/letter.pl?op=add_form&amp;module=ill"
        "&amp;code=ILL_PICKUP_READY&amp;branchcode={}"
    )

    page = clara.get(f"/requests/{number}/notices/{READY}").text
    assert "The notice template cannot be processed." in page
    assert "line 1" in page
    assert f'<a href="{address.format("CPL")}">Correct it in Koha</a>' in page
    assert "Koha has no notice template for this transport." in page
    assert f'<a href="{address.format("")}">Correct it in Koha</a>' in page
    assert "Send notice</button>" not in page

    page = press(clara, f"/requests/{number}/notices/{READY}", follow=True).text
    assert "The notice was not queued (Email): The notice template cannot be processed." in page
    assert "The notice was not queued (SMS): Koha has no notice template for this transport." in page
    assert f'<a href="{address.format("CPL")}">Correct it in Koha</a>' in page
    assert queued(office) == []


class TestSendingAtOnce:
    @pytest.mark.usefixtures("letters")
    def test_a_form_that_is_sent_twice_sends_one_notice_and_the_second_is_told(
        self, clara: Desk, office: Office
    ) -> None:
        number = office.request()
        address = f"/requests/{number}/notices/{READY}"
        form = version_in(clara.get(address).text)
        assert clara.post(address, form).status_code == 303

        told = clara.post(address, form)

        assert told.status_code == 409
        assert '<th scope="row">Notices sent</th><td>0</td><td>1</td>' in told.text
        assert "Clara Birchwood [20000002] has already queued this notice, most recently on 20" in told.text
        assert "already, last on" not in clara.get(f"/requests/{number}/notices/{UNAVAILABLE}").text
        assert len(queued(office)) == 2, "by email and SMS"
        assert clara.post(address, version_in(told.text)).status_code == 303
        assert len(queued(office)) == 4

    @pytest.mark.usefixtures("letters")
    def test_of_two_at_the_very_same_time_one_sends(
        self, clara: Desk, desk: Callable[[], Desk], office: Office
    ) -> None:
        number = office.request()
        address = f"/requests/{number}/notices/{READY}"
        form = version_in(clara.get(address).text)
        people = [clara, desk().sign_in(SUPER)]

        with ThreadPoolExecutor(2) as threads:
            answers = list(threads.map(lambda person: person.post(address, form).status_code, people))

        assert sorted(answers) == [303, 409]
        assert len(queued(office)) == 2

    @pytest.mark.usefixtures("letters")
    def test_a_notice_that_was_sent_in_koha_meanwhile_is_told(self, clara: Desk, office: Office) -> None:
        number = office.request()
        address = f"/requests/{number}/notices/{READY}"
        form = version_in(clara.get(address).text)
        office.does(
            "INSERT INTO action_logs (module, action, object, user, info) VALUES ('ILL', 'PATRON_NOTICE', :number,"
            ' 0, \'{"log_origin": "core", "notice_code": "ILL_PICKUP_READY"}\')',
            number=number,
        )

        told = clara.post(address, form)

        assert told.status_code == 409
        assert '<th scope="row">Notices sent</th>' in told.text
        assert queued(office) == []

    @pytest.mark.usefixtures("letters")
    def test_what_was_typed_is_kept_when_the_patron_has_changed(self, clara: Desk, office: Office) -> None:
        number = office.request()
        address = f"/requests/{number}/notices/{UPDATE}"
        form = {**version_in(clara.get(address).text), "additional_text": "It left Oslo."}
        office.does("UPDATE illrequests SET borrowernumber = :wen", wen=WEN)

        previewed = clara.post(address, {**form, "preview": "1"})
        assert version_in(previewed.text)["version"] == form["version"], "a preview is no decision"
        told = clara.post(address, form)

        assert told.status_code == 409
        assert "<td>Sam Page [20000005]</td><td>" in told.text
        assert "It left Oslo.</textarea>" in told.text
        assert queued(office) == []


class TestNewsInOnesOwnWords:
    @pytest.mark.usefixtures("letters")
    def test_is_previewed_then_sent(self, clara: Desk, office: Office) -> None:
        number = office.request()
        address = f"/requests/{number}/notices/{UPDATE}"
        assert 'name="additional_text"' in clara.get(address).text

        seen = press(clara, address, {"additional_text": "It left\r\nOslo <today>.", "preview": "1"})
        assert seen.status_code == 200
        assert "It left\nOslo &lt;today&gt;.</textarea>" in seen.text
        assert seen.text.count("It left\nOslo &lt;today&gt;.") >= 2
        assert queued(office) == []

        sent = press(clara, address, {"additional_text": "It left\r\nOslo <today>."})
        assert sent.status_code == 303
        ((content,),) = office.asks(
            "SELECT content FROM message_queue WHERE message_transport_type = 'email'"
        )
        assert "\nIt left\nOslo <today>.\n" in content

    @pytest.mark.usefixtures("letters")
    def test_needs_a_text(self, clara: Desk, office: Office) -> None:
        number = office.request()

        answer = press(clara, f"/requests/{number}/notices/{UPDATE}", {"additional_text": " \n"})

        assert answer.status_code == 422
        assert 'aria-describedby="text-hint text-problem" aria-invalid="true"' in answer.text
        assert queued(office) == []

    @pytest.mark.usefixtures("letters")
    def test_is_told_what_koha_takes_for_fields_in_it(self, clara: Desk, office: Office) -> None:
        number = office.request()
        address = f"/requests/{number}/notices/{UPDATE}"
        assert "except for &lt;&lt;…&gt;&gt;" in clara.get(address).text

        seen = press(clara, address, {"additional_text": "For <<borrowers.surname>>, <<x>>.", "preview": "1"})

        assert "Not used as text: &lt;&lt;borrowers.surname&gt;&gt;, &lt;&lt;x&gt;&gt;." in seen.text
        assert "\nFor Page, .\n" in seen.text

    @pytest.mark.parametrize("hostile", HOSTILE)
    @pytest.mark.usefixtures("letters")
    def test_is_neither_markup_nor_a_template(self, clara: Desk, office: Office, hostile: str) -> None:
        number = office.request()
        address = f"/requests/{number}/notices/{UPDATE}"

        seen = press(clara, address, {"additional_text": hostile, "preview": "1"}).text
        press(clara, address, {"additional_text": hostile})

        assert "<script>alert" not in seen
        assert "<img" not in seen
        assert "<svg" not in seen
        ((content,),) = office.asks(
            "SELECT content FROM message_queue WHERE message_transport_type = 'email'"
        )
        for expression in ("{{ 7 * 7 }}", "[% 7 * 7 %]"):
            assert (expression in content) == (expression in hostile)


def test_html_letters_are_shown_as_text(clara: Desk, office: Office) -> None:
    office.wants("Ill_ready", "email")
    office.writes_letter(READY, content="<p>It is <b>here</b></p><script>alert(1)</script>", is_html=1)
    number = office.request()

    page = clara.get(f"/requests/{number}/notices/{READY}").text

    assert "It is here" in page
    assert "(HTML)" in page
    assert "alert(1)" not in page


@pytest.mark.usefixtures("letters")
def test_only_notices_that_are_sent_by_hand_have_a_page(clara: Desk, office: Office) -> None:
    number = office.request()

    for code in ("ILL_PARTNER_REQ", "ILL_REQUEST_CANCEL", "CHECKIN", "ill_pickup_ready"):
        assert clara.get(f"/requests/{number}/notices/{code}").status_code == 404
        assert press(clara, f"/requests/{number}/notices/{code}").status_code == 404
    assert clara.get(f"/requests/4711/notices/{READY}").status_code == 404
    assert press(clara, f"/requests/4711/notices/{READY}").status_code == 404


@pytest.mark.usefixtures("letters")
def test_a_request_without_a_patron_has_nobody_to_send_to(clara: Desk, office: Office) -> None:
    number = office.request(borrowernumber=None, status="UNAUTH")

    assert "The request has no patron." in clara.get(f"/requests/{number}/notices/{READY}").text
    page = press(clara, f"/requests/{number}/notices/{READY}", follow=True).text
    assert "The notice was not queued: The request has no patron." in page
