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


def test_without_sinks_there_is_one_named_console() -> None:
    assert parse('[routes.r]\nto=["console"]', {}).config.routes["r"].to == ["console"]


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
