"""Receivers: what each has got, and what it has told the agent of that."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import msgpack
import orjson

from tests.simulation.peers.http import HttpListener, HttpPeer, Request
from tests.simulation.world.network import End, Network
from tests.simulation.world.world import World

TOKEN = re.compile(r"<([a-z]\S*?) (\d+) (\d+)>([a-z]*)(\.?)")
"""A line of a container: its name, its number, the bytes of padding, and the padding."""


class Got(NamedTuple):
    """A line that a receiver has got."""

    time: int
    name: str
    number: int
    sequence: int | None = None
    """Its `event.sequence`; None where the protocol has none."""


class Store:
    """A receiver. What goes wrong with it is set from outside."""

    longest = 1 << 30
    """Characters from which on an entry may have been cut."""

    def __init__(self, world: World, network: Network, name: str, port: int) -> None:
        self.world = world
        self.network = network
        self.name = name
        self.chance = world.chance(f"store {name}")
        self.got: list[Got] = []
        """All lines, in the order in which they came."""
        self.broken: list[str] = []
        """What came and is no whole line."""
        self.late = 0.0
        """Seconds that an answer may take."""
        self.status = 200
        """Of answers over HTTP; others fail with it in their own way."""
        self.mute = False
        """It takes everything and answers nothing."""
        self.flaky = 0.0
        """How likely an answer is `failing_with`."""
        self.failing_with = 503
        self.forgets = 0.0
        """How likely it stores something, and the connection breaks instead of an answer."""
        self.where = network.listen(name, port, self.listener())

    def listener(self) -> Any:
        raise NotImplementedError

    def address(self) -> str:
        return f"{self.name}:{self.where[1]}"

    def fails(self) -> int:
        """The status that it fails with this time; 0 if it does not."""
        if self.status != 200:
            return self.status
        return self.failing_with if self.flaky and self.chance.random() < self.flaky else 0

    def take(self, text: str, sequence: int | None = None) -> None:
        """Notes the lines of an entry."""
        now = self.world.now
        found = TOKEN.findall(text)
        for name, number, size, padding, dot in found:
            if (len(padding) != int(size) or not dot) and len(text) < self.longest:
                self.broken.append(text[:100])
            self.got.append(Got(now, name, int(number), sequence))
        if not found:
            self.broken.append(text[:200])

    def answer_later(self, answer: Callable[[], object]) -> None:
        self.world.after(0.000_2 + self.chance.random() * self.late, answer)


class HttpStore(Store):
    """An HTTP server that takes JSON lines, as VictoriaLogs and others do."""

    def listener(self) -> Any:
        return HttpListener(self._serve)

    def _serve(self, peer: HttpPeer, request: Request) -> None:
        self.answer_later(lambda: self._answer(peer, request))

    def _answer(self, peer: HttpPeer, request: Request) -> None:
        if peer.end.closed or peer.end.reset or self.mute:
            return
        if request.body and (status := self.fails()):
            peer.answer(status, b"not now")
            return
        for line in request.body.splitlines():
            entry = orjson.loads(line)
            text = str(entry.get("message", entry.get("_msg", entry)))
            self.take(text, entry["event"]["sequence"])
        if self.chance.random() < self.forgets:
            peer.end.abort()
        else:
            peer.answer(200)


class Framed(Store):
    """A receiver over TCP, which takes a protocol's frames."""

    def listener(self) -> Any:
        return self

    def __init__(self, world: World, network: Network, name: str, port: int) -> None:
        self.buffers: dict[End, bytearray] = {}
        super().__init__(world, network, name, port)

    def accept(self, end: End) -> bool:
        end.peer = self
        self.buffers[end] = bytearray()
        return True

    def received(self, end: End, data: bytes) -> None:
        buffer = self.buffers[end]
        buffer += data
        while not end.closed and self.parse(end, buffer):
            pass

    def parse(self, end: End, buffer: bytearray) -> bool:
        """Takes a frame off the buffer. Returns whether there was one."""
        raise NotImplementedError

    def ended(self, end: End, reset: bool) -> None:
        self.buffers.pop(end, None)
        if not end.closed:
            end.close()


class SyslogStore(Framed):
    """A syslog server over TCP with octet counting (RFC 6587)."""

    longest = 8000

    def parse(self, end: End, buffer: bytearray) -> bool:
        space = buffer.find(b" ")
        if space < 0:
            return False
        length = int(buffer[:space])
        if len(buffer) < space + 1 + length:
            return False
        message = bytes(buffer[space + 1 : space + 1 + length])
        del buffer[: space + 1 + length]
        self.take(message.decode("utf-8", "replace"))
        return True


