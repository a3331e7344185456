"""What the check of letters finds, and that it agrees with what rendering them does."""

from collections.abc import Sequence
from typing import Any

import pytest
from recordings import recording
from sqlalchemy import Engine, text

from cast import ADA, RIVERSIDE, SAM
from factories import make_request
from koha_ill_sidecar.domain.notices import NoticeCode
from koha_ill_sidecar.errors import TemplateFailed
from koha_ill_sidecar.resources import notice_templates
from koha_ill_sidecar.services.notices.check import NoticeCheck, check
from koha_ill_sidecar.services.notices.findings import Finding, Severity
from koha_ill_sidecar.services.notices.rendering import render_notice
from koha_ill_sidecar.storage.koha import comments, letters, requests
from koha_ill_sidecar.storage.transaction import Transaction
from messaging import add_letter, with_preferences

READY = "ILL_PICKUP_READY"
RECORDED = recording("letters-19.06.json")


def found(tx: Transaction, content: str = "A text", **columns: Any) -> list[Finding]:
    """Add a letter, and return the findings on it."""
    add_letter(tx, "TRY", content=content, **columns)
    return list(check(tx, codes=["TRY"]).findings)


def only(findings: Sequence[Finding]) -> Finding:
    (finding,) = findings
    return finding


def fails(tx: Transaction, code: str) -> bool:
    """Return whether rendering a letter fails, for a request with everything that a letter can name."""
    number = make_request(tx.connection, tx.koha, attributes={"type": "article", "title": "Dune"})
    comments.add(tx, number, borrowernumber=SAM, comment="Asked again")
    try:
        render_notice(tx, requests.get(tx, number), code, "email", additional_text="news")
    except TemplateFailed:
        return True
    return False


class TestGoodLetters:
    @pytest.mark.all_versions
    def test_nothing_is_found_in_ours(self, tx: Transaction) -> None:
        letters.add(tx, notice_templates())

        checked = check(tx)

        assert checked.findings == ()
        assert len(checked.letters) == len(notice_templates())

    @pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in RECORDED["cases"]])
    def test_letters_have_an_error_exactly_where_koha_fails(
        self, tx: Transaction, case: dict[str, Any]
    ) -> None:
        findings = found(tx, case["content"], title=case["title"])

        assert any(finding.severity is Severity.ERROR for finding in findings) == ("error" in case["koha"])

    @pytest.mark.parametrize(
        "content",
        [
            "[% borrower.firstname.length %][% borrower.dateexpiry | $KohaDates with_hours => 1 %]",
            "[% illrequest.patron.library.branchname %][% illrequest.batch.name %]",
            "[% illrequest.due_date %][% illrequest.statusalias.lib_opac %][% illrequest.biblio.biblioitem.isbn %]",
            "[% FOREACH c IN illrequest.comments %][% c.comment %] [% c.patron.surname %][% END %]",
            "[% FOREACH c IN illrequest.comments.as_list.reverse %][% c.comment %][% END %]",
            "[% illrequest.comments.as_list.0.comment %][% illrequest.comments.search({}).count %]",
            "[% illrequest.extended_attributes.find({ type => 'doi' }).value.upper %]",
            "[% FOREACH a IN borrower.extended_attributes %][% a.code %]: [% a.description %][% END %]",
            "[% borrower.get_extended_attribute('SHOE').attribute %]",
            "[% FOREACH one IN borrower %][% one.surname %][% END %]",
            "[% illrequestattributes.doi %][% illrequest.metadata.Volume.length %]",
            "[% illrequestattributes.keys.sort.0 %]",
            "[% FOREACH pair IN illrequestattributes %][% pair.key %][% pair.value.x %][% END %]",
            "[% USE Price %][% illrequest.cost | $Price %][% USE raw %][% today | $raw %]",
            "[% USE Koha %][% Koha.Preference('dateformat') %][% USE b = Branches %][% b.GetName('X') %]",
            "[% USE Categories %][% FOREACH c IN Categories.all %][% c.description %][% END %]",
            "[% USE To %][% To.json(today) %][% today | $To %][% USE Price %][% 1 | $Price on_editing => 1 %]",
            "[% borrower.id %][% borrower.unblessed.surname %][% borrower.get_column('surname') %]",
            "[% illrequest.extended_attributes.get_column('type').join(', ') %][% borrower.is_expired %]",
            "[% FOREACH i IN biblio.items %][% i.home_branch.branchname %][% i.barcode %][% END %]",
            "[% biblio.title %] [% biblio.author | html %] [%- IF biblio.title %]x[% END %]",
            "[% SET mail = branch.branchillemail || branch.branchemail %][% mail %][% IF mail.length %]x[% END %]",
            "[% borrower.password %]<<borrowers.password>>",
            "<<borrowers.firstname>> <<branchname>> <<biblio.title>> <<illrequests.placed | dateonly>> <<today>>",
            "<<ill_bib_title>> <<ill_full_metadata>> <<additional_text>> <<OPACBaseURL>>/x",
            "[%# <<nosuch>> and [% nosuch %]",
            "[% USE date(format='%Y-%m-%d') %][% date.format(date.now) %]",
            "[% USE Date %][% USE String('x') %][% USE Math %][% Math.sqrt(4) %][% USE f = format('%s') %]",
            "[% USE wrap %][% 'a b' | wrap(3) %][% USE HTML %][% HTML.escape('x') %][% USE url('/x') %]",
            "[% USE scalar %][% USE list = iterator([1]) %][% USE t = table([1, 2], rows=2) %][% t.col(1).0 %]",
            "[% USE Koha %][% Koha.CSVDelimiter %][% USE Price %][% Price.filter(3) %]",
        ],
    )
    def test_nothing_is_found_where_all_names_are_known(self, tx: Transaction, content: str) -> None:
        assert [str(finding.message) for finding in found(tx, content)] == []
        assert not fails(tx, "TRY")


