"""
How texts are searched: folded, and split into terms that an index can hold.

A *word* is a run of characters without white space. Every piece of a word of one, two or three characters is a *gram*
and a term of the index, so that a search finds text inside words too, in any script. A search word of up to three
characters is one term, and its hits are exact. A longer one can only occur where all its grams do, but they may also
occur without it. Words that many requests share are terms as well, which proves most of those hits.
"""

import unicodedata
from collections.abc import Iterable, Iterator

GRAM = 3
"""Characters of the longest gram."""

SHORTEST_SHARED_WORD = GRAM + 1
"""Characters; shorter words are grams themselves."""

LONGEST_TERM = 60
"""Characters; longer terms are truncated in the index, and the whole text is compared afterwards."""

TEXT = "t"
PATRON = "p"
"""The first character of a gram's term: whether it is from the whole text, or from the part about the patron."""

WORD_OF = {TEXT: "w", PATRON: "q"}
"""The first character of the term of a whole word."""

# Letters that Unicode does not decompose, and their usual spelling on keyboards that lack them.
_LETTERS = {
    "ø": "o", "đ": "d", "ł": "l", "ħ": "h", "ŧ": "t", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th", "ð": "d",
}  # fmt: skip
# Hiragana for katakana and full kana for small ones, as utf8mb4_unicode_ci compares them.
_KATAKANA = {chr(code): chr(code - 0x60) for code in range(0x30A1, 0x30F7)}
_SMALL_KANA = dict(zip("ぁぃぅぇぉっゃゅょゎゕゖ", "あいうえおつやゆよわかけ", strict=True))
_REPLACED = str.maketrans(
    _LETTERS | {kana: _SMALL_KANA.get(to, to) for kana, to in _KATAKANA.items()} | _SMALL_KANA
)


def fold(text: str) -> str:
    """
    Return a text as it is compared: without the differences of case, accents, width and kana.

    Texts that are equal in Koha's collation fold to the same; so do a few more (``ø`` and ``o``).

    Source: MariaDB, utf8mb4_unicode_ci, which is the collation of Koha's tables.
    """
    if text.isascii():
        return text.lower()
    # Accents first: casefold would turn the Greek iota subscript into a letter of its own.
    decomposed = unicodedata.normalize("NFKD", text)
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    return unicodedata.normalize("NFKC", plain.casefold()).translate(_REPLACED)


def words(text: str) -> list[str]:
    """Return the words of a text, folded."""
    return fold(text).split()


def grams(word: str) -> set[str]:
    """Return all pieces of up to three characters of a folded word."""
    return {
        word[start : start + length]
        for length in range(1, GRAM + 1)
        for start in range(len(word) - length + 1)
    }


def necessary_grams(word: str) -> tuple[str, ...]:
    """Return the longest grams of *word*, without which it cannot occur; a short word is one itself."""
    if len(word) <= GRAM:
        return (word,)
    return tuple(dict.fromkeys(word[start : start + GRAM] for start in range(len(word) - GRAM + 1)))


def is_proven_by_grams(word: str) -> bool:
    """Return whether a text with the grams of a search word certainly has the word."""
    return len(word) <= GRAM


def gram_terms(folded_words: Iterable[str], of: str) -> set[str]:
    """Return the terms of the pieces of words."""
    found: set[str] = set()
    for word in folded_words:
        found |= grams(word)
    return {of + gram for gram in found}


def word_terms(folded_words: Iterable[str], of: str) -> Iterator[str]:
    """Yield the terms of whole words, leaving out words that are too short or too long."""
    return (WORD_OF[of] + word for word in folded_words if SHORTEST_SHARED_WORD <= len(word) <= LONGEST_TERM)


def is_word_term(term: str) -> bool:
    """Return whether a term is that of a whole word."""
    return term[0] in WORD_OF.values()
