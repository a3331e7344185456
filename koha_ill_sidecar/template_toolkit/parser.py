"""
Parse templates into a tree.

It follows Template Toolkit's grammar, including its surprises: `x = 10 IF y` captures the output of the IF (so x
becomes empty if y is false), while `SET x = 10 IF y` sets x only if y is true.
"""

import dataclasses
from collections.abc import Callable

from koha_ill_sidecar.template_toolkit import nodes
from koha_ill_sidecar.template_toolkit.errors import TemplateError
from koha_ill_sidecar.template_toolkit.expressions import ExpressionParser
from koha_ill_sidecar.template_toolkit.lexer import Token, tokens
from koha_ill_sidecar.template_toolkit.limits import Meter
from koha_ill_sidecar.template_toolkit.source import Options, Positions

_BODY_ENDS = frozenset(("END", "ELSE", "ELSIF", "CASE", "CATCH", "FINAL", "EOF"))
_POSTFIX = frozenset(("IF", "UNLESS", "FOR", "WHILE", "WRAPPER", "FILTER"))
_IDENTIFIER_STARTS = frozenset(("IDENT", "$", "${"))
_FILE_PARTS = frozenset(("FILENAME", "IDENT", "NUMBER"))
# Nested directives. Python compiles only 20 nested loops and handlers; the compiler reports deeper ones.
_DEEPEST = 40
_WORK_OF_A_TOKEN = 1000


