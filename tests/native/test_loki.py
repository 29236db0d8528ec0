"""Entries of Loki written in C are those that Python writes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline import native
from pipeline.encode.loki.encoder import LokiEncoder, StreamFields
from pipeline.encode.loki.wire import Json, Protobuf, Rows, Wire
from pipeline.testing.builders import batch
from tests.native.columns import NUMBERS, TEXTS, TIMES, TIMES_THAT_ARE_NONE
from tests.native.examples import examples

TIME = b"2026-01-31T23:59:59.123456789Z"
SOUND = ((b"facts",), b"\0", [TIME], [b"line"], b"name", [7], [b"more"])


def test_an_entry_has_its_fields_in_order(c: native.Loops) -> None:
    (entry,) = Protobuf().entries([TIME], [b"line"], [b"facts\x1a\x07name\x12\x017more"])
    assert c.loki(*SOUND) == entry
    (entry,) = Protobuf().entries([TIME], [b"line"], [b"facts"])
    assert c.loki(*SOUND[:4], b"", [7], None) == entry


@pytest.mark.parametrize("name", ["", "number"])
@pytest.mark.parametrize("more", [None, [b"", b',"more":""']])
def test_entries_in_json_are_written_together(
    c: native.Loops, monkeypatch: pytest.MonkeyPatch, name: str, more: list[bytes] | None
) -> None:
    monkeypatch.setattr(native, "loops", c)
    wire, facts = Json(), (b',"a":"b"', b',"c":"d"')
    lines, numbers = [b'"\xff"', b"\n"], range(9, 11)
    texts = [b'"\xef\xbf\xbd"', b"\n"]
    of_each = [facts[1], facts[0]]
    if name:
        each = zip(of_each, wire.numbers(name, numbers), strict=True)
        of_each = [fact + number for fact, number in each]
    of_each = [one + last for one, last in zip(of_each, more or [b""] * 2, strict=True)]
    rows = Rows([TIME] * 2, lines, numbers, name, b"\1\0", facts, more)
    assert wire.together(rows) == b"".join(wire.entries([TIME] * 2, texts, of_each))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, ()),
        (0, ("facts",)),
        (1, b""),
        (1, b"\1"),
        (1, b"\0\0"),
        (2, []),
        (2, ["x"]),
        (2, [b"1969-12-31T23:59:59.999999999Z"]),
        *((2, [time]) for time in TIMES_THAT_ARE_NONE),
        (3, []),
        (3, ["line"]),
        (3, None),
        (4, b"x" * 101),
        (5, []),
        (5, [-1]),
        (5, [1 << 63]),
        (5, ["7"]),
        (5, range(2)),
        (5, range(7, 6, -1)),
        (6, []),
        (6, [None]),
        (6, (b"more",)),
    ],
)
def test_what_does_not_fit_is_given_back(c: native.Loops, place: int, value: Any) -> None:
    arguments = (*SOUND[:place], value, *SOUND[place + 1 :])
    assert c.loki(*arguments) is None


@settings(max_examples=examples(400), deadline=None)
@given(
    st.lists(st.tuples(TEXTS, TIMES, st.integers(0, 2)), min_size=1, max_size=6),
    NUMBERS,
    st.sampled_from(["none", "usual", "varying", "without", "both"]),
    st.booleans(),
    st.sampled_from([Json, Protobuf]),
)
def test_any_batch_is_the_same_request_either_way(
    c: native.Loops, entries: Any, first: int, metadata: str, gaps: bool, wire: Callable[[], Wire]
) -> None:
    texts, times, streams = zip(*entries, strict=True)
    assume(all(time[:1] != b"0" for time in times))
    count, step = len(texts), 3 if gaps else 1
    one = batch(*texts).replace(times=list(times), streams=bytes(streams))
    numbers = range(first, first + step * count, step)
    one = one.replace(sequences=list(numbers) if gaps else numbers)
    other = batch("further", of=one.container, start=first + step * count)
    fields = {
        "none": None,
        "usual": StreamFields({"a": lambda some: ["ä"] * len(some)}),
        "varying": StreamFields(
            varying={"b": lambda some: ["x" * number for number in range(len(some))]}
        ),
        "without": StreamFields({"event_sequence": lambda some: ["s"] * len(some)}),
        "both": StreamFields(
            {"event_sequence": lambda some: ["s"] * len(some)},
            {"b": lambda some: ["x" * number for number in range(len(some))]},
        ),
    }[metadata]
    labels = StreamFields({"name": lambda some: ["n"] * len(some)})
    found, before = [], native.loops
    try:
        for native.loops in (c, None):
            found.append(LokiEncoder(wire(), labels, fields).encode([one, other]))
    finally:
        native.loops = before
    assert found[0] == found[1]


def test_nothing_is_kept_of_what_was_written(c: native.Loops) -> None:
    def write() -> int:
        for _ in range(300):
            c.loki(*SOUND)
            c.loki(*SOUND[:5], range(300, 301), None)
            c.loki(*SOUND[:2], [b"no time"], *SOUND[3:])
        return sys.getallocatedblocks()

    write()
    first = write()
    assert max(write() - first, write() - first) < 100
