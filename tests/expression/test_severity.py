"""Severities are compared by their order, in every spelling."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.encode.level import LEVELS, UNKNOWN, at_least, severity_of
from pipeline.expression import compile_container, compile_predicate
from pipeline.model.errors import ConfigError
from pipeline.model.records import Records, Shape
from pipeline.testing.builders import batch, container
from pipeline.topology.tap_search import Search

SPELLINGS = [*at_least(0), " Err ", "fAtAl", 30.0, "wArN"]
UNKNOWNS: list[Any] = [
    None, True, False, "", "loud", "level", 8, 99, -1, 3.5, float("nan"), 2**70, "3.0", "e" * 9999,
    [], ["error"], {}, {"name": "error"}, "é",
]  # fmt: skip


def mask(text: str, *levels: Any) -> list[bool]:
    fields = [{"level": level} for level in levels]
    found = compile_predicate(text)(batch(*["line"] * len(levels), fields=fields))
    shape = Shape(("other", "level"))
    records = Records(shape, [shape.record(f1=level) for level in levels])
    same = batch(*["line"] * len(levels)).replace(parsed=records)
    assert compile_predicate(text)(same) == found
    return found


@pytest.mark.parametrize("least", [*LEVELS, "warn", "ERR", 3, 50, "fatal"])
def test_every_spelling_of_what_is_as_severe_is_kept(least: Any) -> None:
    expected = [severity_of(one) <= severity_of(least) for one in SPELLINGS]
    assert mask(f"at_least(level, {least!r})", *SPELLINGS) == expected
    assert mask(f"not at_least(level, {least!r})", *SPELLINGS) == [not one for one in expected]


def test_what_is_no_level_is_none_of_any_severity() -> None:
    assert not any(mask("at_least(level, 'debug')", *UNKNOWNS))
    assert compile_predicate("at_least(level, 'debug')")(batch("a", "b")) == [False, False]


def test_any_field_and_label_may_have_it() -> None:
    fields = [{"log": {"level": "ERROR"}}, {"log.level": 60}, {"log": {"level": "info"}}]
    entries = batch("a", "b", "c", fields=fields)
    assert compile_predicate("at_least(log.level, 'warn')")(entries) == [True, True, False]
    takes = compile_container('at_least(labels["alert"], "error")')
    assert takes(container("a", labels={"alert": "Critical"}))
    assert not takes(container("a", labels={"alert": "info"}))
    assert not takes(container("a"))


def test_it_is_a_condition_among_others() -> None:
    text = "at_least(level, 'error') or level == 'notice' and not at_least(lower(level), 'info')"
    assert mask(text, "error", "notice", 30) == [True, False, False]


@pytest.mark.parametrize("least", LEVELS)
def test_a_search_of_the_tap_finds_the_same(least: str) -> None:
    levels = [*SPELLINGS, *UNKNOWNS]
    entries = batch(*["line"] * len(levels), fields=[{"level": level} for level in levels])
    places, skipped = Search(level=least)(entries)
    kept = mask(f"at_least(level, {least!r})", *levels)
    assert skipped == 0
    assert [*places] == [place for place, is_kept in enumerate(kept) if is_kept]


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("at_least(level, 'critcal')", 16, 'no level "critcal"; did you mean "critical"?'),
        ("at_least(level, 'loud')", 16, "there are emergency, alert, critical, error"),
        ("at_least(level, 7.5)", 16, "there is no level 7.5"),
        ("at_least(level, True)", 16, "there is no level True"),
        ("at_least(level, error)", 16, "the level is one text in quotes"),
        ("at_least(level, ('error', 'alert'))", 16, "the level is one text in quotes"),
        ("at_least('error', level)", 18, "the field comes first"),
        ("at_least(level)", 0, 'at_least is written at_least(level, "error")'),
        ("level.at_least('error')", 0, 'write at_least(level, "error")'),
    ],
)
def test_what_is_wrong_in_a_call_is_said(text: str, column: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_predicate(text)
    assert message in caught.value.message
    assert caught.value.column == column


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("level >= 'error'", 'at_least(level, "error")'),
        ("'ERR' <= level", 'at_least(level, "ERR")'),
        ("level > 'warn'", 'at_least(level, "error")'),
        ("level < 'error'", 'not at_least(level, "error")'),
        ("level <= 'warning'", 'not at_least(level, "error")'),
        ("level > 'emergency'", 'at_least(level, "error")'),
        ("level >= 40", 'at_least(level, "warning")'),
        ("level > 40", 'at_least(level, "error")'),
        ("level < 50", 'not at_least(level, "error")'),
        ("level <= 3", 'at_least(level, "error")'),
        ("level < 4", 'at_least(level, "error")'),
        ("level > 4", 'not at_least(level, "warning")'),
        ("level >= 5", 'not at_least(level, "warning")'),
        ("level >= '50'", 'at_least(level, "50")'),
        ("log.level >= 'error'", 'at_least(log.level, "error")'),
        ("log['level'] >= 'loud'", 'at_least(log.level, "error")'),
        ("level >= least", 'at_least(level, "error")'),
        ("'debug' < level < 'error'", 'at_least(level, "info")'),
        ("x == 1 and (y or level < z)", 'at_least(level, "error")'),
    ],
)
def test_the_order_of_texts_and_numbers_is_refused_for_a_level(text: str, instead: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_predicate(text)
    assert f"write {instead}" in caught.value.message
    compile_predicate(instead)


def test_what_to_write_instead_keeps_what_was_meant() -> None:
    words = dict(enumerate(LEVELS))
    for least, word in words.items():
        if least in (0, 7):
            continue
        for symbol, is_meant in (
            (">=", lambda severity, least=least: severity <= least),
            (">", lambda severity, least=least: severity < least),
            ("<=", lambda severity, least=least: severity >= least),
            ("<", lambda severity, least=least: severity > least),
        ):
            with pytest.raises(ConfigError) as caught:
                compile_predicate(f"level {symbol} '{word}'")
            instead = caught.value.message.partition("; write ")[2]
            kept = mask(instead, *LEVELS)
            assert kept == [is_meant(severity) for severity in words], instead


def test_a_level_that_is_no_severity_has_another_way() -> None:
    with pytest.raises(ConfigError, match=r'or fields\["level"\] for a number'):
        compile_predicate("level > 80")
    entries = batch("a", "b", fields=[{"level": 83}, {"level": 79}])
    assert compile_predicate('fields["level"] > 80')(entries) == [True, False]
    assert compile_predicate("int(level) > 80")(entries) == [True, False]


def test_no_value_is_unknown_to_the_table_and_known_to_the_code() -> None:
    for value in [*SPELLINGS, *UNKNOWNS]:
        assert mask("at_least(level, 'debug')", value) == [severity_of(value) != UNKNOWN]
