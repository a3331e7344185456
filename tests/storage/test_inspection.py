"""SHOW GRANTS is parsed in all its forms."""

import pytest

from koha_ill_sidecar.storage.inspection import parse_grants


def test_privileges_are_sorted_by_where_they_apply() -> None:
    held = parse_grants(
        [
            "GRANT USAGE ON *.* TO `u`@`localhost` IDENTIFIED BY PASSWORD '*0'",
            "GRANT SELECT, INSERT ON `koha`.`letter` TO `u`@`localhost`",
            "GRANT SELECT (`a`, `b`), UPDATE (`c`) ON `koha`.`borrowers` TO `u`@`localhost` WITH GRANT OPTION",
            "GRANT ALL PRIVILEGES ON `other`.* TO `u`@`localhost`",
            "GRANT `role` TO `u`@`localhost`",
            "SET DEFAULT ROLE `role` FOR `u`@`localhost`",
        ],
        "koha",
    )

    assert held.everywhere == frozenset()
    assert held.tables == {
        "letter": {"SELECT", "INSERT"},
        "borrowers": {"SELECT (a)", "SELECT (b)", "UPDATE (c)"},
    }
    assert held.elsewhere == {"other"}


def test_privileges_on_the_whole_server() -> None:
    held = parse_grants(["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"], "koha")

    assert held.everywhere == {"ALL PRIVILEGES"}


@pytest.mark.parametrize(
    ("scope", "is_ours"),
    [
        ("koha_main", True),
        ("koha\\_main", True),
        ("koha%", True),
        ("koha\\_%", True),
        ("kohaXmain", False),
        ("koha\\_test", False),
        ("koha", False),
        ("k.*", False),
    ],
)
def test_a_grant_on_databases_is_a_pattern(scope: str, is_ours: bool) -> None:  # noqa: FBT001
    held = parse_grants([f"GRANT SELECT ON `{scope}`.* TO `u`@`%`"], "koha_main")

    assert ("*" in held.tables) is is_ours


def test_a_grant_on_a_table_is_no_pattern() -> None:
    held = parse_grants(["GRANT SELECT ON `koha_main`.`letter` TO `u`@`%`"], "kohaXmain")

    assert held.tables == {}
