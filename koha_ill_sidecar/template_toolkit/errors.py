"""
The one kind of error that the engine raises.

`TemplateError` is also what a template itself throws and catches, so its kinds are Template Toolkit's exception
types. Parse errors have a kind of their own, where Perl's engine hides them behind `file`.
"""


class TemplateError(Exception):
    """
    A template cannot be compiled or rendered.

    Args:
        kind: `parse`, `file`, `plugin`, `undef`, `perl`, or whatever a template's THROW names.
        info: What went wrong; a THROW with several arguments carries a hash.
        line: Line in the template, from 1, where it is known.
        column: Column in that line, from 1, where it is known (parse errors).
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
        # Rendered up to the error and not yet joined to the text around it: RETURN and STOP hand it on.
        self.output = output

    def __str__(self) -> str:
        place = "" if self.line is None else f" (line {self.line})"
        if self.column is not None:
            place = f" (line {self.line}, column {self.column})"
        return f"{self.kind} error - {self.info}{place}"


class TemplateLimitError(TemplateError):
    """A template ran over one of the engine's limits; TRY does not catch this."""

    def __init__(self, info: str) -> None:
        super().__init__("limit", info)
