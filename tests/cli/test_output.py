"""Listings are easy to read for people and for programs."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from koha_ill_sidecar.cli.output import print_json, print_listing, print_table
from koha_ill_sidecar.config.settings import Transport
from koha_ill_sidecar.messages import lazy


@dataclass
class Thing:
    name: str
    cost: Decimal


def test_columns_are_as_wide_as_their_content(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(
        [{"id": 1, "name": "林文", "note": "x"}, {"id": 22, "name": "Sam Page", "note": None}],
        {"id": "Request", "name": "Patron", "note": "Note"},
    )

    assert capsys.readouterr().out.splitlines() == [
        "Request  Patron    Note",
        "1        林文      x",
        "22       Sam Page",
    ]


def test_control_characters_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([{"a": "x\x1b[2Jy\nz"}], ["a"])

    assert capsys.readouterr().out == "a\nx [2Jy z\n"


def test_our_values_become_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(
        {
            "thing": Thing(name="書", cost=Decimal("1.50")),
            "at": datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
            "transport": Transport.SMS,
            "path": Path("/x"),
            "said": lazy("It is %(status)s", status=lazy("lost")),
        }
    )

    assert json.loads(capsys.readouterr().out) == {
        "thing": {"name": "書", "cost": "1.50"},
        "at": "2026-01-02T03:04:00+00:00",
        "transport": "sms",
        "path": "/x",
        "said": "It is lost",
    }


def test_only_people_read_that_a_listing_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    print_listing([], ["a"], as_json=False)
    print_listing([], ["a"], as_json=True)

    assert capsys.readouterr().out == "Nothing found.\n[]\n"
