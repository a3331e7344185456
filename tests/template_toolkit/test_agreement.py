"""Our engine and Perl's Template Toolkit have the same output."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from template_toolkit.comparison import agree
from template_toolkit.generated import VARIABLES, in_style, options, templates, token_soup
from template_toolkit.perl_engine import PerlEngine
from template_toolkit.profiles import profile

from koha_ill_sidecar.template_toolkit import Options


@pytest.mark.slow
@profile(1000)
@given(source=templates())
def test_templates_render_as_in_perl(perl_engine: PerlEngine, source: str) -> None:
    agree(perl_engine, source, VARIABLES)


@pytest.mark.slow
@profile(1000)
@given(source=token_soup())
@example(source="[% 'a\\' %]")
@example(source="[% 3 -1 %]")
@example(source="[% n-1 %]")
@example(source="[% 08 %]")
@example(source='[% "$a." %]')
def test_the_same_directives_are_errors(perl_engine: PerlEngine, source: str) -> None:
    agree(perl_engine, source, VARIABLES)


@pytest.mark.parametrize(
    "source",
    [
        "[% x = 5; x = 10 IF 0; x %]|[% x = 5; SET x = 10 IF 0; x %]",
        "[% x = y = 3; x; y %]",
        "[% x = y = z = 3 %]",
        "[% x = y = 3 IF 1 %]",
        "[% x = y = INCLUDE b %][% BLOCK b %]B[% END %]",
        "[% x = y = 3 z = 4; x; y; z %]",
        "[% 2 + 3 * 4 - 8 / 4 %] [% a _ 1 == 1 %] [% 7 / 2 div 2 %] [% n < 8 < 9 %]",
        "[% 10000000000000000 / 2 %] [% 8000000000000000 / 2 %] [% 9223372036854775807 + 1 %] [% 0.1 + 0.7 * 10 %]",
        "[% x = ' a '; CALL x.trim; x %]|",
        "[% FOREACH h.pairs %][% key %] [% END %]",
        "[% FOREACH x IN [1, 2, 3]; WHILE x < 9; x = x + 1; LAST IF x > 5; END; x; END; loop %]",
        "a[% INCLUDE b %]c[% BLOCK b %]x[% STOP %]y[% END %]",
        "a[% INCLUDE b %]c[% BLOCK b %]x[% RETURN %]y[% END %]",
        "[% FILTER upper %]a[% RETURN %]b[% END %]c",
        "[% TRY; INCLUDE b; CATCH; error; END; BLOCK b; 'x'; THROW e 'y'; END %]",
        "[% TRY; THROW e 'bar' 1 z = 2; CATCH e; error.info.args.join('-'); error.info.z; error.info.0; END %]",
        "[% TRY; THROW a.b.c 'x'; CATCH a; 'A'; CATCH a.b; 'AB'; CATCH; 'D'; FINAL; 'F'; END %]",
        "[% WHILE 1 %]x[% END %]",
        "[% SWITCH n %][% CASE 7 %]a[% LAST %]b[% END %]c",
        "[% MACRO r(x) BLOCK; x; r(x - 1) IF x > 0; END; r(3) %]",
        "[% META title = 'T' n = 3 %][% template.title %][% template.n %][% component.name %]",
        "[% TAGS star %][* n *][% n %]",
        "[% TAGS <* *> %]<* n *>",
        "[% TAGS outline %]\n%% IF n\nyes\n%% END\n",
        "A\n  [%- n -%]  \nB [%= n =%]\n\n C [%~ n ~%]  D [%# gone -%]\nE",
        "[% import(single); name %] [% h.import(single); h.name %]",
        "[% BLOCK x; BLOCK y; 'Y'; END; 'X'; END; INCLUDE x; INCLUDE x/y %]",
        "[% PERL %] x [% END %]",
        "[% 3.14159 | format('%.2f') %] [% 10 | format('%05d|%-5d|%x|%o|%e|%g|%s|%%') %]",
        "[% '[' _ '% n + 1 %' _ ']' | eval %]",
        "[% x = { k = 1 }; a + x * 3 %]",
    ],
)
def test_this_renders_as_in_perl(perl_engine: PerlEngine, source: str) -> None:
    agree(perl_engine, source, VARIABLES)


_EDGES = st.sampled_from(
    [
        "",
        "x",
        "3 apples",
        "0",
        "7",
        "-7",
        "0.4",
        "-0.6",
        "1.5e18",
        "-1e18",
        "1e19x",
        "1e20",
        "-1e21",
        "1e31e3",
    ]
    + [str(2**power + more) for power in (53, 63) for more in (-1, 0, 1)]
    + [str(2**64 - 1), "inf", "-inf", "nan"]
)


@pytest.mark.slow
@profile(1000)
@given(
    left=_EDGES,
    right=_EDGES,
    operator=st.sampled_from(["+", "-", "*", "/", "%", "div", "mod", "==", "<", ">=", "_"]),
)
def test_numbers_at_the_edges_are_computed_as_in_perl(
    perl_engine: PerlEngine, left: str, right: str, operator: str
) -> None:
    agree(perl_engine, f"[% left {operator} right %]", {"left": left, "right": right})


@pytest.mark.slow
@profile(1000)
@given(source=templates(), both_options=options())
def test_options_mean_the_same(
    perl_engine: PerlEngine, source: str, both_options: tuple[dict[str, object], Options]
) -> None:
    perl_options, options = both_options
    agree(
        perl_engine,
        in_style(source, options.tag_style),
        VARIABLES,
        perl_options=perl_options,
        options=options,
    )
