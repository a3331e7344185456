"""
Filling in a request from a reference that somebody pastes.

An OpenURL contains the whole description. An identifier (DOI, PubMed ID, ISBN, ISSN) can be looked up by a resolver:
a class that another package registers as an entry point of the group ``koha_ill_sidecar.resolvers``. The sidecar has
none of its own, because each needs the network.
"""

import functools
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from typing import Protocol

from koha_ill_sidecar.domain.attributes import Reference
from koha_ill_sidecar.domain.citations import read_citation
from koha_ill_sidecar.domain.identifiers import Identifier, WrongCheckDigit, find_identifiers, reference_of
from koha_ill_sidecar.domain.openurl import read_openurl

logger = logging.getLogger(__name__)

ENTRY_POINTS = "koha_ill_sidecar.resolvers"


class Resolver(Protocol):
    """Looks identifiers up; made without arguments, once, and used by several threads."""

    def resolve(self, identifier: Identifier) -> Reference | None:
        """
        Return the description of a publication; None if this resolver does not know it.

        A person waits for the page, so it should give up within seconds. An error is logged, and the next resolver is
        asked.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadReference:
    """
    A reference that was read.

    Attributes:
        source: ``openurl``, ``citation`` (RIS, BibTeX or CSL JSON), or the kind of the identifier.
        was_resolved: A resolver knew more than the identifier itself.
    """

    reference: Reference
    source: str
    was_resolved: bool = False


def read(text: str, resolvers: Iterable[Resolver]) -> ReadReference | WrongCheckDigit | None:
    """
    Read a reference, None if the text is none, outside of any transaction, since resolvers may be slow.

    An identifier that no resolver knows goes into its own field, and the type is guessed: an article for a DOI or
    PubMed ID, a book for an ISBN, a journal for an ISSN. Of a citation in words, only the identifiers are read.
    """
    if (reference := read_openurl(text)) is not None:
        return ReadReference(reference=reference, source="openurl")
    if (reference := read_citation(text)) is not None:
        return ReadReference(reference=reference, source="citation")
    found = find_identifiers(text)
    identifiers = [one for one in found if isinstance(one, Identifier)]
    if identifiers:
        return _resolved(identifiers, resolvers)
    return next((one for one in found if isinstance(one, WrongCheckDigit)), None)


@functools.cache
def installed_resolvers() -> tuple[Resolver, ...]:
    """Make the installed resolvers, in the order of their names; one that cannot be made is left out and logged."""
    found = []
    for entry_point in sorted(entry_points(group=ENTRY_POINTS), key=lambda one: one.name):
        try:
            found.append(entry_point.load()())
        except Exception:
            logger.exception("resolver cannot be loaded", extra={"resolver": entry_point.name})
    return tuple(found)


def _resolved(identifiers: Sequence[Identifier], resolvers: Iterable[Resolver]) -> ReadReference:
    identifier, own = identifiers[0], reference_of(identifiers)
    for resolver in resolvers:
        try:
            found = resolver.resolve(identifier)
        except Exception:
            logger.exception("resolver failed", extra={"resolver": type(resolver).__name__})
            continue
        if found is not None:
            merged = replace(
                found,
                type=found.type or own.type,
                fields={**own.fields, **found.fields},
                custom={**own.custom, **found.custom},
            )
            return ReadReference(reference=merged, source=identifier.kind, was_resolved=True)
    return ReadReference(reference=own, source=identifier.kind)
