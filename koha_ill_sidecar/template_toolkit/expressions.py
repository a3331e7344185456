"""
Parse expressions.

Template Toolkit parses an expression with its own grammar and translates it to Perl code, which Perl parses again.
Where the two disagree, Perl wins: `a _ b == c` is `(a . b) eq c` although the grammar binds `==` tighter. Only `div` is
decided by the grammar. So this module first reads an expression into a flat list of operands and operators, and then
builds the tree by Perl's precedence.

Source: Template Toolkit 2.27, its grammar; Perl, perlop.
"""

from typing import TypeAlias

from koha_ill_sidecar.template_toolkit import nodes
from koha_ill_sidecar.template_toolkit.errors import TemplateError
from koha_ill_sidecar.template_toolkit.lexer import Token
from koha_ill_sidecar.template_toolkit.limits import Meter
from koha_ill_sidecar.template_toolkit.source import Positions
from koha_ill_sidecar.template_toolkit.values import fit

_Flat: TypeAlias = list[nodes.Expression | str]

# Nested expressions: far more than anyone writes, and well within what Python compiles.
_DEEPEST = 30

# Working out what one token means takes about ten microseconds.
_WORK_OF_A_TOKEN = 1000

_TERNARY, _NOT = 1, 3
_GRAMMAR_PRECEDENCE = {
    "?": _TERNARY,
    "AND": 2,
    "OR": 2,
    "CAT": 4,
    "==": 6,
    "!=": 6,
    "<": 6,
    ">": 6,
    "<=": 6,
    ">=": 6,
    "-": 7,
    "*": 7,
    "%": 7,
    "+": 8,
    "/": 9,
    "DIV": 10,
    "MOD": 11,
}
_EQUALITY, _RELATION = 4, 5
# In Perl, `_` (written as a dot) binds like `+`, and `div` and `mod` do not exist.
_PERL_PRECEDENCE = {
    "OR": 2,
    "AND": 3,
    "==": _EQUALITY,
    "!=": _EQUALITY,
    "<": _RELATION,
    ">": _RELATION,
    "<=": _RELATION,
    ">=": _RELATION,
    "+": 6,
    "-": 6,
    "CAT": 6,
    "*": 7,
    "/": 7,
    "%": 7,
}
_IDENTIFIER_STARTS = frozenset(("IDENT", "$", "${"))
_EXPRESSION_STARTS = _IDENTIFIER_STARTS | {"(", "[", "{", "LITERAL", "QUOTED", "NUMBER", "NOT", "\\"}


