"""The output of as_bytes, parsed with Python's email package."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from email.utils import parseaddr
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.delivery.addresses import Address, AddressRole, read_address, read_addresses
from koha_ill_sidecar.delivery.mail import LONGEST_LINE, Content, Mail, as_bytes, style_element, style_link

ADA = Address("desk@ada.example.org", "Ada Lovelace Library")
SAM = Address("sam.page@example.org")


def mail(**more: Any) -> Mail:
    values: dict[str, Any] = {
        "sender": ADA,
        "to": (SAM,),
        "subject": "Your request",
        "body": "It is here.\n",
        "message_id": "<1.2@ill.example.org>",
        "date": datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
    }
    return Mail(**(values | more))


def parsed(value: Mail) -> EmailMessage:
    message = message_from_bytes(as_bytes(value), policy=default)
    assert isinstance(message, EmailMessage)
    return message


def text_in(message: EmailMessage) -> str:
    content: str = message.get_content()
    return content.replace("\r\n", "\n")


def test_plain_mail_has_every_header_once() -> None:
    message = parsed(mail(reply_to=(ADA,), headers={"X-Koha-Message-ID": "17"}))

    assert {name: message.get_all(name) for name in message} == {
        "Date": ["Wed, 04 Mar 2026 05:06:07 +0000"],
        "From": ["Ada Lovelace Library <desk@ada.example.org>"],
        "To": ["sam.page@example.org"],
        "Reply-To": ["Ada Lovelace Library <desk@ada.example.org>"],
        "Subject": ["Your request"],
        "Message-ID": ["<1.2@ill.example.org>"],
        "Auto-Submitted": ["auto-generated"],
        "X-Koha-Message-ID": ["17"],
        "MIME-Version": ["1.0"],
        "Content-Type": ['text/plain; charset="utf-8"'],
        "Content-Transfer-Encoding": ["7bit"],
    }


def test_blind_copies_and_the_return_path_are_in_no_header() -> None:
    value = mail(bcc=(Address("audit@example.org"),), return_path=Address("bounces@example.org"))

    assert b"audit" not in as_bytes(value)
    assert b"bounces" not in as_bytes(value)
    assert [address.spec for address in value.recipients] == ["sam.page@example.org", "audit@example.org"]
    assert value.envelope_sender.spec == "bounces@example.org"


def test_a_recipient_named_twice_receives_one_mail() -> None:
    assert mail(to=(SAM, SAM), bcc=(SAM,)).recipients == (SAM,)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        ("plain", "7bit"),
        ("x" * 5000, "quoted-printable"),
        ("Größe und Übermut in einem sonst schlichten Satz", "quoted-printable"),
        ("您的館際互借申請已經到館", "base64"),
    ],
)
def test_transfer_encoding_suits_the_text(body: str, encoding: str) -> None:
    message = parsed(mail(body=body))

    assert message["Content-Transfer-Encoding"] == encoding
    assert text_in(message) == body + "\n"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=3000)


def normalised(text: str) -> str:
    text = text.replace("\0", "\ufffd").replace("\r\n", "\n").replace("\r", "\n")
    return text if text.endswith("\n") else text + "\n"


@given(TEXT | st.text(st.sampled_from("a .\r\n\t=é林"), max_size=3000))
def test_any_text_survives_encoding(body: str) -> None:
    message = message_from_bytes(as_bytes(mail(body=body)))
    payload = message.get_payload(decode=True)

    assert isinstance(payload, bytes)
    assert payload.decode().replace("\r\n", "\n") == normalised(body)


@given(TEXT, TEXT)
def test_no_line_is_too_long_and_all_is_ascii(subject: str, body: str) -> None:
    octets = as_bytes(mail(subject=subject, body=body))

    assert octets.isascii()
    assert max(map(len, octets.split(b"\r\n"))) <= LONGEST_LINE
    assert b"\r" not in octets.replace(b"\r\n", b"")
    assert b"\n" not in octets.replace(b"\r\n", b"")


PRINTABLE = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs", "Cf", "Cn", "Co"])


@given(st.text(PRINTABLE | st.just(" "), max_size=300))
def test_any_subject_arrives_as_written(subject: str) -> None:
    assert parsed(mail(subject=subject))["Subject"] == subject.strip()


@pytest.mark.parametrize("line_break", ["\r\n", "\n", "\r", "\u2028", "\x0b", "\x85"])
def test_headers_cannot_be_injected(line_break: str) -> None:
    attack = f"Hello{line_break}Bcc: everybody@example.org{line_break}{line_break}body"
    value = mail(
        subject=attack,
        to=(Address("sam@example.org", attack),),
        headers={"X-Koha-Template-ID": attack},
    )

    message = parsed(value)

    assert message["Bcc"] is None
    assert "Bcc: everybody@example.org" in message["Subject"]
    assert text_in(message) == "It is here.\n"


@given(st.text(PRINTABLE, min_size=1, max_size=80))
def test_any_display_name_arrives_as_written(name: str) -> None:
    # Python 3.11's newer parser leaves a space between the encoded words of a phrase; the older one is correct.
    message = message_from_bytes(as_bytes(mail(sender=Address("desk@ada.example.org", name))))

    found, spec = parseaddr(message["From"])
    assert (str(make_header(decode_header(found))), spec) == (name, "desk@ada.example.org")


def test_html_comes_as_page_with_a_plain_alternative() -> None:
    value = mail(
        content=Content.HTML,
        subject="Cats & <dogs>",
        body='<p>Dear Sam,</p><p>see <a href="https://koha.example.org/x">your account</a>.</p><ul><li>One<li>Two</ul>',
        styles=(
            style_element("p { color: red } </style><b>"),
            style_link("https://koha.example.org/notice.css?a=1&b=2"),
        ),
    )

    message = parsed(value)
    plain, page = (part for part in message.walk() if part.get_content_maintype() == "text")
    assert isinstance(plain, EmailMessage)
    assert isinstance(page, EmailMessage)

    assert message.get_content_type() == "multipart/alternative"
    assert text_in(plain) == "Dear Sam,\n\nsee your account <https://koha.example.org/x>.\n\n- One\n- Two\n"
    assert "<title>Cats &amp; &lt;dogs&gt;</title>" in text_in(page)
    assert (
        '<style type="text/css">p { color: red } <\\/style><b></style>\n'
        '<link rel="stylesheet" type="text/css" href="https://koha.example.org/notice.css?a=1&amp;b=2">\n</head>'
    ) in text_in(page)
    assert value.body in text_in(page)


@pytest.mark.parametrize(
    "before",
    [
        "<!-- ILL -->\n",
        '<?xml version="1.0" encoding="UTF-8"?>\n',
        "\ufeff",
        '<?xml version="1.0"?>\n<!-- a > b --> <!--x-->\n<!DOCTYPE html>\n',
    ],
)
def test_a_page_after_a_comment_or_declaration_is_not_wrapped_again(before: str) -> None:
    page = f"{before}<html><body><p>Ready</p></body></html>"

    assert as_bytes(mail(content=Content.HTML, body=page)).count(b"<html") == 1


@pytest.mark.parametrize("body", ["<!-- never closed <html>", "<!-- x --><p>Ready</p>"])
def test_a_fragment_after_a_comment_is_wrapped(body: str) -> None:
    sent = as_bytes(mail(content=Content.HTML, body=body))

    assert b"<!DOCTYPE html>" in sent


def test_whole_page_is_not_wrapped_again() -> None:
    body = "<!DOCTYPE html>\n<html><body>Whole</body></html>\n"

    page = list(parsed(mail(content=Content.HTML, body=body)).walk())[-1]

    assert page.get_payload(decode=True) == body.replace("\n", "\r\n").encode()


@given(st.text(st.sampled_from("<>!/[]-=\"'aptrbd \n&#x;é"), max_size=200))
def test_any_html_can_be_sent(body: str) -> None:
    assert parsed(mail(content=Content.HTML, body=body)).get_content_type() == "multipart/alternative"


STORED = """\
From: someone@else.example.org
Message-ID: <old@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed;
 boundary="b"

