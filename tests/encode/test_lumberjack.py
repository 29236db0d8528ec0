"""The Lumberjack codec, against the protocol's layout written out by hand."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.encode.lumberjack import (
    PATIENCE,
    Acknowledgements,
    ProtocolError,
    WindowSize,
    window,
)

FRAMES = b'2J\0\0\0\1\0\0\0\2{}2J\0\0\0\2\0\0\0\x07{"a":1}'


def test_a_window_without_compression_is_its_count_and_its_events() -> None:
    assert window([b"{}", b'{"a":1}'], level=0) == b"2W\0\0\0\2" + FRAMES


@pytest.mark.parametrize("level", [1, 9])
def test_a_compressed_window_is_one_frame_that_holds_whole_frames(level: int) -> None:
    sent = window([b"{}", b'{"a":1}'], level)
    assert sent[:8] == b"2W\0\0\0\2" + b"2C"
    assert struct.unpack(">I", sent[8:12]) == (len(sent) - 12,)
    assert zlib.decompress(sent[12:]) == FRAMES


@given(st.lists(st.integers(0, 2**32 - 1)), st.lists(st.integers(0, 40)))
def test_acknowledgements_are_read_wherever_the_stream_is_cut(
    sequences: list[int], cuts: list[int]
) -> None:
    stream = b"".join(b"2A" + struct.pack(">I", sequence) for sequence in sequences)
    reader, read = Acknowledgements(), []
    for cut in cuts:
        read += reader.feed(stream[:cut])
        stream = stream[cut:]
    assert read + reader.feed(stream) == sequences


def test_anything_else_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError, match="expected an acknowledgement, got b'HT'"):
        Acknowledgements().feed(b"HTTP/1.1 400 Bad Request\r\n")


def test_a_window_is_halved_after_two_failures_and_what_helped_is_said_once() -> None:
    size = WindowSize(5000)
    assert [size.failed(5000), size.failed(5000), size.size] == [False, True, 2500]
    assert [size.failed(2500), size.failed(2500), size.size] == [False, True, 1250]
    assert [size.acknowledged(7), size.acknowledged(1250), size.acknowledged(1250)] == [
        False,
        True,
        False,
    ]


def test_a_size_that_was_acknowledged_is_in_doubt_after_many_failures() -> None:
    size = WindowSize(5000)
    assert not size.acknowledged(5000)
    assert not any(size.failed(5000) for _ in range(PATIENCE))
    assert [size.failed(5000), size.failed(5000), size.size] == [False, True, 2500]


def test_a_peer_that_takes_no_small_window_either_gets_the_first_size_again() -> None:
    size, seen = WindowSize(1024), []
    for _ in range(8):
        seen.append(size.size)
        size.failed(size.size)
    assert seen == [1024, 1024, 512, 512, 256, 256, 1024, 1024]
