"""Letters are rendered as a real Koha rendered them."""

import json
from pathlib import Path
from typing import Any

import pytest

from koha_ill_sidecar.template_toolkit import Engine, TemplateError

_RECORDED = json.loads(
    Path(__file__).with_name("data").joinpath("letters-koha-19.06.json").read_text("utf-8")
)


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in _RECORDED["cases"]])
def test_letter_renders_as_in_koha(case: dict[str, Any]) -> None:
    engine = Engine()

    if "error" in case:
        with pytest.raises(TemplateError):
            engine.render(case["template"], _RECORDED["variables"])
    else:
        assert engine.render(case["template"], _RECORDED["variables"]) == case["output"]
