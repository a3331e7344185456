"""The Mailer against real SMTP servers, good and bad."""

import smtplib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from mail_servers import (
    PASSWORD,
    USER,
    Certificate,
    MailServer,
    drop,
    hang,
    hang_up,
    login,
    make_certificate,
    running,
    taken_and_dropped,
)

from koha_ill_sidecar.config.settings import SmtpSettings, SSLMode
from koha_ill_sidecar.config.values import Secret
from koha_ill_sidecar.delivery.smtp import Envelope, Mailer
from koha_ill_sidecar.errors import PermanentDeliveryFailure, TemporaryDeliveryFailure

TO_SAM = Envelope(sender="desk@ada.example.org", recipients=("sam.page@example.org",))
OCTETS = b"Subject: Hello\r\n\r\n.dots\r\n..more\r\n.\r\nend\r\n"


@pytest.fixture(params=[[], ["PIPELINING"]], ids=["one by one", "pipelined"])
def server(request: pytest.FixtureRequest) -> MailServer:
    server = MailServer()
    server.offers = request.param
    return server


@pytest.fixture
def settings(server: MailServer) -> Iterator[SmtpSettings]:
    with running(server) as settings:
        yield settings


@pytest.fixture
def mailer() -> Iterator[Mailer]:
    mailer = Mailer()
    yield mailer
    mailer.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def test_mail_arrives_octet_for_octet(mailer: Mailer, server: MailServer, settings: SmtpSettings) -> None:
    receipt = mailer.send(settings, TO_SAM, OCTETS)

    (caught,) = server.caught
    assert receipt.accepted == ("sam.page@example.org",)
    assert (caught.sender, caught.recipients, caught.octets) == (
        "desk@ada.example.org",
        ["sam.page@example.org"],
        OCTETS,
    )


def test_one_connection_carries_many_mails(
    mailer: Mailer, server: MailServer, settings: SmtpSettings
) -> None:
    for _ in range(5):
        mailer.send(settings, TO_SAM, OCTETS)

    assert [caught.session for caught in server.caught] == [0] * 5


def test_commands_are_pipelined_if_the_server_supports_it(
    mailer: Mailer, server: MailServer, settings: SmtpSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailer.send(settings, TO_SAM, OCTETS)
    written: list[bytes] = []
    send = smtplib.SMTP.send

    def note(smtp: smtplib.SMTP, line: bytes) -> None:
        written.append(line)
        send(smtp, line)

    monkeypatch.setattr(smtplib.SMTP, "send", note)
    mailer.send(settings, TO_SAM, OCTETS)
    monkeypatch.undo()

    assert len(written) == (2 if server.offers else 4)


def test_threads_send_concurrently_over_separate_connections(
    mailer: Mailer, server: MailServer, settings: SmtpSettings
) -> None:
    together = threading.Barrier(3, timeout=60)

    def send() -> None:
        together.wait()
        for _ in range(20):
            mailer.send(settings, TO_SAM, OCTETS)

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(server.caught) == 60
    assert len(server.sessions) <= 3


def test_connection_that_the_server_closed_is_replaced_at_once(
    mailer: Mailer, server: MailServer, settings: SmtpSettings
) -> None:
    mailer.send(settings, TO_SAM, OCTETS)
    (protocol,) = server.protocols
    protocol.loop.call_soon_threadsafe(hang_up, protocol)
    while protocol.transport is not None:
        time.sleep(0.01)

    mailer.send(settings, TO_SAM, OCTETS)

    assert [caught.session for caught in server.caught] == [0, 1]


def test_server_that_wants_a_new_session_gets_one(
    mailer: Mailer, server: MailServer, settings: SmtpSettings
) -> None:
    mailer.send(settings, TO_SAM, OCTETS)
    answers = iter(["421 too many mails in this session"])
    server.answers["MAIL"] = lambda *_: next(answers, None)

    mailer.send(settings, TO_SAM, OCTETS)

    assert [caught.session for caught in server.caught] == [0, 1]


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ("450 later", TemporaryDeliveryFailure),
        ("451 later", TemporaryDeliveryFailure),
        ("550 never", PermanentDeliveryFailure),
        ("554 never", PermanentDeliveryFailure),
        ("530 log in first", TemporaryDeliveryFailure),
        ("421 closing", TemporaryDeliveryFailure),
    ],
)
def test_answer_decides_whether_it_is_tried_again(
    mailer: Mailer,
    server: MailServer,
    settings: SmtpSettings,
    command: str,
    answer: str,
    failure: type[Exception],
) -> None:
    server.answers[command] = lambda *_: answer

    with pytest.raises(failure, match=answer):
        mailer.send(settings, TO_SAM, OCTETS)
    server.answers.clear()
    mailer.send(settings, TO_SAM, OCTETS)

    assert len(server.caught) == 1, "the next mail goes through as if nothing had been"


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_hanging_server_is_abandoned_after_the_timeout(
    mailer: Mailer, server: MailServer, settings: SmtpSettings, command: str
) -> None:
    server.answers[command] = hang
    started = time.monotonic()

    with pytest.raises(TemporaryDeliveryFailure, match="did not"):
        mailer.send(replace(settings, timeout=timedelta(seconds=1)), TO_SAM, OCTETS)

    assert time.monotonic() - started >= 1


