"""How many labels of a container are kept, and which."""

from __future__ import annotations

import random

import pytest

from pipeline.model.dumps import dumps
from pipeline.model.label_limits import MOST_LABELS, size_of, within_limit


@pytest.mark.parametrize("text", ["", "plain", "\0\x1f", 'quote " and \\', "ä☃🐳", "\ud800"])
def test_a_label_is_as_large_as_json_writes_it(text: str) -> None:
    expected = len(dumps({text: text, "b": ""})) - 2
    assert size_of({text: text, "b": ""}) == expected


def test_labels_within_the_limit_are_all_kept() -> None:
    labels = {"a": "x" * (MOST_LABELS - len('"a":""'))}
    assert within_limit(labels) is labels


@pytest.mark.fault(128)
def test_of_more_those_that_dockline_obeys_come_first_then_those_of_compose_and_swarm() -> None:
    large = "x" * (MOST_LABELS // 2)
    labels = {
        "a": large,
        "b": large,
        "c": "small",
        "com.docker.compose.project": "shop",
        "dockline.parse": "json",
    }
    kept = within_limit(labels)
    assert list(kept) == ["dockline.parse", "com.docker.compose.project", "a", "c"]
    assert size_of(kept) <= MOST_LABELS


def test_a_control_character_counts_as_json_writes_it() -> None:
    labels = {f"{number:03}": "\1" * 10_000 for number in range(10)}
    assert len(within_limit(labels)) == 4


def test_the_same_labels_leave_out_the_same_ones_in_whatever_order_they_come() -> None:
    labels = [(f"{number:04}", "x" * random.Random(number).randrange(900)) for number in range(999)]
    kept = within_limit(dict(labels))
    assert len(kept) < len(labels)
    random.Random(1).shuffle(labels)
    assert within_limit(dict(labels)) == kept
