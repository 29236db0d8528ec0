"""Levels are found in C as in Python, for all lines of which C says something."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline import native
from pipeline.encode.level import UNKNOWN, WORDS
from pipeline.parsing import level
from tests.native.examples import examples

ASK = 9
TABLES: Any = (level._TEXTS, level._SEVERITIES, level._USES, level._BEGINS)
WORD = st.sampled_from([word for some in WORDS.values() for word in some.split()])
CASED = st.builds(lambda word, case: case(word), WORD, st.sampled_from([str, str.upper, str.title]))
SIGNS = st.sampled_from(
    [
        *("[", "]", " ", "\t", "\r", ":", ": ", "=", "/", ".", "-", "_", "<", ">", "'", '"', "$"),
        *(
            "level",
            "levelname",
            "lvl",
            "log.level",
            "log_level",
            "LogLevel",
            "severity",
            "SEVERITY=",
        ),
        *("I0131 12:00:00", "E0131 12:00:0", "34", "<191>", "<192>", "<1234>", "30", "8", "L", "S"),
        *("\n", "x", "x" * 112, "x" * 20, "\xff", "\x85", "\0", "a.b.Cd: x", "2026-11-24 08:00,7 "),
    ]
)
LINES = st.lists(
    st.lists(SIGNS | CASED, max_size=8).map(lambda parts: "".join(parts).encode("latin-1")),
    max_size=4,
)


def agrees(c: native.Loops, lines: list[bytes]) -> None:
    find = level.LevelInText()
    for line, told in zip(lines, c.levels(lines, *TABLES), strict=True):
        assert told in (ASK, find(line)), line
        if told == ASK:
            assert b"\x1b" in line or b"\n" in line or line.startswith(level._BEGINS)


@settings(max_examples=examples(5000))
@given(LINES)
@example([b"LOG:  ready", b"LOG ready", b"Log: ready", b"a LOG: b", b"x.INFO y", b"INFO", b"INFO:"])
@example([b"severity=x error", b"LEVEL= 'Warn'", b"[ W\t]", b"[\t e", b"levelnames=info", b"[e"])
def test_a_level_is_found_where_python_finds_it(c: native.Loops, lines: list[bytes]) -> None:
    agrees(c, lines)


@pytest.mark.parametrize(
    "text", ["ERROR", "[warn]", "level=info", "LOG: ", "lvl: '3'", "SEVERITY=E", "[E]", "info: "]
)
def test_a_level_is_found_at_each_place_of_the_head(c: native.Loops, text: str) -> None:
    around = [(before, after) for before in " .x_[" for after in " .x:]"]
    agrees(
        c,
        [
            (before * size + text + after * 3).encode()
            for before, after in around
            for size in range(130)
        ],
    )


def test_each_byte_beside_a_level_counts_as_in_python(c: native.Loops) -> None:
    each = [bytes([byte]) for byte in range(256) if byte not in b"\x1b\n"]
    for text in (b"ERROR", b"lvl=warn", b"[info]", b"severity", b"<err"):
        agrees(c, [byte + text for byte in each])
        agrees(c, [b"- " + byte + text for byte in each])
        agrees(c, [text + byte for byte in each])
        agrees(c, [text + byte + b"4 " for byte in each])


def test_what_may_be_a_trace_or_has_colours_is_asked(c: native.Loops) -> None:
    asked = [b"\x1b[31mERROR", b"a.B: c\n\tat x", *level._BEGINS]
    assert c.levels(asked, *TABLES) == bytes([ASK]) * len(asked)
    told = [b"\n\tat x", b"x" * 2048 + b"\n", b"x" * 128 + b"\x1b", b""]
    assert c.levels(told, *TABLES) == bytes([UNKNOWN]) * len(told)


@pytest.mark.parametrize(
    "odd",
    [
        (["a"], (), b"", b"", ()), ((b"a",), (), b"", b"", ()), ([], ("a",), b"a", b"a", ()),
        ([], (b"a",), b"", b"a", ()), ([], (b"a",), b"a", b"", ()), ([], (), b"", b"", ("a",)),
    ],
)  # fmt: skip
def test_what_is_something_else_is_an_error(c: native.Loops, odd: tuple[Any, ...]) -> None:
    with pytest.raises((TypeError, ValueError)):
        c.levels(*odd)


def test_words_of_any_size_are_known_or_passed(c: native.Loops) -> None:
    words = (b"", b"x" * 16, b"y" * 17)
    lines = [b"[%s]" % word for word in words]
    assert c.levels(lines, words, bytes(3), b"\1\1\1", ()) == bytes([UNKNOWN, 0, UNKNOWN])
