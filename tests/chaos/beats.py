"""A Lumberjack 2 server that acknowledges only what it has written to its record.

One file for each life of the process. It may be killed at any moment: what it had not written it
had not acknowledged, and of a line that is half written the other half is not missed.
"""

from __future__ import annotations

import os
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import orjson

from tests.chaos.receiving import Connection, Receiver, main

_HEAD = struct.Struct(">2sI")


class Beats(Receiver):
    def __init__(self, port: int, folder: Path) -> None:
        super().__init__(port, folder)
        self._unparsed: dict[int, bytes] = {}
        self._half = False
        life = 1 + len(list(folder.glob("*.record")))
        self._record = os.open(folder / f"{life:03d}.record", os.O_CREAT | os.O_WRONLY)
        self.commands["half"] = self._acknowledge_half
        self._drops = int(os.environ.get("CHAOS_DROP", "0"))
        self._windows = 0

    def _acknowledge_half(self) -> int:
        """Of the next window; then the connection ends."""
        self._half = True
        return 0

    def data(self, connection: Connection, data: bytes) -> bool:
        data = self._unparsed.pop(connection.number, b"") + data
        while (found := window(data)) is not None:
            events, data = found
            if not self._take(connection, events):
                return False
        self._unparsed[connection.number] = data
        return True

    def closed(self, connection: Connection) -> None:
        self._unparsed.pop(connection.number, None)

    def _take(self, connection: Connection, events: list[bytes]) -> bool:
        half, self._half = self._half, False
        if half:
            events = events[: len(events) // 2]
        self._keep(events)
        try:
            connection.socket.send(_HEAD.pack(b"2A", len(events)) if events else b"")
        except OSError:
            return False
        return not half

    def _keep(self, events: list[bytes]) -> None:
        self._windows += 1
        lines = []
        for event in events:
            entry = orjson.loads(event)
            lines.append(f"{entry['container']['name']}\t{entry['message']}\n")
        if self._drops and self._windows % self._drops == 0:
            del lines[:1]  # sabotage: the check has to find it
        data = "".join(lines).encode()
        while data:
            data = data[os.write(self._record, data) :]


def window(data: bytes) -> tuple[list[bytes], bytes] | None:
    """The events of a whole window, and what is behind it; None while it is not whole."""
    if len(data) < 12:
        return None
    kind, count = _HEAD.unpack_from(data)
    packed, size = _HEAD.unpack_from(data, 6)
    if (kind, packed) != (b"2W", b"2C"):
        sys.exit(f"no window: {data[:32]!r}")
    if len(data) < 12 + size:
        return None
    events = list(_events(zlib.decompress(data[12 : 12 + size])))
    if len(events) != count:
        sys.exit(f"a window of {len(events)} events instead of {count}")
    return events, data[12 + size :]


def _events(frames: bytes) -> Iterator[bytes]:
    at, expected = 0, 1
    while at < len(frames):
        kind, sequence = _HEAD.unpack_from(frames, at)
        (size,) = struct.unpack_from(">I", frames, at + 6)
        if (kind, sequence) != (b"2J", expected):
            sys.exit(f"event {kind!r} {sequence} instead of {expected}")
        yield frames[at + 10 : at + 10 + size]
        at, expected = at + 10 + size, expected + 1


if __name__ == "__main__":
    main(Beats)
