"""
The tree that the parser makes of a template.

An `offset` is the position of a name in the source; it serves the inspection of a template without rendering it.
"""

from dataclasses import dataclass
from typing import TypeAlias


class Expression:
    """Has a value."""

    __slots__ = ()


class Statement:
    """Has an effect or an output. Its *line* is where it begins in the template."""

    __slots__ = ()

    line: int


Body: TypeAlias = tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Literal(Expression):
    """A text or number written in the template."""

    value: str | int | float


@dataclass(frozen=True, slots=True)
class Arguments:
    """Arguments in parentheses, or after the name of a block, filter or plugin."""

    positional: tuple[Expression, ...] = ()
    named: tuple[tuple[Expression, Expression], ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One element of a dotted path. Its *name* is a literal, or an expression as in `hash.$key`."""

    name: Expression
    arguments: Arguments | None = None
    offset: int = 0


Path: TypeAlias = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Variable(Expression):
    """`a.b(1).$c`."""

    path: Path


@dataclass(frozen=True, slots=True)
class Reference(Expression):
    r"""`\a.b`: a function that evaluates the variable when it is called."""

    path: Path


@dataclass(frozen=True, slots=True)
class Interpolated(Expression):
    """`"Dear $name"`."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class ListLiteral(Expression):
    """`[a, b]`."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class RangeLiteral(Expression):
    """`[1..5]`."""

    first: Expression
    last: Expression


@dataclass(frozen=True, slots=True)
class HashLiteral(Expression):
    """`{ a => 1 }`."""

    pairs: tuple[tuple[Expression, Expression], ...]


@dataclass(frozen=True, slots=True)
class Arithmetic(Expression):
    """Two operands and one of `+ - * / %`."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class WholeDivision(Expression):
    """`a div b`: the *quotient* `a / b` without its fraction."""

    quotient: Expression


@dataclass(frozen=True, slots=True)
class Concatenation(Expression):
    """`a _ b _ c`."""

    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Comparison(Expression):
    """`a < b`, or a chain such as `a < b < c`."""

    operators: tuple[str, ...]
    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Negation(Expression):
    """`! a`."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Logical(Expression):
    """`a && b` (AND) or `a || b` (OR); the value is the operand that decided."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Conditional(Expression):
    """`a ? b : c`."""

    condition: Expression
    yes: Expression
    no: Expression


@dataclass(frozen=True, slots=True)
class Assignment(Expression):
    """`(a.b = c)`; its value is that of `c`."""

    path: Path
    value: Expression


@dataclass(frozen=True, slots=True)
class Named:
    """The names in an INCLUDE, FILTER or USE with their *offsets* and arguments, and the alias before the `=`."""

    names: tuple[Expression, ...]
    offsets: tuple[int, ...]
    arguments: Arguments
    alias: Expression | None = None


@dataclass(frozen=True, slots=True)
class Text(Statement):
    """Text between directives."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Get(Statement):
    """`[% a %]`."""

    expression: Expression
    line: int


@dataclass(frozen=True, slots=True)
class Call(Statement):
    """`[% CALL a %]`."""

    expression: Expression
    line: int


@dataclass(frozen=True, slots=True)
class Set(Statement):
    """`[% a = 1 b = 2 %]`; *default* for `[% DEFAULT a = 1 %]`."""

    assignments: tuple[Assignment, ...]
    default: bool
    line: int


@dataclass(frozen=True, slots=True)
class Capture(Statement):
    """`[% a = BLOCK %] ... [% END %]` and `[% a = b | html %]`."""

    path: Path
    body: Body
    line: int


@dataclass(frozen=True, slots=True)
class Include(Statement):
    """INCLUDE, PROCESS or INSERT, by its *directive*."""

    directive: str
    names: Named
    line: int


@dataclass(frozen=True, slots=True)
class Wrapper(Statement):
    """WRAPPER."""

    names: Named
    body: Body
    line: int


@dataclass(frozen=True, slots=True)
class Filter(Statement):
    """FILTER, and its short form `|`."""

    names: Named
    body: Body
    line: int


@dataclass(frozen=True, slots=True)
class Use(Statement):
    """USE."""

    names: Named
    line: int


@dataclass(frozen=True, slots=True)
class Throw(Statement):
    """THROW."""

    names: Named
    line: int


@dataclass(frozen=True, slots=True)
class Jump(Statement):
    """RETURN, STOP, CLEAR, LAST or NEXT, by its *directive*."""

    directive: str
    line: int


@dataclass(frozen=True, slots=True)
class If(Statement):
    """IF with its ELSIFs (the *branches*) and ELSE; UNLESS is an IF of the negation."""

    branches: tuple[tuple[Expression, Body], ...]
    otherwise: Body
    line: int


@dataclass(frozen=True, slots=True)
class Switch(Statement):
    """SWITCH. A CASE with a list matches any of its elements."""

    expression: Expression
    cases: tuple[tuple[Expression, Body], ...]
    otherwise: Body
    line: int


@dataclass(frozen=True, slots=True)
class ForEach(Statement):
    """FOREACH. Without a *target* the keys of elements that are hashes become variables."""

    target: str | None
    items: Expression
    body: Body
    line: int


@dataclass(frozen=True, slots=True)
class While(Statement):
    """WHILE."""

    condition: Expression
    body: Body
    line: int


@dataclass(frozen=True, slots=True)
class Try(Statement):
    """TRY. A handler with the type None is the default."""

    body: Body
    handlers: tuple[tuple[str | None, Body], ...]
    final: Body
    line: int


@dataclass(frozen=True, slots=True)
class Macro(Statement):
    """MACRO. *parameters* is None for a macro without parentheses."""

    name: str
    parameters: tuple[str, ...] | None
    body: Body
    line: int


@dataclass(frozen=True, slots=True)
class AnonymousBlock(Statement):
    """`[% BLOCK %] ... [% END %]`."""

    body: Body
    line: int


@dataclass(frozen=True, slots=True)
class Refused(Statement):
    """PERL or RAWPERL. They parse, and raise an error when they are rendered."""

    directive: str
    line: int
    offset: int


@dataclass(frozen=True, slots=True)
class TemplateTree:
    """A whole template: its main *body*, its named *blocks*, and the values of META."""

    body: Body
    blocks: dict[str, Body]
    metadata: dict[str, str]
