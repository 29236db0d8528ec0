"""A route tried out on given lines."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.config.file import parse
from pipeline.explain.dry_run import DryRun, Line, Snapshot, Step
from pipeline.model import registry
from pipeline.model.batch import Batch
from pipeline.model.component import Stage
from pipeline.model.errors import DocklineError
from pipeline.testing.builders import container


def dry_run(stages: str) -> DryRun:
    text = f'[routes.r]\nto = ["console"]\nstages = [{stages}]'
    return DryRun("r", parse(text, {}).config, container())


def test_what_comes_out_is_what_a_json_sink_would_get() -> None:
    [first, second] = dry_run('{ parse = "json" }, { set = { env = "prod" } }').run(
        [Line(b'{"level":"warn"}', "stderr"), Line(b"text", time=b"2026-05-01T00:00:00.000000001Z")]
    )
    assert (first.number, first.json["level"], first.json["env"]) == (1, "warn", "prod")
    assert (first.json["stream"], first.json["log"]) == ("stderr", {"level": "warning"})
    assert first.json["@timestamp"] == "2026-01-01T00:00:00.000000000Z"
    assert (second.json["message"], second.json["event"]["sequence"]) == ("text", 2)
    assert second.json["@timestamp"] == "2026-05-01T00:00:00.000000001Z"
    assert second.json["container"]["name"] == "api-1"


def test_each_step_of_a_line_is_known_until_it_is_dropped() -> None:
    tried = dry_run('{ parse = "json" }, { keep = "a > 1" }, { remove = ["message"] }')
    entries = tried.run([Line(b'{"a":1}'), Line(b'{"a":2}')])
    assert [entry.number for entry in entries] == [2]
    line = '{"a":1}'
    assert tried.steps(1) == [
        Step("parse", Snapshot(line, {}, False), Snapshot(line, {"a": 1}, False)),
        Step("keep", Snapshot(line, {"a": 1}, False), None),
    ]
    assert [step.stage for step in tried.steps(2)] == ["parse", "keep", "remove"]
    assert tried.steps(3) == []


def test_no_lines_and_no_stages_give_nothing_and_everything() -> None:
    assert dry_run('{ parse = "json" }').run([]) == []
    assert [entry.json["message"] for entry in dry_run("").run([Line(b"\xff")])] == ["\ufffd"]


def test_what_a_stage_holds_back_comes_out_through_the_stages_behind_it() -> None:
    tried = dry_run('{ join = "indent" }, { set = { env = "prod" } }')
    [entry, last] = tried.run([Line(b"one"), Line(b"  two"), Line(b"last")])
    assert (entry.json["message"], entry.json["env"]) == ("one\n  two", "prod")
    assert (last.number, last.json["message"], last.json["env"]) == (3, "last", "prod")
    assert [(step.stage, step.joined) for step in tried.steps(2)] == [("join", 1)]
    assert [step.stage for step in tried.steps(1)] == ["join", "set"]


class Broken(Stage):
    def __call__(self, batch: Batch) -> Batch | None:
        raise ZeroDivisionError("oops")


def replaced(stage: type[Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    real = registry.implementation

    def implementation(kind: Any, name: str) -> Any:
        return stage if (kind, name) == ("stages", "drop") else real(kind, name)

    monkeypatch.setattr(registry, "implementation", implementation)


def test_a_stage_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    replaced(Broken, monkeypatch)
    with pytest.raises(DocklineError, match=r"stage drop failed.*oops"):
        dry_run('{ drop = "a == 1" }').run([Line(b"one")])


def test_a_stage_that_fails_to_let_go_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck(Broken):
        held = 1

        def __call__(self, batch: Batch) -> Batch | None:
            return batch

        def flush(self, now: float) -> Batch | None:
            raise ZeroDivisionError("oops")

    replaced(Stuck, monkeypatch)
    with pytest.raises(DocklineError, match=r"stage drop failed.*oops"):
        dry_run('{ drop = "a == 1" }').run([Line(b"one")])


def test_of_a_line_that_was_split_a_part_that_came_out_is_followed() -> None:
    tried = dry_run(
        '{ split = "message" }, { drop = \'message == "x"\' }, { set = { env = "prod" } }'
    )
    entries = tried.run([Line(b'["x","y","z"]'), Line(b"x"), Line(b'["x","x"]')])
    assert [(entry.number, entry.json["event"]["part"]) for entry in entries] == [(1, 2), (1, 3)]
    steps = tried.steps(1)
    assert [(step.stage, step.parts) for step in steps] == [("split", 3), ("drop", 0), ("set", 0)]
    assert steps[0].after == Snapshot("y", {}, False)
    assert [step.stage for step in tried.steps(2)] == ["split", "drop"]
    third = tried.steps(3)
    assert [(step.stage, step.parts, step.after is None) for step in third] == [
        ("split", 2, False),
        ("drop", 0, True),
    ]
