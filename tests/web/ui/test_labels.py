"""One word for one thing on all staff pages, in the language of the page."""

from collections.abc import Iterator

import pytest
from flask import Flask, g

from koha_ill_sidecar.domain.actors import Interface
from koha_ill_sidecar.domain.callbacks import Verdict
from koha_ill_sidecar.domain.queue_entries import DeliveryProgress
from koha_ill_sidecar.messages import MixedText, lazy
from koha_ill_sidecar.web.ui import labels


@pytest.fixture(params=["en", "zh-Hant-TW"])
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    with Flask(__name__).test_request_context():
        g.language = request.param
        yield request.param


def test_everything_that_can_become_of_a_callback_or_a_message_has_a_name() -> None:
    assert set(labels.VERDICTS) == set(Verdict)
    assert set(labels.MESSAGE_STATES) == set(DeliveryProgress)


def test_transports_and_interfaces_are_named(language: str) -> None:
    named = [labels.transport_name(code) for code in ("email", "sms", "print", "phone")]
    assert (
        named
        == {
            "en": ["Email", "SMS", "Print", "Phone"],
            "zh-Hant-TW": ["電子郵件", "簡訊", "列印", "電話"],
        }[language]
    )

    assert all(labels.interface_name(code) != code for code in Interface)
    assert labels.transport_name("pigeon") == labels.interface_name("pigeon") == "pigeon"


def test_languages_of_letters_are_named(language: str) -> None:
    named = [labels.language_name(code) for code in ("default", "zh-Hant-TW", "de-DE", "nonsense", "")]

    assert (
        named
        == {
            "en": ["Default language", "Chinese (Traditional)", "German (Germany)", "nonsense", ""],
            "zh-Hant-TW": ["預設語言", "正體中文", "德文 (德國)", "nonsense", ""],
        }[language]
    )


def test_the_language_of_a_text_is_told_only_where_it_is_known() -> None:
    assert labels.lang_attribute("zh-Hant-TW") == ' lang="zh-Hant-TW"'
    assert labels.lang_attribute("default") == ' lang=""'
    assert labels.lang_attribute('"><script>') == ' lang="&#34;&gt;&lt;script&gt;"'


OLD_TEXT = '<span class="soft" lang="en">Old &lt;text&gt;</span>'


@pytest.mark.parametrize(
    ("code", "reason", "english", "chinese"),
    [
        ("SENDMAIL", [lazy("Given up by hand.")], "Given up by hand.", "已由人員放棄。"),
        (
            "SENDMAIL",
            [lazy("Given up after %(attempts)s attempts.", attempts=3), "451 <later>"],
            'Given up after 3 attempts. <span class="soft" lang="en">451 &lt;later&gt;</span>',
            '嘗試 3 次後放棄。 <span class="soft" lang="en">451 &lt;later&gt;</span>',
        ),
        ("NO_EMAIL", [], "The patron has no email address.", "讀者沒有電子郵件地址。"),
        ("NEW_CODE", [], "NEW_CODE", "NEW_CODE"),
        ("", [], "", ""),
        ("", ["Old <text>"], OLD_TEXT, OLD_TEXT),
    ],
)
def test_why_a_message_failed_is_said_once_and_what_servers_said_is_kept(
    language: str, code: str, reason: MixedText, english: str, chinese: str
) -> None:
    assert labels.reason_text(code, reason) == {"en": english, "zh-Hant-TW": chinese}[language]
