"""Perl's Template Toolkit, in one process for the whole test run."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

_SCRIPT = Path(__file__).with_name("perl_engine.pl")
# A template may double a text in nested loops, and Perl has no limit for that.
_MEMORY_KILOBYTES = 600_000
TOO_MUCH = "too much"


class PerlEngine:
    """Renders with Perl's Template Toolkit. The process reads and writes one line per template."""

    def __init__(self) -> None:
        self._process = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["sh", "-c", f'ulimit -v {_MEMORY_KILOBYTES}; exec perl "$0"', str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={"LC_ALL": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin"},
        )

    def render(
        self, template: str, variables: Mapping[str, object], options: Mapping[str, object] | None = None
    ) -> dict[str, str]:
        """Return {"output": ...} or {"error": type, "info": text}; the type is TOO_MUCH if Perl gave up."""
        case = json.dumps({"template": template, "vars": variables, "options": options or {}})
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the pipes to perl are gone")
        self._process.stdin.write(case + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line.endswith("\n"):
            self.close()
            self._process = self._start()
            return {"error": TOO_MUCH, "info": ""}
        answer: dict[str, str] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def problem() -> str | None:
    """Return why Perl's engine cannot run here, or None if it can."""
    found = subprocess.run(["perl", "-MTemplate", "-e1"], capture_output=True, text=True, check=False)
    if found.returncode == 0:
        return None
    return f"Perl's Template Toolkit is missing; install it with: apt-get install libtemplate-perl\n{found.stderr}"