class TestSyntax:
    def test_an_error_comes_with_its_line_and_column(self, tx: Transaction) -> None:
        finding = only(found(tx, "Dear\r\n  [% borrower.firstname surname %]\r\nBye"))

        assert (finding.part, finding.line, finding.column) == ("content", 2, 25)
        assert finding.source == "  [% borrower.firstname surname %]"
        assert finding.severity is Severity.ERROR
        assert str(finding.message) == "the template cannot be parsed: unexpected token (surname)"
        assert fails(tx, "TRY")

    def test_titles_are_checked_too(self, tx: Transaction) -> None:
        finding = only(found(tx, title="[% IF 1 %]Ready"))

        assert (finding.part, finding.line, finding.column) == ("title", 1, 4)
        assert "has no END" in str(finding.message)

    def test_an_error_in_the_last_line_has_a_line(self, tx: Transaction) -> None:
        finding = only(found(tx, "Dear\n[% END %]\n"))

        assert (finding.line, finding.source) == (2, "[% END %]")

    def test_a_tag_that_breaks_with_koha_s_added_filter_is_reported(self, tx: Transaction) -> None:
        finding = only(found(tx, "[% biblio.author %]\n by [% biblio.title IF biblio.title %]"))

        assert (finding.line, finding.column) == (2, 5)
        assert "adds a filter" in str(finding.message)
        assert fails(tx, "TRY")

    def test_a_template_too_large_for_the_engine_is_an_error(self, tx: Transaction) -> None:
        loops = "[% FOREACH x IN [1] %]" * 25 + "[% END %]" * 25

        finding = only(found(tx, loops))

        assert "nested too deeply" in str(finding.message)
        assert finding.line is None

    def test_percentages_and_angle_brackets_in_a_text_are_none_of_ours(self, tx: Transaction) -> None:
        text = "A discount [20 %], 100 % of all [see below]; Home >> Loans << back [% ill_bib_title %] 5 %"

        assert found(tx, text) == []


