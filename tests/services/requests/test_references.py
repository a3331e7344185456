"""What staff paste, and who looks it up."""

from koha_ill_sidecar.domain.attributes import Reference
from koha_ill_sidecar.domain.identifiers import Identifier, IdentifierKind, WrongCheckDigit
from koha_ill_sidecar.services.requests.references import ReadReference, installed_resolvers, read


class Knowing:
    def __init__(self, **answers: Reference) -> None:
        self.answers = answers
        self.asked: list[Identifier] = []

    def resolve(self, identifier: Identifier) -> Reference | None:
        self.asked.append(identifier)
        return self.answers.get(identifier.kind)


class Broken:
    def resolve(self, identifier: Identifier) -> Reference | None:
        raise OSError(identifier)


def test_the_sidecar_has_no_resolver_of_its_own() -> None:
    assert installed_resolvers() == ()


def test_without_a_resolver_there_are_the_identifier_and_the_guessed_type() -> None:
    assert read("10.1000/182", ()) == ReadReference(
        reference=Reference(type="article", fields={"doi": "10.1000/182"}), source="doi"
    )
    assert read("0378-5955", ()) == ReadReference(
        reference=Reference(type="journal", fields={"issn": "0378-5955"}), source="issn"
    )


def test_an_openurl_needs_no_resolver() -> None:
    resolver = Knowing()

    found = read("genre=book&title=Snow+country&isbn=9780306406157", [resolver])

    assert isinstance(found, ReadReference)
    assert (found.source, found.reference.type) == ("openurl", "book")
    assert resolver.asked == []


def test_the_first_resolver_that_knows_it_answers_and_the_identifier_stays() -> None:
    knowing = Knowing(isbn=Reference(fields={"title": "Snow country"}))
    last = Knowing()

    found = read("0-306-40615-2", [Knowing(), Broken(), knowing, last])

    assert found == ReadReference(
        reference=Reference(type="book", fields={"isbn": "0306406152", "title": "Snow country"}),
        source="isbn",
        was_resolved=True,
    )
    assert knowing.asked == [Identifier(IdentifierKind.ISBN, "0306406152")]
    assert last.asked == []


def test_unreadable_references_are_distinguished() -> None:
    assert read("0378-5954", [Knowing()]) == WrongCheckDigit(IdentifierKind.ISSN)
    assert read("Snow country", [Knowing()]) is None