class TemplateParser(ExpressionParser):
    """Reads the statements of one template."""

    def __init__(self, source: str, row: list[Token], meter: Meter) -> None:
        super().__init__(row, Positions(source), meter)
        self._blocks: dict[str, nodes.Body] = {}
        self._block_names: list[str] = []
        self._metadata: dict[str, str] = {}
        self._nesting = 0
        # The offsets of the statements that are being parsed, innermost last.
        self._open_offsets: list[int] = []
        # Each handler receives the keyword, which has been consumed, and its line.
        self._compounds: dict[str, Callable[[Token, int], nodes.Statement]] = {
            "IF": self._if,
            "UNLESS": self._if,
            "SWITCH": self._switch,
            "FOR": self._for_each,
            "WHILE": lambda _, line: nodes.While(self._expression(), self._closed_body(), line),
            "TRY": self._try,
            "PERL": self._perl,
        }
        self._simple: dict[str, Callable[[Token, int], nodes.Statement]] = {
            "GET": lambda _, line: nodes.Get(self._expression(), line),
            "CALL": lambda _, line: nodes.Call(self._expression(), line),
            "SET": lambda *_: self._assignments([]),
            "DEFAULT": lambda *_: self._assignments([], default=True),
            "INSERT": self._include,
            "INCLUDE": self._include,
            "PROCESS": self._include,
            "THROW": lambda _, line: nodes.Throw(self._names(), line),
            "RETURN": self._jump,
            "STOP": self._jump,
            "CLEAR": self._jump,
            "LAST": self._jump,
            "NEXT": self._jump,
            "WRAPPER": lambda _, line: nodes.Wrapper(self._names(), self._closed_body(), line),
            "FILTER": lambda _, line: nodes.Filter(self._aliased_names(), self._closed_body(), line),
            "DEBUG": self._not_supported,
        }
        self._definitions: dict[str, Callable[[Token, int], nodes.Statement | None]] = {
            "BLOCK": self._block,
            "MACRO": self._macro,
            "USE": lambda _, line: nodes.Use(self._aliased_names(), line),
            "RAWPERL": self._raw_perl,
            "META": self._meta,
            "VIEW": self._not_supported,
        }

    def template(self) -> nodes.TemplateTree:
        """Read the whole template."""
        body = self._body()
        if self._type != "EOF":
            raise self._unexpected()
        return nodes.TemplateTree(body, self._blocks, self._metadata)

    # Statements.

    def _body(self) -> nodes.Body:
        self._nesting += 1
        if self._nesting > _DEEPEST:
            raise self._error("blocks nested too deeply")
        found: list[nodes.Statement] = []
        while self._type not in _BODY_ENDS:
            statement = self._chunk()
            if statement is not None:
                found.append(statement)
        self._nesting -= 1
        return tuple(found)

    def _chunk(self) -> nodes.Statement | None:
        line = self._line()
        if self._type == "TEXT":
            return nodes.Text(self._advance().value, line)
        self._open_offsets.append(self._offset())
        statement = self._statement()
        self._open_offsets.pop()
        self._expect(";")
        return statement

    def _end_of_body(self) -> None:
        if self._type == "EOF":
            raise self._error("unexpected end of input: this directive has no END", self._open_offsets[-1])
        self._expect("END")

    def _statement(self) -> nodes.Statement | None:
        if self._type == ";":
            return None
        if definition := self._definitions.get(self._type):
            line = self._line()
            return definition(self._advance(), line)
        return self._directive() or self._value()

    def _directive(self) -> nodes.Statement | None:
        """Read a directive; None if the next token starts an expression."""
        line = self._line()
        if compound := self._compounds.get(self._type):
            return compound(self._advance(), line)
        if simple := self._simple.get(self._type):
            return self._postfix(simple(self._advance(), line))
        if self._type == "LITERAL" and self._next_type() == "=":
            return self._assignments([])
        return None

    def _value(self) -> nodes.Statement:
        line = self._line()
        if self._type not in _IDENTIFIER_STARTS:
            return self._postfix(nodes.Get(self._expression(), line))
        path = self._path()
        if self._accept("="):
            return self._assignment(path, line)
        return self._postfix(nodes.Get(self._expression(nodes.Variable(path)), line))

    def _captured(self) -> nodes.Body:
        """Read the body of `x =` or MACRO: a block, or any directive except a plain expression."""
        if self._type == "BLOCK":
            self._advance()
            return self._closed_body()
        if directive := self._directive():
            return (directive,)
        if self._type not in _IDENTIFIER_STARTS | {"LITERAL", "QUOTED", "NUMBER", "(", "[", "{", "NOT", "\\"}:
            raise self._unexpected()
        statement = self._value()
        if isinstance(statement, nodes.Get):
            raise self._unexpected()
        return (statement,)

    def _assignment(self, path: nodes.Path, line: int) -> nodes.Statement:
        """Read what follows `path =`: a value and further assignments, or a directive whose output is captured."""
        if self._type == "BLOCK" or self._type in self._compounds or self._type in self._simple:
            return nodes.Capture(path, self._captured(), line)
        if self._type == "LITERAL" and self._next_type() == "=":
            return nodes.Capture(path, (self._assignments([]),), line)
        first = None
        if self._type in _IDENTIFIER_STARTS:
            inner = self._path()
            if self._accept("="):
                return nodes.Capture(
                    path, (self._assignments([nodes.Assignment(inner, self._expression())]),), line
                )
            first = nodes.Variable(inner)
        value = self._expression(first)
        if self._type in _POSTFIX:
            return nodes.Capture(path, (self._postfix(nodes.Get(value, line)),), line)
        return self._assignments([nodes.Assignment(path, value)])

    def _assignments(self, found: list[nodes.Assignment], *, default: bool = False) -> nodes.Set:
        line = self._line()
        while True:
            if found and self._accept(","):
                continue
            if self._type == "LITERAL":
                path = self._literal_path()
            elif self._type in _IDENTIFIER_STARTS:
                path = self._path()
            elif found:
                return nodes.Set(tuple(found), default, line)
            else:
                raise self._unexpected()
            self._expect("=")
            found.append(nodes.Assignment(path, self._expression()))

    def _postfix(self, statement: nodes.Statement) -> nodes.Statement:
        while self._type in ("WRAPPER", "FILTER"):
            line = self._line()
            if self._advance().type == "WRAPPER":
                statement = nodes.Wrapper(self._names(), (statement,), line)
            else:
                statement = nodes.Filter(self._aliased_names(), (statement,), line)
        line = self._line()
        match self._type:
            case "IF" | "UNLESS":
                return nodes.If(((self._condition(self._advance()), (statement,)),), (), line)
            case "FOR":
                self._advance()
                target, items = self._loop_variable()
                return nodes.ForEach(target, items, (statement,), line)
            case "WHILE":
                self._advance()
                return nodes.While(self._expression(), (statement,), line)
        return statement

    def _condition(self, keyword: Token) -> nodes.Expression:
        condition = self._expression()
        return nodes.Negation(condition) if keyword.type == "UNLESS" else condition

    # Simple directives.

    def _include(self, keyword: Token, line: int) -> nodes.Statement:
        return nodes.Include(keyword.type, self._names(), line)

    @staticmethod
    def _jump(keyword: Token, line: int) -> nodes.Statement:
        return nodes.Jump(keyword.type, line)

    def _closed_body(self) -> nodes.Body:
        self._expect(";")
        body = self._body()
        self._end_of_body()
        return body

    def _not_supported(self, keyword: Token, _line: int) -> nodes.Statement:
        raise self._error(f"{keyword.type} is not supported", keyword.offset)

    # Compound directives.

    def _if(self, keyword: Token, line: int) -> nodes.Statement:
        branches = [(self._condition(keyword), self._open_body())]
        while self._accept("ELSIF"):
            condition = self._expression()
            branches.append((condition, self._open_body()))
        otherwise = self._open_body() if self._accept("ELSE") else ()
        self._end_of_body()
        return nodes.If(tuple(branches), otherwise, line)

    def _open_body(self) -> nodes.Body:
        self._expect(";")
        return self._body()

    def _switch(self, _keyword: Token, line: int) -> nodes.Statement:
        expression = self._expression()
        # Template Toolkit never renders what stands before the first CASE.
        self._open_body()
        cases: list[tuple[nodes.Expression, nodes.Body]] = []
        otherwise: nodes.Body = ()
        while self._accept("CASE"):
            if self._type == ";" or self._accept("DEFAULT"):
                otherwise = self._open_body()
                break
            value = self._term()
            cases.append((value, self._open_body()))
        self._end_of_body()
        return nodes.Switch(expression, tuple(cases), otherwise, line)

    def _for_each(self, _keyword: Token, line: int) -> nodes.Statement:
        target, items = self._loop_variable()
        return nodes.ForEach(target, items, self._closed_body(), line)

    def _loop_variable(self) -> tuple[str | None, nodes.Expression]:
        target = None
        if self._type == "IDENT" and self._next_type() in ("=", "IN"):
            target = self._advance().value
            self._advance()
        items = self._term()
        # Template Toolkit allows arguments here and ignores them.
        self._arguments()
        return target, items

    def _try(self, _keyword: Token, line: int) -> nodes.Statement:
        body = self._open_body()
        handlers: list[tuple[str | None, nodes.Body]] = []
        while self._accept("CATCH"):
            kind = None if self._type == ";" or self._accept("DEFAULT") else self._file_name()
            handlers.append((kind, self._open_body()))
        final = self._open_body() if self._accept("FINAL") else ()
        self._end_of_body()
        return nodes.Try(body, tuple(handlers), final, line)

    def _perl(self, keyword: Token, line: int) -> nodes.Statement:
        self._closed_body()
        return nodes.Refused(keyword.type, line, keyword.offset)

    def _raw_perl(self, keyword: Token, line: int) -> nodes.Statement:
        self._expect(";")
        self._expect("TEXT")
        self._end_of_body()
        return nodes.Refused(keyword.type, line, keyword.offset)

    # Definitions.

    def _block(self, _keyword: Token, line: int) -> nodes.Statement | None:
        if self._type == ";" or (self._type == "IDENT" and self._next_type() == "="):
            self._pairs()
            return nodes.AnonymousBlock(self._closed_body(), line)
        self._block_names.append(self._advance().value if self._type == "LITERAL" else self._file_name())
        self._pairs()
        body = self._closed_body()
        self._blocks["/".join(self._block_names)] = body
        self._block_names.pop()
        return None

    def _macro(self, _keyword: Token, line: int) -> nodes.Statement:
        name = self._expect("IDENT").value
        parameters: list[str] | None = None
        if self._accept("("):
            parameters = [self._expect("IDENT").value]
            while not self._accept(")"):
                if not self._accept(","):
                    parameters.append(self._expect("IDENT").value)
        return nodes.Macro(name, None if parameters is None else tuple(parameters), self._captured(), line)

    def _meta(self, _keyword: Token, _line: int) -> None:
        if self._type != "IDENT":
            raise self._unexpected()
        self._metadata.update(self._pairs())

    def _pairs(self) -> dict[str, str]:
        pairs: dict[str, str] = {}
        while self._type == "IDENT" or (pairs and self._type == ","):
            if self._accept(","):
                continue
            name = self._advance().value
            self._expect("=")
            pairs[name] = self._constant()
        return pairs

    def _constant(self) -> str:
        if self._type in ("LITERAL", "NUMBER"):
            return self._advance().value
        parts = self._tokens[self._index].parts
        if self._type == "QUOTED" and len(parts) == 1 and isinstance(parts[0], str):
            self._advance()
            return parts[0]
        raise self._unexpected()

    # Names of blocks, filters and plugins.

    def _aliased_names(self) -> nodes.Named:
        alias = self._alias()
        named = self._names()
        return dataclasses.replace(named, alias=alias)

    def _alias(self) -> nodes.Expression | None:
        alias: nodes.Expression
        if self._type in ("IDENT", "LITERAL") and self._next_type() == "=":
            alias = nodes.Literal(self._advance().value)
        elif (self._type == "$" and self._next_type(2) == "=") or self._type == "${":
            alias = self._item()
        elif self._type == "QUOTED" and self._next_type() == "=":
            alias = self._quoted()
        else:
            return None
        self._expect("=")
        return alias

    def _names(self) -> nodes.Named:
        offsets = [self._offset()]
        if self._accept("$"):
            if self._type not in _IDENTIFIER_STARTS:
                raise self._unexpected()
            return nodes.Named((nodes.Variable(self._path()),), tuple(offsets), self._arguments())
        names = [self._name()]
        while self._accept("+"):
            offsets.append(self._offset())
            names.append(self._name())
        if self._accept("("):
            arguments = self._arguments()
            self._expect(")")
            return nodes.Named(tuple(names), tuple(offsets), arguments)
        return nodes.Named(tuple(names), tuple(offsets), self._arguments())

    def _name(self) -> nodes.Expression:
        if self._type == "QUOTED":
            quoted = self._quoted()
            return quoted if isinstance(quoted, nodes.Interpolated) else nodes.Literal("")
        if self._type == "LITERAL":
            return nodes.Literal(self._advance().value)
        return nodes.Literal(self._file_name())

    def _file_name(self) -> str:
        parts = [self._file_part()]
        while self._accept("."):
            parts.append(self._file_part())
        return ".".join(parts)

    def _file_part(self) -> str:
        if self._type not in _FILE_PARTS:
            raise self._unexpected()
        return self._advance().value


def parse(source: str, options: Options, meter: Meter) -> nodes.TemplateTree:
    """
    Parse a template.

    Raises:
        TemplateError: Of the kind `parse`, with line and column.
        TemplateLimitError: The template has too many tokens, or parsing takes too long.
    """
    row = []
    try:
        for token in tokens(source, options, meter):
            row.append(token)
            meter.check_tokens(len(row))
            meter.spend(_WORK_OF_A_TOKEN)
        tree = TemplateParser(source, row, meter).template()
    except RecursionError as error:
        raise TemplateError("parse", "nested too deeply") from error
    meter.seconds_left()
    return tree