class TestMistakes:
    @pytest.mark.parametrize(
        ("content", "place"),
        [
            ("Fee: % IF x %] 8 [% ill_bib_title %]", (1, 13)),
            ("Dear\n[ % ill_bib_title %]", (2, 1)),
            ("[% borrower.firstname ] b", (1, 1)),
            ("[% borrower.firstname % ] b", (1, 1)),
            ("Dear <<borrowers.firstname, hello", (1, 6)),
            ("Dear borrowers.firstname>>, hello", (1, 25)),
        ],
    )
    def test_half_a_tag_is_a_warning(self, tx: Transaction, content: str, place: tuple[int, int]) -> None:
        finding = found(tx, content)[0]

        assert str(finding.message) == "this looks like half a tag"
        assert (finding.line, finding.column) == place
        assert finding.severity is Severity.WARNING

    @pytest.mark.parametrize(
        "content",
        [
            "<p>&lt;&lt;borrowers.firstname&gt;&gt;</p>",
            "<p>&lt;&lt;illrequests.placed | dateonly&gt;&gt;</p>",
            "<p>[%&nbsp;borrower.firstname %]</p>",
            "<p>[% IF illrequest.cost &lt; 3 %]x[% END %]</p>",
        ],
    )
    def test_what_a_visual_editor_escaped_is_a_warning(self, tx: Transaction, content: str) -> None:
        messages = [str(finding.message) for finding in found(tx, content, is_html=1)]

        assert "a visual editor has escaped this, so that it has no effect" in messages

    def test_entities_in_quotes_are_meant(self, tx: Transaction) -> None:
        assert found(tx, "[% ill_bib_title | replace('&amp;', '&') %] &nbsp; &lt;b&gt;", is_html=1) == []

    def test_a_token_inside_a_tag_is_a_warning_that_names_the_variable(self, tx: Transaction) -> None:
        finding = only(found(tx, "[% IF '<<borrowers.surname>>' == 'x' %]a[% END %]"))

        assert finding.severity is Severity.WARNING
        assert "inside a Template Toolkit tag" in str(finding.message)
        assert str(finding.advice) == "Write borrower.surname instead of <<borrowers.surname>>."


