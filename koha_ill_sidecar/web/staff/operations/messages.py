"""Messages and their delivery: what was not sent, why, and what to do about it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from flask import Blueprint, redirect, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from koha_ill_sidecar.domain.queue_entries import RECENT_ROWS, DeliveryProgress, QueueFilter
from koha_ill_sidecar.errors import InvalidAddress, MessageNotChangeable, MessageNotFound
from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.delivery import messages as queue
from koha_ill_sidecar.services.delivery.dispatcher import message_id_domain
from koha_ill_sidecar.services.delivery.messages import ListedMessage
from koha_ill_sidecar.services.people import patron_search
from koha_ill_sidecar.web.ui import error_pages, flash, forms
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.i18n import ngettext
from koha_ill_sidecar.web.ui.labels import MESSAGE_STATES
from koha_ill_sidecar.web.ui.pages import PAGE_SIZE, page
from koha_ill_sidecar.web.ui.urls import safe_target

_FAILED_RECENTLY = "failed_lately"  # a choice beside the states: the list that the dashboard counts

_REFUSALS = {
    "in_flight": N_("being sent right now"),
    "deleted": N_("deleted in Koha"),
    "sent": N_("already sent"),
    "given_up": N_("already given up"),
    "not_email": N_("not an email"),
    "changed": N_("address changed in the meantime"),
    "gone": N_("no longer in the queue"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Selected:
    """
    A selected message.

    Attributes:
        reason: Why it is left out.
        is_sent: It is sent again only if its own box is ticked.
    """

    listed: ListedMessage
    reason: str | None
    is_sent: bool

    @property
    def is_changed(self) -> bool:
        return self.reason is None and not self.is_sent


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""
    views = _MessageViews(runtime)
    add = blueprint.add_url_rule
    path = "/operations/messages"
    add(path, "messages", views.get_list)
    add(f"{path}/<int:message_id>", "message", views.get)
    add(f"{path}/confirm", "messages_confirm", views.confirm)
    add(f"{path}/retry", "messages_retry", views.retry, methods=["POST"])
    add(f"{path}/give-up", "messages_give_up", views.give_up, methods=["POST"])
    add(f"{path}/address", "messages_address", views.set_addresses, methods=["POST"])
    add(f"{path}/<int:message_id>/address", "message_address", views.set_address, methods=["POST"])
    blueprint.register_error_handler(MessageNotFound, error_pages.not_found_page)


class _MessageViews:
    def __init__(self, runtime: Runtime) -> None:
        self._transact = runtime.database.transact
        self._delivery = runtime.settings.delivery
        self._domain = message_id_domain(runtime.settings)

    def get_list(self) -> Response:
        wanted = _filter()
        found = self._transact(queue.list_messages, wanted, self._delivery, limit=PAGE_SIZE + 1)
        patron_id = wanted.borrowernumber
        return page(
            "staff/operations/messages.html",
            found=found[:PAGE_SIZE],
            has_more=len(found) > PAGE_SIZE,
            wanted=wanted,
            typed_patron=request.args.get("patron", "").strip(),
            is_unknown_patron=not found
            and patron_id is not None
            and not self._transact(patron_search.exists, patron_id),
            failed_recently=_FAILED_RECENTLY,
            failed_days=queue.FAILED_DAYS,
            chosen_state=_chosen_state(),
            states=MESSAGE_STATES,
            all_chosen="all_chosen" in request.args,
            recent_rows=RECENT_ROWS,
        )

    def get(self, message_id: int) -> Response:
        return self._message_page(message_id)

    def confirm(self) -> Response:
        """Ask for confirmation before messages are changed."""
        action = request.args.get("action", "")
        selected = self._selected(request.args)
        if not selected or action not in set(queue.Change):
            flash.flash("warning", _("No message was selected."))
            return redirect(url_for("staff.messages"), 303)
        return self._confirmation(queue.Change(action), selected, _next_page(request.args.get("next")))

    def retry(self) -> Response:
        """Send messages now; those that were sent before only if their own box is ticked."""
        again = _ids(request.form.getlist("again"))
        self._each(
            _ids([*request.form.getlist("message"), *map(str, again)]),
            lambda message_id: self._transact(
                queue.retry, message_id, message_id_domain=self._domain, again=message_id in again
            ),
            lambda done: ngettext(
                "%(num)d message will be retried now.", "%(num)d messages will be retried now.", done
            ),
        )
        return _redirect_to_next()

    def give_up(self) -> Response:
        self._each(
            _ids(request.form.getlist("message")),
            lambda message_id: self._transact(queue.give_up, message_id),
            lambda done: ngettext(
                "%(num)d message was given up: Koha shows it as failed.",
                "%(num)d messages were given up: Koha shows them as failed.",
                done,
            ),
        )
        return _redirect_to_next()

    def set_addresses(self) -> Response:
        """Change the address of several messages; each must still have the address that was shown."""
        typed = request.form.get("address", "").strip()
        selected, next_page = self._selected(request.form), _next_page(request.form.get("next"))
        if len(_recipients(selected)) > 1:
            return self._confirmation(queue.Change.SET_ADDRESS, selected, next_page)
        try:
            self._each(
                _ids(request.form.getlist("message")),
                lambda message_id: self._change_address(
                    message_id, typed, shown=request.form.get(f"shown-{message_id}", ""), even_sent=False
                ),
                _retried_text if "retry" in request.form else _corrected_text,
            )
        except InvalidAddress:  # raised for the first message already, so none was changed
            problem = _("This is not a valid email address. Nothing was changed.")
            return self._confirmation(
                queue.Change.SET_ADDRESS, selected, next_page, typed=typed, problem=problem
            )
        return redirect(next_page, 303)

    def set_address(self, message_id: int) -> Response:
        typed = request.form.get("address", "").strip()
        try:
            self._change_address(message_id, typed, shown=request.form.get("shown", ""))
        except InvalidAddress:
            problem = _("This is not a valid email address. Nothing was changed.")
            return self._message_page(message_id, 422, typed=typed, problem=problem)
        except MessageNotChangeable as error:
            return self._message_page(message_id, 409, typed=typed, problem=_address_refusal(error))
        flash.flash("done", _("The address of the message was changed."))
        if "retry" in request.form:
            flash.flash("done", _("It will be sent now."))
        return redirect(url_for("staff.message", message_id=message_id), 303)

    def _change_address(self, message_id: int, typed: str, *, shown: str, even_sent: bool = True) -> None:
        if "retry" in request.form:
            self._transact(
                queue.set_address_and_retry,
                message_id,
                typed,
                message_id_domain=self._domain,
                shown=shown,
                even_sent=even_sent,
            )
        else:
            self._transact(queue.set_address, message_id, typed, shown=shown, even_sent=even_sent)

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

    def _selected(self, source: MultiDict[str, str]) -> Sequence[ListedMessage]:
        return self._transact(queue.chosen_messages, _ids(source.getlist("message")), self._delivery)

    def _confirmation(
        self,
        change: queue.Change,
        selected: Sequence[ListedMessage],
        next_page: str,
        *,
        typed: str | None = None,
        problem: str = "",
    ) -> Response:
        chosen = [_check(one, change) for one in selected]
        changed = [one.listed.entry for one in chosen if one.is_changed]
        is_mixed = change is queue.Change.SET_ADDRESS and len(_recipients(selected)) > 1
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
            next_page=next_page,
        )

    def _each(
        self, selected: Sequence[int], change: Callable[[int], object], done_text: Callable[[int], str]
    ) -> None:
        """Change messages, each in its own transaction, and flash how many were changed and which refused."""
        refused: dict[str, list[int]] = {}
        for message_id in selected:
            try:
                change(message_id)
            except MessageNotFound:
                refused.setdefault("gone", []).append(message_id)
            except MessageNotChangeable as error:
                refused.setdefault(error.reason, []).append(message_id)
        if done := len(selected) - sum(map(len, refused.values())):
            flash.flash("done", done_text(done))
        _flash_refusals(refused)
        if not selected:
            flash.flash("warning", _("No message was selected."))


def _ids(entries: Sequence[str]) -> list[int]:
    return forms.as_ids(entries, limit=PAGE_SIZE)


def _next_page(target: str | None) -> str:
    return safe_target(target) or url_for("staff.messages")


def _redirect_to_next() -> Response:
    return redirect(_next_page(request.form.get("next")), 303)


def _check(one: ListedMessage, change: queue.Change) -> _Selected:
    """Check what can be done with a message; the address of a sent one needs no correction."""
    reason = queue.refusal(one.entry, change)
    is_sent = one.entry.progress is DeliveryProgress.SENT and reason is None
    if is_sent and change is queue.Change.SET_ADDRESS:
        return _Selected(listed=one, reason="sent", is_sent=False)
    return _Selected(listed=one, reason=reason, is_sent=is_sent)


def _recipients(selected: Sequence[ListedMessage]) -> set[str | int | None]:
    """Return the recipients whose address would be changed: with more than one, mail would go to the wrong person."""
    return {
        one.entry.to_address or one.entry.borrowernumber
        for one in selected
        if _check(one, queue.Change.SET_ADDRESS).is_changed
    }


def _corrected_text(done: int) -> str:
    return ngettext(
        "The address of %(num)d message was changed.", "The address of %(num)d messages was changed.", done
    )


def _retried_text(done: int) -> str:
    return ngettext(
        "The address of %(num)d message was changed; it will be sent now.",
        "The address of %(num)d messages was changed; they will be sent now.",
        done,
    )


def _filter() -> QueueFilter:
    state, letter = _chosen_state(), request.args.get("letter", "").strip()
    by_state: Mapping[str, QueueFilter] = {
        "": QueueFilter(),
        "all": QueueFilter(progress=tuple(DeliveryProgress)),
        _FAILED_RECENTLY: queue.FAILED_RECENTLY,
    }
    return replace(
        by_state[state] if state in by_state else QueueFilter(progress=(DeliveryProgress(state),)),
        borrowernumber=forms.as_id(request.args.get("patron")),
        to_address=request.args.get("address", "").strip() or None,
        letter_codes=[letter] if letter else (),
        newest=None if "everything" in request.args else RECENT_ROWS,
        before=forms.as_id(request.args.get("before")),
    )


def _chosen_state() -> str:
    chosen = request.args.get("state", "")
    return chosen if chosen in {"all", _FAILED_RECENTLY, *DeliveryProgress} else ""


def _flash_refusals(refused: Mapping[str, Sequence[int]]) -> None:
    for reason, message_ids in refused.items():
        flash.flash(
            "warning",
            _(
                "Not changed (%(reason)s): %(numbers)s.",
                reason=_(_REFUSALS[reason]),
                numbers=", ".join(map(str, message_ids)),
            ),
        )


def _address_refusal(error: MessageNotChangeable) -> str:
    texts = {
        "in_flight": N_("The message is being sent right now. Check again in a minute."),
        "not_email": N_(
            "The message is sent to the patron's mobile number. Correct the number in Koha and try again."
        ),
        "changed": N_(
            "Another member of staff has changed its address in the meantime. Nothing was changed."
        ),
        "sent": N_("The message has been sent in the meantime. Nothing was changed."),
        "deleted": N_("The message was deleted in Koha. Nothing was changed."),
    }
    return _(texts[error.reason])
