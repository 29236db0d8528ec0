"""Stages that cannot do, where they stand, what they seem to do."""

from __future__ import annotations

import pytest

from pipeline.config import ConfigErrors, Problem
from pipeline.config.file import parse

pytestmark = pytest.mark.usefixtures("parts")

PARSE, LEVEL = '{ parse = "json" }', '{ level = "auto" }'


def route(*stages: str, more: str = "") -> str:
    listed = ",\n  ".join(stages)
    return f'[routes.r]\n{more}\nto = ["console"]\nstages = [\n  {listed}\n]\n'


def found(text: str) -> list[Problem]:
    try:
        return parse(text, {}).warnings
    except ConfigErrors as errors:
        return errors.problems


def said(text: str) -> list[str]:
    return [f"{one.path}: {one.sentence}" for one in found(text)]


def is_error(text: str) -> bool:
    try:
        return not parse(text, {})
    except ConfigErrors:
        return True


# ------------------------------------------------------------------- words of the stage level


@pytest.mark.parametrize(
    ("stage", "expression", "value", "word"),
    [
        (LEVEL, "level == 'warn'", '"warn"', '"warning"'),
        (LEVEL, "'ERROR' != level", '"ERROR"', '"error"'),
        (LEVEL, "level in ('error', 'fatal')", '"fatal"', '"critical"'),
        (LEVEL, "level not in ('trace', 'info')", '"trace"', '"debug"'),
        (LEVEL, "level == 40", "40", '"warning"'),
        (LEVEL, "stream == 'stderr' and fields['level'] == 'err'", '"err"', '"error"'),
        ('{ level = { default = "info" } }', "level == 'loud'", '"loud"', '"info"'),
        ('{ level = { map = { L1 = "alert" } } }', "level == 'L1'", '"L1"', '"alert"'),
        ('{ level = { from = "level" } }', "level == 'warn'", '"warn"', '"warning"'),
    ],
)
def test_a_value_that_the_level_never_is_after_its_stage_is_an_error_that_names_the_word(
    stage: str, expression: str, value: str, word: str
) -> None:
    text = route(PARSE, stage, f'{{ keep = "{expression}" }}')
    (problem,) = found(text)
    assert is_error(text)
    assert (problem.path, problem.line) == ("routes.r.stages[2].keep", 7)
    assert problem.message.endswith(f"is never {value} here: stages[1].level makes it {word}")
    assert problem.hint == f"write {word}"
    marked = problem.excerpt[problem.mark[0] :]
    assert marked.startswith(value.replace('"', "'"))


def test_every_such_value_is_an_error_of_its_own() -> None:
    assert len(found(route(LEVEL, "{ keep = \"level in ('err', 'warning', 'fatal')\" }"))) == 2


@pytest.mark.parametrize(
    "stages",
    [
        (LEVEL, "{ keep = \"level == 'warning' or level == 'loud'\" }"),
        (LEVEL, "{ set = { level = 'warn' } }", "{ keep = \"level == 'warn'\" }"),
        (LEVEL, '{ shout = "a" }', "{ keep = \"level == 'warn'\" }"),
        (PARSE, '{ level = { from = "severity" } }', "{ keep = \"level == 'warn'\" }"),
        ('{ level = { from = "message" } }', "{ keep = \"level == 'warn'\" }"),
        (
            PARSE,
            '{ level = { map = { info = "debug", debug = "info" } } }',
            "{ keep = \"level == 'debug'\" }",
        ),
        (PARSE, "{ keep = \"level == 'warn'\" }"),
        (PARSE, LEVEL, "{ keep = \"lower(level) == 'warn' or 'warn' in level\" }"),
    ],
)
def test_a_value_that_it_may_be_is_none(stages: tuple[str, ...]) -> None:
    assert said(route(*stages)) == []


def test_a_level_under_another_name_has_the_same_words() -> None:
    renamed = "{ rename = { level = 'severity' } }"
    (problem,) = said(route(LEVEL, renamed, "{ drop = \"severity == 'warn'\" }"))
    assert 'severity is never "warn" here: stages[0].level makes it "warning"' in problem


def test_other_stages_that_compare_say_so_too() -> None:
    for stage, path in (
        ("sample = { rate = 0.1, keep = \"level == 'warn'\" }", "sample.keep"),
        ('count = { name = "a", when = "level == \'warn\'" }', "count.when"),
        ("set = { bad = \"{level == 'warn'}\" }", "set.bad"),
    ):
        (problem,) = found(route(LEVEL, f"{{ {stage} }}"))
        assert problem.path == f"routes.r.stages[1].{path}"
        assert problem.excerpt[problem.mark[0] :].startswith("'warn'")


def fed(stages: str, *feeding: str, more: str = "") -> str:
    ways = [
        f'[routes.a{number}]\nto = ["route:r"]\nstages = [{one}]\n'
        for number, one in enumerate(feeding)
    ]
    return f'[routes.r]\nto = ["console"]\n{more}\nstages = [{stages}]\n' + "".join(ways)