class TestNames:
    @pytest.mark.parametrize(
        ("content", "message", "place"),
        [
            ("[% borrower.firstnam %]", "borrower has no firstnam; did you mean firstname?", (1, 13)),
            ("Dear\n[% 'x' %] [% illrequest.patron.surnam %]", "illrequest.patron has no surnam", (2, 32)),
            ("[% illrequest.comments.0.comment %]", "illrequest.comments has no 0", (1, 24)),
            ("[% illrequest.comments.delete %]", "illrequest.comments has no delete", (1, 24)),
            ("[% illrequest.comments.first.coment %]", "has no coment; did you mean comment?", (1, 30)),
            (
                "[% FOREACH c IN illrequest.comments %][% c.coment %][% END %]",
                "each of illrequest.comments has no coment",
                (1, 44),
            ),
            ("[% p = illrequest.patron %][% p.library.branchnam %]", "did you mean branchname?", (1, 41)),
            ("[% borrower.size %]", "borrower has no size", (1, 13)),
            ("[% IF illrequest.statu == 'NEW' %]x[% END %]", "did you mean status?", (1, 18)),
            ("[% today | $KohaDate %]", "there is no filter $KohaDate; did you mean $KohaDates?", (1, 13)),
            ("[% today | KohaDates %]", "there is no filter KohaDates; did you mean $KohaDates?", (1, 12)),
            ("[% today | htm %]", "there is no filter htm; did you mean html?", (1, 12)),
            ("[% illrequest.cost | $Price %]", "the plugin Price is not loaded", (1, 23)),
            ("[% USE Branches %][% today | $Branches %]", "the plugin Branches is not a filter", (1, 31)),
            ("[% today | perl %]", "the filter perl is not allowed", (1, 12)),
            ("[% USE Branch %]", "the sidecar does not know the plugin Branch; did you mean", (1, 8)),
            ("[% USE Branches %][% Branches.GetNam('X') %]", "did you mean GetName?", (1, 31)),
            ("[% USE To %][% To.jsn(today) %]", "To has no jsn here; did you mean json?", (1, 19)),
            ("[% USE Price %][% Price.format(1) %]", "Price is a filter and has no format here", (1, 25)),
            ("[% KohaDates.output_preference %]", "KohaDates is a filter and has no output_", (1, 14)),
            ("[% borrower.unbless.surname %]", "borrower has no unbless; did you mean unblessed?", (1, 13)),
            ("[% illrequest.comments.siz %]", "has no siz; did you mean size?", (1, 24)),
            ("[% INCLUDE signatur %][% BLOCK signature %]x[% END %]", "did you mean signature?", (1, 12)),
            (
                "[% PROCESS 'patron-title.inc' %]",
                "there is no block patron-title.inc in this template",
                (1, 12),
            ),
            ("[% INSERT logo %]", "INSERT has no file", (1, 11)),
            ("[% PERL %]print 1;[% END %]", "PERL is not allowed", (1, 4)),
        ],
    )
    def test_a_name_that_fails_is_an_error(
        self, tx: Transaction, content: str, message: str, place: tuple[int, int]
    ) -> None:
        finding = only(found(tx, content))

        assert message in str(finding.message)
        assert (finding.line, finding.column) == place
        assert finding.severity is Severity.ERROR
        assert fails(tx, "TRY")

    @pytest.mark.parametrize(
        ("content", "name"),
        [
            ("[% borrower.account.balance %]", "borrower.account"),
            ("[% borrower.checkouts.count %]", "borrower.checkouts"),
            (
                "[% illrequest.biblio.metadata.record.field('245').subfield('a') %]",
                "illrequest.biblio.metadata",
            ),
        ],
    )
    def test_what_only_koha_has_is_named_so(self, tx: Transaction, content: str, name: str) -> None:
        finding = only(found(tx, content))

        assert str(finding.message) == f"{name} is in Koha, but not in the sidecar"
        assert finding.severity is Severity.ERROR

    @pytest.mark.parametrize(
        ("content", "message", "place"),
        [
            ("[% borower.firstname %]", "there is no variable borower; did you mean borrower?", (1, 4)),
            ("[% borrowers.firstname %]", "there is no variable borrowers; did you mean borrower?", (1, 4)),
            ("[% branchname %]", "there is no variable branchname; did you mean branch", (1, 4)),
            ("[% surname %]", "there is no variable surname; did you mean borrower.surname?", (1, 4)),
            ("[% SET greeting = 'x' %][% greting %]", "did you mean greeting?", (1, 28)),
            ("[% borrower.surname.uper %]", "borrower.surname is text and has no uper", (1, 21)),
            (
                "[% illrequest.comments.as_list.siz %]",
                "is a list and has no siz; did you mean size?",
                (1, 32),
            ),
            ("[% TRY %][% borrower.firstnam %][% CATCH %]?[% END %]", "borrower has no firstnam", (1, 22)),
            ("[% TRY %][% today | htm %][% CATCH %]?[% END %]", "there is no filter htm", (1, 21)),
        ],
    )
    def test_a_name_that_is_only_empty_is_a_warning(
        self, tx: Transaction, content: str, message: str, place: tuple[int, int]
    ) -> None:
        finding = only(found(tx, content))

        assert message in str(finding.message)
        assert (finding.line, finding.column) == place
        assert finding.severity is Severity.WARNING
        assert not fails(tx, "TRY")

    def test_advice_names_the_right_spelling(self, tx: Transaction) -> None:
        assert (
            str(only(found(tx, "[% borrower.firstnam %]")).advice) == "Write firstname instead of firstnam."
        )

    def test_findings_are_sorted_by_position(self, tx: Transaction) -> None:
        findings = found(tx, "[% b %]\n[% a.b %] <<no>>\n[% c | nosuch %]", title="[% t %]")

        places = [(finding.part, finding.line, finding.column) for finding in findings]
        assert places == [
            ("title", 1, 4),
            ("content", 1, 4),
            ("content", 2, 4),
            ("content", 2, 11),
            ("content", 3, 4),
            ("content", 3, 8),
        ]


