"""Stages that somebody has written are tried; what is wrong with them is told at its place."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.config.file import ConfigFile
from pipeline.config.wording import limits, toml
from pipeline.explain.explainer import surroundings
from pipeline.explain.job import Job, JobContainer, JobLine, Trial
from pipeline.explain.trial import answer
from pipeline.model import registry
from pipeline.model.container import Container
from pipeline.testing.builders import container

LINES = ('{"level":"error","n":1,"user":"ann"}', "plain", '{"level":"info","n":2}')


def tried(
    reading: ConfigFile,
    stages: str,
    *lines: str,
    of: Container | None = None,
    head: str = "[routes.errors]\n",
) -> Any:
    job = Job(
        JobContainer.of(of or container()),
        surroundings(reading),
        [JobLine(line) for line in lines or LINES],
        trial=Trial("errors", stages, head),
    )
    return answer(Job.decode(job.encode()))


def errors(reading: ConfigFile, stages: str) -> list[tuple[int | None, str, str]]:
    facts = tried(reading, stages)
    assert facts["errors"], "there are none"
    assert (facts["lines"], facts["toml"]) == ([], "")
    return [(one["line"], one["where"], one["text"]) for one in facts["errors"]]


def test_each_line_has_its_stages_and_its_entry(reading: ConfigFile) -> None:
    facts = tried(reading, 'stages = [{ parse = "json" }, { keep = "n == 1" }]')
    assert (facts["errors"], facts["warnings"], facts["afresh"]) == ([], [], [])
    first, second, third = facts["lines"]
    assert [(one["stage"], one["outcome"]) for one in first["stages"]] == [
        ("parse", "changed"),
        ("keep", "unchanged"),
    ]
    assert first["entry"]["n"] == 1
    assert [one["outcome"] for one in second["stages"]] == ["unchanged", "dropped"]
    assert (third["line"], third["entry"]) == (LINES[2], None)


@pytest.mark.parametrize("name", [name for name in registry.names("stages") if name != "python"])
def test_every_stage_can_be_tried_as_in_its_example(name: str, reading: ConfigFile) -> None:
    [lookup] = reading.config.routes["users"].stages
    example = limits(registry.config_type("stages", name))["examples"][0]
    if name == "lookup":
        example = {**example, "file": lookup.config.file, "set": ["team"]}
    facts = tried(reading, f"stages = [{toml({name: example})}]", LINES[0])
    assert facts["errors"] == []
    [line] = facts["lines"]
    assert [one["stage"] for one in line["stages"]] == [name]
    stateful = registry.implementation("stages", name).stateful
    assert facts["afresh"] == ([name] if stateful else [])


def test_stages_for_which_earlier_lines_count_are_named(reading: ConfigFile) -> None:
    names = registry.names("stages")
    assert [name for name in names if registry.implementation("stages", name).stateful] == [
        "count", "dedupe", "join", "observe", "python", "sample", "throttle",
    ]  # fmt: skip
    labelled = container(labels={"dockline.join": "indent"})
    facts = tried(reading, 'stages = [{ parse = "json" }, { sample = 2 }]', of=labelled)
    assert facts["afresh"] == ["dockline.join", "sample"]


def test_errors_have_their_line_their_place_and_the_right_spelling(reading: ConfigFile) -> None:
    text = 'stages = [\n  { pars = "json" },\n  { keep = "level ==" },\n  { set = 1 },\n]\n'
    misspelt, expression, kind = errors(reading, text)
    assert misspelt[:2] == (2, "stages[0].pars")
    assert misspelt[2].startswith('there is no stage "pars"; did you mean "parse"?')
    assert expression[:2] == (3, "stages[1].keep")
    assert kind == (4, "stages[2].set", "expected a table, got a whole number")


def test_errors_that_show_only_among_other_stages_are_errors_here_too(reading: ConfigFile) -> None:
    text = "stages = [\n  { level = 'auto' },\n  { keep = \"level == 'warn'\" },\n]\n"
    [(line, where, message)] = errors(reading, text)
    assert (line, where) == (3, "stages[1].keep")
    assert message.endswith('stages[0].level makes it "warning"; write "warning"')
    [(line, _, message)] = errors(reading, "stages = [{ keep = \"level >= 'warn'\" }]\n")
    assert message.endswith('write at_least(level, "warn")')


def test_text_that_is_no_toml_is_told_with_its_line(reading: ConfigFile) -> None:
    [(line, where, text)] = errors(reading, "stages = [\n  { parse = json },\n]\n")
    assert (line, where) == (2, "")
    assert "put text in quotes" in text
    [(_, _, text)] = errors(reading, "stages = " + "[" * 5000 + "]" * 5000)
    assert "nested too deeply" in text


def test_nothing_but_stages_may_stand_there(reading: ConfigFile) -> None:
    assert errors(reading, 'to = ["out"]\nstages = []') == [
        (1, "to", 'unknown key "to"; only `stages = [ … ]` may stand here')
    ]
    [(_, _, text)] = errors(reading, "stage = []")
    assert "did you mean" in text
    [(_, _, text)] = errors(reading, '[[stages]]\nparse = "json"\n')
    assert text == "stages may not be tables here; write stages = [ { … }, { … } ]"
    [(_, where, _)] = errors(reading, 'stages = "json"')
    assert where == "stages"


def test_code_of_ones_own_is_not_run(reading: ConfigFile) -> None:
    [(line, where, text)] = errors(reading, 'stages = [\n{ python = "os:abort" }]')
    assert (line, where) == (2, "stages[0].python")
    assert "not run here" in text


def test_only_files_that_the_configuration_reads_are_read(reading: ConfigFile) -> None:
    refused = "only a file that the running configuration reads may be read here"
    for file in ("/etc/passwd", "/nowhere", "users.csv"):
        text = f'stages = [{{ lookup = {{ file = "{file}", key = "user", on = "x" }} }}]'
        assert errors(reading, text) == [(1, "stages[0].lookup.file", refused)]


@pytest.mark.parametrize("written", ["${OWNER}", "${file:/etc/passwd}", "${X:-y}", "$$${A} ${"])
def test_references_are_refused_and_say_what_to_write(written: str, reading: ConfigFile) -> None:
    for stage in (f"set = {{ a = '{written}' }}", f"set = {{ '{written}' = 'a' }}"):
        found = errors(reading, f"stages = [\n{{ {stage} }}]")
        assert any("write a text of your own in its place" in text for _, _, text in found)
        assert {line for line, _, _ in found} == {2}
        assert "hunter" not in repr(found)


def test_the_escape_of_a_reference_is_a_text(reading: ConfigFile) -> None:
    facts = tried(reading, "stages = [{ keep = \"message != '$${A}'\" }]", "${A}", "b")
    assert [line["entry"] is None for line in facts["lines"]] == [True, False]
    assert "$${A}" in facts["toml"]


def test_warnings_are_those_of_check(reading: ConfigFile) -> None:
    facts = tried(reading, "stages = [\n  { keep = 'lvl == 1' },\n  { keep = 'False' },\n]")
    assert [(one["line"], one["where"]) for one in facts["warnings"]] == [
        (2, "stages[0].keep"),
        (3, "stages[1].keep"),
    ]
    assert "no stage before this one makes a field" in facts["warnings"][0]["text"]
    assert "lets nothing through" in facts["warnings"][1]["text"]
    assert len(facts["lines"]) == 3


def test_labels_of_the_container_run_first(reading: ConfigFile) -> None:
    labelled = container(labels={"dockline.parse": "json", "dockline.tag.team": "core"})
    facts = tried(reading, "stages = [{ keep = \"level == 'error'\" }]", of=labelled)
    assert [one["stage"] for one in facts["lines"][0]["stages"]] == [
        "dockline.parse",
        "dockline.tag",
        "keep",
    ]
    assert [line["entry"] is None for line in facts["lines"]] == [False, True, True]


def test_what_comes_out_is_a_route_to_copy(reading: ConfigFile) -> None:
    text = "stages = [  # mine\n  { parse = 'json' },\n]\n"
    assert tried(reading, text, head="[routes.errors]\nto = []\n")["toml"] == (
        "[routes.errors]\nto = []\n" + text
    )
    assert tried(reading, "", LINES[0])["lines"][0]["stages"] == []


@pytest.mark.parametrize("line", ["\x00\ud800\x1b[2J</script>", "x" * 90_000, "[" * 50_000, ""])
def test_any_line_can_be_tried(line: str, reading: ConfigFile) -> None:
    facts = tried(reading, 'stages = [{ parse = "auto" }]', line)
    assert facts["lines"][0]["entry"] is not None or facts["lines"][0]["stages"]