class LumberjackStore(Framed):
    """A Logstash, which acknowledges each window (Lumberjack 2)."""

    def __init__(self, world: World, network: Network, name: str, port: int) -> None:
        self._windows: dict[End, int] = {}
        self._events: dict[End, list[Any]] = {}
        """Of the window that is coming in, or that is not acknowledged."""
        super().__init__(world, network, name, port)

    def parse(self, end: End, buffer: bytearray) -> bool:
        if len(buffer) < 6:
            return False
        kind = buffer[1:2]
        number = int.from_bytes(buffer[2:6], "big")
        if kind == b"W":
            self._windows[end], self._events[end] = number, []
            del buffer[:6]
        elif kind == b"C":
            if len(buffer) < 6 + number:
                return False
            plain = zlib.decompress(buffer[6 : 6 + number])
            buffer[: 6 + number] = plain
        elif kind == b"J":
            length = int.from_bytes(buffer[6:10], "big")
            if len(buffer) < 10 + length:
                return False
            self._events[end].append(orjson.loads(bytes(buffer[10 : 10 + length])))
            del buffer[: 10 + length]
            if number == self._windows[end]:
                self.answer_later(lambda: self._work(end, self._events[end], 0))
        else:
            raise AssertionError(f"no frame of Lumberjack: {bytes(buffer[:20])!r}")
        return True

    def _work(self, end: End, events: list[Any], done: int) -> None:
        """Stores what is left of a window, or a part of it, and acknowledges that."""
        if self.fails():
            end.abort()
            return
        if end.closed or end.reset:  # what had come in may be stored all the same
            self._store(events[: self.chance.choice((0, len(events)))])
            return
        if not self.mute and self.chance.random() < 0.1:
            end.send(b"2A" + done.to_bytes(4, "big"))  # it is still at it
        some = len(events)
        if some > 1 and self.chance.random() < 0.1:
            some = self.chance.randrange(1, some)
        self._store(events[:some])
        if self.mute:
            self._store(events[some:])
            return
        if self.chance.random() < self.forgets:
            end.abort()
            return
        end.send(b"2A" + (done + some).to_bytes(4, "big"))
        if some < len(events):
            self.answer_later(lambda: self._work(end, events[some:], done + some))

    def _store(self, events: list[Any]) -> None:
        for event in events:
            self.take(str(event.get("message")), event["event"]["sequence"])


class ForwardStore(Framed):
    """A Fluentd, which acknowledges each chunk (Fluent Forward 1)."""

    def parse(self, end: End, buffer: bytearray) -> bool:
        unpacker = msgpack.Unpacker(raw=True, strict_map_key=False, max_buffer_size=1 << 26)
        unpacker.feed(bytes(buffer))
        try:
            message = unpacker.unpack()
        except msgpack.OutOfData:
            return False
        del buffer[: unpacker.tell()]
        entries, options = message[1], message[-1]
        if isinstance(entries, bytes):
            inner = msgpack.Unpacker(raw=True, strict_map_key=False)
            inner.feed(entries)
            entries = list(inner)
        self.answer_later(lambda: self._acknowledge(end, entries, options[b"chunk"]))
        return True

    def _acknowledge(self, end: End, entries: list[Any], chunk: bytes) -> None:
        if end.closed or end.reset:
            return
        if self.fails():
            end.abort()
            return
        for _, record in entries:
            text = (record.get(b"log") or record.get(b"message") or b"").decode()
            self.take(text, record[b"event"][b"sequence"])
        if self.mute:
            return
        if self.chance.random() < self.forgets:
            end.abort()
            return
        end.send(msgpack.packb({"ack": chunk.decode()}))


KINDS: dict[str, tuple[type[Store], str, int]] = {
    "victorialogs": (
        HttpStore,
        'type = "victorialogs"\nurl = "http://{}"\ncompression = "none"',
        9428,
    ),
    "http": (HttpStore, 'type = "http"\nurl = "http://{}/logs"\ncompression = "none"', 8080),
    "syslog": (SyslogStore, 'type = "syslog"\naddress = "tcp://{}"', 601),
    "lumberjack": (LumberjackStore, 'type = "logstash"\naddress = "lumberjack://{}"', 5044),
    "forward": (ForwardStore, 'type = "forward"\naddress = "tcp://{}"', 24224),
}
"""By the name in a plan: who receives, the sink's settings, and the port."""