class TestTokens:
    @pytest.mark.parametrize(
        ("content", "message", "place"),
        [
            ("Dear <<borrowers.firstnam>>", "did you mean <<borrowers.firstname>>?", (1, 6)),
            ("\n<<borrower.firstname>>", "did you mean <<borrowers.firstname>>?", (2, 1)),
            ("<<ill_bib_titel>>", "did you mean <<ill_bib_title>>?", (1, 1)),
            ("<<brnchname>>", "did you mean <<branchname>>?", (1, 1)),
            ("<<OPACBaseURl>>", "did you mean <<OPACBaseURL>>?", (1, 1)),
            ("<<items.barcode>>", "<<items.barcode>> has no meaning", (1, 1)),
            ("<<illrequestattributes>>", "<<illrequestattributes>> has no meaning", (1, 1)),
            ("<<borrower-attribute:NONE>>", "<<borrower-attribute:NONE>> has no meaning", (1, 1)),
            ("<<borrowers.surname | upper>>", "<<borrowers.surname | upper>> has no meaning", (1, 1)),
            ("<<ill_bib_title | dateonly>>", "<<ill_bib_title>> has no meaning", (1, 1)),
        ],
    )
    def test_an_unknown_token_is_a_warning(
        self, tx: Transaction, content: str, message: str, place: tuple[int, int]
    ) -> None:
        finding = only(found(tx, content))

        assert message in str(finding.message)
        assert (finding.line, finding.column) == place
        assert finding.severity is Severity.WARNING

    def test_titles_have_fewer_tokens(self, tx: Transaction) -> None:
        finding = only(found(tx, "<<today>>", title="<<illrequests.illrequest_id>> <<today>>"))

        assert (finding.part, finding.column) == ("title", 31)

    def test_attributes_that_patrons_can_have_are_known(self, admin: Engine, tx: Transaction) -> None:
        with admin.begin() as connection:
            connection.execute(
                text("INSERT INTO borrower_attribute_types (code, description) VALUES ('SHOE', 'Shoe size')")
            )

        finding = only(found(tx, "<<borrower-attribute:SHOE>> <<borrower-attribute:SHOO>>"))

        assert "did you mean <<borrower-attribute:SHOE>>?" in str(finding.message)


class TestLanguages:
    def test_variables_that_differ_from_the_default_are_reported(self, tx: Transaction) -> None:
        add_letter(tx, "TRY", content="[% borrower.firstname %] [% ill_bib_title %] [% illrequest.cost %]")

        missing, additional = found(
            tx, "[% borrower.surname %] [% ill_bib_title %] [% illrequest.cost %]", lang="fr"
        )

        assert (missing.lang, missing.part, missing.severity) == ("fr", None, Severity.WARNING)
        assert str(missing.message) == "it does not use borrower.firstname, which the default template does"
        assert str(additional.message) == "it uses borrower.surname, which the default template does not"

    def test_two_paths_to_the_same_value_do_not_differ(self, tx: Transaction) -> None:
        add_letter(
            tx, "TRY", content="[% borrower.surname.upper %] [% branch.branchname %] [% ill_bib_title %]"
        )

        again = "<<borrowers.surname>> [% illrequest.patron.surname %] <<branchname>> <<ill_bib_title>>"

        assert found(tx, again, lang="fr") == []

    def test_html_in_one_language_only_is_reported(self, tx: Transaction) -> None:
        add_letter(tx, "TRY", is_html=1)

        finding = only(found(tx, lang="fr"))

        assert str(finding.message) == "it is plain text, the default template is HTML"

    def test_variables_of_an_unreadable_letter_are_not_compared(self, tx: Transaction) -> None:
        add_letter(tx, "TRY", content="[% borrower.firstname %]")

        other_kind, unreadable = found(tx, "[% IF %]", lang="fr", is_html=1)

        assert str(other_kind.message) == "it is HTML, the default template is plain text"
        assert "cannot be parsed" in str(unreadable.message)

    def test_only_letters_of_the_same_library_are_compared(self, tx: Transaction) -> None:
        add_letter(tx, "TRY", content="[% borrower.firstname %]")
        add_letter(tx, "TRY", lang="fr", content="[% borrower.firstname %]")
        add_letter(tx, "TRY", lang="fr", branchcode=ADA, content="x")

        assert check(tx, codes=["TRY"]).findings == ()

    def test_a_transport_that_a_language_lacks_is_reported(self, tx: Transaction) -> None:
        add_letter(tx, "TRY")
        add_letter(tx, "TRY", message_transport_type="sms")

        finding = only(found(tx, lang="fr"))

        assert (finding.transport, finding.lang, finding.severity) == ("sms", "fr", Severity.WARNING)
        assert str(finding.message).endswith("patrons with this language get the default one")

    def test_a_transport_that_the_default_lacks_is_reported(self, tx: Transaction) -> None:
        add_letter(tx, "TRY")
        add_letter(tx, "TRY", lang="fr")

        finding = only(found(tx, lang="fr", message_transport_type="sms"))

        assert (finding.transport, finding.lang) == ("sms", "default")
        assert str(finding.message).endswith("patrons with this language get no message by this transport")

    def test_the_letters_for_all_libraries_stand_in_for_those_of_one(self, tx: Transaction) -> None:
        for lang in ("default", "fr"):
            add_letter(tx, "TRY", lang=lang)
            add_letter(tx, "TRY", lang=lang, message_transport_type="sms")
        add_letter(tx, "TRY", branchcode=ADA)
        add_letter(tx, "TRY", branchcode=ADA, lang="fr", message_transport_type="sms")

        assert check(tx, codes=["TRY"]).findings == ()

    def test_a_transport_that_neither_has_is_reported_for_the_library(self, tx: Transaction) -> None:
        add_letter(tx, "TRY", branchcode=ADA)
        add_letter(tx, "TRY", branchcode=ADA, lang="fr")

        finding = only(found(tx, branchcode=ADA, lang="fr", message_transport_type="sms"))

        assert (finding.lang, finding.branchcode, finding.transport) == ("default", ADA, "sms")

    def test_core_notices_without_a_letter_are_errors(self, tx: Transaction) -> None:
        add_letter(tx, READY)
        add_letter(tx, "ILL_REQUEST_UPDATE", message_transport_type="sms")

        missing = [
            finding
            for finding in check(tx).findings
            if str(finding.message) == "there is no such notice template"
        ]

        assert {finding.code for finding in missing} == set(NoticeCode) - {READY}
        assert {finding.severity for finding in missing} == {Severity.ERROR}


