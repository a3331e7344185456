"""
Why a message did not go out, as it is kept: an English text.

It begins with sentences of ours, or is one, and may go on with what a mail server said. The pages say ours in their
language, and give the rest as it is.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from koha_ill_sidecar.messages import N_, LazyMessage

GIVEN_UP = N_("Given up by hand.")
TRIED_FOR_LONG_ENOUGH = N_("Given up after %(attempts)s attempts.")
REMOVED = N_("Removed from the queue meanwhile.")
SET_IN_KOHA = N_("Set to %(status)s in Koha meanwhile.")

NOBODY = N_("There is neither an address nor a patron. Give it an address with set-address.")
NO_EMAIL = N_("The patron has no email address. Enter one in Koha and resend it.")
NO_MOBILE_NUMBER = N_("The patron has no mobile number. Enter one in Koha and resend it.")
NO_SMS_PROVIDER = N_("The patron has no SMS provider. Choose one in the patron's messaging preferences.")
NO_SENDER = N_(
    "Nobody to send it from: give the library an email address or set the preference KohaAdminEmailAddress."
)
NO_MAIL = N_("The sidecar could not make a mail of it; see its log.")

SOME_REFUSED = N_("Refused:")
NO_CONNECTION = N_("No connection to the mail server %(server)s:")
NO_OTHER_SCRIPTS = N_(
    "The mail server %(server)s cannot send to or from addresses in other scripts (SMTPUTF8)."
)
CLOSED = N_("The mail server %(server)s closed the session:")
IN_DOUBT = N_("The mail server %(server)s did not say whether it took the mail:")
NO_ANSWER = N_("The mail server %(server)s did not answer in %(seconds)s s.")
BROKEN_OFF = N_("The mail server %(server)s broke off:")
SENDER_REFUSED = N_("The mail server %(server)s refused the sender:")
MAIL_REFUSED = N_("The mail server %(server)s refused the mail:")
ALL_REFUSED = N_("The mail server refused:")

_OURS = (
    *(GIVEN_UP, TRIED_FOR_LONG_ENOUGH, REMOVED, SET_IN_KOHA),
    *(NOBODY, NO_EMAIL, NO_MOBILE_NUMBER, NO_SMS_PROVIDER, NO_SENDER, NO_MAIL),
    *(SOME_REFUSED, NO_CONNECTION, NO_OTHER_SCRIPTS, CLOSED, IN_DOUBT, NO_ANSWER, BROKEN_OFF),
    *(SENDER_REFUSED, MAIL_REFUSED, ALL_REFUSED),
)


@dataclass(frozen=True, slots=True)
class DeliveryReason:
    """A reason taken apart: what we said, and what others said after it."""

    ours: Sequence[LazyMessage]
    theirs: str


def take_apart(stored: str) -> DeliveryReason:
    """Find the sentences of ours at the beginning of a reason."""
    ours: list[LazyMessage] = []
    rest = stored
    while found := _beginning(rest):
        sentence, rest = found
        ours.append(sentence)
    return DeliveryReason(tuple(ours), rest)


def _beginning(text: str) -> tuple[LazyMessage, str] | None:
    for ours, pattern in _PATTERNS:
        if match := pattern.match(text):
            return LazyMessage(ours, match.groupdict()), text[match.end() :]
    return None


def _pattern(text: str) -> re.Pattern[str]:
    """Make what a text of ours looks like with its values, none of which has a space, and a space behind it."""
    pieces = re.split(r"%\((\w+)\)s", text)
    texts, names = pieces[::2], pieces[1::2]
    filled = "".join(
        re.escape(piece) + (rf"(?P<{name}>\S+)" if name else "")
        for piece, name in zip(texts, [*names, ""], strict=True)
    )
    return re.compile(rf"{filled}(?:\s+|\Z)")


_PATTERNS = tuple((text, _pattern(text)) for text in _OURS)
