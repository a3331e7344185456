"""``koha-ill-sidecar queue``: look at messages and their delivery, retry, give up, correct addresses."""

import dataclasses
from collections.abc import Callable, Sequence

import click

from koha_ill_sidecar.cli.context import CommandContext, pass_context
from koha_ill_sidecar.cli.output import json_option, print_json, print_listing
from koha_ill_sidecar.domain.queue_entries import (
    RECENT_ROWS,
    UNFINISHED,
    DeliveryProgress,
    QueueEntry,
    QueueFilter,
)
from koha_ill_sidecar.errors import MessageNotChangeable
from koha_ill_sidecar.messages import in_english
from koha_ill_sidecar.services.delivery import messages as service
from koha_ill_sidecar.services.delivery.dispatcher import message_id_domain
from koha_ill_sidecar.storage.message_queue import deliveries
from koha_ill_sidecar.storage.transaction import Transaction

_COLUMNS = {
    "message_id": "message",
    "progress": "state",
    "failure_code": "code",
    "letter_code": "notice",
    "message_transport_type": "transport",
    "borrowernumber": "patron",
    "to_address": "to",
    "time_queued": "queued",
    "attempts": "attempts",
    "next_attempt_at": "next attempt (UTC)",
    "last_error": "reason",
}

id_argument = click.argument(
    "message_ids", metavar="MESSAGE...", nargs=-1, required=True, type=click.IntRange(min=1)
)


@click.group()
def queue() -> None:
    """Show messages and their delivery."""


@queue.command("list")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([each.value for each in DeliveryProgress]),
    help="Only these; repeatable (default: what is neither sent, deleted nor given up).",
)
@click.option("--patron", "borrowernumber", type=int, metavar="BORROWERNUMBER", help="Only this patron's.")
@click.option(
    "--letter", "letter_codes", multiple=True, metavar="CODE", help="Only notices with this code; repeatable."
)
@click.option(
    "--newest",
    type=click.IntRange(min=1),
    default=RECENT_ROWS,
    show_default=True,
    help="Look at so many rows at the end of Koha's queue, and at all that is being delivered.",
)
@click.option("--all", "everything", is_flag=True, help="Look at the whole queue; slow where it is long.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many."
)
@json_option
@pass_context
def list_command(
    context: CommandContext,
    states: Sequence[str],
    borrowernumber: int | None,
    letter_codes: Sequence[str],
    newest: int,
    limit: int,
    *,
    everything: bool,
    as_json: bool,
) -> None:
    """List messages, newest first."""
    wanted = QueueFilter(
        progress=[DeliveryProgress(state) for state in states] or UNFINISHED,
        borrowernumber=borrowernumber,
        letter_codes=letter_codes,
        newest=None if everything else newest,
    )
    entries = context.database.transact(service.find_entries, wanted, context.settings.delivery, limit=limit)
    print_listing([_row(entry) for entry in entries], _COLUMNS, as_json=as_json)


@queue.command("show")
@click.argument("message_id", metavar="MESSAGE", type=click.IntRange(min=1))
@json_option
@pass_context
def show_command(context: CommandContext, message_id: int, *, as_json: bool) -> None:
    """Show one message with its text and its delivery."""
    details = context.database.transact(_details, message_id, context)
    if as_json:
        print_json(details)
        return
    body = details.pop("content")
    for name, value in details.items():
        if value not in (None, "", []):
            shown = ", ".join(value) if isinstance(value, list) else value
            click.echo(f"{name}: {shown}")
    click.echo(f"\n{body}")


@queue.command("retry")
@id_argument
@click.option(
    "--again", is_flag=True, help="Also messages that were sent already: they are sent as new mails."
)
@json_option
@pass_context
def retry_command(context: CommandContext, message_ids: Sequence[int], *, again: bool, as_json: bool) -> None:
    """Deliver messages at the next look, whatever kept them so far."""
    domain = message_id_domain(context.settings)
    _each(
        context,
        message_ids,
        lambda tx, number: service.retry(tx, number, message_id_domain=domain, again=again),
        "will be tried at once",
        as_json=as_json,
    )


@queue.command("give-up")
@id_argument
@json_option
@pass_context
def give_up_command(context: CommandContext, message_ids: Sequence[int], *, as_json: bool) -> None:
    """Try messages no more: they stand as failed in Koha."""
    _each(context, message_ids, service.give_up, "is given up", as_json=as_json)


@queue.command("set-address")
@click.argument("message_id", metavar="MESSAGE", type=click.IntRange(min=1))
@click.argument("address")
@click.option("--retry", is_flag=True, help="Deliver it at once.")
@json_option
@pass_context
def set_address_command(
    context: CommandContext, message_id: int, address: str, *, retry: bool, as_json: bool
) -> None:
    """Send an email to another address; separate several by commas."""
    domain = message_id_domain(context.settings)

    def change(tx: Transaction, number: int) -> QueueEntry:
        entry = service.set_address(tx, number, address)
        if retry:
            service.retry(tx, number, message_id_domain=domain)
        return entry

    _each(context, [message_id], change, "has its new address", as_json=as_json)


@queue.command("release")
@json_option
@pass_context
def release_command(context: CommandContext, *, as_json: bool) -> None:
    """
    Leave the messages that wait to Koha's own dispatcher: they become pending.

    Stop the sidecar or turn delivery.exclusive off first, or it delivers them itself.
    """
    released, in_flight = context.database.transact(deliveries.release)
    if as_json:
        print_json({"released": released, "in_flight": in_flight})
    else:
        click.echo(f"Messages left to Koha: {released}.")
    if in_flight:
        raise MessageNotChangeable(
            "in_flight",
            f"Messages still being sent: {in_flight}. Stop the sidecar, wait for delivery.lease, and run this again.",
        )


def _each(
    context: CommandContext,
    message_ids: Sequence[int],
    change: Callable[[Transaction, int], QueueEntry],
    done: str,
    *,
    as_json: bool,
) -> None:
    """Change all of the messages or none."""
    context.database.transact(lambda tx: [change(tx, number) for number in message_ids])
    if as_json:
        print_json([context.database.transact(_details, number, context) for number in message_ids])
        return
    for number in message_ids:
        click.echo(f"Message {number} {done}.")


def _row(entry: QueueEntry) -> dict[str, object]:
    return dataclasses.asdict(entry) | {"last_error": in_english(entry.last_error) or None}


def _details(tx: Transaction, message_id: int, context: CommandContext) -> dict[str, object]:
    found = service.details(tx, message_id, context.settings.delivery)
    return _row(found.entry) | {
        "illrequest_id": found.illrequest_id,
        "recipients": list(found.recipients),
        "content": found.content,
    }
