"""Our own notices: complete, and the same under Perl's Template Toolkit as under ours."""

import json
import subprocess
from collections import Counter

import pytest

from koha_ill_sidecar.domain.notices import NoticeCode
from koha_ill_sidecar.resources import NoticeTemplate, notice_templates
from koha_ill_sidecar.services.notices import templates as service
from koha_ill_sidecar.services.notices.templates import LetterState
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.template_toolkit import Engine
from messaging import add_letter

VARIABLES = {
    "borrower": {"firstname": "Sam", "surname": "Page"},
    "branch": {
        "branchname": "Ada Lovelace Library",
        "branchaddress1": "1 Analytical Way",
        "branchcity": "",
        "branchphone": "555-0101",
        "branchemail": "desk@ada.example.org",
    },
    "illrequest": {"illrequest_id": 7, "notesopac": "Please hurry"},
    "ill_bib_title": "館際 story",
    "ill_bib_author": "Lovelace, Ada",
    "ill_full_metadata": "- Author: Lovelace, Ada\n- Title: 館際 story",
    "additional_text": "It left Oslo.",
}
BARE = {"illrequest": {"illrequest_id": 7}, "ill_bib_title": "", "ill_full_metadata": "", "branch": {}}
ARTICLE = {
    **VARIABLES,
    "ill_bib_title": "Journal of Notes",
    "illrequestattributes": {"article_title": "On Engines", "article_author": "Menabrea, L."},
}

_PERL = r"""
use strict; use warnings; use JSON::PP; use Template;
my $engine = Template->new({ ENCODING => 'UTF-8' }) or die Template->error;
my @outputs = map {
    my ($source, $output) = ($_->{template}, '');
    $engine->process(\$source, $_->{vars}, \$output) or die $engine->error;
    $output;
} @{ decode_json(do { local $/; <STDIN> }) };
print encode_json(\@outputs);
"""


def test_there_is_each_notice_for_each_transport_and_language() -> None:
    found = Counter((one.code, one.transport, one.lang) for one in notice_templates())

    assert found == Counter(
        (code.value, transport, lang)
        for code in NoticeCode
        for transport in ("email", "sms")
        for lang in ("default", "zh-Hant-TW")
    )


@pytest.mark.parametrize(
    "one", [one for one in notice_templates() if "ill_bib_title" in one.content], ids=str
)
def test_notices_of_an_article_name_its_title(one: NoticeTemplate) -> None:
    content = Engine().render(one.content, ARTICLE)

    assert "On Engines" in content
    assert ("Journal of Notes" in content) == (one.transport == "email")


@pytest.mark.parametrize("variables", [VARIABLES, BARE, ARTICLE], ids=["full", "bare", "article"])
def test_perl_renders_our_notices_the_same(variables: dict[str, object]) -> None:
    orders = [{"template": one.content, "vars": variables} for one in notice_templates()]
    engine = Engine()

    perl = subprocess.run(
        ["perl", "-e", _PERL], input=json.dumps(orders).encode(), capture_output=True, check=False
    )

    assert perl.returncode == 0, f"libtemplate-perl is needed for this test: {perl.stderr.decode()}"
    assert [engine.render(one.content, dict(variables)) for one in notice_templates()] == json.loads(
        perl.stdout
    )


def test_a_letter_that_differs_only_in_line_ends_is_the_same(tx: Transaction) -> None:
    ours = notice_templates()[0]
    put(tx, ours, content=ours.content.replace("\n", "\r\n"))

    found = service.compare(tx)

    assert found[0].state is LetterState.SAME
    assert {one.state for one in found[1:]} == {LetterState.MISSING}


def test_a_letter_of_one_library_does_not_stand_for_all(tx: Transaction) -> None:
    put(tx, notice_templates()[0], branchcode="CPL")

    assert service.install(tx)[0].state is LetterState.MISSING
    assert {one.state for one in service.compare(tx)} == {LetterState.SAME}


def put(tx: Transaction, template: NoticeTemplate, **columns: str) -> None:
    add_letter(
        tx,
        template.code,
        **{
            "title": template.title,
            "content": template.content,
            "message_transport_type": template.transport,
            "lang": template.lang,
            **columns,
        },
    )
