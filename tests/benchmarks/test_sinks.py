"""What sinks cost is measured of every sink, and of entries that were delivered."""

from __future__ import annotations

import json
from unittest import mock

import pytest

from benchmarks import sinks
from benchmarks.destinations import NO_LOGS, WAYS, Way
from pipeline.model import registry

BY_NAME = {way.name: way for way in WAYS}
LINES = 3000


def test_every_sink_is_measured_or_takes_no_logs() -> None:
    assert {way.kind for way in WAYS} | set(NO_LOGS) == set(registry.names("sinks"))


@pytest.mark.server
@pytest.mark.parametrize(
    "name", ["file", "syslog, TCP", "logstash, Lumberjack", "forward", "http, gzip", "redis"]
)
def test_a_run_says_what_a_sink_has_used_for_lines_that_came(name: str) -> None:
    result = sinks.measured(BY_NAME[name], LINES)
    assert "failed" not in result, result
    assert result["cpu"] > 0 and result["rate"] > 0
    assert result["size"] > 10


@pytest.mark.server
def test_a_run_that_fails_says_why() -> None:
    way = Way("file, nowhere", "file", "", lambda folder: mock.MagicMock(__enter__=_nowhere))
    result = sinks.measured(way, LINES)
    assert "the path of a file is needed" in result["failed"]


def _nowhere(_: object) -> str:
    return 'path = "/"'


def test_the_medians_are_in_the_table() -> None:
    way = BY_NAME["file"]
    runs = [{"cpu": cpu, "rate": 1000, "size": 7} for cpu in (3.0, 1.0, 1.5)]
    text = sinks.report([way], {"file": runs}, 1_000_000, "CPython")
    assert "| `file` | a file | 1.50 | 1.00 to 3.00 | 7 | 1,000 |" in text
    assert "medians of 3" in text and "`prometheus`" in text


def test_a_way_without_a_good_run_is_in_the_table_with_its_reason() -> None:
    text = sinks.report([BY_NAME["file"]], {"file": [{"failed": "it\nbroke"}]}, 1, "")
    assert "| `file` | a file | failed: broke |" in text


def test_the_page_is_made_of_the_figures_that_are_in_results() -> None:
    figures = json.loads((sinks.RESULTS / "sinks.json").read_text())
    assert sinks.page(figures) == (sinks.RESULTS / "sinks.md").read_text()
