"""A container's facts are the same ones, whichever of the Engine's answers they are taken from."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import pytest

from pipeline.model.container import Container
from pipeline.model.label_limits import within_limit
from pipeline.sources.docker.discovery.facts import (
    LONGEST_VALUE,
    from_event,
    from_inspect,
    from_list,
)
from pipeline.sources.docker.engine.client import Engine
from pipeline.sources.docker.engine.endpoint import resolve
from pipeline.testing.private_engine import PrivateEngine

ID = "a1" * 32


async def told_of(url: str, container_id: str) -> tuple[Any, Any, list[Any]]:
    """What the list, an inspection and the events say."""
    engine = Engine(resolve(url, None, {}))
    try:
        await engine.connect()
        filters = json.dumps({"id": [container_id]})
        (listed,) = await engine.get("/containers/json", all="1", filters=filters)
        inspected = await engine.get(f"/containers/{container_id}/json")
        wanted = json.dumps({"type": ["container"], "container": [container_id]})
        query = {"filters": wanted, "since": "0", "until": str(time.time())}
        async with engine.streamed("/events", **query) as lines:
            events = [json.loads(line) async for line in lines]
        return listed, inspected, events
    finally:
        await engine.close()


async def test_a_real_containers_facts_are_the_same_from_all_three(
    engine: PrivateEngine, busybox: str
) -> None:
    labels = {
        "com.docker.compose.project": "shop",
        "com.docker.compose.service": "api",
        "empty": "",
        "any": 'quote " newline \n back\\slash \N{SNOWMAN}',
    }
    options = [part for item in labels.items() for part in ("--label", "=".join(item))]
    container_id = await asyncio.to_thread(
        engine.docker, "run", "-d", "--tty", "--network", "none", "--name", "describe-1", *options,
        busybox, "sleep", "60",
    )  # fmt: skip
    listed, inspected, events = await told_of(engine.url, container_id)
    await asyncio.to_thread(engine.docker, "rm", "--force", container_id)
    wanted = facts(Container(container_id, "describe-1", busybox, labels, host="web-1"))
    assert facts(from_list(listed, "web-1")) == wanted
    assert facts(from_inspect(inspected, "web-1")) == wanted
    assert len(events) == 2
    for event in events:
        assert facts(from_event(event, "web-1")) == wanted
    assert from_inspect(inspected, "web-1").tty
    assert from_list(listed, "web-1").service == "api"


def test_labels_beyond_the_limit_are_left_out_the_same_from_all_three() -> None:
    labels = {f"{number:03}": "x" * 1000 for number in range(300)}
    kept = within_limit(labels)
    answers = (
        from_list({"Id": ID, "Names": ["/a"], "Labels": labels}, ""),
        from_inspect({"Id": ID, "Name": "/a", "Config": {"Labels": labels}}, ""),
        from_event({"Actor": {"ID": ID, "Attributes": {"name": "a", **labels}}}, ""),
    )
    for container in answers:
        assert container.labels == kept
        assert container.left_out == 300 - len(kept) > 0


def facts(container: Container) -> dict[str, Any]:
    """All but whether it has a terminal, which only an inspection tells."""
    return vars(replace(container, tty=False))


def test_of_several_names_the_one_without_a_slash_is_its_own() -> None:
    """The others are those by which linked containers know it."""
    item = {"Id": ID, "Names": ["/web/db", "/db", "/worker/db"], "Image": "x", "Labels": {}}
    assert from_list(item, "").name == "db"


@pytest.mark.parametrize("names", [None, []])
def test_a_container_that_is_being_made_may_have_no_name_yet(names: list[str] | None) -> None:
    assert from_list({"Id": ID, "Names": names}, "").name == ID[:12]


def test_what_an_engine_leaves_out_is_empty() -> None:
    assert vars(from_list({"Id": ID, "Names": ["/a"], "Labels": None}, "")) == vars(
        Container(ID, "a", "", {})
    )
    bare = {"Id": ID, "Name": "/a", "Image": "sha256:1", "Config": {"Labels": None}}
    assert vars(from_inspect(bare, "")) == vars(Container(ID, "a", "sha256:1", {}))
    event = {"Action": "start", "Actor": {"ID": ID, "Attributes": {}}}
    assert vars(from_event(event, "")) == vars(Container(ID, "", "", {}))


def test_the_words_of_an_event_are_no_labels() -> None:
    attributes = {
        "name": "a", "image": "x", "label": "kept", "exitCode": "1", "execDuration": "5",
        "oldName": "/b", "signal": "9", "containerExitCode": "1", "podId": "",
    }  # fmt: skip
    event = {"Action": "die", "Actor": {"ID": ID, "Attributes": attributes}}
    assert from_event(event, "").labels == {"label": "kept"}


def test_of_the_environment_only_what_other_tools_read_is_kept() -> None:
    variables = ["PASSWORD=s3cr3t", "LOGSPOUT=no", "LOGSPOUT=" + "x" * 1000, "LOGSPOUT", "A", 7]
    inspected = {"Id": ID, "Name": "/a", "Config": {"Labels": {}, "Env": variables[:3]}}
    assert from_inspect(inspected, "").environment == {"LOGSPOUT": "x" * LONGEST_VALUE}
    inspected["Config"]["Env"] = variables  # type: ignore[index]
    assert from_inspect(inspected, "").environment == {"LOGSPOUT": ""}
    for nothing in (None, []):
        inspected["Config"]["Env"] = nothing  # type: ignore[index]
        assert from_inspect(inspected, "").environment == {}
