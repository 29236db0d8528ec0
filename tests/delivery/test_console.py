"""Standard output into a pipe: what its reader had not read when it ended is lost, and what comes
after that is refused, and counted."""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from types import SimpleNamespace

import pytest

from pipeline.model.component import BatchConfig, Size
from pipeline.sinks import console
from tests.delivery.sending import line, numbers, sending, until

LINES = 5000
BATCH = 100


async def test_a_reader_that_ends_has_lost_a_pipe_full_and_the_rest_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, writing = os.pipe()
    monkeypatch.setattr(console, "sys", SimpleNamespace(stdout=os.fdopen(writing, "wb")))
    room = fcntl.fcntl(reading, fcntl.F_GETPIPE_SZ)
    had = bytearray()

    def read(until_size: int) -> None:
        while len(had) < until_size:
            had.extend(os.read(reading, 4096))

    payloads = {"batch": BatchConfig(bytes=Size(1))}  # of a batch each
    async with sending("console", **payloads) as sent:
        sent.lines(LINES)
        thread = threading.Thread(target=read, args=(500_000,))
        thread.start()
        await asyncio.to_thread(thread.join)
        os.close(reading)
        await until(lambda: sent.settled == LINES)
        refused = sent.count("dropped_entries", reason="refused")
        assert sent.delivered + refused == LINES
    console.sys.stdout.close()
    found = numbers(bytes(had))
    assert found == list(range(len(found)))
    lost = sent.delivered - len(found)
    assert lost * len(line(0)) <= room
    # Of the payload that was being written it had read a part, at the most.
    assert -lost <= BATCH
