"""``koha-ill-sidecar doctor``: check everything that the sidecar depends on."""

import time

import click

from koha_ill_sidecar.cli.context import CommandContext, pass_context
from koha_ill_sidecar.cli.output import json_option, print_json
from koha_ill_sidecar.errors import ConfigurationError
from koha_ill_sidecar.services.doctor.examination import examine
from koha_ill_sidecar.services.doctor.findings import Finding, Verdict, fail

_COLOURS = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red"}


@click.command()
@json_option
@click.pass_context
@pass_context
def doctor(context: CommandContext, ctx: click.Context, *, as_json: bool) -> None:
    """
    Check the configuration, the database, Koha and the mail.

    Prints one line per check: its name, ok, warn or fail, what was seen, and what to do. Changes nothing.
    Exits with 1 if a check failed.
    """
    findings = _findings(context)
    if as_json:
        print_json(findings)
    else:
        for finding in findings:
            _print(finding)
    ctx.exit(1 if any(finding.verdict is Verdict.FAIL for finding in findings) else 0)


def _findings(context: CommandContext) -> list[Finding]:
    try:
        settings = context.settings
    except ConfigurationError as error:
        advice = "See config.example.yaml for every key."
        return [fail("configuration", problem, advice) for problem in error.problems]
    return examine(settings, context.database, context.runtime.mailer, clock=time.time)


def _print(finding: Finding) -> None:
    name = finding.name.ljust(14)
    verdict = click.style(finding.verdict.ljust(4), fg=_COLOURS[finding.verdict])
    advice = f" -> {finding.advice}" if finding.advice else ""
    click.echo(" ".join(f"{name}  {verdict}  {finding.seen}{advice}".splitlines()))
