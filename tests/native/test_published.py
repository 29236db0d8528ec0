"""Messages for NATS written in C are those that Python writes."""

from __future__ import annotations

import sys
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import native
from pipeline.encode.nats.documents import ends, published
from tests.native.columns import NUMBERS, TEXTS
from tests.native.examples import examples

HEAD = b"NATS/1.0\r\nNats-Msg-Id: x:"


def given_for(**options: Any) -> tuple[Any, ...]:
    """Arguments for two lines."""
    data = options.get("data", b"{1}\n{22}\n")
    usual = {
        "subject": b"s in.p", "token": 9, "head": HEAD, "times": [b"t1", b"t2"],
        "numbers": range(99, 101), "parts": b"\0\7", "data": data, "ends": [4, 9], "start": 0,
        "stop": 2,
    }  # fmt: skip
    return tuple((usual | options).values())


def test_each_line_is_a_message_with_its_identity_and_number(c: native.Loops) -> None:
    crcs = zlib.crc32(b"{1}"), zlib.crc32(b"{22}")
    assert c.published(*given_for()) == (
        b"HPUB s in.p9 45 48\r\n%bt1:99.0:%08x\r\n\r\n{1}\r\n"
        b"HPUB s in.p10 46 50\r\n%bt2:100.7:%08x\r\n\r\n{22}\r\n" % (HEAD, crcs[0], HEAD, crcs[1])
    )


def test_some_of_the_lines_are_as_among_all(c: native.Loops) -> None:
    all_of_them = c.published(*given_for(parts=None))
    assert all_of_them
    first = c.published(*given_for(parts=None, stop=1))
    second = c.published(*given_for(parts=None, start=1, token=10))
    assert first and second and first + second == all_of_them


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 15, 16, 17, 9_999, 10_000])
def test_a_line_may_have_any_length(c: native.Loops, size: int) -> None:
    given = given_for(
        data=b"x" * size + b"\n", times=[b""], ends=[size + 1], stop=1, numbers=[0], parts=None
    )
    assert c.published(*given) == published(*given)


@pytest.mark.parametrize(
    "odd",
    [
        {"token": -1},
        {"token": 2**63 - 1},
        {"times": [b"t1"]},
        {"times": [b"t1", "t2"]},
        {"times": [b"t1", None]},
        {"numbers": range(3)},
        {"numbers": [1, -1]},
        {"numbers": [1, 2**63]},
        {"numbers": [1, None]},
        {"numbers": (1, 2)},
        {"parts": b"\0"},
        {"parts": bytearray(b"\0\0")},
        {"ends": [4]},
        {"ends": [4, 4]},
        {"ends": [0, 9]},
        {"ends": [-1, 9]},
        {"ends": [4, 10]},
        {"ends": [4, 2**70]},
        {"ends": [4, None]},
        {"ends": [-5, 9], "start": 1},
        {"start": -1},
        {"start": 2},
        {"start": 1, "stop": 1},
        {"stop": 3},
        {"stop": sys.maxsize},
        {"data": b""},
    ],
)
def test_what_does_not_fit_is_given_back(c: native.Loops, odd: dict[str, Any]) -> None:
    assert c.published(*given_for(**odd)) is None


@pytest.mark.parametrize("odd", [{"subject": "s"}, {"data": bytearray(9)}, {"ends": (4, 9)}])
def test_what_is_of_another_type_is_an_error(c: native.Loops, odd: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        c.published(*given_for(**odd))


@settings(max_examples=examples(500), deadline=None)
@given(
    st.lists(st.tuples(TEXTS, st.binary(max_size=40), st.integers(0, 255)), min_size=1, max_size=9),
    NUMBERS,
    st.booleans(),
    st.integers(0, 10**17),
    st.data(),
)
def test_any_lines_are_written_the_same_either_way(
    c: native.Loops,
    rows: list[tuple[bytes, bytes, int]],
    first: int,
    parted: bool,
    token: int,
    data: st.DataObject,
) -> None:
    lines = b"".join(text.replace(b"\n", b"") + b"\n" for text, _, _ in rows)
    start = data.draw(st.integers(0, len(rows) - 1))
    given = given_for(
        token=token,
        times=[time for _, time, _ in rows],
        numbers=range(first, first + len(rows)),
        parts=bytes(part for _, _, part in rows) if parted else None,
        data=lines,
        ends=ends(lines),
        start=start,
        stop=data.draw(st.integers(start + 1, len(rows))),
    )
    assert c.published(*given) == published(*given)


def test_nothing_is_kept_of_what_was_written(c: native.Loops) -> None:
    def write() -> int:
        for _ in range(200):
            c.published(*given_for())
            c.published(*given_for(numbers=[1, -1]))
            c.published(*given_for(ends=[4, 2**70]))
            c.ends(b"x\n" * 500, 500)
            c.ends(b"x\n" * 500, 501)
        return sys.getallocatedblocks()

    write()
    first = write()
    assert max(write() - first, write() - first) < 100
