"""Labels that all pages share, and the language of texts."""

from collections.abc import Mapping

from babel import Locale, UnknownLocaleError
from flask import Flask, g
from markupsafe import Markup

from koha_ill_sidecar.backends.base import KohaFeatures
from koha_ill_sidecar.backends.registry import graph_of_all
from koha_ill_sidecar.domain.actors import Interface
from koha_ill_sidecar.domain.callbacks import Verdict
from koha_ill_sidecar.domain.notices import DEFAULT_LANG, EMAIL, SMS
from koha_ill_sidecar.domain.queue_entries import DeliveryProgress, QueueEntry
from koha_ill_sidecar.messages import N_, LazyMessage, MixedText
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.i18n import translate

VERDICTS: Mapping[Verdict, str] = {
    Verdict.APPLIED: N_("Applied"),
    Verdict.UNCHANGED: N_("No change"),
    Verdict.LATE: N_("Superseded by a later one"),
    Verdict.ATTENTION: N_("Not applied: for staff to decide"),
    Verdict.UNKNOWN_STATUS: N_("Unknown status"),
    Verdict.UNKNOWN_REQUEST: N_("Unknown request"),
    Verdict.AMBIGUOUS_ORDER: N_("Order ID of several requests"),
    Verdict.DELETED_REQUEST: N_("Deleted request"),
    Verdict.INVALID: N_("Not understood"),
}
"""Outcomes of a callback."""

MESSAGE_STATES: Mapping[DeliveryProgress, str] = {
    DeliveryProgress.PENDING: N_("Pending"),
    DeliveryProgress.TOO_OLD: N_("Too old, not sent"),
    DeliveryProgress.WAITING: N_("Waiting for another attempt"),
    DeliveryProgress.IN_FLIGHT: N_("Being sent"),
    DeliveryProgress.ABANDONED: N_("Interrupted"),
    DeliveryProgress.FAILED: N_("Failed"),
    DeliveryProgress.GIVEN_UP: N_("Given up"),
    DeliveryProgress.SENT: N_("Sent"),
    DeliveryProgress.DELETED: N_("Deleted"),
}

_STATUSES = graph_of_all(KohaFeatures())

_TRANSPORTS: Mapping[str, str] = {
    EMAIL: N_("Email"),
    SMS: N_("SMS"),
    "phone": N_("Phone"),
    "itiva": N_("Phone (i-tiva)"),
    "print": N_("Print"),
}

_INTERFACES: Mapping[str, str] = {
    Interface.INTRANET: N_("Staff interface"),
    Interface.OPAC: N_("OPAC"),
    Interface.API: N_("API"),
    Interface.CRON: N_("Scheduled job"),
    Interface.COMMANDLINE: N_("Command line"),
    "sip": N_("SIP"),
}

_LANGUAGES: Mapping[str, str] = {
    DEFAULT_LANG: N_("Default language"),
    "zh-Hant-TW": N_("Chinese (Traditional)"),
}
"""Languages whose names in Unicode's data do not fit our pages."""

_FAILURES: Mapping[str, str] = {
    "INVALID_BORNUMBER": N_("The message has neither an address nor a patron."),
    "NO_EMAIL": N_("The patron has no email address."),
    "NO_FROM": N_("There is no sender address."),
    "MISSING_SMS": N_("The patron has no mobile number or no SMS provider."),
    "SENDMAIL": N_("The message could not be sent."),
    "DUPLICATE_MESSAGE": N_("The same message has already been sent today."),
    "UNKNOWN_ERROR": N_("No email could be created from the message."),
    "INVALID_EMAIL:to": N_("The address of the recipient is not valid."),
    "INVALID_EMAIL:from": N_("The address of the sender is not valid."),
    "INVALID_EMAIL:reply_to": N_("The reply-to address is not valid."),
    "INVALID_EMAIL:cc": N_("The address for copies is not valid."),
    "INVALID_EMAIL:bcc": N_("The address for blind copies is not valid."),
    "INVALID_EMAIL:sender": N_("The address for returned mail is not valid."),
}


def install(app: Flask) -> None:
    """Add the labels to the templates."""
    app.jinja_env.globals["reason_text"] = reason_text
    app.jinja_env.filters.update(
        interface=interface_name,
        language=language_name,
        lang_attribute=lang_attribute,
        status=status_name,
        transport=transport_name,
        why_not_sent=why_not_sent,
    )


def status_name(code: str | None) -> str:
    """Return the label of a status."""
    return _(_STATUSES.name(code)) if code else _("no status")


def transport_name(code: str) -> str:
    """Return the label of a transport."""
    return _(_TRANSPORTS[code]) if code in _TRANSPORTS else code


def interface_name(code: str) -> str:
    """Return the label of the interface where something was done."""
    return _(_INTERFACES[code]) if code in _INTERFACES else code


def language_name(code: str) -> str:
    """Return the name of a letter's language, given as in Koha (``zh-Hant-TW``, ``default``)."""
    if code in _LANGUAGES:
        return _(_LANGUAGES[code])
    try:
        name = Locale.parse(code, sep="-").get_display_name(g.language.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return code
    return name or code


def lang_attribute(lang: str) -> Markup:
    """
    Return the HTML attribute for the language of a text.

    It is empty for the default letters, whose language is unknown: otherwise screen readers would read them in the
    language of the page (WCAG 3.1.2).

    Args:
        lang: As in Koha.
    """
    return Markup(' lang="{}"').format("" if lang == DEFAULT_LANG else lang)


def why_not_sent(entry: QueueEntry) -> Markup:
    """Return why a message failed or waits: our text is translated, a mail server's is not."""
    code = entry.failure_code if entry.progress is DeliveryProgress.FAILED else ""
    return reason_text(code, entry.last_error)


def reason_text(code: str, reason: MixedText) -> Markup:
    """Return a reason of ours, and the meaning of Koha's failure code only if we have no message for it."""
    ours = [translate(part) for part in reason if isinstance(part, LazyMessage)]
    if not ours and code:
        ours = [_(_FAILURES.get(code, code))]
    theirs = [
        Markup('<span class="soft" lang="en">{}</span>').format(part)
        for part in reason
        if not isinstance(part, LazyMessage)
    ]
    return Markup(" ").join([*ours, *theirs])
