"""The names that a template uses and does not set are found without rendering it."""

import pytest
from hypothesis import given
from template_toolkit.generated import VARIABLES, templates, token_soup

from koha_ill_sidecar.template_toolkit import (
    REFUSED_FILTERS,
    Engine,
    NameUse,
    TemplateError,
    UseKind,
    inspect_template,
)

GIVEN = ("borrower", "illrequest", "note")


def uses(source: str, kind: UseKind = UseKind.VARIABLE) -> list[str]:
    found = inspect_template(source, given=GIVEN).uses
    return [".".join(use.path) for use in found if use.kind is kind]


def only_use(source: str) -> NameUse:
    (use,) = inspect_template(source, given=GIVEN).uses
    return use


@pytest.mark.parametrize(
    "source",
    [
        "[% borrower.firstname %]",
        "[% GET borrower.firstname %]",
        "[% CALL borrower.firstname %]",
        "[% 'x' _ borrower.firstname %]",
        "[% 1 + borrower.firstname * 2 %]",
        "[% !borrower.firstname %]",
        "[% borrower.firstname ? 1 : 2 %]",
        "[% 1 IF borrower.firstname %]",
        "[% UNLESS borrower.firstname %][% END %]",
        "[% IF 0 %][% ELSIF borrower.firstname == 'x' %][% END %]",
        "[% IF 0 %][% ELSE %][% borrower.firstname %][% END %]",
        "[% SWITCH borrower.firstname %][% CASE 1 %][% END %]",
        "[% SWITCH 1 %][% CASE borrower.firstname %][% END %]",
        "[% SWITCH 1 %][% CASE %][% borrower.firstname %][% END %]",
        "[% WHILE borrower.firstname %][% LAST %][% END %]",
        "[% FOREACH one IN borrower.firstname %][% END %]",
        "[% FOREACH one IN [1, borrower.firstname] %][% one %][% END %]",
        "[% BLOCK %][% borrower.firstname %][% END %]",
        "[% BLOCK b %][% borrower.firstname %][% END %]",
        "[% x = borrower.firstname %]",
        "[% (x = borrower.firstname) %]",
        "[% DEFAULT x = borrower.firstname %]",
        "[% x = BLOCK %][% borrower.firstname %][% END %]",
        "[% x = { key => borrower.firstname } %]",
        "[% MACRO m BLOCK %][% borrower.firstname %][% END %]",
        "[% m(borrower.firstname) %][% MACRO m(x) GET x %]",
        "[% BLOCK b %][% END %][% INCLUDE b x = borrower.firstname %]",
        "[% THROW oops borrower.firstname %]",
        "[% TRY %][% borrower.firstname %][% END %]",
        "[% TRY %][% CATCH %][% borrower.firstname %][% END %]",
        "[% borrower.firstname | html %]",
        "[% 'x' | repeat(borrower.firstname) %]",
        "[% \\borrower.firstname %]",
        "[% x = [1 .. borrower.firstname] %]",
        '[% "Dear $borrower.firstname" %]',
        '[% "Dear ${borrower.firstname}!" %]',
    ],
)
def test_a_variable_is_found_in_any_place(source: str) -> None:
    assert "borrower.firstname" in uses(source)


