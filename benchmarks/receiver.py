"""A process that takes what comes over TCP and keeps all of it, at little cost of its own.

It receives into memory that is shared with whoever started it, notes when each piece came, and
counts a mark that each message has once. All else is looked at afterwards, when nothing is being
measured: which lines came (`checking`), and how long each took (`lags`).
"""

from __future__ import annotations

import mmap
import multiprocessing
import selectors
import socket
import time
from bisect import bisect_right
from collections.abc import Iterator
from multiprocessing.sharedctypes import Synchronized
from types import TracebackType
from typing import Any

MARK = b'"seq":'
"""In each line that the benchmarks write, and once in each message that is made of one."""
CONNECTIONS = 4
CAPACITY = 2 << 30
"""Bytes of one connection; memory is taken as they come."""
PIECE = 1 << 18
ARRIVALS = 1 << 21
"""Pieces of one connection whose arrival is noted; later ones count as part of the last."""

_SHARED = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0x4000)
"""The mapping has no name for the last before Python 3.13."""
_FORK = multiprocessing.get_context("fork")


class Connection:
    """What has come over one connection, in memory that two processes share."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, CAPACITY, flags=_SHARED)
        self.times = _FORK.RawArray("d", ARRIVALS)
        self.ends = _FORK.RawArray("q", ARRIVALS)
        self.pieces = _FORK.RawValue("q", 0)

    @property
    def size(self) -> int:
        pieces = int(self.pieces.value)
        return int(self.ends[pieces - 1]) if pieces else 0

    def content(self) -> memoryview:
        return memoryview(self.memory)[: self.size]

    def arrived(self, offset: int) -> float:
        """When the byte at `offset` came, as `time.time()` has it."""
        return float(self.times[bisect_right(self.ends, offset, hi=int(self.pieces.value))])

    def receive(self, peer: socket.socket, mark: bytes) -> int | None:
        """Takes what has come; how many marks more there are, None at the end."""
        before = self.size
        with memoryview(self.memory) as whole, whole[before : before + PIECE] as piece:
            size = peer.recv_into(piece)
        if not size:
            return None
        number = min(int(self.pieces.value), ARRIVALS - 1)
        self.times[number], self.ends[number] = time.time(), before + size
        self.pieces.value = number + 1
        # A mark may have begun in the piece before; none is counted twice.
        return self.memory[max(0, before - len(mark) + 1) : before + size].count(mark)


class Receiver:
    """Listens on a free port of 127.0.0.1 from `with` to its end."""

    def __init__(self, mark: bytes = MARK) -> None:
        self._mark = mark

    def __enter__(self) -> Receiver:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        self._connections = [Connection() for _ in range(CONNECTIONS)]
        self._count = _FORK.Value("q", 0)
        arguments = listener, self._connections, self._mark, self._count
        self._process = _FORK.Process(target=_receive, args=arguments, daemon=True)
        self._process.start()
        listener.close()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.join()
        for connection in self._connections:
            connection.memory.close()

    def count(self) -> int:
        """Messages that have come."""
        return int(self._count.value)

    def used(self) -> Iterator[Connection]:
        """The connections over which anything has come."""
        return (connection for connection in self._connections if connection.size)

    def last(self) -> float:
        """When the last piece came, as `time.time()` has it; 0 before the first."""
        return max((one.times[one.pieces.value - 1] for one in self.used()), default=0.0)

    def first(self) -> float:
        """When the first piece came; 0 before it."""
        return min((one.times[0] for one in self.used()), default=0.0)

    def wait_for(self, count: int, timeout: float) -> None:
        """Raises `TimeoutError` with how many have come."""
        if not self.come(count, timeout, timeout):
            raise TimeoutError(f"{self.count():,} of {count:,} messages came")

    def come(self, count: int, timeout: float, idle: float) -> bool:
        """Waits until so many have come, or none for `idle` seconds; whether they have."""
        deadline, seen, moved = time.monotonic() + timeout, self.count(), time.monotonic()
        while (now := self.count()) < count:
            if now > seen:
                seen, moved = now, time.monotonic()
            if time.monotonic() > min(deadline, moved + idle):
                return False
            time.sleep(0.02)
        return True


def _receive(
    listener: socket.socket,
    connections: list[Connection],
    mark: bytes,
    count: Synchronized[int],
) -> None:
    free = iter(connections)
    peers: dict[Any, Connection] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    peer, _ = listener.accept()
                    peers[peer] = next(free)
                    selector.register(peer, selectors.EVENT_READ)
                elif (more := _received(peers, key.fileobj, mark)) is None:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr]
                else:
                    count.value += more


def _received(peers: dict[Any, Connection], peer: Any, mark: bytes) -> int | None:
    try:
        return peers[peer].receive(peer, mark)
    except ConnectionResetError:
        return None
