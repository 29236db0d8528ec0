"""Whole agents are measured from their start to the last line, each way of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.lines import engine_with_lines
from benchmarks.suite.peers import Peer, given
from benchmarks.whole import Ours, Theirs, attempt
from benchmarks.whole_ways import WHOLE_WAYS, WholeWay
from pipeline.testing.private_engine import PrivateEngine, why_not
from tests.suite.skips import NOT_GIVEN

LINES = 2000
ONE_OF_A_KIND = [*{way.to: way for way in WHOLE_WAYS}.values()]
pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def engine() -> Iterator[PrivateEngine]:
    if reason := why_not():
        pytest.skip(reason)
    with engine_with_lines(LINES) as engine:
        yield engine


@pytest.mark.parametrize("way", ONE_OF_A_KIND, ids=lambda way: way.slug)
def test_dockline_sends_each_line_once_and_in_order(engine: PrivateEngine, way: WholeWay) -> None:
    found = attempt(Ours("this"), engine, way, LINES)
    assert found.get("faults") == "none", found
    assert found["cpu"] > 0 and found["rate"] >= 0  # so few may come at one moment
    assert found["size"] > 142


@pytest.mark.parametrize("way", ONE_OF_A_KIND, ids=lambda way: way.slug)
def test_a_peer_that_is_given_sends_each_line(engine: PrivateEngine, way: WholeWay) -> None:
    peers, absent = given(way.slug)
    if not peers:
        pytest.skip(NOT_GIVEN + "; ".join(absent.values()))
    for peer in peers:
        found = attempt(Theirs(peer), engine, way, LINES)
        assert "lost" not in found.get("faults", "failed: lost"), found


def test_a_program_that_ends_has_said_why(engine: PrivateEngine) -> None:
    peer = Peer("Fluent Bit", "file", ("sh", "-c", "echo it does not start; exit 1"), "1")
    found = attempt(Theirs(peer), engine, WHOLE_WAYS[0], LINES)
    assert "it does not start" in found["failed"]


def test_a_peer_without_a_configuration_is_a_result_too(engine: PrivateEngine) -> None:
    peer = Peer("Nobody", "file", ("true",), "1")
    found = attempt(Theirs(peer), engine, WHOLE_WAYS[0], LINES)
    assert "no configuration nobody-elasticsearch" in found["failed"]
