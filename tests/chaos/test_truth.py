"""The Engine's frames as lines."""

from __future__ import annotations

import struct

import pytest

from pipeline.model.errors import EngineError
from tests.chaos.truth import frames, lines

STAMP = b"2026-01-31T23:59:59.123456789Z "
PIECE = b"x" * 16384


def frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BxxxI", kind, len(STAMP + payload)) + STAMP + payload


def texts(*pieces: tuple[int, bytes]) -> list[bytes]:
    return list(lines(frames(b"".join(frame(*piece) for piece in pieces))))


def test_each_newline_ends_a_line() -> None:
    assert texts((1, b"a\n"), (2, b"b\n"), (1, b"\n")) == [b"a", b"b", b""]


def test_pieces_of_a_long_line_are_one_and_the_other_stream_may_be_between() -> None:
    assert texts((1, PIECE), (2, b"b\n"), (1, b"end\n")) == [b"b", PIECE + b"end"]


def test_what_a_killed_process_wrote_last_is_a_line_and_the_next_run_begins_anew() -> None:
    assert texts((1, b"half"), (1, b"c1 8 o 1 0 .\n")) == [b"half", b"c1 8 o 1 0 ."]
    assert texts((1, PIECE), (1, b"c1 8 o 1 0 .\n")) == [PIECE, b"c1 8 o 1 0 ."]
    assert texts((1, PIECE)) == [PIECE]


def test_an_engine_that_cannot_read_its_own_log_says_so() -> None:
    with pytest.raises(EngineError, match="grabbing"):
        texts((3, b"Error grabbing logs"))
