"""The command behind ``script/bench``."""

import json
import sys
from pathlib import Path

import click

from benchmarks.harness import Result, machine
from benchmarks.suite import BENCHMARKS, measure

_REPORT = Path(__file__).resolve().parent.parent / "var" / "bench.json"


@click.command(help=f"Measure what the program promises. Names: {', '.join(BENCHMARKS)}; none means all.")
@click.argument("names", nargs=-1, type=click.Choice(tuple(BENCHMARKS)))
@click.option(
    "--quick",
    is_flag=True,
    help="Smaller sizes, less than a minute: a first impression, not the real number.",
)
def main(names: tuple[str, ...], *, quick: bool) -> None:
    """Run, print a table and write ``var/bench.json``; exit with 1 if a goal is missed."""
    results: list[Result] = []
    for name in names or tuple(BENCHMARKS):
        click.echo(f"Measuring {name} ...", err=True)
        results.append(measure(name, quick=quick))
        _write(results)  # so that results survive if a later benchmark fails
    click.echo(_table(results))
    click.echo(f"\n{machine()}{'; quick: smaller sizes' if quick else ''}\nWritten to {_REPORT}")
    sys.exit(0 if all(result.met for result in results) else 1)


def _write(results: list[Result]) -> None:
    _REPORT.parent.mkdir(parents=True, exist_ok=True)
    report = {"machine": machine(), "results": [result.as_json() for result in results]}
    _REPORT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _table(results: list[Result]) -> str:
    header = ("name", "value", "unit", "reference", "ratio", "goal", "met")
    rows = [header, *(_row(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(result: Result) -> tuple[str, ...]:
    reference = "" if result.reference_value is None else f"{result.reference_value:.4g} ({result.reference})"
    ratio = "" if result.ratio is None else f"{result.ratio:.2f}"
    return (
        result.name,
        f"{result.value:.4g}",
        result.unit,
        reference,
        ratio,
        result.goal,
        "yes" if result.met else "NO",
    )


if __name__ == "__main__":
    main()
