"""Messages and their delivery: what is stuck, why, and what to do about it."""

from collections.abc import Callable, Mapping, Sequence

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from koha_ill_sidecar.errors import InvalidAddress, MessageNotChangeable, MessageNotFound
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services import queue
from koha_ill_sidecar.services.messages import message_id_domain
from koha_ill_sidecar.services.queue import QueueFilter
from koha_ill_sidecar.storage.sidecar.queue_entries import Progress, QueueEntry
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.web.i18n import gettext as _
from koha_ill_sidecar.web.i18n import ngettext
from koha_ill_sidecar.web.pages import page
from koha_ill_sidecar.web.staff import errors, messages
from koha_ill_sidecar.web.staff.access import safe_target
from koha_ill_sidecar.web.staff.labels import MESSAGE_STATES
from koha_ill_sidecar.web.staff.operations.forms import PAGE_SIZE, number, numbers, where_next
from koha_ill_sidecar.words import N_

_REFUSALS = {
    "in_flight": N_("being sent right now"),
    "deleted": N_("deleted in Koha"),
    "sent": N_("sent already"),
    "gone": N_("no longer in the queue"),
}

Change = Callable[[Transaction, int], QueueEntry]


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""
    views = _Views(runtime)
    add = blueprint.add_url_rule
    add("/operations/messages", "messages", views.show_list)
    add("/operations/messages/<int:message_id>", "message", views.show)
    add("/operations/messages/confirm", "messages_confirm", views.confirm)
    add("/operations/messages/retry", "messages_retry", views.retry, methods=["POST"])
    add("/operations/messages/give-up", "messages_give_up", views.give_up, methods=["POST"])
    add(
        "/operations/messages/<int:message_id>/address",
        "message_address",
        views.set_address,
        methods=["POST"],
    )
    blueprint.register_error_handler(MessageNotFound, _not_found)


