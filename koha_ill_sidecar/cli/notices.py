"""Commands on notices: install ours into Koha, check the letters there, preview one, render templates."""

import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Sequence

import click

from koha_ill_sidecar.cli.context import CommandContext, pass_context
from koha_ill_sidecar.cli.output import display_width, json_option, print_json, print_table, printable
from koha_ill_sidecar.cli.request_ids import REQUEST_ID
from koha_ill_sidecar.domain.notices import EMAIL
from koha_ill_sidecar.services.notices import check as notice_check
from koha_ill_sidecar.services.notices import templates as notice_templates
from koha_ill_sidecar.services.notices.check import NoticeCheck
from koha_ill_sidecar.services.notices.findings import Finding, Severity
from koha_ill_sidecar.services.notices.rendering import preview_notice
from koha_ill_sidecar.services.notices.templates import LetterComparison, LetterState
from koha_ill_sidecar.template_toolkit import Engine, TemplateError

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}
_SHOWN = 90  # characters of a line, which in an HTML letter may be the whole letter


@click.group()
def notices() -> None:
    """Install, check, preview and render notices."""


@notices.command()
@click.option("--diff", "with_diff", is_flag=True, help="Show how Koha's templates differ from ours.")
@click.option("--only-missing", is_flag=True, help="Leave out templates that Koha has already.")
@click.option("--lang", "langs", multiple=True, help="Only this language, such as default or zh-Hant-TW.")
@click.option("--dry-run", is_flag=True, help="Show what would be done and change nothing.")
@json_option
@pass_context
def install(
    context: CommandContext,
    langs: Sequence[str],
    *,
    with_diff: bool,
    only_missing: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """
    Add the ILL notices that Koha lacks.

    Templates that Koha has already are never changed.
    """
    step = notice_templates.compare if dry_run else notice_templates.install
    compared = context.database.transact(step, langs=langs)
    if only_missing:
        compared = [found for found in compared if found.state is LetterState.MISSING]
    rows = [_row(found, dry_run=dry_run, with_diff=with_diff) for found in compared]
    if as_json:
        print_json(rows)
        return
    print_table(rows, ("code", "transport", "lang", "result"))
    for row in rows:
        if row.get("diff"):
            click.echo(f"\n{row['diff']}", nl=False)


@notices.command()
@click.argument("code")
@click.option("--request", "illrequest_id", type=REQUEST_ID, required=True, help="ID of the request.")
@click.option("--transport", default=EMAIL, show_default=True, help="email, sms or another transport.")
@click.option("--lang", help="Language to prefer to the patron's.")
@click.option("--text", "additional_text", default="", help="Additional text, for ILL_REQUEST_UPDATE.")
@json_option
@pass_context
def preview(
    context: CommandContext,
    code: str,
    illrequest_id: int,
    transport: str,
    lang: str | None,
    additional_text: str,
    *,
    as_json: bool,
) -> None:
    """Show the notice CODE as it would be queued for a request now, without queueing it."""
    notice = context.database.transact(
        preview_notice,
        illrequest_id,
        code,
        transport,
        lang=lang,
        additional_text=additional_text,
    )
    if as_json:
        print_json(notice)
        return
    click.echo(f"Subject: {notice.title}")
    click.echo(
        f"Notice template: {notice.code} ({notice.transport}, {notice.lang}{', HTML' if notice.is_html else ''})"
    )
    click.echo()
    click.echo(notice.content, nl=not notice.content.endswith("\n"))


@notices.command()
@click.option("--code", "codes", multiple=True, help="Only templates with this code.")
@click.option("--lang", "langs", multiple=True, help="Only templates in this language.")
@json_option
@click.pass_context
@pass_context
def check(
    context: CommandContext,
    ctx: click.Context,
    codes: Sequence[str],
    langs: Sequence[str],
    *,
    as_json: bool,
) -> None:
    """
    Find mistakes in the ILL notice templates in Koha; changes nothing.

    With an error, Koha or the sidecar fails and nothing is sent; a warning is a likely mistake. Exits with 1 if there
    is an error, or no template with one of the given codes.
    """
    checked = context.database.transact(notice_check.check, codes=codes, langs=langs)
    missing = _missing(checked, codes)
    if as_json:
        print_json(checked.findings)
    elif checked.letters or checked.findings:
        _print_report(checked)
    if missing:
        click.echo(missing, err=as_json)
    ctx.exit(1 if missing or checked.count(Severity.ERROR) else 0)


@notices.command()
@click.option("--jsonl", is_flag=True, required=True, help='Read lines {"template": "…", "vars": {…}}.')
def render(*, jsonl: bool) -> None:  # noqa: ARG001  (the only format so far; required so that others can be added)
    """
    Render Template Toolkit templates from standard input, without a database.

    Prints a line for each, in order: {"output": "…"} or {"error": "…"}.
    """
    for answer in _answers(sys.stdin.buffer):
        click.echo(json.dumps(answer, ensure_ascii=False))


def _answers(lines: Iterable[bytes]) -> Iterator[dict[str, str]]:
    engine = Engine()
    for line in lines:
        try:
            template, variables = _read_line(line)
            yield {"output": engine.render(template, variables)}
        except (_BadLine, TemplateError) as error:
            yield {"error": str(error)}


class _BadLine(Exception):
    pass


def _read_line(line: bytes) -> tuple[str, dict[str, object]]:
    try:
        given = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _BadLine(f"not a line of JSON: {error}") from error
    if not isinstance(given, dict) or not isinstance(given.get("template"), str):
        raise _BadLine('not an object with a text "template"')
    variables = given.get("vars", {})
    if not isinstance(variables, dict):
        raise _BadLine('"vars" is not an object')
    return given["template"], variables


def _row(found: LetterComparison, *, dry_run: bool, with_diff: bool) -> dict[str, object]:
    missing = "would be added" if dry_run else "added"
    results = {
        LetterState.MISSING: missing,
        LetterState.SAME: "there already",
        LetterState.CHANGED: "kept, differs from ours",
    }
    template = found.template
    return {
        "code": template.code,
        "transport": template.transport,
        "lang": template.lang,
        "state": found.state.value,
        "result": results[found.state],
        **({"diff": found.diff} if with_diff and found.state is LetterState.CHANGED else {}),
    }


def _missing(checked: NoticeCheck, codes: Sequence[str]) -> str | None:
    """Return a message on codes without a template: a mistyped code in a cron job must not look like a success."""
    known = {letter.code for letter in checked.letters} | {finding.code for finding in checked.findings}
    if not known:
        return "There is no such notice template."
    missing = [printable(code) for code in codes if code not in known]
    return f"There is no such notice template: {', '.join(missing)}." if missing else None


def _print_report(checked: NoticeCheck) -> None:
    for name, findings in itertools.groupby(checked.findings, key=_letter_name):
        first, *others = findings
        click.echo(name)
        for finding in (first, *others):
            _print_finding(finding)
        if first.address:
            click.echo(f"  Correct it in Koha: {first.address}")
        click.echo()
    click.echo(_summary(checked))


def _letter_name(finding: Finding) -> str:
    library = f", library {finding.branchcode}" if finding.branchcode else ""
    return printable(f"{finding.code} ({finding.transport}, {finding.lang}{library})")


def _print_finding(finding: Finding) -> None:
    severity = click.style(finding.severity.value.ljust(len(Severity.WARNING)), fg=_COLOURS[finding.severity])
    part = f"{finding.part}: " if finding.part else ""
    if finding.line is not None:
        part = f"{finding.part}, line {finding.line}, column {finding.column}: "
    click.echo(f"  {severity}  {part}{printable(str(finding.message))}")
    for line in _pointer(finding):
        click.echo(f"             {line}")
    click.echo(f"           -> {printable(str(finding.advice))}")


def _pointer(finding: Finding) -> Sequence[str]:
    """Return the line of a finding, or the part of it around the position, and a caret under the position."""
    if finding.source is None or finding.column is None:
        return ()
    before, after = finding.source[: finding.column - 1], finding.source[finding.column - 1 :]
    start = max(0, len(before) - _SHOWN // 2)
    shown = printable(before[start:])
    return f"{shown}{printable(after[: _SHOWN - len(shown)])}", f"{' ' * display_width(shown)}^"


def _summary(checked: NoticeCheck) -> str:
    number = len(checked.letters)
    templates = f"{number} notice template{'' if number == 1 else 's'} checked"
    if not checked.findings:
        return f"{templates}, nothing found."
    errors, warnings = checked.count(Severity.ERROR), checked.count(Severity.WARNING)
    return (
        f"{templates}: {errors} error{'' if errors == 1 else 's'}, "
        f"{warnings} warning{'' if warnings == 1 else 's'}."
    )
