"""Our templates for the ILL notices, compared with the letters that Koha has, and installed where it has none."""

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from koha_ill_sidecar.domain.notices import Letter
from koha_ill_sidecar.resources import NoticeTemplate, notice_templates
from koha_ill_sidecar.storage.koha import letters
from koha_ill_sidecar.storage.transaction import Transaction


class LetterState(StrEnum):
    """How an installed letter compares with our template."""

    MISSING = "missing"
    SAME = "same"
    CHANGED = "changed"  # Koha's or the library's own text, which is never overwritten


@dataclass(frozen=True, kw_only=True, slots=True)
class LetterComparison:
    """One of our templates, and Koha's letter for all libraries with its code, transport and language."""

    template: NoticeTemplate
    installed: Letter | None

    @property
    def state(self) -> LetterState:
        """Whether the letter is missing, the same or different."""
        if self.installed is None:
            return LetterState.MISSING
        ours = (self.template.title, self.template.content.splitlines(), self.template.is_html)
        theirs = (self.installed.title, self.installed.content.splitlines(), self.installed.is_html)
        return LetterState.SAME if ours == theirs else LetterState.CHANGED

    @property
    def diff(self) -> str:
        """The changes that would turn the installed letter into our template, as a unified diff."""
        if self.installed is None:
            return ""
        name = f"{self.template.code} ({self.template.transport}, {self.template.lang})"
        lines = difflib.unified_diff(
            [self.installed.title, "", *self.installed.content.splitlines()],
            [self.template.title, "", *self.template.content.splitlines()],
            fromfile=f"{name} in Koha",
            tofile=f"{name} of ours",
            lineterm="",
        )
        return "".join(f"{line}\n" for line in lines)


def installed(tx: Transaction) -> tuple[Letter, ...]:
    """Return Koha's ILL letters of all libraries, transports and languages; one query."""
    return letters.all_of_module(tx)


def compare(tx: Transaction, *, langs: Collection[str] = ()) -> list[LetterComparison]:
    """Compare our templates, or those in some languages, with the installed letters. One query."""
    # A library's own letters are its own business: only those for all libraries count.
    by_key = {
        (letter.code, letter.transport, letter.lang): letter
        for letter in installed(tx)
        if not letter.branchcode
    }
    return [
        LetterComparison(
            template=template, installed=by_key.get((template.code, template.transport, template.lang))
        )
        for template in notice_templates()
        if not langs or template.lang in langs
    ]


def install(tx: Transaction, *, langs: Collection[str] = ()) -> list[LetterComparison]:
    """Add the missing letters and leave the others unchanged; return the comparison from before."""
    compared = compare(tx, langs=langs)
    letters.add(tx, [found.template for found in compared if found.state is LetterState.MISSING])
    return compared
