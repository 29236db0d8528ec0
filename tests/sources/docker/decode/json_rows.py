"""Rows as dockerd writes them."""

from __future__ import annotations

import json

from pipeline.sources.docker.decode.decoded import DecodedLines

T1 = "2026-01-31T23:59:59.000000001Z"
T2 = "2026-01-31T23:59:59.000000002Z"


def row(text: str, stream: str = "stdout", time: str = T1, **more: object) -> bytes:
    fields = {"log": text, "stream": stream, **more, "time": time}
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def at(number: int) -> str:
    """Times in order, as they are kept: without zeros at their end."""
    seconds, nanoseconds = divmod(number, 10**9)
    fraction = f".{nanoseconds:09}".rstrip("0").rstrip(".")
    return f"2026-01-31T23:{seconds // 60:02}:{seconds % 60:02}{fraction}Z"


def together(parts: list[DecodedLines]) -> list[tuple[bytes, bytes, int]]:
    return [
        found for part in parts for found in zip(part.lines, part.times, part.streams, strict=True)
    ]
