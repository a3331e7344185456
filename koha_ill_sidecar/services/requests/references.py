"""
Filling in a request from a reference that somebody pastes.

An OpenURL says all there is by itself. A mere number (DOI, PubMed ID, ISBN, ISSN) can be looked up by a resolver:
a class that another package registers as an entry point of the group ``koha_ill_sidecar.resolvers``. None comes with
the sidecar, for each needs the network.
"""

import functools
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from typing import Protocol

from koha_ill_sidecar.domain.attributes import Reference
from koha_ill_sidecar.domain.identifiers import Identifier, WrongCheckDigit, identify
from koha_ill_sidecar.domain.openurl import read_openurl

logger = logging.getLogger(__name__)

ENTRY_POINTS = "koha_ill_sidecar.resolvers"


class Resolver(Protocol):
    """Looks numbers up; made without arguments, once, and used by several threads."""

    def resolve(self, identifier: Identifier) -> Reference | None:
        """
        Return what is known of a publication; None if this resolver knows nothing of it.

        It is waited for while somebody looks at the page, so it should give up within seconds. An error is logged, and
        the next resolver is asked.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadReference:
    """
    What was read.

    Attributes:
        source: What it was: ``openurl``, or the kind of the number.
        was_resolved: A resolver has said more than the number itself.
    """

    reference: Reference
    source: str
    was_resolved: bool = False


def read(text: str, resolvers: Iterable[Resolver]) -> ReadReference | WrongCheckDigit | None:
    """
    Read a reference, outside of any transaction, since resolvers may take their time.

    A number that nobody resolves goes into its own field, and the type is guessed: an article for a DOI or PubMed ID, a
    book for an ISBN, a journal for an ISSN.

    Returns:
        None where the text is no reference.
    """
    number = identify(text)
    if isinstance(number, WrongCheckDigit):
        return number
    if number is not None:
        return _resolved(number, resolvers)
    reference = read_openurl(text)
    return None if reference is None else ReadReference(reference=reference, source="openurl")


@functools.cache
def installed_resolvers() -> tuple[Resolver, ...]:
    """Make the resolvers that are installed, by name; one that cannot be made is left out, and logged."""
    found = []
    for entry_point in sorted(entry_points(group=ENTRY_POINTS), key=lambda one: one.name):
        try:
            found.append(entry_point.load()())
        except Exception:
            logger.exception("resolver cannot be loaded", extra={"resolver": entry_point.name})
    return tuple(found)


def _resolved(number: Identifier, resolvers: Iterable[Resolver]) -> ReadReference:
    own = number.as_reference
    for resolver in resolvers:
        try:
            found = resolver.resolve(number)
        except Exception:
            logger.exception("resolver failed", extra={"resolver": type(resolver).__name__})
            continue
        if found is not None:
            merged = replace(found, type=found.type or own.type, fields={**own.fields, **found.fields})
            return ReadReference(reference=merged, source=number.kind, was_resolved=True)
    return ReadReference(reference=own, source=number.kind)