@pytest.mark.parametrize("command", ["MAIL", "RCPT"])
def test_drop_before_the_text_is_not_in_doubt(
    mailer: Mailer, server: MailServer, settings: SmtpSettings, command: str
) -> None:
    server.answers[command] = drop

    with pytest.raises(TemporaryDeliveryFailure) as caught:
        mailer.send(settings, TO_SAM, OCTETS)

    assert not caught.value.in_doubt


def test_drop_after_the_text_is_in_doubt(mailer: Mailer, server: MailServer, settings: SmtpSettings) -> None:
    server.answers["DATA"] = taken_and_dropped(server)

    with pytest.raises(TemporaryDeliveryFailure, match="did not confirm") as caught:
        mailer.send(settings, TO_SAM, OCTETS)

    assert caught.value.in_doubt
    assert len(server.caught) == 1, "not sent a second time by itself"


def test_refused_recipient_does_not_stop_the_others(
    mailer: Mailer, server: MailServer, settings: SmtpSettings
) -> None:
    server.answers["RCPT"] = lambda _, address: "550 unknown" if address.startswith("gone") else None
    envelope = replace(TO_SAM, recipients=("gone@example.org", "here@example.org"))

    receipt = mailer.send(settings, envelope, OCTETS)

    assert receipt.accepted == ("here@example.org",)
    assert [str(refusal) for refusal in receipt.refused] == ["gone@example.org: 550 unknown"]
    assert server.caught[0].recipients == ["here@example.org"]


def test_refusal_of_all_recipients_is_temporary_if_one_is(
    mailer: Mailer, server: MailServer, settings: SmtpSettings
) -> None:
    server.answers["RCPT"] = lambda _, address: "550 unknown" if address.startswith("gone") else "450 busy"

    with pytest.raises(TemporaryDeliveryFailure):
        mailer.send(settings, replace(TO_SAM, recipients=("gone@example.org", "busy@example.org")), OCTETS)


def test_an_unreachable_server_is_not_tried_again_immediately() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings = SmtpSettings(host="127.0.0.1", port=unused.getsockname()[1])
        mailer = Mailer()

        with pytest.raises(TemporaryDeliveryFailure, match="Connection refused"):
            mailer.send(settings, TO_SAM, OCTETS)
    with running(MailServer()) as reachable:
        settings = replace(settings, port=reachable.port)
        mailer._unreachable[settings] = (time.monotonic() + 3600, ["was away"])
        with pytest.raises(TemporaryDeliveryFailure, match="was away"):
            mailer.send(settings, TO_SAM, OCTETS)
        mailer._unreachable[settings] = (time.monotonic(), ["was away"])
        mailer.send(settings, TO_SAM, OCTETS)
        mailer.close()


