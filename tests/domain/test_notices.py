"""Choosing a letter, and the small rules about notices."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.domain.notices import (
    Letter,
    choose_letter,
    fit_sms,
    letter_edit_url,
    staff_notice_enabled,
)


def letter(*, lang: str, branchcode: str) -> Letter:
    return Letter(
        code="ILL_PICKUP_READY",
        branchcode=branchcode,
        name="",
        transport="email",
        lang=lang,
        title="",
        content="",
        is_html=False,
        letter_id=None,
    )


BEST_FIRST = [
    letter(lang="zh-Hant-TW", branchcode="CPL"),
    letter(lang="zh-Hant-TW", branchcode=""),
    letter(lang="default", branchcode="CPL"),
    letter(lang="default", branchcode=""),
]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_language_counts_more_than_library(count: int) -> None:
    for present in itertools.combinations(BEST_FIRST, count):
        chosen = choose_letter(reversed(present), branchcode="CPL", lang="zh-Hant-TW")

        assert chosen == present[0]


def test_letters_of_other_languages_and_libraries_are_never_chosen() -> None:
    others = [letter(lang="fr-FR", branchcode=""), letter(lang="default", branchcode="MPL")]

    assert choose_letter(others, branchcode="CPL", lang="zh-Hant-TW") is None


@pytest.mark.parametrize(
    ("preference", "enabled"),
    [
        ("ILL_REQUEST_CANCEL", True),
        ("ILL_REQUEST_MODIFIED|ILL_REQUEST_CANCEL", True),
        ("ILL_REQUEST_MODIFIED,ILL_REQUEST_CANCEL", True),
        ("ILL_REQUEST_CANCELLED", False),
        ("", False),
    ],
)
def test_a_staff_notice_is_on_when_named_as_a_whole_word(preference: str, enabled: bool) -> None:  # noqa: FBT001
    assert staff_notice_enabled(preference, "ILL_REQUEST_CANCEL") is enabled


@given(st.text(min_size=0, max_size=300), st.integers(min_value=4, max_value=200))
def test_a_text_message_is_never_longer_than_the_limit(content: str, maximum: int) -> None:
    fitted = fit_sms(content, maximum)

    assert len(fitted) <= maximum
    assert fitted == content or (fitted.endswith("...") and content.startswith(fitted[:-3]))


@pytest.mark.parametrize("maximum", [None, 0])
def test_without_a_limit_a_text_message_stays_whole(maximum: int | None) -> None:
    assert fit_sms("x" * 1000, maximum) == "x" * 1000


@pytest.mark.parametrize("base", ["https://staff.example.org", "https://staff.example.org/"])
def test_a_letter_is_fixed_on_a_page_of_koha(base: str) -> None:
    assert letter_edit_url(base, "ILL_PICKUP_READY", "") == (
        "https://staff.example.org/cgi-bin/koha/tools/letter.pl"
        "?op=add_form&module=ill&code=ILL_PICKUP_READY&branchcode="
    )
    assert str(letter_edit_url(base, "A&B", "S&O")).endswith("&code=A%26B&branchcode=S%26O")


def test_without_koha_s_url_there_is_no_page() -> None:
    assert letter_edit_url("", "ILL_PICKUP_READY", "") is None
