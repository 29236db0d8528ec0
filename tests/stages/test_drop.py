"""The stage `drop`."""

from __future__ import annotations

import pytest

from pipeline.model.component import Stage
from pipeline.model.errors import ConfigError
from pipeline.stages import drop, keep
from pipeline.testing.builders import batch, entries
from pipeline.testing.stage_kit import FIELDS, LINES, StageKit


class TestDrop(StageKit):
    def make(self) -> Stage:
        return drop.Stage("level == 'error' or status >= 500 or 'text' in message")


@pytest.mark.parametrize(
    "text", ["level == 'error'", "status", "not level", "'a' in message", "True"]
)
def test_it_lets_through_exactly_what_keep_does_not(text: str) -> None:
    whole = batch(*LINES[: len(FIELDS)], fields=FIELDS)
    dropped, kept = entries(drop.Stage(text)(whole)), entries(keep.Stage(text)(whole))
    assert sorted(dropped + kept, key=lambda row: row.sequence) == entries(whole)


def test_an_entry_without_the_field_is_not_dropped() -> None:
    whole = batch("a", "b", fields=[{}, {"level": "debug"}])
    assert [row.message for row in entries(drop.Stage("level == 'debug'")(whole))] == [b"a"]


def test_a_wrong_expression_is_refused() -> None:
    with pytest.raises(ConfigError):
        drop.Stage("level = 'debug'")
