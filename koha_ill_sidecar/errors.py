"""
The errors of koha-ill-sidecar.

Every error that a user can meet derives from :class:`SidecarError`; its text says in one line what was wrong and
how to mend it.

    SidecarError
    ├── CallbackError
    │   ├── BackendNotConfigured
    │   ├── InvalidReport
    │   ├── NotStrictJSON
    │   ├── ReceiptNotFound
    │   └── ReceiptNotReplayable
    ├── ConfigurationError
    ├── DatabaseError
    │   ├── DatabaseBusy
    │   ├── DatabaseUnavailable
    │   ├── KohaSchemaUnfit
    │   └── SidecarSchemaBehind
    ├── DeliveryError
    │   ├── BrokerUnavailable
    │   ├── InvalidAddress
    │   ├── MessageNotChangeable
    │   ├── MessageNotFound
    │   ├── PermanentDeliveryFailure
    │   └── TemporaryDeliveryFailure
    ├── NoticeError
    │   ├── LetterMissing
    │   ├── NoticeIsBlank
    │   └── TemplateFailed
    └── RequestError
        ├── ActionNotAllowed
        ├── RequestChangedMeanwhile
        ├── RequestNotFound
        └── RequestRefused
"""

from collections.abc import Sequence

from koha_ill_sidecar.messages import LazyMessage, in_english, lazy


class SidecarError(Exception):
    """Something that the caller can mend or wait for; shown without a traceback."""


class CallbackError(SidecarError):
    """A vendor's callback, or the receipt of one, cannot be used."""


class InvalidReport(CallbackError):
    """
    A callback's body is JSON, but not a status report.

    Attributes:
        errors: Every mistake found, as pairs of a JSON pointer (RFC 6901) and what is wrong there.
    """

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{pointer or '(the body)'}: {detail}" for pointer, detail in self.errors))


class NotStrictJSON(CallbackError):
    """A body cannot be read as JSON without guessing."""


class ReceiptNotFound(CallbackError):
    """There is no such receipt of a callback."""

    def __init__(self, receipt_id: int) -> None:
        self.receipt_id = receipt_id
        super().__init__(f"There is no callback {receipt_id}. `callbacks list` shows those that are kept.")


class BackendNotConfigured(CallbackError):
    """The configuration has no callbacks for a backend."""


class ReceiptNotReplayable(CallbackError):
    """The callback was applied already; a replay would do nothing, or do it twice."""


class ConfigurationError(SidecarError):
    """
    The configuration is not usable.

    Attributes:
        problems: Every mistake found, each as ``path.of.key: what is wrong and how to mend it``.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class DatabaseError(SidecarError):
    """Koha's database cannot do what was asked."""


class DatabaseBusy(DatabaseError):
    """Others hold what this needs, and kept holding it through every attempt; nothing was changed."""


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached or refused us; nothing is known to be changed."""


class KohaSchemaUnfit(DatabaseError):
    """The database is not a Koha that the sidecar can work with."""


class SidecarSchemaBehind(DatabaseError):
    """The sidecar's own tables are missing, older or newer than this program."""


class DeliveryError(SidecarError):
    """A message cannot be delivered, or not be dealt with as asked."""


class BrokerUnavailable(DeliveryError):
    """Koha's message broker is away, or did not confirm what it was sent."""


class InvalidAddress(DeliveryError):
    """
    An address that no mail can be sent to or from.

    Attributes:
        role: What it is for: to, from, cc, bcc, reply_to or sender.
        reason: What is wrong with it.
    """

    def __init__(self, role: str, reason: str) -> None:
        self.role = role
        self.reason = reason
        super().__init__(
            f"The address for '{role}' cannot be used: {reason.rstrip('.')}. Correct it and try again."
        )


