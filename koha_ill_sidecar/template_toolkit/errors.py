"""
The error that the engine raises.

A template itself can throw and catch a `TemplateError`, so its kinds are Template Toolkit's exception types. Parse
errors have a kind of their own; Perl's engine reports them as `file`.
"""


class TemplateError(Exception):
    """
    A template cannot be compiled or rendered.

    Args:
        kind: `parse`, `file`, `plugin`, `undef`, `perl`, or any name that a template's THROW uses.
        info: What went wrong; a hash for a THROW with several arguments.
        line: Line in the template, counted from 1, where known.
        column: Column in that line, counted from 1, where known (parse errors).
    """

    def __init__(
        self,
        kind: str,
        info: object,
        line: int | None = None,
        column: int | None = None,
        output: list[str] | None = None,
    ) -> None:
        super().__init__(kind, info)
        self.kind = kind
        self.info = info
        self.line = line
        self.column = column
        # Output before the error that is not yet part of the surrounding output. RETURN and STOP keep it.
        self.output = output

    def __str__(self) -> str:
        place = "" if self.line is None else f" (line {self.line})"
        if self.column is not None:
            place = f" (line {self.line}, column {self.column})"
        return f"{self.kind} error - {self.info}{place}"


class TemplateLimitError(TemplateError):
    """A template exceeded one of the engine's limits. TRY does not catch this."""

    def __init__(self, info: str) -> None:
        super().__init__("limit", info)
