"""``koha-ill-sidecar callbacks``: look at callbacks and replay them."""

import json
from dataclasses import asdict
from typing import IO

import click

from koha_ill_sidecar.backends.http.callback_formats import CallbackFormat, callback_format
from koha_ill_sidecar.cli.context import CommandContext, pass_context
from koha_ill_sidecar.cli.output import json_option, print_json, print_listing
from koha_ill_sidecar.cli.request_ids import REQUEST_ID
from koha_ill_sidecar.domain.callbacks import REPLAYABLE_VERDICTS, Verdict
from koha_ill_sidecar.errors import BackendNotConfigured, CallbackError
from koha_ill_sidecar.services.callbacks.replaying import callback_settings, replay
from koha_ill_sidecar.services.requests.alerts import dismiss_alerts
from koha_ill_sidecar.storage.sidecar import receipts
from koha_ill_sidecar.storage.sidecar.receipts import Receipt, ReceiptFilter
from koha_ill_sidecar.web.callbacks.answers import answer_status

_COLUMNS = {
    "receipt_id": "Callback",
    "received_at": "Received (UTC)",
    "backend": "Backend",
    "event_id": "Event ID",
    "illrequest_id": "Request",
    "verdict": "Outcome",
    "repeats": "Repeats",
    "detail": "Detail",
}
_PAGE = 200


@click.group()
def callbacks() -> None:
    """Show callbacks and replay them."""


@callbacks.command("list")
@click.option("--backend", help="Only those of this backend.")
@click.option(
    "--outcome",
    "outcomes",
    type=click.Choice([verdict.value for verdict in Verdict]),
    multiple=True,
    help="Only those with this outcome; may be repeated.",
)
@click.option("--request", "illrequest_id", type=REQUEST_ID, help="Only those on this request.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
@pass_context
def list_receipts(
    context: CommandContext,
    *,
    backend: str | None,
    outcomes: tuple[str, ...],
    illrequest_id: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """List callbacks, newest first."""
    verdicts = [Verdict(outcome) for outcome in outcomes]
    wanted = ReceiptFilter(backend=backend, verdicts=verdicts, illrequest_id=illrequest_id)
    found = context.database.transact(receipts.find, wanted, limit=limit)
    print_listing([_row(receipt) for receipt in found], _COLUMNS, as_json=as_json)


@callbacks.command()
@click.argument("receipt_id", metavar="CALLBACK", type=int)
@json_option
@pass_context
def show(context: CommandContext, *, receipt_id: int, as_json: bool) -> None:
    """Show a callback in full, with its original body."""
    receipt = context.database.transact(receipts.get, receipt_id)
    row = {
        **asdict(receipt),
        "body": _text(receipt.body),
        "conflicting_body": _text(receipt.conflicting_body),
    }
    if as_json:
        print_json(row)
        return
    for name, value in row.items():
        if value not in (None, ""):
            click.echo(f"{name}: {_line(value)}")


@callbacks.command("replay")
@click.argument("receipt_ids", metavar="CALLBACK...", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every callback that --outcome and --backend choose.")
@click.option("--backend", help="With --all: only those of this backend.")
@click.option(
    "--outcome",
    "outcomes",
    type=click.Choice(sorted(verdict.value for verdict in REPLAYABLE_VERDICTS)),
    multiple=True,
    default=[Verdict.UNKNOWN_REQUEST.value],
    show_default=True,
    help="With --all: only those with this outcome.",
)
@json_option
@pass_context
def replay_receipts(
    context: CommandContext,
    *,
    receipt_ids: tuple[int, ...],
    everything: bool,
    backend: str | None,
    outcomes: tuple[str, ...],
    as_json: bool,
) -> int:
    """
    Replay callbacks that were not applied.

    They are read with the current mapping and judged against the current state of the request: one that came before
    its request is applied, one that is late stays late. Exits with 1 if one could not be replayed.
    """
    if bool(receipt_ids) == everything:
        raise click.UsageError("Name callbacks, or choose them with --all.")
    if everything:
        wanted = ReceiptFilter(backend=backend, verdicts=[Verdict(outcome) for outcome in outcomes])
        receipt_ids = _all_of(context, wanted)
    rows = [_replay(context, receipt_id) for receipt_id in receipt_ids]
    print_listing(rows, ("receipt_id", "illrequest_id", "outcome", "detail"), as_json=as_json)
    return 1 if any(row["outcome"] is None for row in rows) else 0


@callbacks.command()
@click.argument("illrequest_id", metavar="REQUEST", type=REQUEST_ID)
@pass_context
def attended(context: CommandContext, *, illrequest_id: int) -> None:
    """Dismiss the alerts of a request that has been dealt with."""
    context.database.transact(dismiss_alerts, illrequest_id)
    click.echo(f"Request {illrequest_id} needs nobody's attention any more.")


@callbacks.command("try")
@click.argument("backend")
@click.argument("body", type=click.File("rb"), default="-")
@pass_context
def try_body(context: CommandContext, *, backend: str, body: IO[bytes]) -> None:
    """
    Read a sample BODY (a file, or - for standard input) as a callback of BACKEND, and show what it says.

    Nothing is written, and the database is not asked.
    """
    report = _format(context, backend).read(body.read(), event_id_in_header=False)
    print_json({name: value for name, value in asdict(report).items() if value is not None})


def _replay(context: CommandContext, receipt_id: int) -> dict[str, object]:
    try:
        received = context.database.transact(
            replay, receipt_id, context.settings.backends, answer_status=answer_status
        )
    except CallbackError as error:
        return {"receipt_id": receipt_id, "outcome": None, "detail": str(error)}
    return {
        "receipt_id": receipt_id,
        "illrequest_id": received.answer.get("ill_request_id"),
        "outcome": received.verdict.value,
        "detail": received.answer.get("detail"),
    }


def _all_of(context: CommandContext, wanted: ReceiptFilter) -> tuple[int, ...]:
    """Return the IDs of all receipts that match, oldest first, as they came."""
    found: list[int] = []
    before = None
    while page := context.database.transact(receipts.find, wanted, limit=_PAGE, before=before):
        found += [receipt.receipt_id for receipt in page]
        before = found[-1]
    return tuple(reversed(found))


def _format(context: CommandContext, backend: str) -> CallbackFormat:
    try:
        settings = callback_settings(context.settings.backends, backend)
    except BackendNotConfigured as error:
        raise click.UsageError(str(error)) from error
    return callback_format(backend, settings.mapping)


def _row(receipt: Receipt) -> dict[str, object]:
    return {
        "receipt_id": receipt.receipt_id,
        "received_at": receipt.received_at,
        "occurred_at": receipt.occurred_at,
        "backend": receipt.backend,
        "event_id": receipt.event_id,
        "illrequest_id": receipt.illrequest_id,
        "order_id": receipt.order_id,
        "verdict": receipt.verdict.value,
        "answer_status": receipt.answer_status,
        "repeats": receipt.repeats,
        "conflicts": receipt.conflicts,
        "replayed_at": receipt.replayed_at,
        "detail": receipt.answer.get("detail"),
    }


def _text(body: bytes | None) -> str | None:
    return None if body is None else body.decode("utf-8", "replace")


def _line(value: object) -> str:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return "".join(
        character if character.isprintable() or character == "\n" else " " for character in str(value)
    )
