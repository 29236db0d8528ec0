"""Configurations that are no TOML, or those of other tools."""

from __future__ import annotations

import pytest

from pipeline.config import ConfigErrors
from pipeline.config.file import parse
from pipeline.config.hints.other_formats import recognised


@pytest.mark.parametrize(
    ("text", "line", "name"),
    [
        ('{"sinks": {"a": {"type": "console"}}}', 1, "this is JSON, not TOML"),
        ('\n# x\n{\n  "sinks": {}\n}', 3, "this is JSON, not TOML"),
        ("sinks:\n  a:\n    type: console\n", 1, "this is YAML, not TOML"),
        ("---\nsinks: {}\n", 1, "this is YAML, not TOML"),
        ("- a\n- b\n", 1, "this is YAML, not TOML"),
        ("filebeat.inputs:\n- type: container\n", 1, "this is YAML, not TOML"),
        ("<?xml version='1.0'?>", 1, "this is XML, not TOML"),
        ("<source>\n  @type forward\n</source>", 1, "a configuration of Fluentd, not of dockline"),
        ("[INPUT]\n    Name tail\n", 1, "a configuration of Fluent Bit"),
        ("# x\n[SERVICE]\n    Flush 1\n", 2, "a configuration of Fluent Bit"),
        ("input {\n  beats { port => 5044 }\n}", 1, "a configuration of Logstash"),
        ("@version: 4.2\n", 1, "a configuration of syslog-ng"),
        ("source s { system(); };", 1, "a configuration of syslog-ng"),
        ("*.* @@logs:514", 1, "a configuration of rsyslog"),
        ('loki.write "x" {\n}', 1, "a configuration of Alloy"),
    ],
)
def test_it_is_named_once_and_what_to_write_is_said(text: str, line: int, name: str) -> None:
    with pytest.raises(ConfigErrors) as error:
        parse(text, {})
    (problem,) = error.value.problems
    assert problem.line == line
    assert name in problem.message
    assert "write tables such as [sinks.NAME], with key = value" in problem.hint
    assert not problem.excerpt, "it could show a secret"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment",
        '[sinks.a]\ntype: "console"',
        "a: 1\n[sinks.a]\n",
        "level = info",
        "[[inputs.docker_log]]\nx = y",
        "\n\n[sinks]y",
    ],
)
def test_toml_with_a_mistake_is_still_toml(text: str) -> None:
    assert recognised(text) is None