--b
Content-Type: text/plain; charset="utf-8"
Content-Transfer-Encoding: quoted-printable

Gr=C3=BC=C3=9Fe
--b
Content-Type: application/pdf; name=receipt.pdf
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename=receipt.pdf

JVBERi0=
--b--
"""


def test_stored_mime_message_keeps_its_parts_with_our_addresses() -> None:
    message = parsed(mail(content=Content.MIME, body=STORED))

    text, attachment = (part for part in message.walk() if not part.is_multipart())
    assert message.get_all("From") == ["Ada Lovelace Library <desk@ada.example.org>"]
    assert message.get_all("Message-ID") == ["<1.2@ill.example.org>"]
    assert message.get_all("MIME-Version") == ["1.0"]
    assert text.get_payload(decode=True) == "Grüße\r\n".encode().strip()
    assert attachment.get_filename() == "receipt.pdf"
    assert attachment.get_payload(decode=True) == b"%PDF-"


def test_stored_8bit_message_is_converted_to_7bit() -> None:
    stored = (
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" + "Grüße 林 " * 200
    )

    octets = as_bytes(mail(content=Content.MIME, body=stored))

    assert octets.isascii()
    assert text_in(parsed(mail(content=Content.MIME, body=stored))).strip() == ("Grüße 林 " * 200).strip()


def test_stored_message_without_header_is_sent_as_text() -> None:
    assert (
        text_in(parsed(mail(content=Content.MIME, body="Just words\nin lines\n"))) == "Just words\nin lines\n"
    )


def test_address_in_another_script_is_unchanged() -> None:
    value = mail(to=(read_address("用户@例子.公司", AddressRole.TO),))

    assert value.needs_smtputf8
    assert "To: 用户@xn--fsqu00a.xn--55qx5d\r\n".encode() in as_bytes(value)


def test_many_recipients_are_folded() -> None:
    many = read_addresses(
        "; ".join(f"ill{number}@partner{number}.example.org" for number in range(60)), AddressRole.TO
    )

    message = parsed(mail(to=many))

    assert [address.addr_spec for address in message["To"].addresses] == [address.spec for address in many]
