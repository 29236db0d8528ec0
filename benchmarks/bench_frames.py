"""Frames of a log stream into columns: all at once where they are alike, one by one, and mixed.

    python benchmarks/bench_frames.py

Reads of 200 and of 1000 lines of 142 bytes, as they come from the Engine.
"""

from __future__ import annotations

from functools import partial
from struct import pack

from calibration import json_lines, stopwatch

from pipeline import native
from pipeline.sources.docker.decode.decoded import DecodedLines
from pipeline.sources.docker.decode.frames import FrameDecoder

TIME = b"2026-01-31T23:59:59.123456789Z "


def read_of(lines: list[bytes], *, mixed: bool) -> bytes:
    """Every eighth line is of stderr where streams are mixed."""
    frames = []
    for number, line in enumerate(lines):
        payload = TIME + line + b"\n"
        frames.append(pack(">BxxxI", 2 if mixed and number % 8 == 0 else 1, len(payload)) + payload)
    return b"".join(frames)


def one_by_one(decoder: FrameDecoder, data: bytes) -> DecodedLines:
    return decoder._one_by_one(data, 0, DecodedLines())


def main() -> None:
    print(native.described)  # DOCKLINE_NATIVE=0 chooses
    lines = json_lines()
    for count in (200, 1000):
        alike, mixed = (read_of(lines[:count], mixed=mixed) for mixed in (False, True))
        rounds = 40_000 // count
        decoder = FrameDecoder(1 << 20)
        ways = {
            "all at once": (decoder.feed, alike),
            "one by one": (partial(one_by_one, decoder), alike),
            "mixed": (decoder.feed, mixed),
        }
        for name, (way, data) in ways.items():
            label = f"{name}, {count} lines"
            stopwatch(label, partial(way, data), lines=count, rounds=rounds)


if __name__ == "__main__":
    main()
