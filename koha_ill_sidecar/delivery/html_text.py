"""Convert an HTML notice to plain text."""

import re
from html.parser import HTMLParser

# fmt: off
_PARAGRAPHS = frozenset({
    "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "table", "ul",
})
_BLOCKS = _PARAGRAPHS | {
    "address", "article", "body", "caption", "center", "dd", "div", "dl", "dt", "fieldset", "figure", "footer", "form",
    "header", "hr", "li", "main", "nav", "section", "tr",
}
# fmt: on
# Comments, declarations and processing instructions; without an end they reach to the end of the page, as in browsers.
_NOT_ELEMENTS = re.compile(r"<!--.*?(?:-->|\Z)|<[!?][^>]*(?:>|\Z)", re.DOTALL)
_HIDDEN = frozenset({"head", "script", "style", "template", "title"})


def text_of(html: str) -> str:
    """Return the text of a page: one line per block, and the URL of each link after its text."""
    # The parser fails on declarations such as "<![x[", and searches the whole rest of the page again for the end of
    # each construct that has none. So neither reaches it.
    html = _NOT_ELEMENTS.sub("", html)
    last = html.rfind(">") + 1
    reader = _Reader()
    reader.feed(html[:last] + html[last:].replace("<", "&lt;"))
    reader.close()
    return reader.text()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._pieces: list[str] = []
        self._hidden = 0
        self._preformatted = 0
        self._links: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag == "br":
            self._pieces.append("\n")
        elif tag in _BLOCKS:
            self._break(tag)
            self._preformatted += tag == "pre"
            if tag == "li":
                self._pieces.append("- ")
        elif tag in {"td", "th"}:
            self._pieces.append(" ")
        elif tag == "a":
            self._links.append((dict(attrs).get("href") or "", len(self._pieces)))

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag in _BLOCKS:
            self._preformatted -= tag == "pre" and self._preformatted > 0
            self._break(tag)
        elif tag == "a" and self._links:
            self._end_link(*self._links.pop())

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        self._pieces.append(data if self._preformatted else re.sub(r"\s+", " ", data))

    def text(self) -> str:
        lines = [line.strip() for line in "".join(self._pieces).split("\n")]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"

    def _break(self, tag: str) -> None:
        self._pieces.append("\n\n" if tag in _PARAGRAPHS else "\n")

    def _end_link(self, target: str, start: int) -> None:
        label = "".join(self._pieces[start:]).strip()
        if target.startswith(("http://", "https://")) and target != label:
            self._pieces.append(f" <{target}>")
