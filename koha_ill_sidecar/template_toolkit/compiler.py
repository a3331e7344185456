"""
Compile a template's tree to Python functions.

Each block becomes a function that appends strings to a list. The source of these functions consists only of the
constructs in this module. Content of the template is inserted as a literal (`repr` of a str, int or float), so it
cannot become code.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from koha_ill_sidecar.template_toolkit import nodes, stash, values
from koha_ill_sidecar.template_toolkit.context import Block, Document
from koha_ill_sidecar.template_toolkit.errors import TemplateError
from koha_ill_sidecar.template_toolkit.limits import Meter

_LINES = "template_lines"
_SHORT_LIST = 20
_ARITHMETIC = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "modulo"}
_TEXT_COMPARISONS = frozenset(("==", "!="))


def _switch_matches(meter: Meter, wanted: str, case: values.Value) -> bool:
    meter.visit(case)
    cases = case if isinstance(case, list) else [case]
    # Template Toolkit matches with a pattern, and Perl's `$` also matches before a trailing newline.
    return any(
        values.text(item).removesuffix("\n") == wanted or values.text(item) == wanted for item in cases
    )


def _while_error(turns: int) -> TemplateError:
    return TemplateError("undef", f"WHILE loop terminated (> {turns} iterations)\n")


_NAMESPACE: dict[str, object] = {
    "TemplateError": TemplateError,
    "add": values.add,
    "assign": stash.assign,
    "divide": values.divide,
    "get": stash.get,
    "get_dynamic": stash.get_dynamic,
    "get_one": stash.get_one,
    "get_two": stash.get_two,
    "inf": math.inf,
    "matches": _switch_matches,
    "modulo": values.modulo,
    "multiply": values.multiply,
    "number": values.number,
    "range_values": values.range_values,
    "reference": stash.reference,
    "subtract": values.subtract,
    "text": values.text,
    "truncate": values.truncate,
    "truth": values.truth,
    "while_error": _while_error,
}
# The only Python built-ins that compiled templates can reach.
_BUILTINS = {"dict": dict, "isinstance": isinstance, "str": str}


class _Expressions:
    """Generates Python expressions, in which `c` is the context, `s` the variables and `m` the meter."""

    def __init__(self) -> None:
        self._temporaries = 0

    def _temporary(self) -> str:
        self._temporaries += 1
        return f"t{self._temporaries}"

    def value(self, node: nodes.Expression) -> str:
        """Return code for the value of *node*."""
        match node:
            case nodes.Literal(value):
                return repr(value)
            case nodes.Variable(path):
                return self._variable(path)
            case nodes.Interpolated(operands) | nodes.Concatenation(operands):
                return self._concatenation(operands)
            case nodes.Arithmetic(operator, left, right):
                return f"{_ARITHMETIC[operator]}({self.value(left)}, {self.value(right)})"
            case nodes.Comparison() | nodes.Negation():
                return f"(1 if {self.condition(node)} else '')"
            case nodes.Logical():
                return self._logical(node)
            case nodes.Conditional(condition, yes, no):
                return f"({self.value(yes)} if {self.condition(condition)} else {self.value(no)})"
            case _:
                return self._compound(node)

    def items(self, node: nodes.Expression) -> str:
        """Return code for what FOREACH goes through; a short list that is written there needs no meter."""
        if isinstance(node, nodes.ListLiteral) and len(node.items) <= _SHORT_LIST:
            return self._list(node.items)
        return self.value(node)

    def _list(self, items: tuple[nodes.Expression, ...]) -> str:
        return f"[{', '.join(map(self.value, items))}]"

    def _compound(self, node: nodes.Expression) -> str:
        match node:
            case nodes.ListLiteral(items):
                return f"m.checked_list({self._list(items)})"
            case nodes.RangeLiteral(first, last):
                created = f"range_values({self.value(first)}, {self.value(last)}, m.limits.list_size)"
                return f"m.checked_list({created})"
            case nodes.HashLiteral():
                return f"m.checked_hash({self._dictionary(node.pairs)})"
            case nodes.WholeDivision(quotient):
                return f"truncate({self.value(quotient)})"
            case nodes.Assignment(path, value):
                return f"assign(s, {self.path(path)}, {self.value(value)})"
            case nodes.Reference(path):
                return f"reference(s, {self.path(path)})"
        raise TypeError(f"no code for {type(node).__name__}")

    def text(self, node: nodes.Expression) -> str:
        """Return code for the text of *node*."""
        if isinstance(node, nodes.Literal):
            return repr(values.text(node.value))
        code = self.value(node)
        if isinstance(node, nodes.Interpolated | nodes.Concatenation):
            return code
        temporary = self._temporary()
        return f"({temporary} if ({temporary} := {code}).__class__ is str else text({temporary}))"

    def condition(self, node: nodes.Expression) -> str:
        """Return code for the truth of *node*, as a Python bool."""
        match node:
            case nodes.Negation(operand):
                return f"(not {self.condition(operand)})"
            case nodes.Logical(operator, left, right):
                return f"({self.condition(left)} {operator.lower()} {self.condition(right)})"
            case nodes.Comparison():
                return self._comparison(node)
        return f"truth({self.value(node)})"

    def _comparison(self, node: nodes.Comparison) -> str:
        convert = self.text if node.operators[0] in _TEXT_COMPARISONS else self._number
        left = convert(node.operands[0])
        links = []
        for operator, operand in zip(node.operators, node.operands[1:], strict=True):
            temporary = self._temporary()
            links.append(f"{left} {operator} ({temporary} := {convert(operand)})")
            left = temporary
        return f"({' and '.join(links)})"

    def _number(self, node: nodes.Expression) -> str:
        if isinstance(node, nodes.Literal):
            return repr(values.number(node.value))
        return self.value(node) if isinstance(node, nodes.Arithmetic) else f"number({self.value(node)})"

    def _logical(self, node: nodes.Logical) -> str:
        left, right = self._temporary(), self.value(node.right)
        test = f"truth({left} := {self.value(node.left)})"
        return (
            f"({right} if {test} else {left})"
            if node.operator == "AND"
            else f"({left} if {test} else {right})"
        )

    def _concatenation(self, operands: tuple[nodes.Expression, ...]) -> str:
        if len(operands) == 1:
            return self.text(operands[0])
        return f"m.join(({', '.join(map(self.text, operands))}))" if operands else "''"

    def _variable(self, path: nodes.Path) -> str:
        names = [step.name.value for step in path if isinstance(step.name, nodes.Literal)]
        constant = len(names) == len(path) and not any(str(name).startswith(("_", ".")) for name in names)
        if constant and not any(step.arguments for step in path):
            if len(path) == 1 and "." in str(names[0]):
                return f"get_dynamic(s, {names[0]!r})"
            if len(path) == 1:
                return f"get_one(s, {names[0]!r})"
            if len(path) == 2:
                return f"get_two(s, {names[0]!r}, {names[1]!r})"
        if len(path) == 1 and path[0].arguments is None and not isinstance(path[0].name, nodes.Literal):
            return f"get_dynamic(s, {self.value(path[0].name)})"
        return f"get(s, {self.path(path)})"

    def path(self, path: nodes.Path) -> str:
        """Return code for a path as `get` and `assign` expect it."""
        steps = []
        for step in path:
            arguments = "None" if step.arguments is None else self.arguments(step.arguments)
            steps.append(f"{self.value(step.name)}, {arguments}, ")
        return f"({''.join(steps)})"

    def arguments(self, arguments: nodes.Arguments) -> str:
        """Return code for an argument list; the named arguments are a hash at its end."""
        given = [self.value(argument) for argument in arguments.positional]
        if arguments.named:
            given.append(f"m.checked_hash({self._dictionary(arguments.named)})")
        return f"[{', '.join(given)}]"

    def named(self, names: nodes.Named) -> str:
        """Return code for the named arguments only."""
        return self._dictionary(names.arguments.named)

    def _dictionary(self, pairs: tuple[tuple[nodes.Expression, nodes.Expression], ...]) -> str:
        return f"{{{', '.join(f'{self.text(key)}: {self.value(value)}' for key, value in pairs)}}}"


class _Compiler:
    """Writes the functions of one template, and maps their lines to lines of the template."""

    def __init__(self) -> None:
        self._code: list[str] = []
        # Template line by line of code, so that errors at run time can name the line of the template.
        self._lines: list[int] = [0]
        self._line = 1
        self._indent = 0
        self._counter = 0
        # What LAST leaves, innermost last: a "loop" or a "block" (a bare block in Perl's code).
        self._scopes: list[str] = []
        self._expressions = _Expressions()

    def module(self, tree: nodes.TemplateTree) -> tuple[str, list[int], dict[str, str]]:
        """Return the source, the line map, and the function name of each block; `main` is the template itself."""
        self._function("main", tree.body, catches_return=True)
        functions: dict[str, str] = {}
        for name, body in tree.blocks.items():
            functions[name] = f"block_{len(functions)}"
            self._function(functions[name], body, catches_return=True)
        return "\n".join(self._code), self._lines, functions

    # Writing.

    def _write(self, code: str) -> None:
        self._code.append(" " * self._indent + code)
        self._lines.append(self._line)

    @contextmanager
    def _indented(self, opening: str) -> Iterator[None]:
        self._write(opening)
        self._indent += 1
        yield
        self._indent -= 1

    def _size_since(self, start: int) -> int:
        return sum(map(len, self._code[start + 1 :]))

    def _name(self) -> int:
        self._counter += 1
        return self._counter

    @contextmanager
    def _scope(self, kind: str) -> Iterator[None]:
        self._scopes.append(kind)
        yield
        self._scopes.pop()

    def _function(self, name: str, body: nodes.Body, *, catches_return: bool) -> None:
        scopes, self._scopes = self._scopes, []
        with self._indented(f"def {name}(c):"):
            self._write("s = c.stash")
            self._write("m = c.meter")
            if catches_return:
                self._guarded_body(body, 0)
            else:
                self._buffered(body, 0)
            self._write("return m.join(w0)")
        self._scopes = scopes

    def _open_buffer(self, buffer: int) -> None:
        self._write(f"w{buffer} = []")
        self._write(f"a{buffer} = w{buffer}.append")

    def _buffered(self, body: nodes.Body, buffer: int) -> None:
        self._open_buffer(buffer)
        self._body(body, buffer)

    def _guarded_body(self, body: nodes.Body, buffer: int) -> None:
        self._open_buffer(buffer)
        with self._indented("try:"):
            self._body(body, buffer)
        with self._indented("except TemplateError as error:"):
            self._write(f"c.end_block(error, w{buffer})")

    def _body(self, body: nodes.Body, buffer: int) -> None:
        if not body:
            self._write("pass")
        for statement in body:
            self._line = statement.line
            self._statement(statement, buffer)

    # Statements.

    def _statement(self, node: nodes.Statement, buffer: int) -> None:
        value = self._expressions.value
        match node:
            case nodes.Text(text):
                self._write(f"a{buffer}({text!r})")
            case nodes.Get(expression):
                self._write(f"a{buffer}({self._expressions.text(expression)})")
            case nodes.Call(expression):
                self._write(value(expression))
            case nodes.Set():
                self._set(node)
            case nodes.Include():
                self._include(node, buffer)
            case nodes.Use(names):
                self._use(names)
            case nodes.Throw(names):
                self._throw(names, buffer)
            case nodes.Jump():
                self._jump(node, buffer)
            case nodes.Refused(directive):
                self._write(
                    f"raise TemplateError('perl', {f'{directive} is refused: this engine runs no Perl'!r})"
                )
            case _:
                self._compound(node, buffer)

    def _compound(self, node: nodes.Statement, buffer: int) -> None:
        match node:
            case nodes.If():
                self._if(node, buffer)
            case nodes.Switch():
                self._switch(node, buffer)
            case nodes.ForEach():
                self._for_each(node, buffer)
            case nodes.While():
                self._while(node, buffer)
            case nodes.Try():
                self._try(node, buffer)
            case nodes.Filter():
                self._filter(node, buffer)
            case nodes.Wrapper():
                self._wrapper(node, buffer)
            case _:
                self._block(node, buffer)

    def _block(self, node: nodes.Statement, buffer: int) -> None:
        match node:
            case nodes.Capture(path, body):
                inner = self._name()
                self._buffered(body, inner)
                self._write(f"assign(s, {self._expressions.path(path)}, m.join(w{inner}))")
            case nodes.Macro():
                self._macro(node)
            case nodes.AnonymousBlock(body):
                inner = self._name()
                with self._leavable():
                    self._guarded_body(body, inner)
                self._write(f"a{buffer}(m.join(w{inner}))")
            case _:
                raise TypeError(f"no code for {type(node).__name__}")

    @contextmanager
    def _leavable(self) -> Iterator[None]:
        """Open a block that LAST can leave. Perl's code has a bare block here, which counts only outside loops."""
        if "loop" in self._scopes:
            yield
            return
        with self._scope("block"), self._indented("while True:"):
            yield
            self._write("break")

    def _set(self, node: nodes.Set) -> None:
        for assignment in node.assignments:
            name = assignment.path[0].name
            value = self._expressions.value(assignment.value)
            is_plain = isinstance(name, nodes.Literal) and _is_plain_name(str(name.value))
            if is_plain and len(assignment.path) == 1 and not node.default:
                self._write(f"s[{self._expressions.value(name)}] = {value}")
            else:
                default = ", default=True" if node.default else ""
                self._write(f"assign(s, {self._expressions.path(assignment.path)}, {value}{default})")

    def _include(self, node: nodes.Include, buffer: int) -> None:
        names = self._names(node.names)
        variables = self._expressions.named(node.names)
        if node.directive == "INSERT":
            self._write(f"a{buffer}(c.insert({names}))")
        else:
            self._write(f"a{buffer}(c.{node.directive.lower()}({names}, {variables}))")

    def _names(self, names: nodes.Named) -> str:
        if len(names.names) == 1:
            return self._expressions.value(names.names[0])
        return f"[{', '.join(map(self._expressions.value, names.names))}]"

    def _use(self, names: nodes.Named) -> None:
        name, arguments = self._expressions.text(names.names[0]), self._expressions.arguments(names.arguments)
        variable = self._expressions.value(names.alias or names.names[0])
        self._write(f"assign(s, ({variable}, None), c.plugin({name}, {arguments}))")

    def _throw(self, names: nodes.Named, buffer: int) -> None:
        kind = self._expressions.value(names.names[0])
        positional, named = names.arguments.positional, names.arguments.named
        if not positional or _is_nothing(positional[0]):
            info = "None"
        elif len(positional) == 1 and not named:
            info = self._expressions.value(positional[0])
        else:
            numbered = tuple((nodes.Literal(str(index)), value) for index, value in enumerate(positional))
            pairs = ((nodes.Literal("args"), nodes.ListLiteral(positional)), *numbered, *named)
            info = self._expressions.value(nodes.HashLiteral(pairs))
        self._write(f"c.throw({kind}, {info}, w{buffer})")

    def _jump(self, node: nodes.Jump, buffer: int) -> None:
        match node.directive:
            case "CLEAR":
                self._write(f"w{buffer}.clear()")
            case "RETURN" | "STOP":
                self._write(f"raise TemplateError({node.directive.lower()!r}, '', output=w{buffer})")
            case "NEXT" if "loop" in self._scopes:
                self._write("continue")
            case _:
                self._write("break" if self._scopes else "return m.join(w0)")

    def _if(self, node: nodes.If, buffer: int) -> None:
        keyword = "if"
        for condition, body in node.branches:
            with self._indented(f"{keyword} {self._expressions.condition(condition)}:"):
                self._body(body, buffer)
            keyword = "elif"
        if node.otherwise:
            with self._indented("else:"):
                self._body(node.otherwise, buffer)

    def _switch(self, node: nodes.Switch, buffer: int) -> None:
        name = self._name()
        self._write(f"r{name} = {self._expressions.text(node.expression)}")
        with self._leavable():
            keyword = "if"
            for case, body in node.cases:
                with self._indented(f"{keyword} matches(m, r{name}, {self._expressions.value(case)}):"):
                    self._body(body, buffer)
                keyword = "elif"
            with self._indented("else:" if node.cases else "if True:"):
                self._body(node.otherwise, buffer)

    def _for_each(self, node: nodes.ForEach, buffer: int) -> None:
        name = self._name()
        start = len(self._code)
        # The size of the body is known only after it has been written.
        self._write(f"l{name} = c.loop({self._expressions.items(node.items)}, ")
        if node.target is None:
            self._write("s = c.localise()")
            restore, target = "s = c.delocalise()", f"i{name}"
        else:
            self._write(f"o{name} = get_one(s, 'loop')")
            restore, target = f"s['loop'] = o{name}", f"s[{node.target!r}]"
        self._write(f"s['loop'] = l{name}")
        with self._indented("try:"), self._scope("loop"), self._indented(f"for {target} in l{name}:"):
            if node.target is None:
                with self._indented(f"if isinstance(i{name}, dict):"):
                    self._write(f"s.update(i{name})")
            self._body(node.body, buffer)
        self._code[start] += f"{self._size_since(start)})"
        with self._indented("finally:"):
            self._write(restore)

    def _while(self, node: nodes.While, buffer: int) -> None:
        name = self._name()
        self._write(f"n{name} = m.limits.while_turns")
        with self._scope("loop"), self._indented("while True:"):
            self._write(f"n{name} -= 1")
            with self._indented(f"if n{name} <= 0:"):
                self._write("raise while_error(m.limits.while_turns)")
            with self._indented(f"if not {self._expressions.condition(node.condition)}:"):
                self._write("break")
            start = len(self._code)
            self._write("m.count_turn(")
            self._body(node.body, buffer)
            self._code[start] += f"{self._size_since(start)})"

    def _try(self, node: nodes.Try, buffer: int) -> None:
        inner = self._name()
        self._open_buffer(inner)
        self._write(f"e{inner} = None")
        with self._indented("try:"):
            self._body(node.body, inner)
        with self._indented("except TemplateError as error:"):
            self._write(f"e{inner} = c.catch(error, w{inner})")
        if node.handlers:
            with self._indented(f"if e{inner} is not None:"):
                self._handlers(node, inner)
        if node.final:
            self._body(node.final, inner)
        with self._indented(f"if e{inner} is not None:"):
            self._write(f"raise e{inner}")
        self._write(f"a{buffer}(m.join(w{inner}))")

    def _handlers(self, node: nodes.Try, inner: int) -> None:
        kinds = tuple(dict.fromkeys(kind for kind, _ in node.handlers if kind is not None))
        self._write(f"h{inner} = c.choose_handler(e{inner}, {kinds!r})")
        keyword = "if"
        for kind in kinds:
            body = next(body for named, body in node.handlers if named == kind)
            with self._indented(f"{keyword} h{inner} == {kind!r}:"):
                self._body(body, inner)
                self._write(f"e{inner} = None")
            keyword = "elif"
        # In Template Toolkit an empty CATCH without a type catches nothing.
        default = next((body for kind, body in node.handlers if kind is None and body), None)
        if default is not None:
            with self._indented("else:" if kinds else "if True:"):
                self._body(default, inner)
                self._write(f"e{inner} = None")

    def _filter(self, node: nodes.Filter, buffer: int) -> None:
        inner = self._name()
        self._write(f"f{inner} = c.filter({', '.join(self._filter_arguments(node.names))})")
        if len(node.body) == 1 and isinstance(node.body[0], nodes.Get):
            self._write(f"a{buffer}(m.checked(f{inner}({self._expressions.text(node.body[0].expression)})))")
            return
        self._buffered(node.body, inner)
        self._write(f"a{buffer}(m.checked(f{inner}(m.join(w{inner}))))")

    def _filter_arguments(self, names: nodes.Named) -> Iterator[str]:
        yield self._expressions.value(names.names[0])
        given = names.arguments.positional or names.arguments.named
        yield self._expressions.arguments(names.arguments) if given else "None"
        if names.alias is not None:
            yield self._expressions.text(names.alias)

    def _wrapper(self, node: nodes.Wrapper, buffer: int) -> None:
        inner = self._name()
        self._buffered(node.body, inner)
        self._write(f"r{inner} = m.join(w{inner})")
        for name in reversed(node.names.names):
            variables = f"{{**{self._expressions.named(node.names)}, 'content': r{inner}}}"
            self._write(f"r{inner} = c.include({self._expressions.value(name)}, {variables})")
        self._write(f"a{buffer}(r{inner})")

    def _macro(self, node: nodes.Macro) -> None:
        name = f"m{self._name()}"
        self._function(name, node.body, catches_return=False)
        if _is_plain_name(node.name):
            self._write(f"s[{node.name!r}] = c.macro({name}, {node.parameters!r})")


