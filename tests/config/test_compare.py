"""What of another configuration an agent that runs can take over."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from pipeline.config import Config
from pipeline.config.compare import FIXED, compare
from pipeline.config.file import parse
from pipeline.config.settings import HTTPConfig
from pipeline.model.component import SinkConfig, SourceConfig

BASE = """
[engine]
url = "unix:///run/docker.sock"
[stats]
every = "5s"
[sinks.a]
type = "file"
path = "/a"
[sinks.b]
type = "file"
path = "/b"
[routes.r]
to = ["a", "b"]
"""


def config(text: str) -> Config:
    return parse(text, {}).config


def test_the_same_configuration_changes_nothing() -> None:
    found = compare(config(BASE), config(BASE))
    assert (found.fixed, found.added, found.removed, found.changed, found.routes) == (
        [], [], [], [], [],
    )  # fmt: skip
    assert str(found) == "no sink and no route has changed"
    assert found.config == config(BASE)


def test_sinks_are_new_gone_or_changed_and_routes_are_other_than_they_were() -> None:
    text = BASE.replace('path = "/b"', 'path = "/elsewhere"').replace("sinks.a", "sinks.c")
    found = compare(config(BASE), config(text.replace('to = ["a", "b"]', 'to = ["c", "b"]')))
    assert (found.added, found.removed, found.changed) == (["c"], ["a"], ["b"])
    assert found.routes == ["r"]
    assert str(found) == "sinks added: c; removed: a; changed: b; routes changed: r"


def test_a_sink_of_another_type_is_a_changed_one() -> None:
    text = BASE.replace('type = "file"\npath = "/a"', 'type = "syslog"\naddress = "tcp://x"')
    assert compare(config(BASE), config(text)).changed == ["a"]


def test_what_cannot_change_stays_as_it_was_and_is_named_as_it_is_written() -> None:
    text = BASE.replace("run/docker", "run/other").replace('"5s"', '"off"').replace("/b", "/c")
    text += '[state]\ndirectory = "/elsewhere"\n[http]\nlisten = "off"\n[logs]\nread = "api"\n'
    text += 'max_line = "2MiB"\n'
    found = compare(config(BASE), config(text))
    assert found.fixed == [
        "engine.url", "http.listen", "logs.read", "state.directory", "stats.every",
    ]  # fmt: skip
    new, old = found.config, config(BASE)
    assert (new.engine, new.state, new.http, new.stats) == (
        old.engine, old.state, old.http, old.stats,
    )  # fmt: skip
    assert new.logs.read == "auto"
    assert new.logs.max_line == 2 << 20
    assert found.changed == ["b"]


def test_nothing_of_the_http_endpoint_can_change() -> None:
    assert {name for table, name in FIXED if table == "http"} == set(HTTPConfig.__struct_fields__)


def test_what_was_kept_is_named_again_as_long_as_the_file_says_it() -> None:
    text = BASE.replace("run/docker", "run/other")
    first = compare(config(BASE), config(text))
    assert compare(first.config, config(text)).fixed == ["engine.url"]
    assert compare(first.config, config(BASE)).fixed == []


def test_a_buffer_gets_or_loses_its_disk_with_a_restart_and_all_else_of_it_at_once() -> None:
    disk = BASE.replace('path = "/a"', 'path = "/a"\nbuffer = { disk = "1GiB", memory = "1MiB" }')
    found = compare(config(BASE), config(disk))
    assert found.fixed == ["sinks.a.buffer.disk"]
    assert found.config.sinks["a"].buffer.disk == 0
    assert found.config.sinks["a"].buffer.memory == 1 << 20
    assert compare(config(disk), config(disk.replace("1GiB", "2GiB"))).fixed == []


def test_a_secret_that_is_another_is_a_change() -> None:
    text = BASE.replace('"/b"', '"${WHERE}"')
    old, new = (parse(text, {"WHERE": where}).config for where in ("/x", "/y"))
    assert compare(old, new).changed == ["b"]


class Sink(SinkConfig, frozen=True, kw_only=True):
    fields: dict[str, Any]


class Source(SourceConfig, frozen=True, kw_only=True):
    fields: dict[str, Any]


@pytest.mark.parametrize(("old", "new"), [(1, True), (0, False), (1, 1.0), ([1], [True])])
def test_a_value_of_another_type_is_a_change_though_it_is_equal_to_python(
    old: object, new: object
) -> None:
    one, other = (
        replace(
            config(BASE),
            sinks={"a": Sink(type="x", fields={"x": value})},
            sources={"s": Source(type="x", fields={"x": {"y": value}})},
        )
        for value in (old, new)
    )
    found = compare(one, other)
    assert (found.changed, found.sources) == (["a"], ["s"])
    assert compare(one, one).changed == []


@pytest.mark.parametrize("value", ["true", "1.0", "'1'"])
@pytest.mark.parametrize("stage", ["{ set = { x = %s } }", "{ set = { x = { y = [%s] } } }"])
def test_a_stage_with_a_value_of_another_type_makes_another_route(stage: str, value: str) -> None:
    old, new = (config(f"{BASE}stages = [{stage % one}]") for one in ("1", value))
    assert compare(old, new).routes == ["r"]
    assert compare(old, old).routes == []