@pytest.mark.parametrize(
    "source",
    [
        "[% x = 1 %][% x %][% x.length %]",
        "[% SET x = 1 y = x %][% y.foo %]",
        "[% DEFAULT x = 1 %][% x %]",
        "[% x.y.z = 1 %][% x.y.z %][% x.other %]",
        "[% x = BLOCK %][% END %][% x %]",
        "[% IF (x = 1) %][% x %][% END %]",
        "[% x %][% x = 1 %]",
        "[% FOREACH x IN [1] %][% x %][% x.key %][% loop.count %][% loop.last %][% END %][% x %]",
        "[% FOREACH [{ x => 1 }] %][% x %][% END %]",
        "[% MACRO m(x) BLOCK %][% x.y %][% END %][% m(1) %]",
        "[% MACRO m BLOCK %][% x %][% END %][% m(x = 1) %]",
        "[% TRY %][% THROW x 'y' %][% CATCH %][% error.info %][% e.type %][% END %]",
        "[% BLOCK b %][% x.y %][% END %][% INCLUDE b x = 1 %]",
        "[% BLOCK b %][% x %][% END %][% PROCESS b x = 1 %]",
        "[% BLOCK b %][% content %][% x %][% END %][% WRAPPER b x = 1 %][% END %]",
        "[% USE Thing %][% 'x' _ Thing %]",
        "[% USE t = Thing %][% 'x' _ t %]",
        "[% import({ x => 1 }) %][% x %]",
        "[% text = 'x' %][% text | eval %][% x %]",
        "[% META title = 'x' %][% template.title %][% component.name %]",
        "[% global.x = 1 %][% global.x %][% inc(1) %][% dec(1) %]",
        "[% ${'x.y'} %]",
        "[% name = 'x' %][% $name %][% $name.y %]",
    ],
)
def test_names_that_a_template_sets_are_not_reported(source: str) -> None:
    assert uses(source) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("[% borrower.$key.x %]", ["borrower", "key"]),
        ("[% borrower.${key.name}.x %]", ["borrower", "key.name"]),
        ("[% illrequest.comments.0.comment %]", ["illrequest.comments.0.comment"]),
        ("[% illrequest.find({ code => 'x' }).value %]", ["illrequest.find.value"]),
        ("[% illrequest.find({ $code => 'x' }).value %]", ["illrequest.find.value", "code"]),
    ],
)
def test_a_path_ends_before_its_first_dynamic_part(source: str, expected: list[str]) -> None:
    assert uses(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "[% FOREACH c IN illrequest.comments %][% c.patron.surname %][% END %]",
            "illrequest.comments.[].patron.surname",
        ),
        (
            "[% FOREACH a IN illrequest.list %][% FOREACH b IN a.list %][% b.x %][% END %][% END %]",
            "illrequest.list.[].list.[].x",
        ),
        ("[% p = illrequest.patron %][% p.surname %]", "illrequest.patron.surname"),
        ("[% p = illrequest %][% q = p.patron %][% q.surname %]", "illrequest.patron.surname"),
        ("[% p = illrequest %][% FOREACH c IN p.comments %][% c.x %][% END %]", "illrequest.comments.[].x"),
    ],
)
def test_a_name_for_another_path_is_resolved(source: str, expected: str) -> None:
    assert uses(source)[-1] == expected


@pytest.mark.parametrize(
    "source",
    [
        "[% p = illrequest.patron %][% p = borrower %][% p.x %]",
        "[% p = illrequest.patron IF 1 %][% p.x %]",
        "[% p = q %][% q = p %][% p.x %]",
        "[% FOREACH c IN illrequest.comments %][% c = borrower %][% c.x %][% END %]",
        "[% FOREACH c IN illrequest.comments %][% END %][% c.x %]",
        "[% FOREACH c IN [borrower] %][% c.x %][% END %]",
        "[% borrower = illrequest.patron %][% borrower.x %]",
        "[% MACRO m(borrower) GET borrower.x %]",
        "[% FOREACH borrower IN illrequest.list %][% FOREACH y IN [1] %][% y.x %][% END %][% END %]",
        "[% borrower.x = 1 %][% borrower.x %][% borrower.x.y %]",
    ],
)
def test_a_name_with_several_values_is_not_resolved(source: str) -> None:
    assert [path for path in uses(source) if path.endswith((".x", ".x.y"))] == []


def test_a_default_for_a_given_variable_does_not_hide_it() -> None:
    assert uses("[% DEFAULT note = 'none' %][% note %]") == ["note"]


def test_given_variables_are_reported_even_if_others_may_be_set() -> None:
    source = "[% import(hash) %][% FOREACH [{ y => 1 }] %][% x %][% borrower.z %][% END %]"

    assert uses(source) == ["borrower.z"]


@pytest.mark.parametrize(
    ("source", "kind", "expected"),
    [
        ("[% x | html | nosuch(1) %]", UseKind.FILTER, ["html", "nosuch"]),
        ("[% FILTER bold = html %][% END %][% 'x' | bold %]", UseKind.FILTER, ["html"]),
        ("[% 'x' | $Dates with_hours => 1 %]", UseKind.FILTER_OBJECT, ["Dates"]),
        ("[% USE d = Dates %][% 'x' | $d %]", UseKind.FILTER_OBJECT, ["Dates"]),
        ("[% f = 'html' %][% 'x' | $f %]", UseKind.FILTER_OBJECT, []),
        ("[% USE Dates %][% USE d = Other('x') %]", UseKind.PLUGIN, ["Dates", "Other"]),
        ("[% USE Dates %][% Dates.now %]", UseKind.PLUGIN, ["Dates", "Dates.now"]),
        ("[% USE d = Dates %][% d.now.day %]", UseKind.PLUGIN, ["Dates", "Dates.now.day"]),
        ("[% BLOCK a %][% END %][% INCLUDE a + b %][% PROCESS 'c.inc' %]", UseKind.BLOCK, ["b", "c.inc"]),
        ("[% BLOCK a %][% BLOCK b %][% END %][% END %][% INCLUDE a/b %]", UseKind.BLOCK, []),
        ("[% WRAPPER nosuch %][% END %]", UseKind.BLOCK, ["nosuch"]),
        ("[% INCLUDE $name %]", UseKind.BLOCK, []),
        ("[% BLOCK a %][% END %][% INSERT a %]", UseKind.FILE, ["a"]),
        ("[% PERL %]print 1[% END %]", UseKind.REFUSED, ["PERL"]),
        ("[% RAWPERL %]print 1[% END %]", UseKind.REFUSED, ["RAWPERL"]),
    ],
)
def test_filters_plugins_and_blocks_are_reported(source: str, kind: UseKind, expected: list[str]) -> None:
    assert uses(source, kind) == expected