def test_idle_connections_are_closed_after_a_while(server: MailServer, settings: SmtpSettings) -> None:
    mailer = Mailer()
    mailer.send(settings, TO_SAM, OCTETS)

    mailer.close_idle()
    mailer.send(settings, TO_SAM, OCTETS)
    mailer._idle_seconds = -1
    mailer.close_idle()
    mailer.send(settings, TO_SAM, OCTETS)
    mailer.close()

    assert [caught.session for caught in server.caught] == [0, 0, 1]


def test_starttls_checks_the_certificate(
    mailer: Mailer, server: MailServer, certificate: Certificate
) -> None:
    with running(server, tls_context=certificate.context(), require_starttls=True) as settings:
        encrypted = replace(settings, ssl_mode=SSLMode.STARTTLS)

        with pytest.raises(TemporaryDeliveryFailure, match="not trusted"):
            mailer.send(encrypted, TO_SAM, OCTETS)
        mailer.send(replace(encrypted, ca=certificate.ca), TO_SAM, OCTETS)
        mailer.send(replace(encrypted, verify=False), TO_SAM, OCTETS)

    assert len(server.caught) == 2


def test_mail_is_not_sent_if_the_server_lacks_starttls(
    mailer: Mailer, server: MailServer, settings: SmtpSettings
) -> None:
    with pytest.raises(TemporaryDeliveryFailure, match="STARTTLS"):
        mailer.send(replace(settings, ssl_mode=SSLMode.STARTTLS), TO_SAM, OCTETS)

    assert server.caught == []


def test_tls_from_the_start_checks_the_certificate(
    mailer: Mailer, server: MailServer, certificate: Certificate
) -> None:
    with running(server, ssl_context=certificate.context()) as settings:
        encrypted = replace(settings, ssl_mode=SSLMode.SSL)

        with pytest.raises(TemporaryDeliveryFailure, match="not trusted"):
            mailer.send(encrypted, TO_SAM, OCTETS)
        mailer.send(replace(encrypted, ca=certificate.ca), TO_SAM, OCTETS)

    assert len(server.caught) == 1


def test_a_wrong_login_is_a_temporary_failure(server: MailServer, certificate: Certificate) -> None:
    options = {"tls_context": certificate.context(), "authenticator": login, "auth_required": True}
    with running(server, **options) as settings:
        right = replace(
            settings, ssl_mode=SSLMode.STARTTLS, ca=certificate.ca, user=USER, password=Secret(PASSWORD)
        )
        mailer = Mailer()

        with pytest.raises(TemporaryDeliveryFailure, match="login was refused: 535"):
            mailer.send(replace(right, password=Secret("wrong")), TO_SAM, OCTETS)
        with pytest.raises(TemporaryDeliveryFailure, match="530"):
            mailer.send(replace(right, user=None, password=None), TO_SAM, OCTETS)
        mailer.check(right)
        mailer.send(right, TO_SAM, OCTETS)
        mailer.close()

    assert len(server.caught) == 1


def test_addresses_in_other_scripts_need_smtputf8(mailer: Mailer, server: MailServer) -> None:
    envelope = Envelope(sender="desk@ada.example.org", recipients=("用户@example.org",), needs_smtputf8=True)
    with running(server, enable_SMTPUTF8=False) as without:
        with pytest.raises(PermanentDeliveryFailure, match="SMTPUTF8") as caught:
            mailer.send(without, envelope, OCTETS)
        mailer.send(without, TO_SAM, OCTETS)
    with running(server, enable_SMTPUTF8=True) as offering:
        mailer.send(offering, envelope, "To: 用户@example.org\r\n\r\n\r\n".encode())

    assert caught.value.role == "to"
    assert [mail.recipients for mail in server.caught] == [["sam.page@example.org"], ["用户@example.org"]]


def test_a_missing_certificate_file_is_reported(
    mailer: Mailer, settings: SmtpSettings, tmp_path: Path
) -> None:
    absent = replace(settings, ssl_mode=SSLMode.STARTTLS, ca=tmp_path / "absent.pem")

    with pytest.raises(TemporaryDeliveryFailure):
        mailer.send(absent, TO_SAM, OCTETS)
