"""What the engine guarantees beyond rendering as Perl does: safety, limits, positions of errors, plugins."""

from dataclasses import dataclass

import pytest

from koha_ill_sidecar.template_toolkit import (
    MISSING,
    Context,
    Engine,
    Limits,
    Options,
    TemplateError,
    TemplateLimitError,
)


@dataclass
class Patron:
    """An object of the caller."""

    surname: str
    asked: list[str]

    def template_get(self, name: str, args: list[object]) -> object:
        self.asked.append(name)
        if name == "surname":
            return self.surname
        if name == "greet":
            return f"{args[0]}, {self.surname}"
        return MISSING


class Shout:
    """A plugin with a method that is also a filter."""

    def __init__(self, args: list[object]) -> None:
        self._mark = str(args[0]) if args else "!"

    def template_get(self, name: str, args: list[object]) -> object:
        return f"{name}{args}" if name == "Call" else MISSING

    def template_filter(self, text: str, args: list[object], named: dict[str, object]) -> str:
        return text.upper() + self._mark * int(str(named.get("times", 1))) + "".join(map(str, args))


def _shout(_context: Context, args: list[object]) -> object:
    return Shout(args)


def _render(source: str, **variables: object) -> str:
    return Engine().render(source, variables)


def _error(source: str, **variables: object) -> TemplateError:
    with pytest.raises(TemplateError) as raised:
        _render(source, **variables)
    return raised.value


def test_number_at_the_start_of_a_text_counts() -> None:
    assert _render("[% '3 apples' + 4 %]") == "7"


def test_only_used_members_of_objects_are_read() -> None:
    patron = Patron("Page", [])

    rendered = _render("[% IF 0; p.borrowernumber; END; p.surname; p.greet('Dear'); p.nothing %]", p=patron)

    assert rendered == "PageDear, Page"
    assert patron.asked == ["surname", "greet", "nothing"]


@pytest.mark.parametrize(
    "name", ["asked", "__class__", "__dict__", "template_get", "_mark", "format", "__init__"]
)
def test_python_attributes_are_out_of_reach(name: str) -> None:
    values = {"p": Patron("Page", []), "s": "text", "l": [1], "h": {}, "f": len, "n": 1}

    for variable in values:
        assert (
            Engine().render(f"[% {variable}.{name} %][% k = '{name}'; {variable}.$k %]", values | {"f": str})
            == ""
        )


def test_functions_are_called_with_their_arguments() -> None:
    assert (
        _render("[% add(1, 2) %] [% h.add(3, 4) %]", add=lambda a, b: a + b, h={"add": lambda a, b: a * b})
        == "3 12"
    )


def test_function_with_wrong_arguments_is_an_error_of_the_template() -> None:
    error = _error("[% add(1) %]", add=lambda a, b: a + b)

    assert (error.kind, error.info) == ("undef", "add: wrong number of arguments")


def test_error_of_a_function_passes_through() -> None:
    def fail() -> str:
        raise LookupError("away")

    with pytest.raises(LookupError, match="away"):
        _render("[% TRY; fail; CATCH; 'caught'; END %]", fail=fail)


def test_plugin_has_methods_and_filters() -> None:
    engine = Engine(plugins={"Shout": _shout})

    source = (
        "[% USE Shout; USE other = Shout('?'); Shout.Call(1); 'a' | $Shout times => 2; 'b' | $other 'x' %]"
    )

    assert engine.render(source, {}) == "Call[1]A!!B?x"


def test_filters_of_the_caller_replace_the_standard_ones() -> None:
    engine = Engine(
        filters={"html": lambda text: f"({text})"},
        filter_factories={"upper": lambda _meter, args: lambda text: f"{args}{text}"},
    )

    assert engine.render("[% 'a' | html; 'b' | upper(1) %]", {}) == "(a)[1]b"


def test_loader_provides_templates_by_name() -> None:
    engine = Engine(loader={"sig": "-- [% who %][% BLOCK more %]more[% END %]"}.get)

    assert engine.render("[% PROCESS sig who = 'Desk' %] [% INCLUDE more %] [% INSERT sig %]", {}).startswith(
        "-- Desk more --"
    )


@pytest.mark.parametrize("directive", ["INCLUDE", "PROCESS", "INSERT", "WRAPPER"])
def test_files_are_out_of_reach(directive: str) -> None:
    end = "; END" if directive == "WRAPPER" else ""

    error = _error(f"[% {directive} '/etc/passwd' {end} %]")

    assert (error.kind, error.info) == ("file", "/etc/passwd: not found")


@pytest.mark.parametrize("name", ["PERL", "RAWPERL"])
def test_perl_directives_are_refused(name: str) -> None:
    error = _error(f"[% {name} %] print 1 [% END %]")

    assert error.kind == "perl"
    assert name in str(error.info)


@pytest.mark.parametrize("name", ["perl", "evalperl", "redirect('x')", "file('x')", "stdout", "stderr"])
def test_filters_with_side_effects_are_refused(name: str) -> None:
    assert "refused" in str(_error(f"[% 1 | {name} %]").info)


