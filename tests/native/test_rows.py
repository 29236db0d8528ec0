"""Rows read in C are those that Python reads, or none."""

from __future__ import annotations

import itertools
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import native
from pipeline.sources.docker.decode.rows import RowDecoder
from tests.native.examples import examples
from tests.sources.docker.decode.json_rows import T1, row

ALL = sys.maxsize
ROW = b'{"log":"%b","stream":"stdout","time":"2026-01-31T23:59:59.123456789Z"}\n'
PLAIN = ROW % rb"plain\n"
TAKEN = [
    b"",
    b"x" * 7,
    b"x" * 8,
    b"x" * 9,
    b"x" * 40_000,
    rb"\"quoted\" \\ \/ \b\f\r\t",
    rb"\u0000 \u001b[31m \u003c\u003e\u0026 \u2028",
    rb"\u00e9 \u07ff \u0800 \ud7ff \ue000 \uFFFF \uAbCd",
    rb"\ud83d\ude00 \uD800\uDC00 \udbff\udfff",
    "é ü € \ufffd 😀 \U0010ffff \u07ff\u0800\ud7ff\ue000".encode(),
    b"\x7f",
    rb"{\"a\":1,\"b\":\"\\n\"}",
]
"""Texts as dockerd may write them, before their newline."""
GIVEN_BACK = [
    b"no newline",
    rb"one\nmore\n",
    rb"\u000a",
    rb"\u000a\n",
    rb"\ud800\n",
    rb"\udc00\n",
    rb"\ud800\u0041\n",
    rb"\ud800x\n",
    rb"\ud800\ud800\n",
    rb"\u12\n",
    rb"\u12g4\n",
    rb"\u",
    rb"\x\n",
    b"\\",
    b"\x01\\n",
    b"\t\\n",
    b"\x80\\n",
    b"\xc0\x80\\n",
    b"\xc1\xbf\\n",
    b"\xc3\\n",
    b"\xe0\x9f\xbf\\n",
    b"\xed\xa0\x80\\n",
    b"\xe2\x82\\n",
    b"\xf0\x8f\xbf\xbf\\n",
    b"\xf4\x90\x80\x80\\n",
    b"\xf5\x80\x80\x80\\n",
    b"\xf0\x9f\x98\\n",
    b"\xff\\n",
]
"""Those that Python is asked for."""
TIMES = [
    T1,
    "2026-01-31T23:59:59.1Z",
    "2026-01-31T23:59:59Z",
    "2026-01-31T23:59:59.12345678Z",
    "2026-01-31T23:59:59",
    "2026-01-31T23:59:59+02:00",
    "2026-01-31T23:59:59.123456789+02:00",
    "",
    "Z",
    "x" * 29,
    "x" * 30,
    "x" * 31,
    "x" * 500,
]


def in_python(block: bytes, longest: int = ALL, tty: bool = False) -> object:
    decoder = RowDecoder(min(longest, 1 << 20), tty=tty)
    decoded = decoder._whole(memoryview(block))
    return decoded and (decoded.lines, decoded.times, decoded.streams)


@pytest.mark.parametrize("text", TAKEN)
def test_what_dockerd_writes_is_taken(c: native.Loops, text: bytes) -> None:
    block = PLAIN + ROW % (text + rb"\n") + PLAIN
    assert c.rows(block, ALL, False) == in_python(block) is not None


@pytest.mark.parametrize("text", GIVEN_BACK)
def test_what_it_does_not_is_given_back(c: native.Loops, text: bytes) -> None:
    for block in (ROW % text + PLAIN, PLAIN + ROW % text, PLAIN + ROW % text + PLAIN):
        assert c.rows(block, ALL, False) is None


@pytest.mark.parametrize("time", TIMES)
def test_times_are_made_one_form(c: native.Loops, time: str) -> None:
    block = row("a\n", time=time) + row("b\n", "stderr")
    assert c.rows(block, ALL, False) == in_python(block) is not None


@pytest.mark.parametrize("time", ["2026 01", "é", "\\u0041", "\t", '",', "\\"])
def test_a_time_of_other_bytes_is_given_back(c: native.Loops, time: str) -> None:
    block = PLAIN.replace(b"2026-01-31T23:59:59.123456789Z", time.encode())
    assert c.rows(block, ALL, False) is None


def test_attributes_are_passed_over(c: native.Loops) -> None:
    block = row("a\n", attrs={"stream": "stderr", "b": ""}) + row("b\n", "stderr", attrs={"a": "b"})
    assert c.rows(block, ALL, False) == in_python(block) is not None


@pytest.mark.parametrize(
    "odd",
    [
        b"\n",
        b"{}\n",
        PLAIN[:-1],
        b" " + PLAIN,
        PLAIN[:-1] + b" \n",
        PLAIN.replace(b":", b" :"),
        PLAIN.replace(b"stdout", b"stdin"),
        PLAIN.replace(b"stdout", b"std\\u006fut"),
        PLAIN.replace(b"log", b"Log"),
        PLAIN.replace(b'"}', b'","time":"x"}'),
        PLAIN.replace(b',"time', b',"attrs":{},"time'),
        PLAIN.replace(b',"time', b',"attrs":{"a":1},"time'),
        PLAIN.replace(b',"time', b',"attrs":{"a":"b",},"time'),
        PLAIN.replace(b',"time', b',"attrs":{"a":"\\"","time'),
        PLAIN.replace(b',"time', b',"attrs":{"a":"\xc3\xa9"},"time'),
        PLAIN.replace(b',"time', b',"attrs":null,"time'),
    ],
)
def test_rows_of_other_shapes_are_given_back(c: native.Loops, odd: bytes) -> None:
    assert c.rows(odd, ALL, False) is None
    assert c.rows(PLAIN + odd, ALL, False) is None


