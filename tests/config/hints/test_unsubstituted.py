"""Variables as other tools write them."""

from __future__ import annotations

import pytest

from pipeline.config import ConfigErrors
from pipeline.config.file import parse

pytestmark = pytest.mark.usefixtures("parts")


def warnings(text: str, **environ: str) -> list[str]:
    found = parse(f'[sinks.a]\ntype = "probe"\n{text}\n', environ).warnings
    return [f"{one.line} {one.path}: {one.sentence}" for one in found]


@pytest.mark.parametrize(
    "written",
    ["$HOST:514", "tcp://$LOG_HOST:1", "$(HOST):1", "$host:1", "%HOST%:1", "{env.HOST}:1"],
)
def test_a_variable_without_braces_is_warned_of(written: str) -> None:
    told = warnings(f'address = "{written}"')
    if written in ("$host:1", "%HOST%:1", "{env.HOST}:1"):  # only as the whole text
        assert told == []
    else:
        assert told == [
            "3 sinks.a.address: this stays as it is: no variable is put in; a variable of the "
            "environment is written ${NAME}, with braces"
        ]


@pytest.mark.parametrize(
    "written", ["$token", "$TOKEN", "%TOKEN%", "{env.TOKEN}", '{{ env \\"TOKEN\\" }}', "{env:X}"]
)
def test_a_secret_that_looks_so_is_warned_of_once_and_not_shown(written: str) -> None:
    (told,) = warnings(f'token = "{written}"')
    assert "written ${NAME}" in told
    assert "oken" not in told.replace("sinks.a.token", "") and "TOKEN" not in told


@pytest.mark.parametrize(
    "written", ["a$b:1", "pa$$WORD:1", "$1:2", "cost:$5", "x:{HOST}", "a\\\\$HOME:1"]
)
def test_other_dollars_are_left_alone(written: str) -> None:
    assert warnings(f'address = "{written}"') == []


def test_what_was_put_in_is_not_looked_at() -> None:
    assert warnings('address = "${A}"', A="$HOST:1") == []
    assert warnings('address = "$${HOST}:1"') == []


def test_expressions_and_patterns_are_not_looked_at() -> None:
    text = "[routes.r]\nto = ['a']\nstages = [{ shout = '^x$END' }]"
    assert warnings(text) == []


def test_an_error_about_such_a_text_has_the_hint() -> None:
    with pytest.raises(ConfigErrors) as error:
        parse('[sinks.a]\ntype = "probe"\naddress = "$HOST"\n', {})
    assert error.value.problems[0].sentence.endswith("is written ${NAME}, with braces")
    with pytest.raises(ConfigErrors) as error:
        parse('[sinks.a]\ntype = "probe"\nx = "$HOST"\n', {})
    assert "braces" not in error.value.problems[0].hint
