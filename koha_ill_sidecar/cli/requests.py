"""Commands on requests: everything that staff can do with one."""

import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

import click

from koha_ill_sidecar.backends.registry import all_actions, installed_backends
from koha_ill_sidecar.cli.context import CommandContext, pass_context
from koha_ill_sidecar.cli.output import json_option, print_json, print_listing, print_table
from koha_ill_sidecar.cli.program import NAME
from koha_ill_sidecar.cli.request_ids import REQUEST_ID
from koha_ill_sidecar.domain.actions import Action, Choice
from koha_ill_sidecar.domain.actors import Actor, Interface, Permission
from koha_ill_sidecar.domain.attributes import MaterialType
from koha_ill_sidecar.domain.request_index.filters import RequestFilter
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.errors import RequestRefused
from koha_ill_sidecar.services.notices import metadata as metadata_service
from koha_ill_sidecar.services.partners import placing
from koha_ill_sidecar.services.request_index import indexing
from koha_ill_sidecar.services.requests import comments as request_comments
from koha_ill_sidecar.services.requests import (
    creation,
    editing,
    lifecycle,
    listing,
    notices,
    patron_actions,
)
from koha_ill_sidecar.services.requests import log as request_log
from koha_ill_sidecar.services.requests import page as request_page
from koha_ill_sidecar.services.requests.actions import function_of
from koha_ill_sidecar.services.requests.creation import NewRequest, Visitor
from koha_ill_sidecar.services.requests.listing import ListedRequest
from koha_ill_sidecar.services.requests.page import RequestDetails
from koha_ill_sidecar.storage.koha import patrons
from koha_ill_sidecar.storage.koha import requests as koha_requests
from koha_ill_sidecar.storage.transaction import Transaction

R = TypeVar("R")
_Command = Callable[..., None]

_MAX_LISTED = 10_000
_REINDEX_STEP = 2000

_BACKENDS = installed_backends().values()
_TYPES = dict.fromkeys(
    [kind.value for kind in MaterialType] + [kind for backend in _BACKENDS for kind in backend.field_sets]
)
"""Types of material: Koha's, and those that installed backends have forms for."""