class MessageNotChangeable(DeliveryError):
    """
    A message is in a state in which this cannot be done with it.

    Attributes:
        reason: In one word: in_flight, deleted, given_up, sent, not_email or changed.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class MessageNotFound(DeliveryError):
    """There is no such message in Koha's queue."""

    def __init__(self, message_id: int) -> None:
        self.message_id = message_id
        super().__init__(
            f"There is no message {message_id} in the queue. It may have been cleaned up by Koha."
        )


class PermanentDeliveryFailure(DeliveryError):
    """
    The mail server refused, and would refuse again.

    Attributes:
        reason: What happened: our message, and what the server said.
        role: What the refused address is for, where it was an address: to or from.
    """

    def __init__(self, *reason: LazyMessage | str, role: str | None = None) -> None:
        self.reason = reason
        self.role = role
        super().__init__(in_english(reason))


class TemporaryDeliveryFailure(DeliveryError):
    """
    The mail server could not be reached or asked us to come again later.

    Attributes:
        reason: What happened: our message, and what the server said.
        in_doubt: The message was sent whole, but no answer came: it may have been delivered.
    """

    def __init__(self, *reason: LazyMessage | str, in_doubt: bool = False) -> None:
        self.reason = reason
        self.in_doubt = in_doubt
        super().__init__(in_english(reason))


class NoticeError(SidecarError):
    """
    A notice cannot be made.

    Attributes:
        sentence: Why, for the pages.
    """

    def __init__(self, why: LazyMessage) -> None:
        self.message = why
        super().__init__(str(why))


class LetterMissing(NoticeError):
    """Koha has no notice template for this code and transport."""

    def __init__(self, code: str, transport: str) -> None:
        self.code = code
        self.transport = transport
        super().__init__(
            lazy(
                "There is no notice template %(code)s for %(transport)s. Add it in Koha under Tools, Notices and "
                "slips, or run `koha-ill-sidecar notices install`.",
                code=code,
                transport=LazyMessage(transport, {}),
            )
        )


class NoticeIsBlank(NoticeError):
    """A notice has no text."""

    def __init__(self, code: str, transport: str) -> None:
        super().__init__(
            lazy(
                "The text of %(code)s (%(transport)s) is empty: there is nothing to send. Look at its notice template.",
                code=code,
                transport=LazyMessage(transport, {}),
            )
        )


class TemplateFailed(NoticeError):
    """
    A notice template cannot be processed; nothing of it was used.

    Attributes:
        edit_url: Koha's page on which it can be fixed, where that is known.
    """

    def __init__(self, why: LazyMessage, *, edit_url: str | None = None) -> None:
        self.edit_url = edit_url
        super().__init__(why)


class RequestError(SidecarError):
    """What was asked cannot be done with this request."""


class ActionNotAllowed(RequestError):
    """
    The status graph does not lead from the current status to this action.

    Attributes:
        allowed: The methods that it does lead to now.
    """

    def __init__(self, message: str, *, allowed: Sequence[str]) -> None:
        self.allowed = tuple(allowed)
        super().__init__(message)


class RequestChangedMeanwhile(RequestError):
    """Somebody else changed the request between our reading and our writing; nothing was written."""

    def __init__(self, illrequest_id: int, *, expected: str | None, found: str | None) -> None:
        self.illrequest_id = illrequest_id
        self.expected = expected
        self.found = found
        super().__init__(
            f"Request {illrequest_id} was changed by somebody else meanwhile: its status is {found or 'unknown'}, "
            f"not {expected or 'unknown'}. Look at it again before you go on."
        )


class RequestNotFound(RequestError):
    """There is no such request."""

    def __init__(self, reference: int | str) -> None:
        self.reference = reference
        super().__init__(f"There is no request {reference}. It may have been deleted.")


class RequestRefused(RequestError):
    """
    What was given for a request does not do; nothing was changed.

    Attributes:
        code: The mistake in one word, Koha's own where it has one (``invalid_branch``).
        sentence: What was wrong and how to mend it, for the pages.
    """

    def __init__(self, code: str, text: str, /, **values: object) -> None:
        self.code = code
        self.message = LazyMessage(text, values)
        super().__init__(str(self.message))
