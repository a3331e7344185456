"""
How texts are searched: folded, and taken apart into terms that an index can hold.

A *word* is what stands between white space. Every piece of a word of one, two or three characters is a *gram*, and a
term of the index: so whatever somebody types, in whatever script, is found inside words too. A typed word of up to
three characters is one term, and its hits are exact; a longer one must occur in all that have its grams, but not all
that have them need have it. Words that many requests share are terms as well, which proves most of those hits.
"""

import unicodedata
from collections.abc import Iterable, Iterator

GRAM = 3
"""Characters of the longest gram."""

SHORTEST_SHARED_WORD = GRAM + 1
"""Shorter words are grams themselves."""

LONGEST_TERM = 60
"""Characters at most: what is longer is cut for the index, and compared in whole afterwards."""

TEXT = "t"
PATRON = "p"
"""Where a gram is from, the first character of its term: all of the text, or what it says of who asks."""

WORD_OF = {TEXT: "w", PATRON: "q"}
"""The first character of the term of a whole word."""

# Letters that Unicode does not take apart, though people who lack the key write them so.
_LETTERS = {
    "ø": "o", "đ": "d", "ł": "l", "ħ": "h", "ŧ": "t", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th", "ð": "d",
}  # fmt: skip
# Hiragana for Katakana, and whole kana for small ones, as utf8mb4_unicode_ci has them.
_KATAKANA = {chr(code): chr(code - 0x60) for code in range(0x30A1, 0x30F7)}
_SMALL_KANA = dict(zip("ぁぃぅぇぉっゃゅょゎゕゖ", "あいうえおつやゆよわかけ", strict=True))
_REPLACED = str.maketrans(
    _LETTERS | {kana: _SMALL_KANA.get(to, to) for kana, to in _KATAKANA.items()} | _SMALL_KANA
)


def fold(text: str) -> str:
    """
    Return a text as it is compared: without case, accents, and the differences of width and of kana.

    Texts that Koha's collation takes for the same are the same folded; a few more are (``ø`` and ``o``).

    Source: MariaDB, utf8mb4_unicode_ci, which is the collation of Koha's tables.
    """
    if text.isascii():
        return text.lower()
    # Accents first: the iota that Greek writes under a letter would become a letter of its own.
    decomposed = unicodedata.normalize("NFKD", text)
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    return unicodedata.normalize("NFKC", plain.casefold()).translate(_REPLACED)


def words(text: str) -> list[str]:
    """Return the words of a text, folded."""
    return fold(text).split()


def grams(word: str) -> set[str]:
    """Return every piece of up to three characters of a folded word."""
    return {
        word[start : start + length]
        for length in range(1, GRAM + 1)
        for start in range(len(word) - length + 1)
    }


def necessary_grams(word: str) -> tuple[str, ...]:
    """Return the grams that a word must have in which *word* occurs; the one it is, if it is no longer than that."""
    if len(word) <= GRAM:
        return (word,)
    return tuple(dict.fromkeys(word[start : start + GRAM] for start in range(len(word) - GRAM + 1)))


def is_proven_by_grams(word: str) -> bool:
    """Return whether having the grams of a typed word means having it."""
    return len(word) <= GRAM


def gram_terms(folded_words: Iterable[str], of: str) -> set[str]:
    """Return the terms that stand for the pieces of words."""
    found: set[str] = set()
    for word in folded_words:
        found |= grams(word)
    return {of + gram for gram in found}


def word_terms(folded_words: Iterable[str], of: str) -> Iterator[str]:
    """Yield the terms that stand for whole words, of those that can be terms."""
    return (WORD_OF[of] + word for word in folded_words if SHORTEST_SHARED_WORD <= len(word) <= LONGEST_TERM)


def is_word_term(term: str) -> bool:
    """Return whether a term stands for a whole word."""
    return term[0] in WORD_OF.values()
