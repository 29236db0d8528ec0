"""Lines that are kept or dropped by patterns of a label."""

from __future__ import annotations

from pipeline.model.component import Stage
from pipeline.testing.builders import batch, entries
from pipeline.testing.stage_kit import StageKit
from pipeline.topology.labels.lines import Lines
from pipeline.topology.labels.patterns import HeldPattern


class TestLines(StageKit):
    def make(self) -> Stage:
        return Lines([HeldPattern("^[a-z{]")], [HeldPattern("x")])


def left(include: list[str], exclude: list[str]) -> list[bytes]:
    stage = Lines([HeldPattern(one) for one in include], [HeldPattern(one) for one in exclude])
    return [one.message for one in entries(stage(batch("ERR a", "WARN b", "INFO c", "DBG d")))]


def test_lines_with_one_of_the_first_and_none_of_the_second_are_kept() -> None:
    assert left(["^ERR", "^WARN"], []) == [b"ERR a", b"WARN b"]
    assert left([], ["^DBG", "c$"]) == [b"ERR a", b"WARN b"]
    assert left(["^ERR", "^WARN"], ["b"]) == [b"ERR a"]
    assert left(["^nothing"], []) == []
