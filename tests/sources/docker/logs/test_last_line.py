"""A look at a log's end."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.sources.docker.engine.client import Engine
from pipeline.sources.docker.engine.endpoint import resolve
from pipeline.sources.docker.logs.last_line import TRIES, first_time
from pipeline.testing.fake_engine import FakeEngine, Step, frame, head

ONE = "1" * 64
LINE = frame(b"a line\n", at="2026-01-31T23:59:59.000000001Z")
ERROR = b"Error grabbing logs: invalid character 'x'\n"
DAMAGED = struct.pack(">BxxxI", 3, len(ERROR)) + ERROR
"""On the stream of dockerd's own errors."""


@pytest.mark.parametrize(
    ("answers", "time"),
    [
        ([LINE], b"2026-01-31T23:59:59.000000001Z"),
        ([b"", DAMAGED, LINE], b"2026-01-31T23:59:59.000000001Z"),
        ([b""] * TRIES, b""),
        ([DAMAGED] * TRIES, None),
        ([DAMAGED, *[b""] * TRIES], None),
    ],
    ids=["there", "at the third look", "none", "damaged", "damaged, and not said each time"],
)
async def test_dockerd_does_not_say_each_time_that_a_line_cannot_be_read(
    tmp_path: Path, answers: Sequence[bytes], time: bytes | None
) -> None:
    async with FakeEngine(tmp_path / "docker.sock") as fake:
        scripts: list[list[Step]] = [[head(), answer] if answer else [head()] for answer in answers]
        fake.answer(f"/containers/{ONE}/logs", *scripts)
        engine = Engine(resolve(fake.url, None, {}))
        await engine.connect()
        try:
            assert await first_time(engine, ONE)(1) == time
        finally:
            await engine.close()
