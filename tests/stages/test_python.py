"""The stage `python`."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from pipeline.accounting.offsets import Offsets
from pipeline.cli import main
from pipeline.config import ConfigErrors
from pipeline.config.file import parse
from pipeline.model.batch import Batch
from pipeline.model.component import Stage, StageContext
from pipeline.model.errors import ConfigError
from pipeline.runtime.agent import Agent
from pipeline.stages import python
from pipeline.testing.builders import batch, container, entries
from pipeline.testing.stage_kit import StageKit

HERE = "tests.stages.own_functions"
CONFIG = f"""
[routes.a]
stages = [
  {{ parse = "json" }},
  {{ python = "{HERE}:length" }},
]
to = ["console"]
[[tests]]
route = "a"
input = ['{{"a":1}}']
expect = [{{ a = 1, length = 7 }}]
"""


def make(name: str, failures: list[int] | None = None) -> Stage:
    made = python.Stage(f"{HERE}:{name}")
    made.attach(StageContext(failed=[].append if failures is None else failures.append))
    return made


def fields(result: Batch | None) -> list[dict[str, object]]:
    return [entry.fields for entry in entries(result)]


class TestPython(StageKit):
    def make(self) -> Stage:
        return make("hostile")


class TestPythonThatDrops(StageKit):
    def make(self) -> Stage:
        return make("only_errors")


def test_the_function_gives_the_fields_and_the_message_stays() -> None:
    result = make("length")(batch("abc", b"\xff", fields=[{"a": 1}, {}]))
    assert fields(result) == [{"a": 1, "length": 3}, {"length": 1}]
    assert [entry.message for entry in entries(result)] == [b"abc", b"\xff"]
    assert fields(make("length")(batch("abc"))) == [{"length": 3}]
    assert fields(make("Shop.message")(batch("abc"))) == [{"text": "abc"}]


def test_none_drops_an_entry() -> None:
    whole = batch(*"abc", fields=[{"level": "error"}, {}, {"level": "error"}])
    assert [entry.message for entry in entries(make("only_errors")(whole))] == [b"a", b"c"]
    assert make("only_errors")(batch("a")) is None


def test_entries_do_not_share_what_the_function_gives_twice() -> None:
    one, two = fields(make("same")(batch("a", "b")))
    assert one == two == {"a": [1]}
    assert one is not two
    assert one["a"] is not two["a"]


@pytest.mark.parametrize("message", ["raise", "exit", "list", "object", "deep"])
def test_an_entry_that_it_fails_for_goes_on_as_it_was_and_is_counted(
    message: str, caplog: pytest.LogCaptureFixture
) -> None:
    failures: list[int] = []
    inner = {"b": {"c": 1}}
    whole = batch("fine", message, message, fields=[{}, {"a": inner}, {}])
    with caplog.at_level(logging.WARNING):
        result = make("hostile", failures)(whole)
    assert fields(result) == [{"changed": True}, {"a": {"b": {"c": 1}}}, {}]
    assert inner == {"b": {"c": 1}}
    assert failures == [2]
    (record,) = caplog.records
    assert "hostile failed for 2 entries" in record.message


@pytest.mark.parametrize("message", ["raise", "exit", "list", "object", "deep"])
def test_where_it_hides_something_an_entry_that_it_fails_for_is_dropped_and_counted(
    message: str, caplog: pytest.LogCaptureFixture
) -> None:
    failures: list[int] = []
    stage = python.Stage(python.Options(function=f"{HERE}:hostile", drop_on_error=True))
    stage.attach(StageContext(failed=failures.append))
    assert stage.effect().hides
    assert [one.message for one in entries(stage(batch(message, "fine", message)))] == [b"fine"]
    assert failures == [2]
    assert "2 entries, which were dropped" in caplog.text


def test_what_lanes_share_is_not_changed() -> None:
    inner = {"b": 1}
    assert fields(make("hostile")(batch("x", fields=[{"a": inner}]))) == [
        {"a": {"b": 1, "changed": True}, "changed": True}
    ]
    assert inner == {"b": 1}


def test_values_become_what_json_has() -> None:
    (found,) = fields(make("hostile")(batch("rich")))
    assert found == {"1": "2026-01-31T00:00:00Z", "b": [2], "c": "/w=="}
    (found,) = fields(make("hostile")(batch("odd")))
    assert found == {"nan": None, "half": "\ufffd"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tests.stages.no_such_module:f", "ModuleNotFoundError"),
        (f"{HERE}:no_such_function", "AttributeError"),
        (f"{HERE}:NOT_CALLABLE", "is no function"),
        (f"{HERE}.length", "write a module and a function"),
        (f"{HERE}:length()", "write a module and a function"),
        (":f", "write a module and a function"),
    ],
)
def test_what_cannot_be_called_is_refused(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        python.Stage(name).attach(StageContext())


def test_a_configuration_with_it_is_refused_unless_that_is_allowed() -> None:
    with pytest.raises(ConfigErrors) as caught:
        parse(CONFIG, {})
    (problem,) = caught.value.problems
    assert (problem.line, problem.path) == (5, "routes.a.stages[1].python")
    assert "--allow-python" in problem.message
    assert parse(CONFIG, {}, python="allow").config.routes["a"].stages[1].name == "python"


def test_where_nothing_goes_through_it_is_not_imported() -> None:
    text = CONFIG.replace(HERE, "tests.stages.no_such_module")
    assert parse(text, {}, python="ignore").config.http.listen
    with pytest.raises(ConfigErrors, match="cannot import"):
        parse(text, {}, python="allow")


@pytest.mark.parametrize(
    "command", [["check"], ["test"], ["explain", "--name", "x", "--line", '{"a":1}']]
)
def test_the_command_line_allows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    file = tmp_path / "dockline.toml"
    file.write_text(CONFIG)
    assert main([*command, "-c", str(file)]) == 2
    assert "--allow-python" in capsys.readouterr().err
    assert main([*command, "--allow-python", "-c", str(file)]) == 0
    out = capsys.readouterr().out
    assert ("length" in out) is (command[0] == "explain")


def test_containers_have_it_together() -> None:
    stage = make("length")
    assert stage.bind(container(number=2)) is stage


def test_the_agent_counts_the_entries_that_it_fails_for(tmp_path: Path) -> None:
    text = CONFIG.partition("[[tests]]")[0].replace(":length", ":hostile")
    text = f'[engine]\nurl = "unix://{tmp_path}/none"\n[http]\nlisten = "off"\n{text}'
    agent = Agent(parse(text, {}, python="allow"), {})
    lanes = agent._router.bind(container(), Offsets({}))["logs"]
    lanes.offer(batch("fine", "raise", "exit"))
    labels = {"route": "a", "stage": "python"}
    value = agent.metrics.registry.get_sample_value("dockline_stage_errors_total", labels)
    assert value == 2


def test_the_agent_does_not_start_unless_it_is_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "dockline.toml"
    file.write_text(CONFIG)
    assert main(["run", "-c", str(file)]) == 2
    assert "--allow-python" in capsys.readouterr().err


def test_where_it_hides_something_the_log_does_not_show_what_its_exception_quotes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = python.Stage(python.Options(function=f"{HERE}:quoting", drop_on_error=True))
    stage.attach(StageContext())
    assert stage(batch("4111 1111 1111 1111")) is None
    assert "ValueError" in caplog.text and "in quoting" in caplog.text
    assert "4111" not in caplog.text