@pytest.mark.parametrize("name", ["VIEW", "DEBUG"])
def test_unsupported_directives_are_reported(name: str) -> None:
    assert _error(f"[% {name} x %]").info == f"{name} is not supported"


def test_syntax_error_has_line_and_column() -> None:
    error = _error("Dear\n  [% IF x %]\n  [% borrower.firstname surname %]\n[% END %]")

    assert (error.kind, error.line, error.column) == ("parse", 3, 25)
    assert str(error) == "parse error - unexpected token (surname) (line 3, column 25)"


def test_error_while_rendering_has_its_line() -> None:
    error = _error("\n\n[% FOREACH x IN [1, 0] %]\n[% 1 / x %][% END %]")

    assert (error.kind, error.info, error.line) == ("undef", "Illegal division by zero", 4)


def test_thrown_error_keeps_its_kind() -> None:
    error = _error("[% THROW ill.missing 'no title' %]")

    assert (error.kind, error.info, error.line) == ("ill.missing", "no title", 1)


@pytest.mark.parametrize(
    ("source", "limits"),
    [
        ("[% FOREACH x IN [1..100]; FOREACH y IN [1..100]; END; END %]", Limits(loop_turns=5000)),
        (
            "[% FOREACH x IN [1..100]; TRY; FOREACH y IN [1..100]; END; CATCH; END; END %]",
            Limits(loop_turns=5000),
        ),
        ("[% BLOCK a; INCLUDE a; END; INCLUDE a %]", Limits()),
        ("[% BLOCK a; TRY; INCLUDE a; CATCH; END; END; INCLUDE a %]", Limits()),
        ("[% MACRO m BLOCK; m; END; m %]", Limits()),
        ("[% x = 'ab'; WHILE 1; x = x _ x; END %]", Limits()),
        ("[% x = 'ab'; WHILE 1; x = \"$x$x\"; END %]", Limits()),
        ("[% x = 'ab'; WHILE 1; x = x.replace('a', x); END %]", Limits()),
        ("[% x = 'ab'; x.repeat(99999999999) %]", Limits()),
        ("[% 'ab' | repeat(99999999999) %]", Limits()),
        ("[% 'ab' | indent(99999999999) %]", Limits()),
        ("[% l = [1]; WHILE 1; l = l.merge(l); END %]", Limits()),
        ("[% l.99999999999 = 1 %]", Limits()),
        ("[% l.first(99999999999).size %]", Limits()),
        ("[% x = 'ab'; FOREACH y IN [1..1000]; x.repeat(50000); END %]", Limits()),
        ("[% FOREACH y IN [1..1000000]; END %]", Limits(seconds=0.01)),
    ],
)
def test_limits_are_enforced(source: str, limits: Limits) -> None:
    with pytest.raises(TemplateLimitError):
        Engine(limits=limits).render(source, {"l": [1, 2]})


@pytest.mark.parametrize("source", ["[% [1..99999999999] %]", "[% 'a' | format('%99999999s') %]"])
def test_values_that_are_too_large_are_not_created(source: str) -> None:
    with pytest.raises(TemplateError, match="more than"):
        _render(source)


def test_while_loop_ends_with_the_error_of_template_toolkit() -> None:
    assert _render("[% TRY; WHILE 1; n = n + 1; END; CATCH; n; END %]") == "999"


def test_deeply_nested_source_is_a_parse_error() -> None:
    for source in (
        "(" * 500 + "1" + ")" * 500,
        "[" * 500 + "]" * 500,
        "IF 1; " * 200 + "END; " * 200,
        "!" * 5000 + "1",
    ):
        assert _error(f"[% {source} %]").kind == "parse"


def test_eight_nested_loops_compile() -> None:
    assert _render("[% FOREACH x IN [1]; %]" * 8 + "x" + "[% END %]" * 8) == "x"


def test_the_caller_s_variables_do_not_change() -> None:
    variables: dict[str, object] = {"a": 1}

    Engine().render("[% a = 2; b = 3 %]", variables)

    assert variables == {"a": 1}


def test_compiled_template_can_be_rendered_repeatedly() -> None:
    template = Engine().compile("[% META kind = 'letter' %][% x %][% x = 2 %]")

    assert [template.render({"x": 1}), template.render({"x": "é"})] == ["1", "é"]
    assert template.metadata == {"kind": "letter"}


def test_least_recently_used_templates_leave_the_cache() -> None:
    engine = Engine(cache_size=2)

    assert [engine.render(f"{index}[% x %]", {"x": "."}) for index in (1, 2, 3, 1)] == [
        "1.",
        "2.",
        "3.",
        "1.",
    ]


def test_unknown_tag_style_is_an_error() -> None:
    with pytest.raises(TemplateError, match="invalid tag style"):
        Engine(options=Options(tag_style="nosuch")).compile("x")


def test_truth_and_text_of_python_values() -> None:
    source = "[% yes %][% no %][% IF no %]wrong[% END %][% nothing %][% half %][% whole %]"

    assert _render(source, yes=True, no=False, nothing=None, half=0.5, whole=2.0) == "100.52"


def test_html_entity_uses_names_where_they_exist() -> None:
    assert _render("[% x | html_entity %]", x="é<林'") == "&eacute;&lt;&#x6797;&#39;"
