"""Names that must exist, and dead letters that must not come back."""

from __future__ import annotations

import pytest

from pipeline.config import ConfigErrors
from pipeline.config.file import parse

pytestmark = pytest.mark.usefixtures("parts")

SINKS = '[sinks.a]\ntype="probe"\n[sinks.b]\ntype="probe"\n[sinks.c]\ntype="gauge"\n'


def errors(text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        parse(text, {})
    return [f"{one.path}: {one.sentence}" for one in caught.value.problems]


def warnings(text: str) -> list[str]:
    return [f"{one.path}: {one.sentence}" for one in parse(text, {}).warnings]


def dead_letters(**ways: str) -> str:
    return "".join(
        f'[sinks.{name}]\ntype="probe"\n' + (f'dead_letter="{way}"\n' if way else "")
        for name, way in ways.items()
    )


def test_a_route_to_a_sink_that_is_not_there_gets_the_nearest_or_the_list() -> None:
    assert errors(SINKS + '[routes.r]\nto=["aa", "console"]') == [
        'routes.r.to[0]: there is no sink "aa"; did you mean "a"?',
        'routes.r.to[1]: there is no sink "console"; known: a, b, c',
    ]


def test_a_way_that_is_named_twice_is_an_error() -> None:
    ways = '[routes.s]\nto=["a"]\n[routes.r]\nto=["a", "b", "a", "route:s", "route:s", "a"]'
    assert errors(SINKS + ways) == [
        f'routes.r.to[{index}]: "{name}" is in this list already; remove it, or name another'
        for index, name in ((2, "a"), (4, "route:s"), (5, "a"))
    ]


def test_without_sinks_there_is_one_named_console() -> None:
    assert parse('[routes.r]\nto=["console"]', {}).config.routes["r"].to == ["console"]


def routes(**ways: list[str]) -> str:
    return "".join(f"[routes.{name}]\nto={way}\n" for name, way in ways.items())


def test_a_route_leads_to_other_routes() -> None:
    config = parse(SINKS + routes(all=["a", "route:errors"], errors=["b"]), {}).config
    assert (config.routes["all"].sinks, config.routes["all"].feeds) == (["a"], ["errors"])


def test_a_route_to_a_route_that_is_not_there_gets_the_nearest_or_the_list() -> None:
    assert errors(SINKS + routes(all=["route:eror", "route:", "errors"], errors=["a"])) == [
        'routes.all.to[0]: there is no route "eror"; did you mean "errors"?',
        'routes.all.to[1]: there is no route ""; known: all, errors',
        'routes.all.to[2]: there is no sink "errors"; did you mean the route, "route:errors"?',
    ]


@pytest.mark.parametrize(
    ("ways", "found"),
    [
        ({"x": ["route:x"]}, ['routes.x.to[0]: the entries of "x" come back to itself']),
        (
            {"z": ["route:x"], "x": ["a", "route:y"], "y": ["route:x"]},
            ['routes.x.to[1]: the entries of "x" come back to itself, through "y"'],
        ),
        (
            {"x": ["route:z"], "z": ["route:y", "a"], "y": ["route:x", "a"]},
            ['routes.x.to[0]: the entries of "x" come back to itself, through "z" and "y"'],
        ),
        ({"x": ["route:y", "route:z"], "y": ["route:z"], "z": ["a"]}, []),
    ],
)
def test_routes_that_lead_in_a_circle_are_an_error(
    ways: dict[str, list[str]], found: list[str]
) -> None:
    text = SINKS + routes(**ways)
    assert (errors(text) if found else []) == found
    if not found:
        parse(text, {})


def test_a_route_of_which_nothing_can_be_handed_on_is_warned_of() -> None:
    text = SINKS + routes(all=["a", "b", "route:happened"])
    text += '[routes.happened]\nfrom=["events"]\nto=["a"]\n'
    message = '"route:happened" takes only events; this route has none'
    assert f"routes.all.to[2]: {message}" in warnings(text)


def test_a_test_of_a_route_that_is_not_there_is_an_error() -> None:
    test = '[[tests]]\nroute="{}"\ninput=[]\nexpect=[]\n'
    assert errors(test.format("al")) == [
        'tests[0].route: there is no route "al"; did you mean "all"?'
    ]
    assert parse(test.format("all"), {}).config.tests[0].route == "all"


@pytest.mark.parametrize(
    ("ways", "error"),
    [
        ({"a": "a"}, 'sinks.a.dead_letter: the dead letters of "a" come back to itself'),
        (
            {"b": "a", "a": "b", "c": "a"},
            'sinks.a.dead_letter: the dead letters of "a" come back to itself, through "b"',
        ),
        (
            {"c": "a", "a": "b", "b": "c"},
            'sinks.a.dead_letter: the dead letters of "a" come back to itself, through "b" and "c"',
        ),
        ({"a": "x"}, 'sinks.a.dead_letter: there is no sink "x"; known: a'),
    ],
)
def test_dead_letters_must_lead_somewhere_else(ways: dict[str, str], error: str) -> None:
    assert errors(dead_letters(**ways)) == [error]


def test_a_chain_of_dead_letters_with_an_end_is_fine() -> None:
    assert warnings(dead_letters(a="b", b="c", c="")) == []


def test_names_are_checked_in_tables_that_have_other_errors_too() -> None:
    text = '[sinks.a]\ntype="probe"\nnope=1\ndead_letter="x"\n[routes.r]\nnope=1\nto=["x"]\n'
    assert [error.partition(":")[0] for error in errors(text)] == [
        "sinks.a.nope",
        "sinks.a.dead_letter",
        "routes.r.nope",
        "routes.r.to[0]",
    ]
