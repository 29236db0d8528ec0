"""A process in the place of a sink's destination: it answers, counts, and keeps what comes.

While the clock runs it does as little as it can: it reads large pieces, answers (`answering`), and
counts a word that each line has once. Which lines came, and whether they came whole and in order,
it looks at when it is asked to, afterwards.
"""

from __future__ import annotations

import gzip
import json
import mmap
import multiprocessing
import re
import selectors
import socket
import time
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, pairwise
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from benchmarks.answering import Conversation, Forward, Http, Silent
from benchmarks.checking import LINE, Verdict, judged
from benchmarks.columns import Entries, lines

Kind = Literal["stream", "http", "forward", "datagrams", "file", "nats", "columns"]
AT_NATS = frozenset(("nats", "columns"))
"""What is published at a NATS server, to which the collector is a subscriber."""
MARK = b"duration_ms"
"""In each line that the benchmarks write, once, and in nothing that programs add."""
WHOLE = re.compile(LINE.pattern.replace(b'"', rb'\\*"').replace(b"/", rb"\\*/"))
"""A line, or one in a JSON text, or in one that is in another."""
PIECE = 1 << 18
PAUSE = 0.002
"""Seconds between two looks at what is polled. Nobody who sends has to wake us meanwhile."""
ROOM = 1 << 30
"""Bytes that datagrams may take in the kernel, and in our memory."""
SO_RCVBUFFORCE = 33
LONGEST = 1 << 16
MOMENT = 0.5
_FORK = multiprocessing.get_context("fork")
_TALKS: dict[str, Callable[[], Conversation]] = {
    "stream": Silent,
    "nats": Silent,
    "columns": Silent,
    "http": Http,
    "forward": Forward,
}


@dataclass
class Came:
    """What has come from one connection or file, and how many lines that was."""

    pieces: list[bytes] = field(default_factory=list)
    _end: bytes = b""

    def add(self, piece: bytes) -> int:
        """The marks in it; one that began in the piece before counts too."""
        self.pieces.append(piece)
        short = len(MARK) - 1
        seam = self._end + piece[:short]
        self._end = piece[-short:] if len(piece) > short else seam[-short:]
        return piece.count(MARK) + seam.count(MARK)

    def content(self) -> bytes:
        return b"".join(self.pieces)


@dataclass
class CameInColumns(Came):
    """The same, with messages of `columns`, which say how many entries they have."""

    _entries: Entries = field(default_factory=Entries)

    def add(self, piece: bytes) -> int:
        marks, entries = super().add(piece), self._entries.in_more(piece)
        return entries if self._entries.any else marks

    def content(self) -> bytes:
        return lines(super().content())


@dataclass(frozen=True)
class Checked:
    """What was found in all that came."""

    verdict: Verdict
    size: int
    """Bytes, uncompressed."""


class Counter:
    """Shared with whoever started the process: how much came, and from when to when."""

    def __init__(self) -> None:
        self.count = _FORK.RawValue("q", 0)
        self.first = _FORK.RawValue("d", 0.0)
        self.last = _FORK.RawValue("d", 0.0)

    def more(self, lines: int) -> None:
        if lines:
            self.count.value += lines
            self.last.value = now = time.time()
            self.first.value = self.first.value or now


class Collector:
    """The destination, from `with` to its end: on a free `port` of 127.0.0.1, or a file at `path`
    that a program writes. Of a NATS server at a port, it hears what is published."""

    def __init__(self, kind: Kind, path: Path | None = None, server: int = 0) -> None:
        self._kind, self._path, self.port = kind, path, server
        self._counter = Counter()

    def __enter__(self) -> Collector:
        self._pipe, theirs = _FORK.Pipe()
        opened = self._opened()
        arguments = self._kind, opened, self._path, self._counter, theirs
        self._process = _FORK.Process(target=_collect, args=arguments, daemon=True)
        self._process.start()
        if opened is not None:
            opened.close()
        theirs.close()
        return self

    def _opened(self) -> socket.socket | None:
        if self._kind == "file":
            return None
        if self._kind in AT_NATS:
            return subscribed(self.port, headers=self._kind == "columns")
        if self._kind == "datagrams":
            opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
            opened.bind(("127.0.0.1", 0))
        else:
            opened = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = opened.getsockname()[1]
        return opened

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()

    @property
    def count(self) -> int:
        """Lines that came, by their marks; of datagrams, how many came."""
        return int(self._counter.count.value)

    @property
    def flow(self) -> float:
        """Seconds from the first lines to the last."""
        return float(self._counter.last.value - self._counter.first.value)

    def come(
        self, count: int, timeout: float, idle: float, alive: Callable[[], bool] = lambda: True
    ) -> bool:
        """Waits until so many have come; or none for `idle` seconds once there was one; or for a
        moment after the program that sends them has ended. Whether they have come."""
        deadline, seen, moved = time.monotonic() + timeout, 0, time.monotonic()
        while (now := self.count) < count:
            if now > seen:
                seen, moved = now, time.monotonic()
            patience = (idle if seen else timeout) if alive() else MOMENT
            if time.monotonic() > min(deadline, moved + patience):
                return False
            time.sleep(0.02)
        return True

    def checked(self, expected: range) -> Checked:
        """Looks at all that came, when nothing is measured any more."""
        self._pipe.send(expected)
        found: Checked = self._pipe.recv()
        return found


