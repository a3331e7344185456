import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.domain.request_index.terms import (
    TEXT,
    fold,
    gram_terms,
    grams,
    is_proven_by_grams,
    necessary_grams,
    words,
)


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("Zürich", "ZURICH"),
        ("Straße", "strasse"),
        ("Łódź", "lodz"),
        ("Søren", "soren"),
        ("２０２６", "2026"),
        ("ＡＢＣ", "abc"),
        ("ｶﾒﾗ", "かめら"),
        ("カメラ", "かめら"),
        ("しょうわ", "しようわ"),
        ("Ἀθῆναι", "αθηναι"),
        ("한국", "한국"),
        ("圖書館", "圖書館"),
    ],
)
def test_equivalent_spellings_fold_to_the_same(written: str, typed: str) -> None:
    assert fold(written) == fold(typed)


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(), st.text())
def test_a_combined_text_folds_word_by_word(first: str, second: str) -> None:
    assert words(f"{first} {second}") == words(first) + words(second)


@given(st.text(alphabet="ab1圖", min_size=1, max_size=12), st.data())
def test_a_piece_of_a_word_needs_only_grams_that_the_word_has(word: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(word) - 1))
    piece = word[start : data.draw(st.integers(start + 1, len(word)))]

    assert set(necessary_grams(piece)) <= grams(word)


@given(st.text(alphabet="ab1圖", min_size=1, max_size=12), st.text(alphabet="ab1圖", min_size=1, max_size=3))
def test_the_grams_of_up_to_three_characters_prove_that_they_occur(word: str, typed: str) -> None:
    assert is_proven_by_grams(typed)
    assert (set(necessary_grams(typed)) <= grams(word)) == (typed in word)


def test_a_word_of_one_chinese_character_is_a_term() -> None:
    assert TEXT + "書" in gram_terms(["圖書館"], TEXT)
