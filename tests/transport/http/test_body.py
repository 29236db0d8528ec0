"""Bodies of requests arrive whole, whatever their size, and again after a lost connection."""

from __future__ import annotations

import random

import pytest

from pipeline.transport.http.body import FIRST, MOST, Body
from tests.servers.http_receiver import http_receiver
from tests.transport.http.opening import opened

SIZES = [0, 1, FIRST, FIRST + 1, FIRST + MOST, FIRST + MOST + 1, 5 * MOST]


async def test_a_body_of_any_size_arrives() -> None:
    bodies = [random.Random(size).randbytes(size) for size in SIZES]
    async with http_receiver() as to, opened(to.url) as http:
        for body in bodies:
            await http.post("", body, compressed=False)
    assert [one.body for one in to.requests] == bodies


async def test_a_body_can_be_read_as_it_is() -> None:
    body = Body("é".encode())
    assert (body.size, body.decode(), await body.as_bytes()) == (2, "é", "é".encode())


class Pieces:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    async def write(self, piece: memoryview) -> None:
        self.sizes.append(len(piece))


@pytest.mark.parametrize("again", [1, 2])
async def test_it_is_written_in_pieces_as_often_as_wanted(again: int) -> None:
    body, to = Body(bytes(FIRST + MOST + 1)), Pieces()
    for _ in range(again):
        await body.write_with_length(to, None)  # type: ignore[arg-type]
    assert to.sizes == [FIRST, MOST, 1] * again