def test_a_route_that_another_feeds_gets_its_words_fields_and_conditions() -> None:
    warn = "{ keep = \"level == 'warn'\" }"
    (problem,) = said(fed(warn, LEVEL))
    assert (
        'routes.r.stages[0].keep: level is never "warn" here: routes.a0.stages[0].level' in problem
    )
    assert len(said(fed(warn, LEVEL, f"{PARSE}, {LEVEL}"))) == 1
    assert said(fed(warn, LEVEL, PARSE)) == []
    (problem,) = said(fed('{ keep = "env == 1" }', "{ set = { a = 1 } }", "{ set = { b = 1 } }"))
    assert 'no stage before this one makes a field "env"' in problem
    assert said(fed('{ keep = "b == 1" }', "{ set = { a = 1 } }", "{ set = { b = 1 } }")) == []
    (problem,) = said(fed("{ keep = \"stream == 'stdout'\" }", "{ keep = \"stream == 'stderr'\" }"))
    assert "lets nothing through of what the stages before it leave" in problem
    (problem,) = said(fed(PARSE, PARSE))
    assert "routes.a0.stages[0].parse has parsed the message in the same way" in problem


# ---------------------------------------------------------------------- names without quotes


def test_a_name_without_quotes_that_no_stage_makes_is_an_error() -> None:
    for expression in ("env == prod", "stream != prod", "container.labels.env == prod"):
        text = route("{ set = { env = 'a' } }", f'{{ keep = "{expression}" }}')
        (problem,) = found(text)
        assert is_error(text)
        assert problem.message == 'no stage before this one makes a field "prod"'
        assert problem.hint == 'for the text write "prod", in quotes'
        assert problem.excerpt[problem.mark[0] :].startswith("prod")


def test_one_that_a_stage_may_make_is_warned_of_and_can_be_said_to_be_a_field() -> None:
    text = route(PARSE, '{ keep = "env == prod" }')
    assert not is_error(text)
    assert said(text) == [
        'routes.r.stages[1].keep: "env" is compared with a field "prod"; for the text write '
        '"prod", for the field fields["prod"]'
    ]
    assert said(route(PARSE, "{ keep = \"env == fields['prod'] and size < most\" }")) == []
    assert said(route(PARSE, "{ set = { prod = 'a' } }", '{ keep = "env == prod" }')) == []


# ------------------------------------------------------------------- fields that are gone


def test_a_field_that_was_removed_or_renamed_before_is_warned_of() -> None:
    keep = "{ keep = \"level == 'error'\" }"
    assert said(route(PARSE, '{ remove = ["level"] }', keep)) == [
        'routes.r.stages[2].keep: no entry has a field "level" here: stages[1].remove removes it; '
        "put what reads it before that stage"
    ]
    assert said(route(PARSE, "{ rename = { level = 'severity' } }", keep)) == [
        'routes.r.stages[2].keep: no entry has a field "level" here: stages[1].rename renames it '
        'to "severity"; write "severity"'
    ]
    assert said(route(PARSE, '{ remove = ["level"] }', LEVEL, keep)) == []
    assert said(route(PARSE, '{ remove = ["level"] }', '{ shout = "a" }', keep)) == []
    swapped = "{ rename = { level = 'other', other = 'level' } }"
    assert said(route(PARSE, swapped, keep)) == []


def test_a_property_of_the_container_is_not_a_field() -> None:
    (problem,) = said(route("{ keep = \"name == 'web'\" }"))
    assert problem.endswith("the container's is container.name")


# --------------------------------------------------------------------------------- order


@pytest.mark.parametrize(
    ("first", "then", "part"),
    [
        (PARSE, '{ join = "java" }', "lines are parsed one by one"),
        ("{ keep = \"'ERROR' in message\" }", '{ join = "java" }', "it drops single lines"),
        ("{ sample = 10 }", '{ join = "java" }', "it drops single lines"),
        ("{ throttle = { rate = 5 } }", '{ join = "java" }', "it drops single lines"),
        ("{ dedupe = {} }", '{ join = "java" }', "it drops single lines"),
        ('{ redact = ["email"] }', PARSE, "JSON in which a number was replaced is not JSON"),
        ('{ redact = { keys = ["a"], fields = ["b"] } }', PARSE, "what it hides in fields is read"),
        ('{ remove = ["password"] }', PARSE, "the fields that it removes are read out of the"),
        ('{ truncate = "8KiB" }', PARSE, "a line that was cut is not JSON any more"),
        (LEVEL, PARSE, "a level in the line replaces the one that it has set"),
    ],
)
def test_a_stage_that_spoils_a_later_one_is_warned_of(first: str, then: str, part: str) -> None:
    name, later = first.split()[1], then.split()[1]
    (problem,) = found(route('{ shout = "a" }', first, "{ set = { a = 1 } }", then))
    assert problem.path == f"routes.r.stages[1].{name}"
    assert problem.message.startswith(f"stands before the {later} in stages[3]: {part}")
    assert problem.hint == f"put the {later} before this"
    assert said(route('{ shout = "a" }', then, "{ set = { a = 1 } }", first)) == []


