"""
Split a template into text and directives.

This module also removes white space according to the options and the flags `-`, `=`, `~` and `+` inside the tags, and
handles the TAGS directive. It does not parse other directives.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from koha_ill_sidecar.template_toolkit.errors import TemplateError

TAG_STYLES: dict[str, tuple[str, str, str | None]] = {
    "asp": ("<%", "%>", None),
    "default": (r"\[%", r"%\]", None),
    "html": ("<!--", "-->", None),
    "mason": ("<%", ">", None),
    "metatext": ("%%", "%%", None),
    "outline": (r"\[%", r"%\]", "%%"),
    "php": (r"<\?", r"\?>", None),
    "star": (r"\[\*", r"\*\]", None),
    "template": (r"\[%", r"%\]", None),
    "template1": (r"[\[%]%", r"%[\]%]", None),
    "tt2": (r"\[%", r"%\]", None),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How templates are parsed; the defaults are Template Toolkit's."""

    tag_style: str = "default"
    # The chomp flag (`-`, `=`, `~`) for tags without their own; empty for none.
    pre_chomp: str = ""
    post_chomp: str = ""
    # Also replace $variables in the text outside directives.
    interpolate: bool = False
    # Recognise keywords in any case.
    anycase: bool = False
    # Strip white space from both ends of the output of blocks.
    trim: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """Text, or the inside of a directive without its flags; *offset* is its position in the source."""

    text: str
    offset: int
    is_directive: bool = False


class Positions:
    """Converts offsets in a source to lines and columns."""

    def __init__(self, source: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", source))]

    def line(self, offset: int) -> int:
        """Return the line of *offset*, from 1."""
        return bisect_right(self._starts, offset)

    def column(self, offset: int) -> int:
        """Return the column of *offset*, from 1."""
        return offset - self._starts[self.line(offset) - 1] + 1


_FLAGS = "-=~+"
_LEADING = re.compile(r"([-=~+])?(\s*)")
_COMMENT_FLAG = re.compile(r"([-=~+])$")
_LINE_BEFORE = re.compile(r"(?:\r?\n|^)[^\S\n]*\Z", re.MULTILINE)
_LINE_AFTER = re.compile(r"[^\S\n]*\n")
_SPACE_AFTER = re.compile(r"\s+")
_TAGS = re.compile(r"TAGS\s+(.*)")
_TAGS_ANYCASE = re.compile(r"(?i:TAGS)\s+(.*)")


class _Tag(NamedTuple):
    start: int
    inside: int
    inside_end: int
    end: int


class _Tags:
    """Finds the next directive in a source, in time that grows with the source and not with its square."""

    def __init__(self, start: str, end: str, outline: str | None = None) -> None:
        line = "(?!)(?P<outline>)" if outline is None else rf"^{outline}(?P<outline>.*?)(?:\n|\Z)"
        self._next = re.compile(rf"(?:{line})|(?:{start})", re.DOTALL | re.MULTILINE)
        self._next_outline = re.compile(line, re.DOTALL | re.MULTILINE)
        self._end = re.compile(end, re.MULTILINE)
        # Once a tag has no end, no later one has.
        self._has_end = True

    def search(self, source: str, position: int) -> _Tag | None:
        if self._has_end:
            opening = self._next.search(source, position)
            if opening is None or opening.group("outline") is not None:
                return None if opening is None else _outline(opening)
            if closing := self._end.search(source, opening.end()):
                return _Tag(opening.start(), opening.end(), closing.start(), closing.end())
            self._has_end = False
        opening = self._next_outline.search(source, position)
        return None if opening is None else _outline(opening)


def _outline(match: re.Match[str]) -> _Tag:
    return _Tag(match.start(), match.start("outline"), match.end("outline"), match.end())


@dataclass(slots=True)
class _SourceSplitter:
    source: str
    options: Options
    position: int = 0
    # The space that replaces the white space after the last tag, if that was collapsed.
    collapsed: str = ""
    tags: _Tags = field(init=False)

    def __post_init__(self) -> None:
        style = TAG_STYLES.get(self.options.tag_style)
        if style is None:
            raise TemplateError("parse", f"invalid tag style: {self.options.tag_style}")
        self.tags = _Tags(*style)

    def parts(self) -> Iterator[Part]:
        while found := self.tags.search(self.source, self.position):
            yield from self._split_at(found)
        rest = self.collapsed + self.source[self.position :]
        if rest:
            yield Part(rest, self.position)

    def _split_at(self, found: _Tag) -> Iterator[Part]:
        before = Part(self.collapsed + self.source[self.position : found.start], self.position)
        inside, offset = self.source[found.inside : found.inside_end], found.inside
        self.position, self.collapsed = found.end, ""
        if inside.startswith("#"):
            flag = _COMMENT_FLAG.search(inside)
            inside, pre_chomp = (flag.group(1) if flag else ""), ""
        else:
            leading = _LEADING.match(inside)
            pre_chomp, space = leading.groups() if leading else ("", "")
            taken = len(pre_chomp or "") + len(space)
            inside, offset = inside[taken:], offset + taken
            pre_chomp = pre_chomp or self.options.pre_chomp
        text = _chomp_before(before.text, pre_chomp)
        inside = self._chomp_after(inside)
        if text:
            yield Part(text, before.offset)
        if inside and not self._changes_tags(inside):
            yield Part(inside, offset, is_directive=True)

    def _chomp_after(self, inside: str) -> str:
        inside = inside.rstrip()
        flag = self.options.post_chomp
        if inside and inside[-1] in _FLAGS:
            flag, inside = inside[-1], inside[:-1].rstrip()
        if flag == "-":
            if match := _LINE_AFTER.match(self.source, self.position):
                self.position = match.end()
        elif flag in ("=", "~") and (match := _SPACE_AFTER.match(self.source, self.position)):
            self.position, self.collapsed = match.end(), " " if flag == "=" else ""
        return inside

    def _changes_tags(self, inside: str) -> bool:
        match = (_TAGS_ANYCASE if self.options.anycase else _TAGS).match(inside)
        if match is None:
            return False
        tags = match.group(1).split()
        if len(tags) > 1:
            self.tags = _Tags(*(re.escape(tag) for tag in tags[:3]))
        elif tags and tags[0] in TAG_STYLES:
            self.tags = _Tags(*TAG_STYLES[tags[0]])
        return True


def _chomp_before(text: str, flag: str) -> str:
    if flag == "-":
        return _LINE_BEFORE.sub("", text, count=1)
    if flag in ("=", "~"):
        stripped = text.rstrip()
        return stripped + " " if flag == "=" and stripped != text else stripped
    return text


def split_source(source: str, options: Options) -> Iterator[Part]:
    """
    Split *source* into text and directives, in order.

    Raises:
        TemplateError: The options name a tag style that does not exist.

    Source: Template Toolkit 2.27, Template::Parser split_text.
    """
    return _SourceSplitter(source, options).parts()