def _parse_pairs(_context: click.Context, _option: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    """Parse options of the form KEY=VALUE; of a repeated key the last counts, as in Koha's form."""
    pairs = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not equals or not key.strip():
            raise click.BadParameter(f"{value!r} is not of the form KEY=VALUE.")
        pairs[key.strip()] = text
    return pairs


_pairs_option = partial(click.option, metavar="KEY=VALUE", multiple=True, callback=_parse_pairs)
as_option = click.option(
    "--as", "userid", metavar="USERID", help="Login of the member of staff who acts (default: no person)."
)
id_argument = click.argument("illrequest_id", metavar="ID", type=REQUEST_ID)


@click.group()
def requests() -> None:
    """Create, change and show requests."""


@requests.command("list")
@click.option("--status", "statuses", multiple=True, help="Code of a status or status alias; repeatable.")
@click.option("--library", "branchcode", help="Code of the library.")
@click.option("--patron", help="Card number, surname, userid or first name.")
@click.option("--backend", help="Koha's name of the backend.")
@click.option("--placed-from", type=click.DateTime(["%Y-%m-%d"]), help="First day.")
@click.option("--placed-to", type=click.DateTime(["%Y-%m-%d"]), help="Last day.")
@click.option(
    "--limit",
    type=click.IntRange(1, _MAX_LISTED),
    default=50,
    show_default=True,
    help="Maximum number of requests.",
)
@json_option
@pass_context
def list_command(
    context: CommandContext,
    statuses: Sequence[str],
    branchcode: str | None,
    patron: str | None,
    backend: str | None,
    placed_from: datetime | None,
    placed_to: datetime | None,
    limit: int,
    *,
    as_json: bool,
) -> None:
    """List requests, newest first."""
    wanted = RequestFilter(
        # A status stands for requests without an alias, as on the pages, which show the alias in its place.
        plain_statuses=statuses,
        aliases=statuses,
        branchcodes=[branchcode] if branchcode else [],
        backends=[backend] if backend else [],
        placed_from=placed_from.date() if placed_from else None,
        placed_to=placed_to.date() if placed_to else None,
    )
    found, is_complete = context.database.transact(listing.list_newest, wanted, patron=patron, limit=limit)
    if not is_complete:
        click.echo("The index of requests is still being built: not all requests are shown yet.", err=True)
    if as_json:
        print_json([_listed_json(listed) for listed in found])
        return
    columns = {
        "number": "request", "status": "status", "alias": "alias", "placed": "placed", "library": "library",
        "patron": "patron", "type": "type", "title": "title",
    }  # fmt: skip
    print_listing([_row(listed) for listed in found], columns, as_json=False)


@requests.command()
@id_argument
@json_option
@pass_context
def show(context: CommandContext, illrequest_id: int, *, as_json: bool) -> None:
    """Show a request with everything that belongs to it."""
    found = context.database.transact(request_page.details, illrequest_id)
    if as_json:
        print_json(found)
    else:
        _print_details(found)


@requests.command()
@click.option("--type", "kind", type=click.Choice([*_TYPES]), help="Type of material.")
@click.option("--library", "branchcode", required=True, help="Code of the library that gets it.")
@click.option("--patron", help="Card number, surname, userid or first name.")
@_pairs_option("--field", "fields", help="A field, such as title=Nature; repeatable.")
@_pairs_option("--custom", help="A custom field; repeatable.")
@click.option("--openurl", help="An OpenURL or its query string; the other options override it.")
@click.option("--batch", "batch_id", type=int, help="ID of the batch it belongs to.")
@click.option("--backend", help="Koha's name of the backend (default: the one that comes with Koha).")
@click.option("--supplier", "supplier_backend", help="Name of the backend that supplies it.")
@click.option(
    "--unauthenticated", is_flag=True, help="For a person without an account; needs the next three options."
)
@click.option("--first-name", default="", help="With --unauthenticated.")
@click.option("--last-name", default="", help="With --unauthenticated.")
@click.option("--email", default="", help="With --unauthenticated.")
@as_option
@json_option
@pass_context
def create(
    context: CommandContext,
    kind: str | None,
    branchcode: str,
    patron: str | None,
    fields: dict[str, str],
    custom: dict[str, str],
    openurl: str | None,
    batch_id: int | None,
    backend: str | None,
    supplier_backend: str | None,
    first_name: str,
    last_name: str,
    email: str,
    userid: str | None,
    *,
    unauthenticated: bool,
    as_json: bool,
) -> None:
    """Create a request."""
    if unauthenticated == (patron is not None):
        raise click.UsageError("Use either --patron or --unauthenticated.")
    _check_supplier(context, supplier_backend)
    visitor = Visitor(first_name=first_name, last_name=last_name, email=email) if unauthenticated else None
    new = NewRequest(
        type=kind or "",
        branchcode=branchcode,
        patron=patron,
        visitor=visitor,
        fields=fields,
        custom=custom,
        openurl=_openurl_parameters(openurl),
        batch_id=batch_id,
        backend=backend,
        supplier_backend=supplier_backend,
    )
    _print_request(_act(context, userid, creation.create, new), as_json=as_json)


@requests.command()
@id_argument
@click.option("--patron", "borrowernumber", type=int, help="ID of another patron (borrowernumber).")
@click.option("--biblio", "biblio_id", type=int, help="ID of the record.")
@click.option("--batch", "batch_id", type=int, help="ID of the batch.")
@click.option("--library", "branchcode", help="Code of the library.")
@click.option("--price-paid", help="Price paid.")
@click.option("--opac-note", "notesopac", help="Note that the patron sees.")
@click.option("--staff-note", "notesstaff", help="Note for the staff.")
@click.option("--alias", "status_alias", help="Status alias; empty removes it.")
@as_option
@json_option
@pass_context
def edit(
    context: CommandContext,
    /,
    illrequest_id: int,
    userid: str | None,
    *,
    as_json: bool,
    **options: object,
) -> None:
    """Edit a request; an empty value removes what is stored."""
    changes = {name: value for name, value in options.items() if value is not None}
    if not changes:
        raise click.UsageError("Nothing to change: use at least one option (see --help).")
    _print_request(_act(context, userid, editing.edit, illrequest_id, **changes), as_json=as_json)


@requests.command("edit-item")
@id_argument
@_pairs_option("--field", "fields", required=True, help="A field; repeatable.")
@as_option
@json_option
@pass_context
def edit_item(
    context: CommandContext,
    illrequest_id: int,
    fields: dict[str, str],
    userid: str | None,
    *,
    as_json: bool,
) -> None:
    """
    Change the description of the wanted item; only while the request is NEW.

    Up to Koha 25.05 these fields replace all others.
    """
    edited = _act(context, userid, editing.edit_item, illrequest_id, fields)
    _print_request(edited, as_json=as_json)


_CHOICES: Mapping[Choice, Callable[[_Command], _Command]] = {
    Choice.STATUS_ALIAS: click.option("--alias", "status_alias", help="Status alias to set at once."),
    Choice.SUPPLIER: click.option(
        "--supplier", "supplier_backend", help="Name of the backend that supplies it."
    ),
}
"""The option for what an action asks for."""


def _add_action(action: Action, name: str, description: str) -> None:
    """Add the command of an action, with the options that its row in the table of actions calls for."""

    def do(
        context: CommandContext,
        illrequest_id: int,
        userid: str | None,
        *,
        as_json: bool = False,
        yes: bool = False,
        **choices: str | None,
    ) -> None:
        if action.is_dangerous and not yes:
            raise click.UsageError(
                f"Request {illrequest_id} would be deleted for good. Add --yes to confirm."
            )
        _check_supplier(context, choices.get(Choice.SUPPLIER))
        after = _act(context, userid, function_of(action), illrequest_id, **choices)
        if action.status is None:
            click.echo(f"Request {illrequest_id} is deleted.")
        else:  # read again, for MariaDB has stamped the row
            _print_request(context.database.transact(koha_requests.get, after.illrequest_id), as_json=as_json)

    command: _Command = pass_context(do)
    if action.is_dangerous:
        command = click.option("--yes", is_flag=True, help="Yes, do it.")(command)
    if action.status is not None:
        command = json_option(command)
    if action.asks_for is not None:
        command = _CHOICES[action.asks_for](command)
    requests.command(name, help=description)(id_argument(as_option(command)))


for _action in all_actions():
    if _action.command is not None:
        _add_action(_action, *_action.command)


@requests.command()
@id_argument
@as_option
@json_option
@pass_context
def cancel(context: CommandContext, illrequest_id: int, userid: str | None, *, as_json: bool) -> None:
    """Ask staff to cancel a NEW request, as its patron can (CANCREQ)."""
    _print_request(_act(context, userid, patron_actions.ask_to_cancel, illrequest_id), as_json=as_json)


@requests.command()
@id_argument
@click.argument("code", required=False)
@as_option
@json_option
@pass_context
def alias(
    context: CommandContext, illrequest_id: int, code: str | None, userid: str | None, *, as_json: bool
) -> None:
    """Set the status alias CODE; without CODE, remove the alias."""
    changed = _act(context, userid, lifecycle.change_status_alias, illrequest_id, code or None)
    _print_request(changed, as_json=as_json)


@requests.command()
@id_argument
@click.option("--staff", "notesstaff", help="Note for the staff; empty removes it.")
@click.option("--opac", "notesopac", help="Note that the patron sees; empty removes it.")
@click.option("--from-patron", help="The patron's own new note; staff get a notice of it.")
@as_option
@json_option
@pass_context
def note(
    context: CommandContext,
    illrequest_id: int,
    notesstaff: str | None,
    notesopac: str | None,
    from_patron: str | None,
    userid: str | None,
    *,
    as_json: bool,
) -> None:
    """Write a note on a request."""
    notes = {"notesstaff": notesstaff, "notesopac": notesopac}
    changes = {name: text for name, text in notes.items() if text is not None}
    if (from_patron is None) == (not changes):
        raise click.UsageError("Use --staff, --opac or both; or --from-patron alone.")
    if from_patron is not None:
        _print_request(
            _act(context, userid, patron_actions.edit_note, illrequest_id, from_patron), as_json=as_json
        )
    else:
        _print_request(_act(context, userid, editing.edit, illrequest_id, **changes), as_json=as_json)


@requests.command()
@id_argument
@click.argument("text")
@click.option(
    "--as", "userid", metavar="USERID", required=True, help="Login of the member of staff who comments."
)
@pass_context
def comment(context: CommandContext, illrequest_id: int, text: str, userid: str) -> None:
    """Add a comment; it cannot be changed later."""
    comment_id = _act(context, userid, request_comments.add_comment, illrequest_id, text)
    click.echo(f"Comment {comment_id} is added to request {illrequest_id}.")


@requests.command()
@id_argument
@json_option
@pass_context
def comments(context: CommandContext, illrequest_id: int, *, as_json: bool) -> None:
    """List the comments on a request, oldest first."""
    found = context.database.transact(request_comments.list_comments, illrequest_id)
    if as_json:
        print_json(found)
        return
    rows = [{"written": one.timestamp, "author": one.author, "comment": one.comment} for one in found]
    print_listing(rows, ("written", "author", "comment"), as_json=False)


@requests.command()
@id_argument
@json_option
@pass_context
def metadata(context: CommandContext, illrequest_id: int, *, as_json: bool) -> None:
    """Show the description of the wanted item, as text."""
    if as_json:
        print_json(context.database.transact(metadata_service.supplier_metadata, illrequest_id))
    else:
        click.echo(context.database.transact(metadata_service.supplier_metadata_text, illrequest_id))


@requests.command()
@id_argument
@json_option
@pass_context
def log(context: CommandContext, illrequest_id: int, *, as_json: bool) -> None:
    """Show Koha's log of a request, newest first."""
    found = context.database.transact(request_log.request_log, illrequest_id)
    if as_json:
        names = ("timestamp", "action", "text", "author", "interface")
        print_json([{name: getattr(one, name) for name in names} for one in found])
        return
    rows = [
        {"when": one.timestamp, "what": one.text, "who": one.author, "interface": one.interface}
        for one in found
    ]
    print_listing(rows, ("when", "what", "who", "interface"), as_json=False)


@requests.command()
@id_argument
@click.argument("code")
@click.option("--text", "additional_text", default="", help="Additional text, for ILL_REQUEST_UPDATE.")
@as_option
@json_option
@pass_context
def notice(
    context: CommandContext,
    illrequest_id: int,
    code: str,
    additional_text: str,
    userid: str | None,
    *,
    as_json: bool,
) -> int:
    """Send the notice CODE to the patron, by the transports that they chose."""
    outcome = _act(context, userid, notices.send_notice, illrequest_id, code, additional_text=additional_text)
    if as_json:
        print_json(outcome)
    else:
        for queued in outcome.queued:
            click.echo(f"{code} is queued by {queued.transport} as message {queued.message_id}.")
        for refused in outcome.not_queued:
            click.echo(f"{code} is not sent by {refused.transport}: {refused.detail}", err=True)
    return 0 if outcome.queued else 1


@requests.command("partners")
@json_option
@pass_context
def partners_command(context: CommandContext, *, as_json: bool) -> None:
    """List the partner libraries."""
    found = context.database.transact(placing.find_partners)
    if as_json:
        print_json(found)
        return
    rows = [
        {"number": one.borrowernumber, "library": one.branchcode, "name": one.name, "email": one.email}
        for one in found
    ]
    print_listing(rows, ("number", "library", "name", "email"), as_json=False)


@requests.command("place-with-partners")
@id_argument
@click.option(
    "--partner",
    "borrowernumbers",
    type=int,
    multiple=True,
    help="ID of a partner (borrowernumber); repeatable.",
)
@click.option("--subject", help="Subject (default: that of the notice ILL_PARTNER_REQ).")
@click.option("--text", "body", help="Text (default: that of the notice ILL_PARTNER_REQ).")
@click.option("--draft", is_flag=True, help="Show the message and send nothing.")
@as_option
@json_option
@pass_context
def place_with_partners(
    context: CommandContext,
    illrequest_id: int,
    borrowernumbers: Sequence[int],
    subject: str | None,
    body: str | None,
    userid: str | None,
    *,
    draft: bool,
    as_json: bool,
) -> None:
    """Ask partner libraries for a request, by email (GENREQ)."""
    if draft or subject is None or body is None:
        letter = _act(context, userid, placing.draft, illrequest_id)
        subject = letter.title if subject is None else subject
        body = letter.content if body is None else body
    if draft:
        if as_json:
            print_json({"subject": subject, "body": body})
        else:
            click.echo(f"Subject: {subject}\n\n{body}")
        return
    placed = _act(
        context,
        userid,
        placing.place_with_partners,
        illrequest_id,
        borrowernumbers=borrowernumbers,
        subject=subject,
        body=body,
    )
    if as_json:
        print_json(placed)
        return
    _print_request(placed.ill_request, as_json=False)
    click.echo(f"Messages queued: {', '.join(map(str, placed.message_ids))}")


@requests.command()
@click.option("--all", "rebuild", is_flag=True, help="Rebuild the whole index.")
@pass_context
def reindex(context: CommandContext, *, rebuild: bool) -> None:
    """Compare every request with the request index and update the index now."""
    transact = context.database.transact
    if rebuild:
        transact(indexing.rebuild)
    done = 0
    while (built := transact(indexing.build)) is not None:
        done += built
    while transact(indexing.index_queue, limit=_REINDEX_STEP):
        pass
    above: int | None = 0
    while above is not None:
        found, above = transact(indexing.index_next, above=above, limit=_REINDEX_STEP)
        done += found
    progress = transact(indexing.progress)
    click.echo(f"Indexed again: {done}. In the index: {progress.indexed} of {progress.of}.")


def _act(
    context: CommandContext,
    userid: str | None,
    use_case: Callable[..., R],
    *args: object,
    **kwargs: object,
) -> R:
    """Run a use case in one transaction, as the staff member with this login or without one."""

    def acting(tx: Transaction) -> R:
        return use_case(tx, *args, actor=_actor(tx, userid), **kwargs)

    return context.database.transact(acting)


def _actor(tx: Transaction, userid: str | None) -> Actor:
    """
    Return who acts: the staff member with this login, or only the program.

    Raises:
        RequestRefused: There is no such login (unknown_userid), or it lacks the permission ill (not_permitted).
    """
    if userid is None:
        return Actor(interface=Interface.COMMANDLINE, script=NAME)
    patron = patrons.find_by_userid(tx, userid)
    if patron is None:
        raise RequestRefused("unknown_userid", "Koha has no user “%(userid)s”.", userid=userid)
    if not patrons.may_work_on_ill(tx, patron):
        raise RequestRefused(
            "not_permitted",
            "%(userid)s lacks Koha's ill permission. Grant it in Koha, or let someone else do this.",
            userid=userid,
        )
    return Actor(
        interface=Interface.COMMANDLINE,
        script=NAME,
        borrowernumber=patron.borrowernumber,
        branchcode=patron.branchcode,
        permissions=frozenset({Permission.ILL}),
    )


def _check_supplier(context: CommandContext, supplier_backend: str | None) -> None:
    known = {*context.settings.backends, *installed_backends()}
    if supplier_backend is not None and supplier_backend not in known:
        raise click.UsageError(
            f"There is no backend {supplier_backend!r} in the configuration."
            f" There are {', '.join(sorted(known)) or 'none'}."
        )


def _openurl_parameters(openurl: str | None) -> tuple[tuple[str, str], ...]:
    if openurl is None:
        return ()
    _, question_mark, query = openurl.partition("?")
    return tuple(urllib.parse.parse_qsl(query if question_mark else openurl))


def _print_request(ill_request: ILLRequest, *, as_json: bool) -> None:
    if as_json:
        print_json(ill_request)
        return
    status = (
        f"{ill_request.status} ({ill_request.status_alias})"
        if ill_request.status_alias
        else ill_request.status
    )
    click.echo(f"Request {ill_request.illrequest_id}: {status}")


def _listed_json(listed: ListedRequest) -> dict[str, object]:
    values = listed.row.attributes
    return {
        "ill_request": listed.row.ill_request,
        "shown_id": listed.shown_id,
        "patron": listed.row.patron,
        "type": values.get("type", ""),
        "title": values.get("article_title") or values.get("title", ""),
        "author": values.get("author") or values.get("article_author", ""),
    }


def _row(listed: ListedRequest) -> dict[str, object]:
    ill_request = listed.row.ill_request
    return {
        **_listed_json(listed),
        "number": listed.shown_id,
        "status": ill_request.status,
        "alias": ill_request.status_alias,
        "placed": ill_request.placed,
        "library": ill_request.branchcode,
    }


def _print_details(found: RequestDetails) -> None:
    ill_request = found.ill_request
    facts = {
        "Request": found.shown_id,
        "Status": f"{found.status} ({ill_request.status_alias or ill_request.status})",
        "Allowed now": ", ".join(found.actions),
        "Library": ill_request.branchcode,
        "Patron": found.patron,
        "Backend": ill_request.backend,
        "Supplied by": found.supplier_backend,
        "Order ID": ill_request.orderid,
        "Record": ill_request.biblio_id,
        "Placed": ill_request.placed,
        "Updated": ill_request.updated,
        "Completed": ill_request.completed,
        "Due": ill_request.due_date,
        "Cost": ill_request.cost,
        "Price paid": ill_request.price_paid,
        "Access URL": ill_request.accessurl,
        "OPAC note": ill_request.notesopac,
        "Staff note": ill_request.notesstaff,
        "Comments": found.comments or None,
        **found.metadata,
    }
    rows = [{"what": name, "value": value} for name, value in facts.items() if value not in (None, "")]
    print_table(rows, {"what": "", "value": ""})
    if found.enquiries:
        click.echo("\nAsked partners:")
        print_table(
            [
                {
                    "partner": one.borrowernumber,
                    "address": one.address,
                    "asked": one.asked_at,
                    "closed": one.closed_at,
                }
                for one in found.enquiries
            ],
            ("partner", "address", "asked", "closed"),
        )