@pytest.mark.parametrize(("longest", "taken"), [(4, False), (5, True)])
def test_a_line_over_the_limit_is_given_back(c: native.Loops, longest: int, taken: bool) -> None:
    assert (c.rows(PLAIN, longest, False) is not None) is taken


def test_a_terminals_lines_lose_one_carriage_return(c: native.Loops) -> None:
    block = row("a\r\n") + row("\r\n") + row("b\r\r\n") + row("\n") + row("\rc\n")
    assert c.rows(block, ALL, True) == in_python(block, tty=True) is not None


def test_every_beginning_of_a_block_is_given_back_or_read_as_in_python(c: native.Loops) -> None:
    block = b"".join(ROW % (text + rb"\n") for text in TAKEN if len(text) < 100)
    for end in range(len(block) + 1):
        found = c.rows(block[:end], ALL, False)
        assert found is None or found == (in_python(block[:end]) or ([], [], bytearray()))
        assert end == 0 or (found is not None) <= block[:end].endswith(b"\n")


TEXTS = st.lists(st.sampled_from(TAKEN + GIVEN_BACK), max_size=3).map(b"".join)
ROWS = st.builds(
    lambda text, end, stream, time, attributes: (
        b'{"log":"' + text + end + b'","stream":"' + stream + b'"' + attributes
        + b',"time":"' + time.encode() + b'"}\n'
    ),
    TEXTS | st.binary(max_size=20),
    st.sampled_from([rb"\n", rb"\n", rb"\r\n", b""]),
    st.sampled_from([b"stdout", b"stdout", b"stderr", b"stdin"]),
    st.sampled_from(TIMES),
    st.sampled_from([b"", b"", b',"attrs":{"a":"b"}', b',"attrs":{"a":"b","c":"\\n"}']),
)  # fmt: skip
CHANGES = st.lists(
    st.tuples(st.integers(0, 1 << 16), st.integers(0, 3), st.binary(max_size=2)), max_size=3
)


def changed(block: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """Bytes replaced, taken out, put in."""
    for anywhere, length, put in changes:
        place = anywhere % (len(block) + 1)
        block = block[:place] + put + block[place + length :]
    return block


@settings(max_examples=examples(500), deadline=None)
@given(
    st.lists(ROWS, max_size=5).map(b"".join),
    CHANGES,
    st.sampled_from([3, 1000, ALL]),
    st.booleans(),
)
def test_whatever_the_bytes_are_it_reads_what_python_reads_or_nothing(
    c: native.Loops, block: bytes, changes: list[tuple[int, int, bytes]], longest: int, tty: bool
) -> None:
    block = changed(block, changes)
    found = c.rows(block, longest, tty)
    if block and found is not None:
        assert found == in_python(block, longest, tty)


@settings(max_examples=examples(300), deadline=None)
@given(
    st.lists(ROWS, max_size=6).map(b"".join), CHANGES, st.lists(st.integers(0, 1 << 16), max_size=4)
)
def test_a_log_in_any_pieces_gives_the_same_either_way(
    c: native.Loops, data: bytes, changes: list[tuple[int, int, bytes]], cuts: list[int]
) -> None:
    data = changed(data, changes)
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]
    assert steps(c, pieces) == steps(None, pieces)


def steps(loops: native.Loops | None, pieces: list[bytes]) -> list[object]:
    """All that can be seen of a decoder after each piece."""
    before, native.loops = native.loops, loops
    try:
        decoder, found = RowDecoder(1 << 20), []
        for piece in pieces:
            found.append((decoder.feed(piece), decoder._safe, decoder.damaged, decoder.torn))
            while decoder.damaged:
                found.append((decoder.feed(b""), decoder._safe, decoder.damaged, decoder.torn))
        return [*found, decoder.flush(), decoder.completed]
    finally:
        native.loops = before


def test_nothing_is_kept_of_what_was_read(c: native.Loops) -> None:
    odd = [ROW % text + PLAIN for text in GIVEN_BACK] + [PLAIN * 3 + odd for odd in (b"x\n", b"{")]
    blocks = [PLAIN * 50, ROW % (b"x" * 40_000 + rb"\n"), ROW % (b"x" * 40_000), *odd]

    def read() -> int:
        for block in blocks * 20:
            c.rows(block, ALL, False)
        return sys.getallocatedblocks()

    read()
    first = read()
    assert max(read() - first, read() - first) < 100


def test_what_is_no_block_is_an_error(c: native.Loops) -> None:
    with pytest.raises(TypeError):
        c.rows("text", ALL, False)  # type: ignore[arg-type]
