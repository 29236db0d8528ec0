"""Messages written in C are those that Python writes."""

from __future__ import annotations

import sys
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import native
from pipeline.encode.syslog import SyslogEncoder
from pipeline.model.batch import Batch
from pipeline.testing.builders import container
from tests.native.examples import examples

TIME = b"2026-01-31T23:59:59.123456789Z"
PREFIXES = tuple(b"<%d>" % number for number in range(8))


def written(c: native.Loops, lines: Any, /, **other: Any) -> bytes | None:
    arguments: dict[str, Any] = {
        "prefixes": PREFIXES,
        "after": b" - ",
        "time_size": 4,
        "severities": bytes([6]) * len(lines),
        "times": [TIME] * len(lines),
        "lines": lines,
        "room": 100,
        "end": b"",
    }
    return c.syslog(*(arguments | other).values())


def test_octets_are_counted_and_control_characters_are_spaces(c: native.Loops) -> None:
    assert written(c, [b"one", b"", b"a\0\0b\n"]) == (
        b"13 <6>2026 - one10 <6>2026 - 15 <6>2026 - a  b\n"
    )
    assert written(c, [b"a\0b\nc\r"], end=b"\n") == b"<6>2026 - a b c \n"
    assert written(c, [b"a\0b\nc\r", b""], end=b"\0") == b"<6>2026 - a b\nc\r\0<6>2026 - \0"
    assert written(c, []) == b""


@pytest.mark.parametrize("size", [0, 1, 89, 90, 91, 989, 990, 991, 9990, 99990])
def test_a_count_has_as_many_digits_as_it_takes(c: native.Loops, size: int) -> None:
    text = b"x" * size
    assert written(c, [text], room=size) == b"%d <6>2026 - %b" % (size + 10, text)


@pytest.mark.parametrize(
    "odd",
    [
        {"room": 2},
        {"times": [TIME, b"202"]},
        {"times": [TIME]},
        {"times": [TIME, "2026"]},
        {"lines": [b"one", "two"]},
        {"lines": [b"one", bytearray(b"two")]},
        {"lines": [b"one"]},
        {"severities": b"\6\10"},
        {"severities": b"\6\377"},
        {"severities": b"\6"},
        {"prefixes": PREFIXES[:7]},
        {"prefixes": (*PREFIXES[:7], "<7>")},
        {"time_size": -1},
        {"end": b"\r\n"},
    ],
)
def test_columns_that_do_not_fit_are_given_back(c: native.Loops, odd: dict[str, Any]) -> None:
    assert written(c, [b"one", b"two"], **odd) is None


@pytest.mark.parametrize(
    "odd", [{"prefixes": list(PREFIXES)}, {"times": (TIME,)}, {"lines": (b"one",)}]
)
def test_what_are_no_columns_is_an_error(c: native.Loops, odd: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        written(c, [b"one"], **odd)


LINES = st.lists(
    st.tuples(
        st.binary(max_size=60)
        | st.sampled_from([b"", b"\0", b"a\r\n\0b", b"x" * 480, b"x" * 9000]),
        st.sampled_from([0, 1, 2]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=examples(500), deadline=None)
@given(
    LINES,
    st.sampled_from(["rfc5424", "rfc3164"]),
    st.sampled_from(["octet-counting", "lf"]),
    st.sampled_from([480, 8096, 1 << 20]),
    st.booleans(),
)
def test_any_batch_is_written_the_same_either_way(
    c: native.Loops,
    entries: list[tuple[bytes, int]],
    standard: Literal["rfc5424", "rfc3164"],
    framing: Literal["octet-counting", "lf"],
    max_message: int,
    bare: bool,
) -> None:
    lines, streams = [line for line, _ in entries], bytes(stream for _, stream in entries)
    found = []
    before = native.loops
    try:
        for native.loops in (c, None):
            encoder = SyslogEncoder(standard=standard, framing=framing, max_message=max_message)
            times = [TIME] * len(lines)
            batch = Batch(container(), lines, times, streams, range(len(lines)), bare=bare)
            found.append(encoder.stream([batch]))
    finally:
        native.loops = before
    assert found[0] == found[1]


def test_nothing_is_kept_of_what_was_written(c: native.Loops) -> None:
    def write() -> int:
        for _ in range(200):
            written(c, [b"one", b"x" * 500], room=500)
            written(c, [b"one", b"two"], room=2)
        return sys.getallocatedblocks()

    write()
    first = write()
    assert max(write() - first, write() - first) < 100
