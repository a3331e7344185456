"""What to correct, and where, so that a message whose address was refused can be sent."""

from collections.abc import Mapping

from koha_ill_sidecar.messages import LazyMessage, lazy

ADVICE: Mapping[str, LazyMessage] = {
    "to": lazy(
        "The address of the recipient is not valid. Correct the patron's email address in Koha (Patrons), then resend"
        " the message."
    ),
    "from": lazy(
        "The address of the sender is not valid. Correct the library's email address in Koha (Administration >"
        " Libraries) or the preference KohaAdminEmailAddress, then resend the message."
    ),
    "reply_to": lazy(
        "The reply-to address is not valid. Correct the library's reply-to address in Koha (Administration > Libraries)"
        " or the preference ReplytoDefault, then resend the message."
    ),
    "cc": lazy(
        "The address for copies is not valid. Correct the email address of the patron's guarantor in Koha (Patrons),"
        " then resend the message."
    ),
    "bcc": lazy(
        "The address for blind copies is not valid. Correct the preference NoticeBcc in Koha, then resend the message."
    ),
    "sender": lazy(
        "The address for returned mail is not valid. Correct the library's return path in Koha (Administration >"
        " Libraries) or the preference ReturnpathDefault, then resend the message."
    ),
}
"""By the role of the address, as in the failure code ``INVALID_EMAIL:ROLE``."""