@pytest.mark.parametrize(
    "stages",
    [
        (PARSE, "{ rename = { msg = 'message' } }", '{ join = "java" }'),
        ("{ keep = \"stream == 'stderr' and container.name != 'a'\" }", '{ join = "java" }'),
        ("{ drop = \"message.startswith('GET /health')\" }", '{ join = "java" }'),
        ('{ redact = ["email"] }', PARSE, '{ redact = ["email"] }'),
        ('{ remove = ["message"] }', '{ shout = "a" }'),
        ('{ truncate = { fields = "1KiB" } }', PARSE),
        (PARSE, '{ parse = "logfmt" }'),
        (PARSE, "{ rename = { msg = 'message' } }", PARSE),
    ],
)
def test_an_order_that_may_be_meant_is_not(stages: tuple[str, ...]) -> None:
    assert said(route(*stages)) == []


def test_the_same_parse_twice_is_warned_of() -> None:
    assert said(route(PARSE, "{ set = { a = 1 } }", PARSE)) == [
        "routes.r.stages[2].parse: stages[0].parse has parsed the message in the same way; "
        "remove this one"
    ]


def test_a_parse_that_comes_too_late_is_named() -> None:
    (problem,) = said(route('{ keep = "status >= 500" }', PARSE))
    assert problem.endswith("put stages[1], which parses the message, before this")


# ---------------------------------------------------------------- conditions and comparisons


@pytest.mark.parametrize(
    "stage",
    [
        "{ drop = \"level == 'debug' and level == 'trace'\" }",
        '{ keep = "True" }',
        "{ drop = \"at_least(level, 'error') and level == 'info'\" }",
    ],
)
def test_a_stage_that_lets_everything_through_is_warned_of(stage: str) -> None:
    (problem,) = said(route(PARSE, stage))
    assert "lets everything through, whatever the entries are; is an `and` meant to be" in problem


def test_severities_that_exclude_each_other_are_warned_of() -> None:
    stages = ("{ keep = \"at_least(level, 'error')\" }", "{ keep = \"level == 'info'\" }")
    (problem,) = said(route(PARSE, *stages))
    assert "lets nothing through of what the stages before it leave" in problem


def test_a_number_in_quotes_that_is_ordered_is_warned_of() -> None:
    assert said(route(PARSE, "{ keep = \"status >= '500'\" }")) == [
        "routes.r.stages[1].keep: two texts are compared as texts, in which "
        '"99" is more than "500"; write status >= 500'
    ]
    for fine in ("status == '500'", "time < '2026'", "'b' < name", "status >= 500"):
        assert said(route(PARSE, f'{{ keep = "{fine}" }}')) == []


def test_odd_names_and_values_are_written_so_that_they_can_be_copied() -> None:
    (problem,) = said(route(PARSE, "{ keep = \"fields['a-b'] >= '500'\" }"))
    assert problem.endswith('write fields["a-b"] >= 500')
    (problem,) = said(route(LEVEL, r"""{ keep = "level == '\\u001b[31mx' or level == 'ERR'" }"""))
    assert problem.endswith('write "error"')
    text = route('{ level = { default = "info" } }', r"""{ keep = "level == '\u001b[31mx'" }""")
    (problem,) = said(text)
    assert 'level is never "\\u001b[31mx" here' in problem


def test_a_star_at_the_end_of_a_text_is_warned_of() -> None:
    (problem,) = said(route(PARSE, "{ drop = \"path == '/health*'\" }"))
    assert problem.endswith('== takes * literally; write startswith(path, "/health")')
    assert said(route(PARSE, "{ drop = \"accept in ('*/*', '*')\" }")) == []


# --------------------------------------------------------------------- beside other errors


def test_such_errors_are_printed_beside_others() -> None:
    warn = "{ keep = \"level == 'warn'\" }"
    other = "[logs]\nstart = 'never'\n[routes.bad]\nto = ['nowhere']\nstages = [{ keep = '=' }]\n"
    problems = found(route(LEVEL, warn) + other)
    assert [(one.line, one.path) for one in problems] == [
        (6, "routes.r.stages[1].keep"),
        (9, "logs.start"),
        (11, "routes.bad.to[0]"),
        (12, "routes.bad.stages[0].keep"),
    ]
    beside = f"[routes.r2]\nto = ['console']\nstages = [{LEVEL}, {warn}]\n"
    problems = found(fed(warn, "{ pars = 1 }") + beside)
    assert [one.path for one in problems] == [
        "routes.a0.stages[0].pars",
        "routes.r2.stages[1].keep",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "routes = 3", "[routes]\nr = 3", "[routes.r]\nto = 3\nstages = 4", "sources = 4",
        "[routes.a]\nto = ['route:b']\n[routes.b]\nto = ['route:a']",
        "[routes.a]\nto = [3, {}]\n[routes.b]\nto = 5", "[[routes]]\nto = ['a']",
        "[routes.r]\nto = ['route:r']\nstages = [{ keep = 'env == prod' }]",
    ],
)  # fmt: skip
def test_a_file_with_whatever_errors_is_read_to_its_end(text: str) -> None:
    assert is_error(text)
