"""The stage `keep`."""

from __future__ import annotations

import pytest

from pipeline.model.component import Stage
from pipeline.model.errors import ConfigError
from pipeline.stages import keep
from pipeline.testing.builders import batch, entries
from pipeline.testing.stage_kit import StageKit


class TestKeep(StageKit):
    def make(self) -> Stage:
        return keep.Stage("level in ('error', 'info') or status >= 500 or 'a' in message")


def test_entries_for_which_it_is_true_are_kept_with_all_their_columns() -> None:
    whole = batch("a", "b", "c", streams="out err out", start=7, fields=[{"n": 1}, {"n": 2}, {}])
    kept = entries(keep.Stage("n > 1")(whole))
    assert kept == [entries(whole)[1]]
    assert kept[0].sequence == 8
    assert kept[0].stream == "stderr"


def test_a_batch_of_which_all_is_kept_is_passed_on_itself_and_nothing_is_none() -> None:
    whole = batch("a", "b")
    assert keep.Stage("message < 'c'")(whole) is whole
    assert keep.Stage("level == 'error'")(whole) is None


def test_a_wrong_expression_is_refused_with_its_place() -> None:
    with pytest.raises(ConfigError) as caught:
        keep.Stage("level == 'error' and lvel()")
    assert caught.value.column == 21
