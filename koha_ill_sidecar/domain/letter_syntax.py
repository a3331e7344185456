"""
The older notice syntax ``<<table.column>>``.

Koha replaces one token after the other, so that a value which looks like a token itself is replaced again. Here each
token of the text is replaced once, so that a patron's text is never taken for a token. Otherwise this follows Koha,
C4/Letters.pm _parseletter.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from koha_ill_sidecar.domain.formats import (
    DateStyle,
    is_null_date,
    parse_stored_date,
    without_final_punctuation,
)

SECRET_COLUMNS = frozenset({"password", "secret", "overdrive_auth_token"})
"""Columns of ``borrowers`` that no notice ever shows, whatever its template asks for."""

_TOKEN = re.compile(r"<<([^<>|]+?)(\s*\|\s*dateonly\s*)?>>")
_TOKEN_LIKE = re.compile(r"<<([^<>]+)>>")
_LEFT_OVER = re.compile(r"<<\S*>>")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}( \d{2}:\d{2}:\d{2})?")
_TAG = re.compile(r"\[%.*?%\]", re.DOTALL)
# A percent sign next to one bracket; "[20 %]" is a percentage in brackets.
_HALF_TAG = re.compile(r"\[[^\[\]<>%]*\d\s*%\s*\]|(\[\s*%|%\s*\])")
_HALF_TOKEN = re.compile(r"<<(?=\w)|(?<=\w)>>")
# What an editor writes for what a person typed, outside the quotes of a tag.
_ESCAPED_TOKEN = re.compile(r"&lt;&lt;\s*[\w.:-]+(?:\s*\|\s*dateonly)?\s*&gt;&gt;")
_ESCAPE = re.compile(r"&(?:\w+|#\d+);|\xa0")
_QUOTED = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"", re.DOTALL)
_BIBLIO_TAG = re.compile(r"\[%\s*(biblio|biblioitem)\.(.*?)\s*%\]", re.DOTALL)
_WITH_FILTER = r"[% \1.\2 | $Remove_MARC_punctuation %]"
ATTRIBUTE_PREFIX = "borrower-attribute:"
"""The beginning of tokens for an extended attribute of the patron."""

Row = Mapping[str, str | None]
"""A row as text, as Koha reads it; None for NULL."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LetterValues:
    """The values of all tokens of one letter."""

    substitutes: Mapping[str, str]  # by token
    # By table, in the order in which columns without a table are looked up; a row is read when a token names a column.
    rows: Mapping[str, Callable[[], Row | None]]
    opac_base_url: str
    dates: DateStyle
    now: Callable[[], str]  # "YYYY-MM-DD HH:MM:SS"
    street_type: Callable[[str], str]  # description of a ROADTYPE code, or ""
    patron_attribute: Callable[[str], str | None]  # joined values of a code, None for none


def substitute_title(title: str, values: LetterValues) -> str:
    """Replace the tokens of a title; unknown ones stay, as in Koha."""
    return _TOKEN.sub(lambda token: _or_itself(token, _substitute_or_column(token, values)), title)


def substitute_content(content: str, values: LetterValues) -> str:
    """Replace the tokens of a letter's text; unknown ones without white space are removed."""
    filled = _TOKEN.sub(lambda token: _or_itself(token, _content_value(token, values)), content)
    return _LEFT_OVER.sub("", filled)


@dataclass(frozen=True, kw_only=True, slots=True)
class LetterToken:
    """A token of a letter, known or unknown."""

    name: str
    offset: int
    date_only: bool = False


def tokens_in(text: str) -> Iterator[LetterToken]:
    """Yield what looks like a token, in order; anything but ``dateonly`` after a bar is part of the name."""
    for found in _TOKEN_LIKE.finditer(text):
        token = _TOKEN.fullmatch(found.group())
        name = found.group(1) if token is None else token.group(1)
        yield LetterToken(
            name=name, offset=found.start(), date_only=token is not None and bool(token.group(2))
        )


