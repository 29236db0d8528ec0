"""Containers of other hosts in any number, with lines of theirs, for an agent without an Engine.

They come over the forward protocol as from another agent, so that ten thousand of them cost no more
than the lines that they say.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

import msgpack

PATIENCE = 60.0
MOST = 200
"""Entries of one message, of whose containers a source takes no more than 64 KiB of facts."""
TICK = 0.02
"""Seconds between two messages of a steady pace."""

CONFIG = """
[sources.hub]
type = "forward"
listen = "127.0.0.1:{port}"
"""


class Crowd:
    """`count` containers named `PREFIX-0000` and so on, as a context manager: a client of a
    `forward` source."""

    def __init__(
        self,
        port: int,
        count: int,
        *,
        prefix: str = "idle",
        host: str = "web-1",
        project: str = "crowd",
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self.names = [f"{prefix}-{number:04}" for number in range(count)]
        self.ids = [
            f"{abs(hash((prefix, host))) % 16**8:08x}{number:056x}" for number in range(count)
        ]
        self._labels = {"com.docker.compose.project": project, **(labels or {})}
        self._host = host
        self._sequences = [0] * count
        self._address = ("127.0.0.1", port)
        self._socket: socket.socket
        self._one = threading.Lock()

    def __enter__(self) -> Crowd:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._socket = socket.create_connection(self._address, PATIENCE)
                return self
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()

    def say(self, lines: Iterable[tuple[int, str]], stream: str = "stdout") -> None:
        """Sends lines, each of the container of that number."""
        pairs = list(lines)
        for start in range(0, len(pairs), MOST):
            self._send(pairs[start : start + MOST], stream)

    def all_say(self, line: str) -> None:
        """Each container says it once."""
        self.say((number, line) for number in range(len(self.names)))

    def talk(self, lines: Sequence[str], rate: float, seconds: float) -> int:
        """Says `rate` of the lines a second, over and over, one container after the other. Returns
        how many it said."""
        began, done = time.monotonic(), 0
        while (now := time.monotonic() - began) < seconds:
            due = int(now * rate) - done
            self.say(
                ((done + one) % len(self.names), lines[(done + one) % len(lines)])
                for one in range(due)
            )
            done += due
            time.sleep(max(0.0, TICK - (time.monotonic() - began - now)))
        return done

    def _send(self, pairs: Sequence[tuple[int, str]], stream: str) -> None:
        with self._one:
            facts = {self.ids[number]: self._facts(number) for number, _ in pairs}
            entries = [self._entry(number, text, stream) for number, text in pairs]
            self._socket.sendall(msgpack.packb(["dockline", entries, {"dockline": facts}]))

    def _facts(self, number: int) -> list[Any]:
        labels = {**self._labels, "com.docker.compose.service": self.names[number].split("-")[0]}
        return [self.names[number], "shop/api:1.4", labels, self._host]

    def _entry(self, number: int, text: str, stream: str) -> list[Any]:
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        sequence, self._sequences[number] = self._sequences[number], self._sequences[number] + 1
        record = {
            "message": text,
            "stream": stream,
            "event": {"sequence": sequence, "dataset": "docker.logs"},
            "container": {"id": self.ids[number], "name": self.names[number]},
        }
        return [msgpack.ExtType(0, struct.pack(">II", seconds, nanoseconds)), record]