class ExpressionParser:
    """Reads expressions, arguments and names from a list of tokens."""

    def __init__(self, tokens: list[Token], positions: Positions, meter: Meter) -> None:
        self._tokens = tokens
        self._index = 0
        self._positions = positions
        self._meter = meter
        self._depth = 0
        self._type = tokens[0].type

    # Tokens.

    def _advance(self) -> Token:
        token = self._tokens[self._index]
        if token.type != "EOF":
            self._index += 1
            self._type = self._tokens[self._index].type
            self._meter.spend(_WORK_OF_A_TOKEN)
        return token

    def _next_type(self, ahead: int = 1) -> str:
        index = min(self._index + ahead, len(self._tokens) - 1)
        return self._tokens[index].type

    def _expect(self, token_type: str) -> Token:
        if self._type != token_type:
            raise self._unexpected()
        return self._advance()

    def _accept(self, token_type: str) -> bool:
        if self._type == token_type:
            self._advance()
            return True
        return False

    def _offset(self) -> int:
        return self._tokens[self._index].offset

    def _line(self) -> int:
        return self._positions.line(self._offset())

    def _error(self, info: str, offset: int | None = None) -> TemplateError:
        offset = self._offset() if offset is None else offset
        return TemplateError("parse", info, self._positions.line(offset), self._positions.column(offset))

    def _unexpected(self) -> TemplateError:
        token = self._tokens[self._index]
        if token.type in ("EOF", "TEXT"):
            return self._error("unexpected end of input" if token.type == "EOF" else "unexpected text")
        if token.type == ";":
            return self._error("unexpected end of directive")
        return self._error(f"unexpected token ({token.value})")

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error("nested too deeply")

    # Operators.

    def _expression(self, first: nodes.Expression | None = None) -> nodes.Expression:
        self._enter()
        arranged = _arrange(self._operation(first, _TERNARY))
        self._depth -= 1
        return arranged

    def _operation(self, first: nodes.Expression | None, lowest: int) -> _Flat:
        row: _Flat = [first] if first is not None else self._operand()
        while (precedence := _GRAMMAR_PRECEDENCE.get(self._type, 0)) >= lowest:
            operator = self._advance().type
            if operator == "?":
                middle = self._expression()
                self._expect(":")
                row += ["?", middle, *self._operation(None, _TERNARY)]
                continue
            right = self._operation(None, precedence + 1)
            if operator == "DIV":
                row = [nodes.WholeDivision(_arrange([*row, "/", *right]))]
            else:
                row += ["%" if operator == "MOD" else operator, *right]
        return row

    def _operand(self) -> _Flat:
        if self._accept("NOT"):
            self._enter()
            row = ["!", *self._operation(None, _NOT + 1)]
            self._depth -= 1
            return row
        if self._accept("("):
            inside = self._parenthesised()
            self._expect(")")
            return [inside]
        return [self._term()]

    def _parenthesised(self) -> nodes.Expression:
        if self._type == "LITERAL" and self._next_type() == "=":
            path = self._literal_path()
            self._advance()
            return nodes.Assignment(path, self._expression())
        if self._type not in _IDENTIFIER_STARTS:
            return self._expression()
        path = self._path()
        if self._accept("="):
            return nodes.Assignment(path, self._expression())
        return self._expression(nodes.Variable(path))

    # Terms.

    def _term(self) -> nodes.Expression:
        if self._type == "[":
            return self._list()
        if self._type == "{":
            return self._hash()
        return self._scalar()

    def _scalar(self) -> nodes.Expression:
        if self._type in _IDENTIFIER_STARTS:
            return nodes.Variable(self._path())
        if self._accept("\\"):
            return nodes.Reference(self._path())
        if self._type == "LITERAL":
            return nodes.Literal(self._advance().value)
        if self._type == "QUOTED":
            return self._quoted()
        if self._type == "NUMBER":
            token = self._advance()
            return nodes.Literal(self._number(token.value, token.offset))
        raise self._unexpected()

    def _number(self, digits: str, offset: int) -> int | float | str:
        try:
            return perl_number(digits)
        except ValueError as error:
            raise self._error(f"invalid number ({digits})", offset) from error

    def _list(self) -> nodes.Expression:
        self._advance()
        self._enter()
        if self._type == "]":
            items: list[nodes.Expression] = []
        else:
            items = [self._term()]
            if self._type == "TO" and not isinstance(
                items[0], nodes.ListLiteral | nodes.RangeLiteral | nodes.HashLiteral
            ):
                return self._range(items[0])
        while not self._accept("]"):
            if not self._accept(","):
                items.append(self._term())
        self._depth -= 1
        return nodes.ListLiteral(tuple(items))

    def _range(self, first: nodes.Expression) -> nodes.Expression:
        self._advance()
        last = self._scalar()
        self._expect("]")
        self._depth -= 1
        return nodes.RangeLiteral(first, last)

    def _hash(self) -> nodes.Expression:
        self._advance()
        self._enter()
        pairs: list[tuple[nodes.Expression, nodes.Expression]] = []
        while not self._accept("}"):
            if pairs and self._accept(","):
                continue
            key = nodes.Literal(self._advance().value) if self._type == "LITERAL" else self._item()
            self._expect("=")
            pairs.append((key, self._expression()))
        self._depth -= 1
        return nodes.HashLiteral(tuple(pairs))

    def _quoted(self) -> nodes.Expression:
        quoted = self._advance()
        parts: list[nodes.Expression] = []
        for part in quoted.parts:
            if isinstance(part, str):
                parts.append(nodes.Literal(part))
            else:
                parts.extend(self._variables(part))
        if not parts:
            # Only dollar signs without a name: Template Toolkit generates code from it that Perl cannot compile.
            raise self._error("quoted text with nothing in it")
        return nodes.Interpolated(tuple(parts))

    def _variables(self, tokens: tuple[Token, ...]) -> list[nodes.Expression]:
        """Read the variables inside an interpolated text; the parser works on their tokens in the meantime."""
        saved = self._tokens, self._index, self._type
        offset = self._offset()
        self._tokens = [*tokens, Token("EOF", "", tokens[-1].offset if tokens else offset)]
        self._index, self._type = 0, self._tokens[0].type
        found: list[nodes.Expression] = []
        self._enter()
        while self._type != "EOF":
            if not self._accept(";"):
                if self._type not in _IDENTIFIER_STARTS:
                    raise self._unexpected()
                found.append(nodes.Variable(self._path()))
        self._depth -= 1
        self._tokens, self._index, self._type = saved
        return found

    # Variables.

    def _path(self) -> nodes.Path:
        steps = [self._step()]
        while self._accept("."):
            if self._type == "NUMBER":
                token = self._advance()
                numbers = [self._number(part, token.offset) for part in token.value.split(".")]
                steps += [nodes.Step(nodes.Literal(str(number)), offset=token.offset) for number in numbers]
            else:
                steps.append(self._step())
        return tuple(steps)

    def _step(self) -> nodes.Step:
        self._enter()
        offset = self._offset()
        name = self._item()
        arguments = None
        if self._accept("("):
            arguments = self._arguments()
            self._expect(")")
        self._depth -= 1
        return nodes.Step(name, arguments, offset)

    def _item(self) -> nodes.Expression:
        if self._type == "IDENT":
            return nodes.Literal(self._advance().value)
        if self._accept("${"):
            name = self._scalar()
            self._expect("}")
            return name
        if self._accept("$"):
            offset = self._offset()
            return nodes.Variable((nodes.Step(nodes.Literal(self._expect("IDENT").value), offset=offset),))
        raise self._unexpected()

    def _literal_path(self) -> nodes.Path:
        offset = self._offset()
        return (nodes.Step(nodes.Literal(self._expect("LITERAL").value), offset=offset),)

    # Arguments and names.

    def _arguments(self) -> nodes.Arguments:
        positional: list[nodes.Expression] = []
        named: list[tuple[nodes.Expression, nodes.Expression]] = []
        while True:
            if self._accept(","):
                continue
            if self._type == "LITERAL" and self._next_type() == "=":
                key = nodes.Literal(self._advance().value)
                self._advance()
                named.append((key, self._expression()))
            elif self._type in _IDENTIFIER_STARTS:
                self._argument(positional, named)
            elif self._type in _EXPRESSION_STARTS:
                positional.append(self._expression())
            else:
                return nodes.Arguments(tuple(positional), tuple(named))

    def _argument(
        self, positional: list[nodes.Expression], named: list[tuple[nodes.Expression, nodes.Expression]]
    ) -> None:
        path = self._path()
        if not self._accept("="):
            positional.append(self._expression(nodes.Variable(path)))
        elif len(path) == 1 and path[0].arguments is None:
            named.append((path[0].name, self._expression()))
        else:
            # In Template Toolkit `f(a.b = 1)` sets the variable and passes its value under an empty name.
            named.append((nodes.Literal(""), nodes.Assignment(path, self._expression())))