def _is_nothing(node: nodes.Expression) -> bool:
    """Return whether THROW ignores its argument, as it does with a literal `0`."""
    return isinstance(node, nodes.Literal) and isinstance(node.value, int) and node.value == 0


def _is_plain_name(name: str) -> bool:
    return not name.startswith("_") and "." not in name and "(" not in name


def compile_tree(tree: nodes.TemplateTree, name: str) -> Document:
    """
    Compile a tree to a document.

    Raises:
        TemplateError: The template is nested so deeply that Python cannot compile it.
    """
    try:
        source, lines, functions = _Compiler().module(tree)
        code = compile(source, "<template>", "exec", dont_inherit=True)
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        raise TemplateError("parse", f"nested too deeply ({error})") from error
    namespace: dict[str, object] = {**_NAMESPACE, _LINES: lines, "__builtins__": _BUILTINS}
    exec(code, namespace)  # noqa: S102 - the code is our own: templates contribute only literals
    blocks = {block: _function(namespace, function) for block, function in functions.items()}
    return Document(name, _function(namespace, "main"), blocks, tree.metadata)


def _function(namespace: dict[str, object], name: str) -> Block:
    function: Block = namespace[name]  # type: ignore[assignment]
    return function


def line_of(traceback: TracebackType | None) -> int | None:
    """Return the line of the template at which an error was raised, None where it is unknown."""
    line = None
    while traceback is not None:
        lines = traceback.tb_frame.f_globals.get(_LINES)
        if isinstance(lines, list):
            line = lines[traceback.tb_lineno]
        traceback = traceback.tb_next
    return line
