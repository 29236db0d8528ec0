"""Levels are found in whatever spelling an entry's fields have them."""

import re
from pathlib import Path
from typing import Any

import pytest

from pipeline import page
from pipeline.encode.level import LEVELS, UNKNOWN, at_least, severities, severity_of
from pipeline.model.batch import Batch
from pipeline.model.container import Container

CONTAINER = Container("0" * 64, "api", "shop/api")


def batch(*fields: dict[str, Any]) -> Batch:
    count = len(fields)
    times = [b"2026-01-31T23:59:59.123456789Z"] * count
    return Batch(CONTAINER, [b""] * count, times, b"\1" * count, range(count), fields=list(fields))


def level(fields: dict[str, Any]) -> str | None:
    found = severities(batch(fields))
    return None if found is None else LEVELS[found[0]]


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"level": "error"}, "error"),
        ({"level": "WARN"}, "warning"),
        ({"level": "Information"}, "info"),
        ({"level": "fAtAl"}, "critical"),
        ({"level": " err "}, "error"),
        ({"level": 30}, "info"),
        ({"level": 60}, "critical"),
        ({"level": "50"}, "error"),
        ({"level": 30.0}, "info"),
        ({"severity": "EMERGENCY"}, "emergency"),
        ({"severity": 3}, "error"),
        ({"lvl": "dbug"}, "debug"),
        ({"levelname": "CRITICAL"}, "critical"),
        ({"@l": "Verbose"}, "debug"),
        ({"log.level": "notice"}, "notice"),
        ({"log": {"level": "alert"}}, "alert"),
        ({"level": {"name": "x"}, "severity": "error"}, "error"),
        ({"level": "unheard of", "lvl": "w"}, "warning"),
    ],
)
def test_a_level_is_understood(fields: dict[str, Any], word: str) -> None:
    assert level(fields) == word


@pytest.mark.parametrize(
    "fields",
    [{}, {"level": True}, {"level": False}, {"level": None}, {"level": "loud"}, {"level": 8},
     {"level": 99}, {"level": []}, {"log": "level"}, {"log": {"level": {}}}],
)  # fmt: skip
def test_an_entry_that_does_not_tell_has_none(fields: dict[str, Any]) -> None:
    assert level(fields) is None


def test_true_is_no_level_and_the_next_field_is_asked() -> None:
    assert level({"level": True, "severity": "error"}) == "error"


def test_every_spelling_is_at_least_as_severe_as_itself() -> None:
    for least, word in enumerate(LEVELS):
        known = at_least(least)
        assert known[word]
        assert {known[spelling] for spelling in (str(least), least)} == {True}
        assert [known[other] for other in LEVELS] == [place <= least for place in range(8)]


def test_the_page_knows_the_same_spellings() -> None:
    script = (Path(page.__path__[0]) / "static/lib/text.js").read_text()
    table = re.search(r"const SPELLINGS = \{\n(.*?)\n\};", script, re.DOTALL)
    assert table is not None
    rows = dict(re.findall(r'(\w+): "([^"]*)"', table[1]))
    told = {word: LEVELS.index(level) for level, words in rows.items() for word in words.split()}
    ours = [f"{spelling}".lower() for spelling in at_least(0)]
    assert told.keys() == set(ours)
    assert all(severity_of(word) == severity for word, severity in told.items())


def test_unparsed_entries_have_none() -> None:
    assert severities(batch({}).replace(fields=None)) is None


def test_entries_that_tell_stand_beside_those_that_do_not() -> None:
    found = severities(batch({"level": "info"}, {}, {"level": ["x"]}, {"lvl": "error"}))
    assert found == bytes([6, UNKNOWN, UNKNOWN, 3])