def perl_number(digits: str) -> int | float | str:
    """
    Read a number as Perl source code: a leading zero makes it octal.

    Raises:
        ValueError: An octal number has a digit 8 or 9.
    """
    whole, point, fraction = digits.partition(".")
    unsigned = whole.removeprefix("-")
    if len(unsigned) > 1 and unsigned.startswith("0"):
        octal = int(whole, 8)
        return f"{octal}{fraction}" if point else octal
    if point or digits == "-0":
        return float(digits)
    return fit(int(digits[:400]))


def _arrange(row: _Flat) -> nodes.Expression:
    """Build the tree of a flat list of operands and operators by Perl's precedence."""
    return _Arranger(row).conditional()


class _Arranger:
    def __init__(self, row: _Flat) -> None:
        self._row = row
        self._index = 0

    def _operator(self) -> str:
        if self._index < len(self._row):
            item = self._row[self._index]
            if isinstance(item, str):
                return item
        return ""

    def conditional(self) -> nodes.Expression:
        condition = self._binary(2)
        if self._operator() != "?":
            return condition
        yes = self._row[self._index + 1]
        self._index += 2
        if isinstance(yes, str):
            raise TypeError("an operator where an operand was read")
        return nodes.Conditional(condition, yes, self.conditional())

    def _binary(self, lowest: int) -> nodes.Expression:
        left = self._operand()
        while (precedence := _PERL_PRECEDENCE.get(self._operator(), 0)) >= lowest:
            operators, operands = [self._operator()], [left]
            self._index += 1
            operands.append(self._binary(precedence + 1))
            while (
                precedence in (_EQUALITY, _RELATION) and _PERL_PRECEDENCE.get(self._operator()) == precedence
            ):
                operators.append(self._operator())
                self._index += 1
                operands.append(self._binary(precedence + 1))
            if operators == ["CAT"]:
                self._concatenated(operands)
            left = _combine(operators, operands)
        return left

    def _concatenated(self, operands: list[nodes.Expression]) -> None:
        """Read the other operands of `a _ b _ c` at once: one by one, each would copy those before it."""
        while self._operator() == "CAT":
            self._index += 1
            operands.append(self._binary(_PERL_PRECEDENCE["CAT"] + 1))

    def _operand(self) -> nodes.Expression:
        negations = 0
        while self._operator() == "!":
            negations += 1
            self._index += 1
        operand = self._row[self._index]
        self._index += 1
        if isinstance(operand, str):
            raise TypeError("an operator where an operand was read")
        for _ in range(negations):
            operand = nodes.Negation(operand)
        return operand


def _combine(operators: list[str], operands: list[nodes.Expression]) -> nodes.Expression:
    operator = operators[0]
    if _PERL_PRECEDENCE[operator] in (_EQUALITY, _RELATION):
        return nodes.Comparison(tuple(operators), tuple(operands))
    if operator == "CAT":
        first = operands[0]
        before = first.operands if isinstance(first, nodes.Concatenation) else (first,)
        return nodes.Concatenation((*before, *operands[1:]))
    left, right = operands
    if operator in ("AND", "OR"):
        return nodes.Logical(operator, left, right)
    return nodes.Arithmetic(operator, left, right)
