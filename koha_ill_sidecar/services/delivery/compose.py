"""
Make the mail of a row of the queue: sender, recipients, reply address, text.

Everything follows from values that were read before; nothing is read or written here.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from koha_ill_sidecar.delivery.addresses import Address, AddressRole, read_address, read_addresses
from koha_ill_sidecar.delivery.mail import Content, Mail, style_element, style_link
from koha_ill_sidecar.domain.characters import without_control_characters
from koha_ill_sidecar.errors import InvalidAddress
from koha_ill_sidecar.messages import MixedText, lazy
from koha_ill_sidecar.services.delivery.advice import ADVICE
from koha_ill_sidecar.services.people.addresses import ADDRESS_COLUMNS, notice_email_address
from koha_ill_sidecar.storage.koha.preferences import Preferences
from koha_ill_sidecar.storage.message_queue.outgoing import OutgoingMessage


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """
    Why a message cannot become a mail.

    Attributes:
        failure_code: One that Koha's staff pages know (Koha, C4/Letters.pm and a patron's tab of notices).
        reason: What is wrong and how to fix it.
    """

    failure_code: str
    reason: MixedText


def compose(
    message: OutgoingMessage, preferences: Preferences, *, mail_message_id: str, date: datetime
) -> Mail | Undeliverable:
    """
    Make the mail that Koha would make of this message.

    Args:
        date: Of the first attempt, so that every attempt sends the same mail.

    Source: Koha, C4/Letters.pm SendQueuedMessages and _send_message_by_email, Koha/Email.pm create.
    """
    try:
        recipients = _recipients(message, preferences)
        if isinstance(recipients, Undeliverable):
            return recipients
        to, copies = recipients
        sender = _sender(message, preferences)
        if isinstance(sender, Undeliverable):
            return sender
        return Mail(
            sender=sender,
            to=to,
            cc=copies,
            bcc=_blind_copies(preferences),
            reply_to=_optional(_reply_to(message, preferences), AddressRole.REPLY_TO),
            return_path=_return_path(message, preferences),
            subject=message.subject or "",
            body=message.content or "",
            content=content_kind(message.content_type),
            message_id=mail_message_id,
            date=date,
            styles=tuple(_styles(preferences)),
            headers=dict(_headers(message)),
        )
    except InvalidAddress as error:
        return Undeliverable(f"INVALID_EMAIL:{error.role}", [str(error), ADVICE[error.role]])


def content_kind(content_type: str | None) -> Content:
    """Return what the column ``content_type`` means (Koha, C4/Letters.pm _send_message_by_email)."""
    content_type = content_type or ""
    if content_type.strip().lower() == "message/rfc822":
        return Content.MIME
    return Content.HTML if "html" in content_type.lower() else Content.TEXT


def _recipients(
    message: OutgoingMessage, preferences: Preferences
) -> tuple[tuple[Address, ...], tuple[Address, ...]] | Undeliverable:
    """
    Return the recipients, and who gets a copy: the patron's guarantors.

    The first guarantor stands in for a patron without an address (Koha bug 12532).
    """
    guarantors = _guarantors_addresses(message, preferences)
    text = _mobile_address(message) if message.message_transport_type == "sms" else message.to_address
    if not text:
        text = _patrons_address(message, preferences)
        if isinstance(text, Undeliverable) and guarantors:
            text, *guarantors = guarantors
    if isinstance(text, Undeliverable):
        return text
    if everything_to := preferences.text("SendAllEmailsTo"):
        return read_addresses(everything_to, AddressRole.TO), ()
    return read_addresses(text, AddressRole.TO), _optional(",".join(guarantors), AddressRole.CC)


def _guarantors_addresses(message: OutgoingMessage, preferences: Preferences) -> list[str]:
    addresses = (notice_email_address(guarantor, preferences) for guarantor in message.guarantors)
    return [address for address in addresses if address]


def _patrons_address(message: OutgoingMessage, preferences: Preferences) -> str | Undeliverable:
    if not message.patron_found:
        return Undeliverable(
            "INVALID_BORNUMBER",
            [lazy("The message has neither an address nor a patron. Set an address for it.")],
        )
    patron = {column: getattr(message, column) for column in ADDRESS_COLUMNS}
    return notice_email_address(patron, preferences) or Undeliverable(
        "NO_EMAIL", [lazy("The patron has no email address. Enter one in Koha and resend it.")]
    )


def _mobile_address(message: OutgoingMessage) -> str | Undeliverable:
    """Koha leaves the failure code empty here, but has a code that tells its staff more."""
    if not message.smsalertnumber:
        return Undeliverable(
            "MISSING_SMS", [lazy("The patron has no mobile number. Enter one in Koha and resend it.")]
        )
    if not message.sms_domain:
        return Undeliverable(
            "MISSING_SMS",
            [lazy("The patron has no SMS provider. Choose one in the patron's messaging preferences.")],
        )
    number = _mobile_number(message.smsalertnumber)
    if number is None:
        return Undeliverable(
            "MISSING_SMS",
            [
                lazy(
                    "The patron's mobile number “%(number)s” is not a telephone number."
                    " Correct it in Koha and resend the message.",
                    number=message.smsalertnumber,
                )
            ],
        )
    return f"{number}@{message.sms_domain}"


_BETWEEN_DIGITS = re.compile(r"[\s()./\\-]")


def _mobile_number(typed: str) -> str | None:
    """Return a number without what people type between its digits; None if it is no telephone number."""
    plain = unicodedata.normalize("NFKC", without_control_characters(typed))
    plain = re.sub(r"[‐-―−]", "-", plain).strip()
    plain = re.sub(
        r"^(\+[0-9 ]+)\(0\)", r"\1", plain
    )  # +44 (0)20 …: the zero is for calls within the country
    plain = _BETWEEN_DIGITS.sub("", plain)
    return plain if re.fullmatch(r"\+?[0-9]{3,20}", plain) else None


def _sender(message: OutgoingMessage, preferences: Preferences) -> Address | Undeliverable:
    by_sms = (
        preferences.text("EmailSMSSendDriverFromAddress") if message.message_transport_type == "sms" else ""
    )
    text = by_sms or message.from_address or message.branchemail or preferences.text("KohaAdminEmailAddress")
    if not text:
        return Undeliverable(
            "NO_FROM",
            [
                lazy(
                    "There is no sender address: enter an email address for the library, or set the"
                    " preference KohaAdminEmailAddress."
                )
            ],
        )
    return read_address(text, AddressRole.FROM)


def _reply_to(message: OutgoingMessage, preferences: Preferences) -> str:
    return message.reply_address or message.branchreplyto or preferences.text("ReplytoDefault")


def _return_path(message: OutgoingMessage, preferences: Preferences) -> Address | None:
    text = message.branchreturnpath or preferences.text("ReturnpathDefault")
    return read_address(text, AddressRole.SENDER) if text else None


def _blind_copies(preferences: Preferences) -> tuple[Address, ...]:
    if preferences.text("SendAllEmailsTo"):
        return ()
    return _optional(preferences.text("NoticeBcc"), AddressRole.BCC)


def _optional(text: str, role: AddressRole) -> tuple[Address, ...]:
    return read_addresses(text, role) if text.strip() else ()


def _styles(preferences: Preferences) -> Iterator[str]:
    """
    Yield the style sheets of HTML notices: those for every transport, then those for mail.

    Source: Koha, C4/Letters.pm _wrap_html; Koha/Notice/Message.pm stylesheets, after bug 35267, which also gave
    NoticeCSS the name EmailNoticeStylesheet.
    """
    for address, css in (
        ("AllNoticeStylesheet", "AllNoticeCSS"),
        ("EmailNoticeStylesheet", "EmailNoticeCSS"),
        ("NoticeCSS", ""),
    ):
        if preferences.text(address):
            yield style_link(preferences.text(address))
        if css and preferences.text(css):
            yield style_element(preferences.text(css))


def _headers(message: OutgoingMessage) -> Iterator[tuple[str, str]]:
    if message.letter_id is not None:
        yield "X-Koha-Template-ID", str(message.letter_id)
    yield "X-Koha-Message-ID", str(message.message_id)
