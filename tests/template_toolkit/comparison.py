"""What it means that both engines agree."""

import copy
import re
from collections.abc import Mapping
from typing import Any

from template_toolkit.perl_engine import TOO_MUCH, PerlEngine

from koha_ill_sidecar.template_toolkit import Engine, Options, TemplateError, TemplateLimitError

# References print as their address, which filters may cut or change the case of.
_ADDRESS = re.compile(r"(hash|array|code|object)\(0x?[0-9a-f]*(\)|\.*)", re.IGNORECASE)

# Where a list stands for a name, Perl hands out the table of all variables.
_REFUSED = "cannot be the name of a variable"

# The table of all variables, which ours does not hand out.
_STASH = re.compile(r"template::stash::xs", re.IGNORECASE)


def rendered(source: str, variables: Mapping[str, Any], options: Options | None = None) -> dict[str, str]:
    """Render with our engine and answer in the form of Perl's."""
    try:
        return {"output": Engine(options=options).render(source, copy.deepcopy(dict(variables)))}
    except TemplateLimitError:
        return {"error": TOO_MUCH, "info": ""}
    except TemplateError as error:
        return {"error": error.kind, "info": str(error.info)}


def normal(answer: Mapping[str, str]) -> tuple[str, str]:
    """Make answers comparable: an output without addresses, or the kind of an error."""
    if "output" in answer:
        return "output", _ADDRESS.sub("REFERENCE", answer["output"])
    info = answer["info"]
    # What Perl cannot compile it reports as an error of the kind `file`; here such errors are of the kind `parse`.
    compiling = info.startswith("parse error") or "at input text line" in info
    return "error", "parse" if answer["error"] == "file" and compiling else answer["error"]


def incomparable(perl: Mapping[str, str], ours: Mapping[str, str]) -> bool:
    """Return whether an engine ran out of something (their bounds differ), or Perl hands out what ours does not."""
    if TOO_MUCH in (perl.get("error"), ours.get("error")) or _REFUSED in ours.get("info", ""):
        return True
    return _STASH.search(perl.get("output", "")) is not None


def agree(
    engine: PerlEngine,
    source: str,
    variables: Mapping[str, Any],
    *,
    perl_options: Mapping[str, object] | None = None,
    options: Options | None = None,
) -> None:
    """Assert that both engines make the same of a template, or cannot be compared."""
    perl, ours = engine.render(source, variables, perl_options), rendered(source, variables, options)
    if normal(ours) == normal(perl) or incomparable(perl, ours):
        return
    # A template that computes with addresses has another outcome in each of Perl's processes.
    with PerlEngine() as another:
        again = another.render(source, variables, perl_options)
    assert normal(again) != normal(perl), (source, options, ours, perl)