def half_tags(text: str) -> Iterator[int]:
    """Yield the offset of each tag or token that has only one of its ends."""
    without_tags = _blank(_TAG, text)
    for half in _HALF_TAG.finditer(without_tags):
        if half.group(1):
            yield half.start()
    for half in _HALF_TOKEN.finditer(_blank(_TOKEN_LIKE, without_tags)):
        yield half.start()


def escaped_tokens(text: str) -> Iterator[int]:
    """Yield the offset of each token, and of what in a tag, a visual editor has escaped so that it has no effect."""
    for token in _ESCAPED_TOKEN.finditer(_blank(_TAG, text)):
        yield token.start()
    for tag in _TAG.finditer(text):
        if escape := _ESCAPE.search(_blank(_QUOTED, tag.group())):
            yield tag.start() + escape.start()


def is_in_tag(text: str, offset: int) -> bool:
    """Return whether an offset lies in a tag of Template Toolkit."""
    return any(tag.start() < offset < tag.end() for tag in _TAG.finditer(text))


def _blank(pattern: re.Pattern[str], text: str) -> str:
    """Overwrite what matches with spaces of the same length, which keep the offsets."""
    return pattern.sub(lambda found: " " * len(found.group()), text)


def with_punctuation_filters(source: str) -> str:
    """
    Add a filter to tags of biblio and biblioitem that removes ISBD's final punctuation.

    Source: Koha, C4/Letters.pm add_tt_filters.
    """
    return _BIBLIO_TAG.sub(_WITH_FILTER, source)


def each_punctuation_filter(source: str) -> Iterator[tuple[int, str]]:
    """Yield the offset of each tag that gets a filter, and the source with a filter in that tag only."""
    for tag in _BIBLIO_TAG.finditer(source):
        yield tag.start(), source[: tag.start()] + tag.expand(_WITH_FILTER) + source[tag.end() :]


def _or_itself(token: re.Match[str], value: str | None) -> str:
    return token.group() if value is None else value


def _content_value(token: re.Match[str], values: LetterValues) -> str | None:
    name, date_only = token.groups()
    if date_only:
        return _substitute_or_column(token, values)
    if name == "OPACBaseURL":
        return values.opac_base_url
    if name == "today":
        return values.dates.date_and_time(parse_stored_date(values.now()))
    if name.startswith(ATTRIBUTE_PREFIX):
        return values.patron_attribute(name.removeprefix(ATTRIBUTE_PREFIX))
    return _substitute_or_column(token, values)


def _substitute_or_column(token: re.Match[str], values: LetterValues) -> str | None:
    name, date_only = token.groups()
    if name in values.substitutes and not date_only:
        return values.substitutes[name]
    for table, column, row in _columns_named(name, values.rows):
        value = _column_text(table, column, row[column] or "", values)
        if date_only and _DATE.fullmatch(row[column] or "") is None:
            return None  # in Koha the filter works on dates only
        return _dated(value, values.dates, date_only=bool(date_only))
    return None


def _columns_named(name: str, rows: Mapping[str, Callable[[], Row | None]]) -> Iterator[tuple[str, str, Row]]:
    table_name, dot, column = name.rpartition(".")
    for table, read in rows.items():
        if dot and table != table_name:
            continue
        row = read()
        if row is not None and column in row:
            yield table, column, row


def _column_text(table: str, column: str, value: str, values: LetterValues) -> str:
    if table == "borrowers" and column in SECRET_COLUMNS:
        return ""
    if table == "borrowers" and column == "streettype":
        return values.street_type(value)
    if table == "borrowers" and column == "dateexpiry" and value and not is_null_date(value):
        return values.dates.date(parse_stored_date(value))
    return without_final_punctuation(value) if "biblio" in table else value


def _dated(value: str, dates: DateStyle, *, date_only: bool) -> str:
    found = _DATE.fullmatch(value)
    if found is None or "9999-12-31" in value:
        return value
    try:
        moment = parse_stored_date(value)
    except ValueError:
        return ""  # an impossible date, which Koha leaves out
    return dates.date(moment) if date_only or not found.group(1) else dates.date_and_time(moment)
