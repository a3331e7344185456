"""
Recordings of a running Koha, which the golden tests compare with.

``KOHA_GOLDEN`` names another folder with files of the same names and shapes, such as one with more cases.
"""

import json
import os
from pathlib import Path
from typing import Any

_COPY = Path(__file__).parent / "golden"
_SHARED = Path(__file__).parents[2] / "shared" / "koha-golden"


def recording(name: str) -> Any:
    """Return the content of a recording, such as ``letters-19.06.json``."""
    folder = os.environ.get("KOHA_GOLDEN")
    for path in [Path(folder) / name] if folder else [_SHARED / name, _COPY / name]:
        if path.exists():
            return json.loads(path.read_text(encoding="utf-8"))
    raise FileNotFoundError(f"There is no recording {name} in {folder or _COPY}.")


def changes(step: str, table: str) -> dict[str, Any]:
    """Return the one row that a step of ``koha-19.06-row-changes.json`` added to a table."""
    for found in recording("koha-19.06-row-changes.json")["steps"]:
        if found["step"].startswith(step):
            (row,) = found["changes"][table]["added"]
            return dict(row)
    raise LookupError(f"There is no step {step!r} in the recording.")