@pytest.mark.parametrize(
    ("source", "places"),
    [
        ("Dear\n  [% borrower.firstname %]", [(2, 6), (2, 15)]),
        ("[% IF 1 %]\n[%- borrower.firstname -%]\n[% END %]", [(2, 5), (2, 14)]),
        ("[%\n  GET\n    borrower\n  .firstname %]", [(3, 5), (4, 4)]),
        ('館[% "Dear $borrower.firstname" %]', [(1, 12), (1, 21)]),
        ('[% "Dear ${borrower.firstname}" %]', [(1, 12), (1, 21)]),
        ("[% 'x' | $Dates %]", [(1, 11)]),
        ("[% 'x' FILTER nosuch %]", [(1, 15)]),
        ("[% USE d = Dates %]", [(1, 12)]),
        ("[% INCLUDE\n 'nosuch' %]", [(2, 2)]),
        ("x[% PERL %][% END %]", [(1, 5)]),
    ],
)
def test_each_name_has_its_position(source: str, places: list[tuple[int, int]]) -> None:
    assert [(place.line, place.column) for place in only_use(source).places] == places


def test_a_name_for_a_path_has_the_position_of_its_use() -> None:
    (_, use) = inspect_template("[% p = illrequest.patron %]\n[% p.surname %]", given=GIVEN).uses

    assert [(place.line, place.column) for place in use.places] == [(2, 4), (2, 4), (2, 6)]


@pytest.mark.parametrize(
    ("source", "is_caught"),
    [
        ("[% TRY %][% INCLUDE nosuch %][% CATCH %]none[% END %]", True),
        ("[% TRY %]x[% CATCH %][% INCLUDE nosuch %][% END %]", False),
        ("[% TRY %][% INCLUDE nosuch %][% CATCH food %]none[% END %]", False),
        ("[% TRY %][% INCLUDE nosuch %][% FINAL %]x[% END %]", False),
        ("[% INCLUDE nosuch %]", False),
    ],
)
def test_an_error_that_the_template_catches_is_marked(source: str, *, is_caught: bool) -> None:
    assert only_use(source).is_caught is is_caught


def test_syntax_errors_are_those_of_the_engine() -> None:
    with pytest.raises(TemplateError) as raised:
        inspect_template("Dear\n[% IF x y %]")

    assert (raised.value.kind, raised.value.line, raised.value.column) == ("parse", 2, 9)


def test_nesting_that_cannot_be_rendered_is_an_error() -> None:
    source = f"[% {' + '.join(['borrower.x'] * 5000)} %]"

    for look in (inspect_template, Engine().compile):
        with pytest.raises(TemplateError, match="nested too deeply"):
            look(source)


def test_the_error_points_to_the_directive_without_end() -> None:
    with pytest.raises(TemplateError) as raised:
        inspect_template("Dear\n[% IF a %][% b %]\n  [% FOREACH c IN d %][% c %]\n[% END %]\n")

    assert (raised.value.line, raised.value.column) == (2, 4)
    assert "has no END" in str(raised.value)


@pytest.mark.parametrize("name", sorted(REFUSED_FILTERS))
def test_refused_filters_are_those_that_fail(name: str) -> None:
    with pytest.raises(TemplateError, match="refused"):
        Engine().render(f"[% 'x' | {name} %]", {})


@given(source=templates())
def test_templates_over_known_variables_name_no_others(source: str) -> None:
    """No false alarm: what such templates set in any of the many ways is never told."""
    try:
        found = inspect_template(source, given=VARIABLES)
    except TemplateError:
        # A few of those made up are wrong.
        return

    # What the generator names also where nothing sets it.
    known = {*VARIABLES, "_private", "c", "content", "d", "error", "mac", "y", "z"}
    assert {use.path[0] for use in found.uses if use.kind is UseKind.VARIABLE} - known == set()


@given(source=token_soup())
def test_whatever_can_be_compiled_can_be_inspected(source: str) -> None:
    try:
        Engine().compile(source)
    except TemplateError:
        return
    found = inspect_template(source, given=VARIABLES)

    lines = source.split("\n")
    assert all(place.line <= len(lines) for use in found.uses for place in use.places)