class _Views:
    def __init__(self, runtime: Runtime) -> None:
        self._transact = runtime.database.transact
        self._delivery = runtime.settings.delivery
        self._domain = message_id_domain(runtime.settings)

    def show_list(self) -> Response:
        wanted = _wanted()
        found = self._transact(queue.list_messages, wanted, self._delivery, limit=PAGE_SIZE + 1)
        return page(
            "staff/operations/messages.html",
            found=found[:PAGE_SIZE],
            has_more=len(found) > PAGE_SIZE,
            wanted=wanted,
            chosen_state=_chosen_state(),
            states=MESSAGE_STATES,
            all_chosen="all_chosen" in request.args,
            recent_rows=queue.RECENT_ROWS,
        )

    def show(self, message_id: int) -> Response:
        return self._message_page(message_id)

    def confirm(self) -> Response:
        """Ask once more before several messages are changed."""
        action = request.args.get("action", "")
        chosen = self._transact(
            queue.chosen_messages, numbers(request.args.getlist("message")), self._delivery
        )
        back = safe_target(request.args.get("next")) or url_for("staff.messages")
        if not chosen or action not in ("retry", "give_up"):
            messages.tell("warning", _("No message was chosen."))
            return redirect(url_for("staff.messages"), 303)
        return page(
            "staff/operations/confirm_messages.html",
            action=action,
            chosen=chosen,
            were_sent=any(one.entry.progress is Progress.SENT for one in chosen),
            states=MESSAGE_STATES,
            next_page=back,
        )

    def retry(self) -> Response:
        again = "again" in request.form

        def change(tx: Transaction, message_id: int) -> QueueEntry:
            return queue.retry(tx, message_id, message_id_domain=self._domain, again=again)

        done = self._each(change)
        if done:
            messages.tell(
                "done",
                ngettext("%(num)d message is tried at once.", "%(num)d messages are tried at once.", done),
            )
        return redirect(where_next("staff.messages"), 303)

    def give_up(self) -> Response:
        done = self._each(queue.give_up)
        if done:
            messages.tell(
                "done",
                ngettext(
                    "%(num)d message is given up: it stands as failed in Koha.",
                    "%(num)d messages are given up: they stand as failed in Koha.",
                    done,
                ),
            )
        return redirect(where_next("staff.messages"), 303)

    def set_address(self, message_id: int) -> Response:
        typed = request.form.get("address", "").strip()

        def change(tx: Transaction) -> None:
            queue.set_address(tx, message_id, typed, shown=request.form.get("shown", ""))
            if "retry" in request.form:
                queue.retry(tx, message_id, message_id_domain=self._domain)

        try:
            self._transact(change)
        except InvalidAddress:
            problem = _("This cannot be an email address. Nothing was changed.")
            return self._message_page(message_id, 422, typed=typed, problem=problem)
        except MessageNotChangeable as error:
            return self._message_page(message_id, 409, typed=typed, problem=_address_refusal(error))
        messages.tell("done", _("The message has its new address."))
        if "retry" in request.form:
            messages.tell("done", _("It is tried at once."))
        return redirect(url_for("staff.message", message_id=message_id), 303)

    def _message_page(
        self, message_id: int, status: int = 200, *, typed: str | None = None, problem: str = ""
    ) -> Response:
        found = self._transact(queue.details, message_id, self._delivery)
        entry = found.entry
        return page(
            "staff/operations/message.html",
            status,
            found=found,
            entry=entry,
            states=MESSAGE_STATES,
            typed=(entry.to_address or "") if typed is None else typed,
            problem=problem,
            is_busy=entry.progress is Progress.IN_FLIGHT,
            is_sent=entry.progress is Progress.SENT,
            is_deleted=entry.progress is Progress.DELETED,
        )

    def _each(self, change: Change) -> int:
        """Change the chosen messages, each by itself, and tell which were refused; gives how many were changed."""
        refused: dict[str, list[int]] = {}
        chosen = numbers(request.form.getlist("message"))
        for message_id in chosen:
            reason = self._change(change, message_id)
            if reason:
                refused.setdefault(reason, []).append(message_id)
        _tell_refusals(refused)
        if not chosen:
            messages.tell("warning", _("No message was chosen."))
        return len(chosen) - sum(map(len, refused.values()))

    def _change(self, change: Change, message_id: int) -> str | None:
        try:
            self._transact(change, message_id)
        except MessageNotFound:
            return "gone"
        except MessageNotChangeable as error:
            return error.reason
        return None


def _wanted() -> QueueFilter:
    letter = request.args.get("letter", "").strip()
    return QueueFilter(
        progress=_progress(),
        borrowernumber=number(request.args.get("patron")),
        letter_codes=[letter] if letter else (),
        newest=None if "everything" in request.args else queue.RECENT_ROWS,
        before=number(request.args.get("before")),
    )


def _progress() -> Sequence[Progress]:
    chosen = _chosen_state()
    by_choice: Mapping[str, Sequence[Progress]] = {
        "": queue.UNFINISHED,
        "all": tuple(Progress),
        **{each.value: (each,) for each in Progress},
    }
    return by_choice[chosen]


def _chosen_state() -> str:
    chosen = request.args.get("state", "")
    return chosen if chosen in {"all", *Progress} else ""


def _tell_refusals(refused: Mapping[str, Sequence[int]]) -> None:
    for reason, message_ids in refused.items():
        messages.tell(
            "warning",
            _(
                "Not changed, because %(reason)s: %(numbers)s.",
                reason=_(_REFUSALS[reason]),
                numbers=", ".join(map(str, message_ids)),
            ),
        )


def _address_refusal(error: MessageNotChangeable) -> str:
    texts = {
        "in_flight": N_("The message is being sent right now. Look at it again in a minute."),
        "not_email": N_("The message goes to the patron's mobile number. Correct it in Koha and try again."),
        "changed": N_("Somebody else has given it another address meanwhile. Nothing was changed."),
        "sent": N_("The message was sent meanwhile. Nothing was changed."),
        "deleted": N_("The message was deleted in Koha. Nothing was changed."),
    }
    return _(texts[error.reason])


def _not_found(error: Exception) -> Response:
    del error
    return errors.not_found_page()
