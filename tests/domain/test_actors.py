"""How long sessions last."""

import pytest

from koha_ill_sidecar.domain.actors import session_seconds


@pytest.mark.parametrize(
    ("preference", "seconds"),
    [
        ("100", 100),
        ("2d", 172_800),
        ("2D", 172_800),
        ("10h", 36_000),
        ("", 600),
        ("0", 600),
        ("10x", 600),
        ("-5", 600),
        ("soon", 600),
    ],
)
def test_the_preference_timeout_is_read_as_koha_reads_it(preference: str, seconds: int) -> None:
    assert session_seconds(preference) == seconds
