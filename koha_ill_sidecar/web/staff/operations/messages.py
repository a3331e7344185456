"""Messages and their delivery: what is stuck, why, and what to do about it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from koha_ill_sidecar.errors import InvalidAddress, MessageNotChangeable, MessageNotFound
from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.delivery import messages as queue
from koha_ill_sidecar.services.delivery.dispatcher import message_id_domain
from koha_ill_sidecar.services.delivery.messages import ListedMessage, QueueFilter
from koha_ill_sidecar.storage.koha import patrons
from koha_ill_sidecar.storage.message_queue.listing import DeliveryProgress, QueueEntry
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.web.staff.operations.forms import PAGE_SIZE, number, numbers, where_next
from koha_ill_sidecar.web.ui import errors, flash
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.i18n import ngettext
from koha_ill_sidecar.web.ui.labels import MESSAGE_STATES
from koha_ill_sidecar.web.ui.pages import page
from koha_ill_sidecar.web.ui.urls import safe_target

_LATELY = "failed_lately"  # a choice beside the states: the list that the dashboard's number counts

_REFUSALS = {
    "in_flight": N_("being sent right now"),
    "deleted": N_("deleted in Koha"),
    "sent": N_("sent already"),
    "given_up": N_("given up already"),
    "not_email": N_("not an email"),
    "changed": N_("given another address meanwhile"),
    "gone": N_("no longer in the queue"),
}

_Act = Callable[[Transaction, int], QueueEntry]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Chosen:
    """A message that somebody chose, and why it is left out: for good, or unless it is ticked."""

    listed: ListedMessage
    reason: str | None
    is_sent: bool

    @property
    def is_changed(self) -> bool:
        return self.reason is None and not self.is_sent


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""
    views = _Views(runtime)
    add = blueprint.add_url_rule
    add("/operations/messages", "messages", views.show_list)
    add("/operations/messages/<int:message_id>", "message", views.show)
    add("/operations/messages/confirm", "messages_confirm", views.confirm)
    add("/operations/messages/retry", "messages_retry", views.retry, methods=["POST"])
    add("/operations/messages/give-up", "messages_give_up", views.give_up, methods=["POST"])
    add("/operations/messages/address", "messages_address", views.set_addresses, methods=["POST"])
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
        wanted, typed_patron = _wanted(), request.args.get("patron", "").strip()
        found = self._transact(queue.list_messages, wanted, self._delivery, limit=PAGE_SIZE + 1)
        return page(
            "staff/operations/messages.html",
            found=found[:PAGE_SIZE],
            has_more=len(found) > PAGE_SIZE,
            wanted=wanted,
            typed_patron=typed_patron,
            is_passed_over=bool(typed_patron) and wanted.borrowernumber is None,
            is_nobody=not found and self._is_nobody(wanted.borrowernumber),
            lately=_LATELY,
            failed_days=queue.FAILED_DAYS,
            chosen_state=_chosen_state(),
            states=MESSAGE_STATES,
            all_chosen="all_chosen" in request.args,
            recent_rows=queue.RECENT_ROWS,
        )

    def show(self, message_id: int) -> Response:
        return self._message_page(message_id)

    def confirm(self) -> Response:
        """Ask once more before messages are changed."""
        action = request.args.get("action", "")
        chosen = self._chosen(request.args.getlist("message"))
        back = safe_target(request.args.get("next")) or url_for("staff.messages")
        if not chosen or action not in set(queue.Change):
            flash.flash("warning", _("No message was chosen."))
            return redirect(url_for("staff.messages"), 303)
        return self._confirmation(queue.Change(action), chosen, back)

    def retry(self) -> Response:
        """Try messages again; what was sent already only where it is ticked itself."""
        meant = numbers(request.form.getlist("again"))

        def act(tx: Transaction, message_id: int) -> QueueEntry:
            return queue.retry(tx, message_id, message_id_domain=self._domain, again=message_id in meant)

        self._each(
            numbers([*request.form.getlist("message"), *map(str, meant)]),
            act,
            lambda done: ngettext(
                "%(num)d message is tried at once.", "%(num)d messages are tried at once.", done
            ),
        )
        return redirect(where_next("staff.messages"), 303)

    def give_up(self) -> Response:
        self._each(
            numbers(request.form.getlist("message")),
            queue.give_up,
            lambda done: ngettext(
                "%(num)d message is given up: it stands as failed in Koha.",
                "%(num)d messages are given up: they stand as failed in Koha.",
                done,
            ),
        )
        return redirect(where_next("staff.messages"), 303)

    def set_addresses(self) -> Response:
        """Return several messages to one address another; each must still have the one that was shown."""
        chosen = numbers(request.form.getlist("message"))
        typed = request.form.get("address", "").strip()
        is_retried = "retry" in request.form

        def act(tx: Transaction, message_id: int) -> QueueEntry:
            shown = request.form.get(f"shown-{message_id}", "")
            entry = queue.set_address(tx, message_id, typed, shown=shown, even_sent=False)
            if is_retried:
                queue.retry(tx, message_id, message_id_domain=self._domain)
            return entry

        found, back = self._chosen(request.form.getlist("message")), where_next("staff.messages")
        if len(_recipients(found)) > 1:
            return self._confirmation(queue.Change.SET_ADDRESS, found, back)
        try:
            self._each(chosen, act, _told_of_retried if is_retried else _told_of_corrected)
        except InvalidAddress:  # told before the first is changed
            problem = _("This cannot be an email address. Nothing was changed.")
            return self._confirmation(queue.Change.SET_ADDRESS, found, back, typed=typed, problem=problem)
        return redirect(back, 303)

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
        flash.flash("done", _("The message has its new address."))
        if "retry" in request.form:
            flash.flash("done", _("It is tried at once."))
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
            is_busy=entry.progress is DeliveryProgress.IN_FLIGHT,
            is_sent=entry.progress is DeliveryProgress.SENT,
            is_deleted=entry.progress is DeliveryProgress.DELETED,
            may_be_given_up=queue.refusal(entry, queue.Change.GIVE_UP) is None,
        )

    def _is_nobody(self, borrowernumber: int | None) -> bool:
        if borrowernumber is None:
            return False
        return self._transact(patrons.find, borrowernumber) is None

    def _chosen(self, message_ids: Sequence[str]) -> Sequence[ListedMessage]:
        return self._transact(queue.chosen_messages, numbers(message_ids), self._delivery)

    def _confirmation(
        self,
        change: queue.Change,
        found: Sequence[ListedMessage],
        back: str,
        *,
        typed: str | None = None,
        problem: str = "",
    ) -> Response:
        chosen = [_judged(one, change) for one in found]
        changed = [one.listed.entry for one in chosen if one.is_changed]
        is_mixed = change is queue.Change.SET_ADDRESS and len(_recipients(found)) > 1
        return page(
            "staff/operations/confirm_messages.html",
            422 if problem or (is_mixed and request.method == "POST") else 200,
            change=change.value,
            chosen=chosen,
            changed=len(changed),
            is_mixed=is_mixed,
            addresses=sorted({entry.to_address for entry in changed if entry.to_address}),
            sent=sum(one.is_sent for one in chosen),
            left_out=sum(one.reason is not None for one in chosen),
            typed=next((entry.to_address or "" for entry in changed), "") if typed is None else typed,
            problem=problem,
            states=MESSAGE_STATES,
            reasons=_REFUSALS,
            next_page=back,
        )

    def _each(self, chosen: Sequence[int], act: _Act, tell_done: Callable[[int], str]) -> None:
        """Change messages, each by itself; tell how many were changed, and which were refused."""
        refused: dict[str, list[int]] = {}
        for message_id in chosen:
            reason = self._change(act, message_id)
            if reason:
                refused.setdefault(reason, []).append(message_id)
        done = len(chosen) - sum(map(len, refused.values()))
        if done:
            flash.flash("done", tell_done(done))
        _tell_refusals(refused)
        if not chosen:
            flash.flash("warning", _("No message was chosen."))

    def _change(self, act: _Act, message_id: int) -> str | None:
        try:
            self._transact(act, message_id)
        except MessageNotFound:
            return "gone"
        except MessageNotChangeable as error:
            return error.reason
        return None


def _judged(one: ListedMessage, change: queue.Change) -> _Chosen:
    """Judge what may be done with a message; what was sent is no mistake to be corrected."""
    reason = queue.refusal(one.entry, change)
    is_sent = one.entry.progress is DeliveryProgress.SENT and reason is None
    if is_sent and change is queue.Change.SET_ADDRESS:
        return _Chosen(listed=one, reason="sent", is_sent=False)
    return _Chosen(listed=one, reason=reason, is_sent=is_sent)


def _recipients(found: Sequence[ListedMessage]) -> set[str | int | None]:
    """Return those whose address would be corrected: nobody is to get what is meant for another."""
    return {
        one.entry.to_address or one.entry.borrowernumber
        for one in found
        if _judged(one, queue.Change.SET_ADDRESS).is_changed
    }


def _told_of_corrected(done: int) -> str:
    return ngettext("%(num)d message has its new address.", "%(num)d messages have their new address.", done)


def _told_of_retried(done: int) -> str:
    return ngettext(
        "%(num)d message has its new address, and is tried at once.",
        "%(num)d messages have their new address, and are tried at once.",
        done,
    )


def _wanted() -> QueueFilter:
    letter = request.args.get("letter", "").strip()
    return replace(
        _of_state(_chosen_state()),
        borrowernumber=number(request.args.get("patron")),
        to_address=request.args.get("address", "").strip() or None,
        letter_codes=[letter] if letter else (),
        newest=None if "everything" in request.args else queue.RECENT_ROWS,
        before=number(request.args.get("before")),
    )


def _of_state(chosen: str) -> QueueFilter:
    by_choice: Mapping[str, QueueFilter] = {
        "": QueueFilter(),
        "all": QueueFilter(progress=tuple(DeliveryProgress)),
        _LATELY: queue.FAILED_LATELY,
        **{each.value: QueueFilter(progress=(each,)) for each in DeliveryProgress},
    }
    return by_choice[chosen]


def _chosen_state() -> str:
    chosen = request.args.get("state", "")
    return chosen if chosen in {"all", _LATELY, *DeliveryProgress} else ""


def _tell_refusals(refused: Mapping[str, Sequence[int]]) -> None:
    for reason, message_ids in refused.items():
        flash.flash(
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
