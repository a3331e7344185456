"""Notices: their codes, the letters they are made from, and the outcome of sending one."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias
from urllib.parse import urlencode

from koha_ill_sidecar.messages import LazyMessage

MODULE = "ill"
"""Koha's module of all interlibrary loan letters."""

HTML_CONTENT_TYPE = 'text/html; charset="UTF-8"'
DEFAULT_LANG = "default"
SMS = "sms"
EMAIL = "email"

AdditionalText: TypeAlias = str | Callable[[str], str]
"""The text that ``ILL_REQUEST_UPDATE`` passes on, or a function from a language such as ``zh-Hant-TW`` to that text."""


class NoticeCode(StrEnum):
    """The notices of Koha's core; a library may have more letters in the module."""

    PICKUP_READY = "ILL_PICKUP_READY"
    REQUEST_UNAVAILABLE = "ILL_REQUEST_UNAVAIL"
    REQUEST_UPDATE = "ILL_REQUEST_UPDATE"
    REQUEST_CANCEL = "ILL_REQUEST_CANCEL"
    REQUEST_MODIFIED = "ILL_REQUEST_MODIFIED"
    PARTNER_REQUEST = "ILL_PARTNER_REQ"


MESSAGE_NAMES: Mapping[str, str] = {
    NoticeCode.PICKUP_READY: "Ill_ready",
    NoticeCode.REQUEST_UNAVAILABLE: "Ill_unavailable",
    NoticeCode.REQUEST_UPDATE: "Ill_update",
}
"""The messaging preference of each patron notice (Koha, Koha/ILL/Request.pm send_patron_notice)."""

STAFF_MENU = (NoticeCode.PICKUP_READY, NoticeCode.REQUEST_UNAVAILABLE)
"""Notices that staff may send by hand."""


class NotQueuedReason(StrEnum):
    """Why a notice was not queued."""

    NO_PATRON = "no_patron"
    NO_PREFERENCE = "no_preference"  # no messaging preference exists for this notice
    NOT_CHOSEN = "not_chosen"  # the patron wants no such message
    NO_LETTER = "no_letter"
    TEMPLATE_FAILED = "template_failed"
    EMPTY = "empty"
    NOT_ENABLED = "notice_not_enabled"  # ILLSendStaffNotices does not name it
    NO_LIBRARY_ADDRESS = "no_library_email"


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderedNotice:
    """A letter filled in for one request, ready for the queue."""

    code: str
    name: str
    transport: str
    lang: str
    title: str
    content: str
    is_html: bool
    letter_id: int | None  # None where the installed Koha's letters have no ID

    @property
    def content_type(self) -> str | None:
        """The value for ``message_queue.content_type``; NULL for plain text."""
        return HTML_CONTENT_TYPE if self.is_html else None

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing to send; Koha does not queue such a message."""
        return not self.content.strip()


@dataclass(frozen=True, kw_only=True, slots=True)
class QueuedNotice:
    """A message that was added to ``message_queue``."""

    transport: str
    message_id: int


@dataclass(frozen=True, kw_only=True, slots=True)
class NotQueued:
    """A message that was not queued, and why."""

    transport: str
    reason: NotQueuedReason
    detail: LazyMessage  # for staff; the template's error where it failed
    edit_url: str | None = None  # Koha's page of the letter, where it is the letter's fault


@dataclass(frozen=True, kw_only=True, slots=True)
class NoticeOutcome:
    """The outcome of sending one notice, by transport."""

    code: str
    queued: tuple[QueuedNotice, ...] = ()
    not_queued: tuple[NotQueued, ...] = ()

    @property
    def message_ids(self) -> dict[str, int]:
        """The IDs of the queued messages by transport."""
        return {notice.transport: notice.message_id for notice in self.queued}

    @property
    def transports(self) -> tuple[str, ...]:
        """The transports by which it was queued."""
        return tuple(notice.transport for notice in self.queued)


@dataclass(frozen=True, kw_only=True, slots=True)
class NoticePreview:
    """
    What sending a notice to the patron would do now, by transport.

    Attributes:
        chosen: The transports that the patron chose, by which it would be sent.
        refusal: Why it would not be sent at all.
        by_transport: The text, or what is wrong with the letter; also for transports that were not chosen.
    """

    code: str
    chosen: tuple[str, ...]
    refusal: NotQueuedReason | None
    by_transport: Mapping[str, RenderedNotice | NotQueued]


def staff_notice_enabled(preference: str, code: str) -> bool:
    """
    Return whether ``ILLSendStaffNotices`` names a notice as a whole word.

    Source: Koha, Koha/ILL/Request.pm send_staff_notice.
    """
    return re.search(rf"\b{re.escape(code)}\b", preference) is not None


def fit_sms(content: str, maximum: int | None) -> str:
    """Truncate a text to ``SMSSendMaxChar`` characters, the last three of them dots; None or 0 means no limit."""
    if not maximum or maximum < 0 or len(content) <= maximum:
        return content
    return content[: maximum - 3] + "..." if maximum > len("...") else content[:maximum]


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """A row of ``letter``."""

    code: str
    branchcode: str  # "": for all libraries
    name: str
    transport: str
    lang: str
    title: str
    content: str
    is_html: bool
    letter_id: int | None


def letter_edit_url(staff_base_url: str, code: str, branchcode: str) -> str | None:
    """
    Return the URL of Koha's page on which a letter is edited, with all its transports and languages.

    Args:
        staff_base_url: The preference staffClientBaseURL; where it is empty, there is no URL.

    Source: Koha, tools/letter.pl.
    """
    if not staff_base_url:
        return None
    query = urlencode({"op": "add_form", "module": MODULE, "code": code, "branchcode": branchcode})
    return f"{staff_base_url.rstrip('/')}/cgi-bin/koha/tools/letter.pl?{query}"


def choose_letter(letters: Iterable[Letter], *, branchcode: str, lang: str) -> Letter | None:
    """
    Return the best match among the letters of one code and transport; None if none fits.

    Language counts more than library: (lang, library), (lang, all), (default, library), (default, all).

    Args:
        lang: ``default`` where notices are not translated.

    Source: Koha, Koha/Notice/Templates.pm find_effective_template.
    """
    order = [(lang, branchcode), (lang, ""), (DEFAULT_LANG, branchcode), (DEFAULT_LANG, "")]
    found = {(letter.lang.casefold(), letter.branchcode.casefold()): letter for letter in letters}
    return next(
        (found[key] for wanted in order if (key := (wanted[0].casefold(), wanted[1].casefold())) in found),
        None,
    )
