"""Rendering notices, against Perl's Template Toolkit with its stash in C; both have their templates compiled."""

import json
import statistics
import subprocess
import time
from pathlib import Path

from benchmarks.harness import Result, at_least, under
from koha_ill_sidecar.domain.notices import DEFAULT_LANG, EMAIL
from koha_ill_sidecar.resources import notice_templates
from koha_ill_sidecar.template_toolkit import Engine

_PERL = Path(__file__).with_name("perl_notices.pl")
_REQUESTS = 1000


def notices(*, quick: bool) -> Result:
    """Notices rendered in a second: the six of interlibrary loan for a thousand requests."""
    templates = _templates()
    variables = [_variables(number) for number in range(_REQUESTS // 5 if quick else _REQUESTS)]
    ours, theirs = [], []
    for _ in range(3 if quick else 7):
        # Alternating, so that other load on the machine affects both.
        perl_seconds, perl_outputs = _perl(templates, variables)
        seconds, outputs = _render_all(templates, variables)
        if outputs != perl_outputs:
            raise RuntimeError("the two engines render different texts")
        ours.append(len(templates) * len(variables) / seconds)
        theirs.append(len(templates) * len(variables) / perl_seconds)
    return at_least(
        "notices",
        statistics.median(ours),
        "notices/s",
        reference="Perl's Template Toolkit",
        reference_value=statistics.median(theirs),
        goal=2,
    )


def notices_compile(*, quick: bool) -> Result:
    """Milliseconds to compile the slowest of our notice templates."""
    slowest = max(
        min(_seconds_to_compile(source) for _ in range(5 if quick else 50))
        for source in _templates().values()
    )
    return under("notices_compile", slowest * 1000, "ms", limit=5)


def _templates() -> dict[str, str]:
    return {
        template.code: template.content
        for template in notice_templates()
        if template.lang == DEFAULT_LANG and template.transport == EMAIL
    }


def _variables(number: int) -> dict[str, object]:
    """Return the variables of a notice as plain values, which both languages have."""
    title, author = f"A history of things, volume {number}", "Lovelace, Ada"
    return {
        "ill_bib_title": title,
        "ill_bib_author": author,
        "ill_full_metadata": f"- Author: {author}\n- Title: {title}\n- Type: book",
        "illrequestattributes": {"title": title, "author": author, "type": "book"},
        "additional_text": "It has been sent on its way.",
        "illrequest": {"illrequest_id": number, "status": "REQ", "backend": "Standard", "notesopac": None},
        "borrower": {
            "firstname": "Mary",
            "surname": f"Müller {number}",
            "title": "Dr",
            "cardnumber": str(number),
        },
        "branch": {
            "branchname": "Ada Lovelace Library",
            "branchaddress1": "1 Engine Street",
            "branchaddress2": "",
            "branchaddress3": None,
            "branchcity": "London",
            "branchstate": "",
            "branchzip": "W1",
            "branchphone": "020 7946 0000",
            "branchillemail": "ill@ada.example.org",
            "branchemail": "ada@example.org",
        },
    }


def _render_all(
    templates: dict[str, str], variables: list[dict[str, object]]
) -> tuple[float, dict[str, str]]:
    engine = Engine()
    outputs: dict[str, str] = {}
    for source in templates.values():
        engine.render(source, variables[0])
    started = time.perf_counter()
    for values in variables:
        for name, source in templates.items():
            outputs[name] = engine.render(source, values)
    return time.perf_counter() - started, outputs


def _perl(templates: dict[str, str], variables: list[dict[str, object]]) -> tuple[float, dict[str, str]]:
    order = json.dumps({"templates": templates, "variables": variables})
    done = subprocess.run(["perl", str(_PERL)], input=order, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    if answer["stash"] != "Template::Stash::XS":
        raise RuntimeError(f"Perl's stash is {answer['stash']}, not the one in C")
    return answer["seconds"], answer["outputs"]


def _seconds_to_compile(source: str) -> float:
    engine = Engine()
    started = time.perf_counter()
    engine.compile(source)
    return time.perf_counter() - started
