"""What the page asks about a running configuration, answered by the real process."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.file import ConfigFile
from pipeline.explain.dry_run import Line
from pipeline.explain.explainer import Explainer
from pipeline.explain.facts import Found, concealed, explained
from pipeline.explain.process import Process
from pipeline.model.errors import DocklineError
from pipeline.testing.builders import container

ERROR, OTHER = '{"level":"error","owner":"hunter22"}', "plain"
LINES: Any = [(ERROR, "stderr", ""), (OTHER, "stdout", "2026-05-01T00:00:00.000000001Z")]
LABELS = {"dockline.tag.team": "core", "note": "hunter22"}


def find(name: str) -> Found | None:
    named = {"api-1": container(labels=LABELS), "web-1": container("web-1")}
    return Found(named[name], [], ["it is not running"]) if name in named else None


@pytest.fixture
def explainer(reading: ConfigFile) -> Explainer:
    return Explainer(lambda: reading, find)


async def test_without_lines_no_process_is_started(reading: ConfigFile) -> None:
    facts = json.loads(await Explainer(lambda: reading, find, NoProcess()).explain("web-1", []))
    assert facts["notes"] == ["it is not running"]
    assert {route["name"]: route["takes"] for route in facts["routes"]} == {
        "errors": False,
        "rare": False,
        "users": True,
        "own": True,
    }
    assert facts["routes"][0]["reasons"] == [
        'name.startswith("${PREFIX}") is false: name is "web-1"'
    ]
    assert (facts["lines"], facts["afresh"]) == ([], [])


@pytest.mark.server
async def test_lines_are_explained_as_the_command_explains_them(
    explainer: Explainer, reading: ConfigFile
) -> None:
    facts = json.loads(await explainer.explain("api-1", LINES))
    found = find("api-1")
    assert found is not None
    lines = [Line(text.encode(), stream, time.encode()) for text, stream, time in LINES]
    assert reading.config.routes.pop("own")  # its code does not exist
    same = await asyncio.to_thread(explained, reading, found, lines)
    assert concealed(facts["lines"], reading.conceal) == same["lines"]
    assert facts["container"] == same["container"]
    assert [way["route"] for way in facts["lines"][0]["routes"]] == [
        "errors",
        "users",
        "errors → rare",
    ]
    assert facts["afresh"] == ["dedupe"]
    assert "the stages of own are not run" in facts["notes"][-1]


@pytest.mark.server
async def test_what_was_substituted_is_concealed(explainer: Explainer) -> None:
    answers = [
        await explainer.explain("api-1", LINES),
        await explainer.stages("errors"),
        await explainer.attempt("web-1", "errors", "stages = [{ pars = 1 }]", LINES[1:]),
        await explainer.attempt("web-1", "errors", "stages = []", LINES[1:]),
    ]
    for answer in answers:
        assert b"hunter" not in answer
    assert b"${OWNER}" in answers[0]
    assert b"${OWNER}" in answers[1]
    assert b"${PREFIX}" in answers[3]


@pytest.mark.server
async def test_a_trial_gets_lines_and_their_times(explainer: Explainer) -> None:
    text = 'stages = [{ parse = "json" }]\n'
    facts = json.loads(await explainer.attempt("api-1", "errors", text, LINES))
    assert [line["stream"] for line in facts["lines"]] == ["stderr", "stdout"]
    assert facts["lines"][1]["entry"]["@timestamp"] == LINES[1][2]
    assert facts["lines"][0]["entry"]["team"] == "core"
    assert facts["toml"] == (
        "[routes.errors]\ncontainers = 'name.startswith(\"${PREFIX}\")'\n"
        'to = ["out", "route:rare"]\n' + text
    )


@pytest.mark.server
async def test_lines_go_through_the_routes_that_feed_the_one_that_is_tried(
    explainer: Explainer,
) -> None:
    text = 'stages = [{ set = { tried = "yes" } }]\n'
    facts = json.loads(await explainer.attempt("api-1", "rare", text, LINES))
    error, other = facts["lines"]
    assert [(step["stage"], step.get("route")) for step in error["stages"]] == [
        ("dockline.tag", None), ("parse", "errors"), ("set", "errors"), ("keep", "errors"),
        ("set", None),
    ]  # fmt: skip
    assert error["entry"]["tried"] == "yes"
    assert error["entry"]["owner"] == "${OWNER}"
    assert (other["stages"][-1]["stage"], other["stages"][-1]["outcome"]) == ("keep", "dropped")
    assert facts["note"] == "lines come to it through errors"
    assert facts["toml"].endswith(text)


@pytest.mark.server
async def test_a_route_that_nothing_leads_to_is_tried_by_itself(explainer: Explainer) -> None:
    facts = json.loads(await explainer.attempt("web-1", "rare", "stages = []\n", LINES))
    assert [line["stages"] for line in facts["lines"]] == [[], []]
    assert facts["note"] == ""


@pytest.mark.server
async def test_a_file_that_changed_meanwhile_is_told(
    explainer: Explainer, reading: ConfigFile
) -> None:

    [lookup] = reading.config.routes["users"].stages
    Path(lookup.config.file).unlink()
    with pytest.raises(DocklineError, match="cannot be read"):
        await explainer.explain("api-1", LINES)


async def test_what_is_not_there_is_told(explainer: Explainer) -> None:
    with pytest.raises(LookupError, match="no such container"):
        await explainer.explain("nowhere", [])
    with pytest.raises(LookupError, match="no such container"):
        await explainer.attempt("nowhere", "errors", "", [])
    with pytest.raises(LookupError, match="no such route"):
        await explainer.attempt("api-1", "nowhere", "", [])
    with pytest.raises(LookupError, match="no such route"):
        await explainer.stages("nowhere")


class NoProcess(Process):
    async def run(self, job: bytes) -> bytes:
        raise AssertionError("a process was started")
