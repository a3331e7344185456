"""
The errors of koha-ill-sidecar.

Every error that users see is a :class:`SidecarError`. Its text says in one line what is wrong and how to fix it.

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
    │   ├── KohaSchemaUnsupported
    │   └── SidecarSchemaMismatch
    ├── DeliveryError
    │   ├── BrokerUnavailable
    │   ├── InvalidAddress
    │   ├── MessageNotChangeable
    │   ├── MessageNotFound
    │   ├── PermanentDeliveryFailure
    │   └── TemporaryDeliveryFailure
    ├── NoticeError
    │   ├── LetterMissing
    │   ├── NoticeEmpty
    │   └── TemplateFailed
    └── RequestError
        ├── ActionNotAllowed
        ├── RequestNotFound
        ├── RequestRefused
        └── StatusConflict
"""

from collections.abc import Sequence

from koha_ill_sidecar.messages import LazyMessage, in_english, lazy


class SidecarError(Exception):
    """A problem that the user can fix or wait out; shown without a traceback."""


class CallbackError(SidecarError):
    """A callback, or the receipt of one, cannot be used."""


class InvalidReport(CallbackError):
    """
    The body of a callback is JSON, but not a valid status report.

    Attributes:
        errors: All mistakes, as pairs of a JSON pointer (RFC 6901) and what is wrong there.
        event_id: The event's ID, if that can be read although the rest cannot.
    """

    def __init__(self, errors: Sequence[tuple[str, str]], *, event_id: str | None = None) -> None:
        self.errors = tuple(errors)
        self.event_id = event_id
        super().__init__("; ".join(f"{pointer or '(the body)'}: {detail}" for pointer, detail in self.errors))


class NotStrictJSON(CallbackError):
    """A body is not valid JSON, or is ambiguous JSON."""


class ReceiptNotFound(CallbackError):
    """There is no such receipt of a callback."""

    def __init__(self, receipt_id: int) -> None:
        self.receipt_id = receipt_id
        super().__init__(f"There is no callback {receipt_id}. `callbacks list` shows those that are stored.")


class BackendNotConfigured(CallbackError):
    """The configuration has no callbacks for a backend."""


class ReceiptNotReplayable(CallbackError):
    """The callback has already been applied; a replay would do nothing, or the same again."""


class ConfigurationError(SidecarError):
    """
    The configuration is invalid.

    Attributes:
        problems: All mistakes, each as ``path.of.key: what is wrong and how to fix it``.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class DatabaseError(SidecarError):
    """Koha's database cannot be used."""


class DatabaseBusy(DatabaseError):
    """Other transactions held a needed lock during every attempt; nothing was changed."""


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached or refused the connection; it is unknown whether anything was changed."""


class DatabaseReadOnly(DatabaseError):
    """The database server accepts no changes (``read_only``), as a replica does."""


class KohaSchemaUnsupported(DatabaseError):
    """The database is not one of a Koha that the sidecar supports."""


class SidecarSchemaMismatch(DatabaseError):
    """The sidecar's own tables are missing, or do not have this program's version."""


class DeliveryError(SidecarError):
    """A message cannot be delivered or changed as requested."""


class BrokerUnavailable(DeliveryError):
    """Koha's message broker cannot be reached, or did not confirm a message."""


class InvalidAddress(DeliveryError):
    """
    An email address is invalid.

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
    The action is not possible in the message's current state.

    Attributes:
        reason: One of in_flight, deleted, given_up, sent, not_email and changed.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class MessageNotFound(DeliveryError):
    """There is no such message in Koha's queue."""

    def __init__(self, message_id: int) -> None:
        self.message_id = message_id
        super().__init__(f"There is no message {message_id} in the queue. Koha may have removed it.")


class PermanentDeliveryFailure(DeliveryError):
    """
    The mail server refused a mail, and would refuse it again.

    Attributes:
        reason: What happened: our message and the server's answer.
        role: What the refused address is for, if it was an address: to or from.
    """

    def __init__(self, *reason: LazyMessage | str, role: str | None = None) -> None:
        self.reason = reason
        self.role = role
        super().__init__(in_english(reason))


class TemporaryDeliveryFailure(DeliveryError):
    """
    The mail server could not be reached, or asked us to try again later.

    Attributes:
        reason: What happened: our message and the server's answer.
        in_doubt: The whole mail was sent, but no answer came: it may have been delivered.
    """

    def __init__(self, *reason: LazyMessage | str, in_doubt: bool = False) -> None:
        self.reason = reason
        self.in_doubt = in_doubt
        super().__init__(in_english(reason))


class NoticeError(SidecarError):
    """
    A notice cannot be created.

    Attributes:
        message: The reason, which pages translate.
    """

    def __init__(self, why: LazyMessage) -> None:
        self.message = why
        super().__init__(str(why))


class LetterMissing(NoticeError):
    """Koha has no notice template for a code and transport."""

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


class NoticeEmpty(NoticeError):
    """The text of a notice is empty."""

    def __init__(self, code: str, transport: str) -> None:
        super().__init__(
            lazy(
                "The text of %(code)s (%(transport)s) is empty: there is nothing to send. Check its"
                " notice template.",
                code=code,
                transport=LazyMessage(transport, {}),
            )
        )


class TemplateFailed(NoticeError):
    """
    A notice template cannot be rendered; no part of it was used.

    Attributes:
        edit_url: Koha's page for editing the template, where known.
    """

    def __init__(self, why: LazyMessage, *, edit_url: str | None = None) -> None:
        self.edit_url = edit_url
        super().__init__(why)


class RequestError(SidecarError):
    """An action on a request is not possible."""


class ActionNotAllowed(RequestError):
    """
    The status graph does not allow this action in the current status.

    Attributes:
        allowed: The methods that it allows now.
    """

    def __init__(self, message: str, *, allowed: Sequence[str]) -> None:
        self.allowed = tuple(allowed)
        super().__init__(message)


class RequestNotFound(RequestError):
    """There is no such request."""

    def __init__(self, reference: int | str) -> None:
        self.reference = reference
        super().__init__(f"There is no request {reference}. It may have been deleted.")


class RequestRefused(RequestError):
    """
    The input for a request is invalid; nothing was changed.

    Attributes:
        code: The kind of mistake, with Koha's own name if it has one (``invalid_branch``).
        message: What is wrong and how to fix it, which pages translate.
    """

    def __init__(self, code: str, text: str, /, **values: object) -> None:
        self.code = code
        self.message = LazyMessage(text, values)
        super().__init__(str(self.message))


class StatusConflict(RequestError):
    """Someone else changed the request between our read and our write; nothing was written."""

    def __init__(self, illrequest_id: int, *, expected: str | None, found: str | None) -> None:
        self.illrequest_id = illrequest_id
        self.expected = expected
        self.found = found
        super().__init__(
            f"Request {illrequest_id} was changed by someone else in the meantime: its status is {found or 'unknown'}, "
            f"not {expected or 'unknown'}. Check it before you continue."
        )