class TestAddresses:
    def test_each_finding_says_where_it_can_be_fixed(self, tx: Transaction) -> None:
        then = with_preferences(tx, staffClientBaseURL="https://staff.example.org/")

        finding = only(found(then, "[% borrower.x %]", branchcode=RIVERSIDE))

        assert finding.address == (
            "https://staff.example.org/cgi-bin/koha/tools/letter.pl"
            f"?op=add_form&module=ill&code=TRY&branchcode={RIVERSIDE}"
        )

    def test_without_the_preference_there_is_none(self, tx: Transaction) -> None:
        then = with_preferences(tx, staffClientBaseURL="")

        assert only(found(then, "[% borrower.x %]")).address is None


class TestFilters:
    @pytest.fixture
    def two_letters(self, tx: Transaction) -> None:
        letters.add(tx, notice_templates())
        add_letter(tx, "ONE", content="[% one %]")
        add_letter(tx, "TWO", content="[% two %]")
        add_letter(tx, "TWO", content="[% two %]", lang="fr")

    @pytest.mark.parametrize(
        ("chosen", "expected"),
        [
            ({}, ["ONE", "TWO", "TWO"]),
            ({"codes": ["ONE"]}, ["ONE"]),
            ({"codes": ["TWO"], "langs": ["fr"]}, ["TWO"]),
            ({"langs": ["default"]}, ["ONE", "TWO"]),
            ({"codes": ["THREE"]}, []),
        ],
    )
    @pytest.mark.usefixtures("two_letters")
    def test_a_part_of_the_letters_can_be_checked(
        self, tx: Transaction, chosen: dict[str, list[str]], expected: list[str]
    ) -> None:
        checked: NoticeCheck = check(tx, **chosen)

        assert [finding.code for finding in checked.findings] == expected
        assert checked.count(Severity.WARNING) == len(expected)


@pytest.mark.usefixtures("admin")
def test_a_check_takes_three_queries(tx: Transaction, queries: Any) -> None:
    letters.add(tx, notice_templates())
    assert tx.preferences is not None

    with queries() as seen:
        check(tx)

    assert len(seen) == 3
