"""Compare our engine with Perl's."""

import copy
import re
from collections.abc import Mapping
from typing import Any

from template_toolkit.perl_engine import TOO_MUCH, PerlEngine

from koha_ill_sidecar.template_toolkit import Engine, Options, TemplateError, TemplateLimitError

# References are printed with their address, which filters may truncate or change the case of.
_ADDRESS = re.compile(r"(hash|array|code|object)\(0x?[0-9a-f]*(\)|\.*)", re.IGNORECASE)

# If a list is used as a name, Perl returns its table of all variables; ours refuses it.
_REFUSED = "cannot be the name of a variable"

# Perl's table of all variables in an output.
_STASH = re.compile(r"template::stash::xs", re.IGNORECASE)


def rendered(source: str, variables: Mapping[str, Any], options: Options | None = None) -> dict[str, str]:
    """Render with our engine and return the result in the form of `PerlEngine.render`."""
    try:
        return {"output": Engine(options=options).render(source, copy.deepcopy(dict(variables)))}
    except TemplateLimitError:
        return {"error": TOO_MUCH, "info": ""}
    except TemplateError as error:
        return {"error": error.kind, "info": str(error.info)}


def normal(answer: Mapping[str, str]) -> tuple[str, str]:
    """Return a comparable form of a result: an output without addresses, or the kind of an error."""
    if "output" in answer:
        return "output", _ADDRESS.sub("REFERENCE", answer["output"])
    info = answer["info"]
    # Perl reports parse errors with the kind `file`, ours with the kind `parse`.
    compiling = info.startswith("parse error") or "at input text line" in info
    return "error", "parse" if answer["error"] == "file" and compiling else answer["error"]


def incomparable(perl: Mapping[str, str], ours: Mapping[str, str]) -> bool:
    """Return whether an engine reached a limit (these differ), or Perl returned a value that ours refuses."""
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
    """Assert that both engines render a template equally, or that the results cannot be compared."""
    perl, ours = engine.render(source, variables, perl_options), rendered(source, variables, options)
    if normal(ours) == normal(perl) or incomparable(perl, ours):
        return
    # A template that computes with addresses has another outcome in each of Perl's processes.
    with PerlEngine() as another:
        again = another.render(source, variables, perl_options)
    assert normal(again) != normal(perl), (source, options, ours, perl)