def subscribed(port: int, *, headers: bool) -> socket.socket:
    """A connection that gets all that is published at a NATS server of this host, with its headers
    or without them."""
    sock = socket.create_connection(("127.0.0.1", port))
    options = json.dumps({"verbose": False, "headers": headers})
    sock.sendall(b"CONNECT %b\r\nSUB > 1\r\nPING\r\n" % options.encode())
    said = b""
    while b"PONG" not in said:
        said += sock.recv(PIECE)
    return sock


# ------------------------------------------------------------------------------ in the process


def _collect(
    kind: Kind, opened: socket.socket | None, path: Path | None, counter: Counter, pipe: Pipe
) -> None:
    read = {"file": _file, "datagrams": _datagrams}.get(kind, _connections)
    came = read(kind, opened or path, counter, pipe)
    expected: range = pipe.recv()
    found = [came_from() for came_from in came]
    pipe.send(Checked(check(found, expected), sum(map(len, found))))
    pipe.recv()


def check(contents: Iterable[bytes], expected: range) -> Verdict:
    """Of what came over several connections, each with its own order."""
    came = [[int(found[1]) for found in WHOLE.finditer(content)] for content in contents]
    verdict = judged(chain.from_iterable(came), expected)
    verdict.reordered = sum(_reordered(numbers) for numbers in came)
    return verdict


def _reordered(numbers: Iterable[int]) -> int:
    latest, late = -1, 0
    for number in numbers:
        late += number < latest
        latest = max(latest, number)
    return late


Contents = list[Callable[[], bytes]]


def _connections(kind: Kind, opened: Any, counter: Counter, pipe: Pipe) -> Contents:
    everything: list[Came] = []
    talks: dict[socket.socket, tuple[Conversation, Came]] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        selector.register(opened, selectors.EVENT_READ)

        def meet(peer: socket.socket) -> None:
            everything.append(CameInColumns() if kind == "columns" else Came())
            talks[peer] = _TALKS[kind](), everything[-1]

        if kind in AT_NATS:
            meet(opened)
        while True:
            for key, _ in selector.select():
                sock: Any = key.fileobj
                if sock is pipe:
                    return [came.content for came in everything]
                if sock is opened and kind not in AT_NATS:
                    peer, _ = opened.accept()
                    meet(peer)
                    selector.register(peer, selectors.EVENT_READ)
                elif not _heard(sock, *talks[sock], counter):
                    selector.unregister(sock)
                    sock.close()


def _heard(sock: socket.socket, talk: Conversation, came: Came, counter: Counter) -> bool:
    """Whether there was anything to read, or the connection has ended."""
    try:
        data = sock.recv(PIECE)
        for message, answer in talk.feed(data):
            counter.more(came.add(message))
            if answer:
                sock.sendall(answer)
    except ConnectionError:
        return False
    return bool(data)


def _datagrams(kind: Kind, opened: Any, counter: Counter, pipe: Pipe) -> Contents:
    room, ends = memoryview(mmap.mmap(-1, ROOM)), array("Q", [0])
    opened.setblocking(False)
    while not pipe.poll():
        at = before = ends[-1]
        count = len(ends)
        with suppress(BlockingIOError):
            while True:
                at += opened.recv_into(room[at : at + LONGEST])
                ends.append(at)
        if at > before:
            counter.more(len(ends) - count)
        time.sleep(PAUSE)
    messages = (bytes(room[a:b]) for a, b in pairwise(ends))
    return [lambda: b"\n".join(map(_plain, messages))]


def _plain(datagram: bytes) -> bytes:
    if datagram.startswith(b"\x1f\x8b"):
        return gzip.decompress(datagram)
    return zlib.decompress(datagram) if datagram.startswith(b"\x78") else datagram


def _file(kind: Kind, path: Any, counter: Counter, pipe: Pipe) -> Contents:
    came = Came()
    while not path.exists() and not pipe.poll():
        time.sleep(PAUSE)
    if path.exists():
        with path.open("rb", buffering=0) as file:
            for piece in _until(file, pipe):
                counter.more(came.add(piece))
    return [came.content]


def _until(file: Any, pipe: Pipe) -> Iterator[bytes]:
    """What is written to a file, until somebody asks."""
    while not pipe.poll():
        if piece := file.read(PIECE):
            yield piece
        else:
            time.sleep(PAUSE)
