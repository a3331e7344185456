"""The output of commands: tables for people, JSON for programs."""

import dataclasses
import json
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path

import click

from koha_ill_sidecar.messages import LazyMessage

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
"""The option ``--json`` of every listing."""


def print_json(value: object) -> None:
    """Print a value as JSON; dataclasses become objects, times ISO 8601 and decimals strings."""
    click.echo(json.dumps(value, default=_plain, ensure_ascii=False, indent=2))


def print_table(rows: Sequence[Mapping[str, object]], columns: Mapping[str, str] | Sequence[str]) -> None:
    """
    Print rows under headings, in columns as wide as their content.

    Args:
        columns: The keys to print, in order, with their headings where these differ.
    """
    headings = columns if isinstance(columns, Mapping) else {key: key for key in columns}
    table = [list(headings.values()), *([_cell(row.get(key)) for key in headings] for row in rows)]
    widths = [max(display_width(line[position]) for line in table) for position in range(len(headings))]
    for line in table:
        cells = [cell + " " * (width - display_width(cell)) for cell, width in zip(line, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())


def print_listing(
    rows: Sequence[Mapping[str, object]], columns: Mapping[str, str] | Sequence[str], *, as_json: bool
) -> None:
    """Print rows as a table, or with all their keys as JSON."""
    if as_json:
        print_json(list(rows))
    elif rows:
        print_table(rows, columns)
    else:
        click.echo("Nothing found.")


def _plain(value: object) -> object:
    match value:
        case datetime() | date():
            return value.isoformat()
        case Decimal() | Path() | LazyMessage():
            return str(value)
        case Enum():
            return value.value
        case bytes():
            return value.decode(errors="replace")
        case set() | frozenset():
            return sorted(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return str(value)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return printable(str(value))


def printable(text: str) -> str:
    """Replace control characters by spaces: text from the database must not control the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def display_width(text: str) -> int:
    """Count the columns that a text takes in a terminal: a Chinese character takes two, an accent none."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
