"""The network: hosts' names, listeners, and connections that deliver bytes late, in pieces, and
not always.

One end of a connection is a `Socket` of a process or a `Peer` of the world; neither knows which the
other is.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Iterator
from random import Random
from typing import Protocol

from tests.simulation.world.process import error
from tests.simulation.world.world import World

Where = tuple[str, int] | str
"""An IP address and a port, or the path of a unix socket."""


class Peer(Protocol):
    """The other side of a connection, played by the world."""

    def received(self, end: End, data: bytes) -> None:
        """Bytes have come."""

    def ended(self, end: End, reset: bool) -> None:
        """The agent has closed its end, or has reset the connection."""


class Listener(Protocol):
    """What waits for connections at an address."""

    def accept(self, end: End) -> bool:
        """A connection was made; False refuses it. To set `end.peer`, now or later."""


class Weather:
    """How the network between a host and one address is at the moment."""

    __slots__ = ("latency", "refused", "stalled")

    def __init__(self) -> None:
        self.latency = 0.000_2
        """Seconds that bytes take, some more and some less."""
        self.stalled = False
        """Bytes do not arrive any more, nor does anybody hear why."""
        self.refused = False
        """Nobody listens."""


class End:
    """One end of a connection. What is sent here is received at `other`."""

    __slots__ = (
        "_at",
        "_chance",
        "_queue",
        "capacity",
        "closed",
        "eof",
        "finished",
        "inbox",
        "notify",
        "other",
        "outstanding",
        "peer",
        "reset",
        "weather",
        "where",
        "window",
        "world",
    )  # fmt: skip

    def __init__(self, world: World, chance: Random, weather: Weather) -> None:
        self.world = world
        self.other: End
        self.peer: Peer | None = None
        """Who receives here, if it is the world."""
        self.weather = weather
        self.where: Where = ""
        self.inbox = bytearray()
        """What has arrived and was not read, if a process receives here."""
        self.capacity = 1 << chance.randrange(14, 19)
        """Most bytes that `inbox` takes."""
        self.window = 1 << chance.randrange(14, 18)
        """Most bytes that may be on their way from here."""
        self.outstanding = 0
        """Bytes sent here that have not arrived."""
        self.eof = False
        """The other end sends no more, and all it sent has arrived."""
        self.reset = False
        self.finished = False
        """Nothing more is sent here."""
        self.closed = False
        self.notify: Callable[[], object] | None = None
        """Called when something has changed for whoever waits here."""
        self._queue: deque[bytes] = deque()
        self._chance = chance
        self._at = 0
        """When the last of what was sent arrives."""

    # -------------------------------------------------------------------------------- sending

    def room(self) -> int:
        """How many bytes may be sent."""
        return max(0, self.window - self.outstanding)

    def send(self, data: bytes) -> None:
        """Sends bytes, however many."""
        if self.closed or self.finished or not data:
            return
        self.outstanding += len(data)
        self._queue.append(data)
        self._deliver_later()

    def finish(self) -> None:
        """Says that nothing more is sent."""
        if not (self.finished or self.closed):
            self.finished = True
            self._deliver_later()

    def close(self) -> None:
        """Closes this end: in good order, if all that has come was read."""
        if self.closed:
            return
        if self.inbox:
            self.abort()
            return
        self.finish()
        self.closed = True

    def abort(self) -> None:
        """Resets the connection."""
        if self.closed and self.reset:
            return
        self.closed = self.reset = True
        self._queue.clear()
        if not self.weather.stalled:
            self.world.after(self._delay(), self.other.was_reset)

    def was_reset(self) -> None:
        """The other end has reset the connection."""
        if self.closed or self.reset:
            return
        self.reset = True
        self.inbox.clear()
        self._queue.clear()
        self._changed(reset=True)

    def _delay(self) -> float:
        return self.weather.latency * (0.5 + self._chance.random() ** 3 * 4)

    def _deliver_later(self) -> None:
        if not self._at:
            self._at = 1
            self.world.after(self._delay(), self._deliver)

    def _deliver(self) -> None:
        """Bytes arrive at the other end."""
        self._at = 0
        other = self.other
        if self.reset:
            return
        if self.weather.stalled:
            self._at = 1
            self.world.after(0.2, self._deliver)
            return
        if other.closed:
            if self._queue:
                self.was_reset()  # what arrives at an end that is closed is answered with a reset
            return
        room = other.capacity - len(other.inbox)
        if self._queue and room <= 0:
            return  # `other.read` goes on
        piece = (
            b"".join(self._queue)
            if len(self._queue) > 1
            else self._queue[0]
            if self._queue
            else b""
        )
        self._queue.clear()
        take = min(room, len(piece))
        if take > 1 and self._chance.random() < 0.2:
            take = self._chance.randrange(1, take + 1)
        rest = piece[take:]
        if rest:
            self._queue.append(rest)
            piece = piece[:take]
        self.outstanding -= len(piece)
        if self.outstanding < self.window:
            self._changed()
        if piece:
            if other.peer is not None:
                other.peer.received(other, piece)
            else:
                other.inbox += piece
                other._changed()
        if self._queue:
            self._deliver_later()
        elif self.finished and not other.eof:
            other.eof = True
            other._changed(ended=True)

    # ------------------------------------------------------------------------------ receiving

    def read(self, size: int) -> bytes | None:
        """Takes what has come; None if there is nothing. Empty at the end. Raises `OSError`."""
        if self.reset:
            raise error(errno.ECONNRESET)
        if not self.inbox:
            return b"" if self.eof else None
        was_full = len(self.inbox) >= self.capacity
        data = bytes(self.inbox[:size])
        del self.inbox[:size]
        if was_full or self.other._queue:
            self.other._deliver_later()
        return data

    def _changed(self, *, ended: bool = False, reset: bool = False) -> None:
        if self.peer is not None:
            if ended or reset:
                self.peer.ended(self, reset)
        elif self.notify is not None:
            self.notify()


class Network:
    """All of it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = world.chance("network")
        self.listeners: dict[Where, Listener] = {}
        self.datagrams: dict[Where, Callable[[Where, bytes], object]] = {}
        self.names: dict[str, str] = {}
        """IP addresses by the names of hosts."""
        self._weather: dict[Where, Weather] = {}
        self._port = 40_000
        self.open: dict[End, Where] = {}

    def weather(self, where: Where) -> Weather:
        found = self._weather.get(where)
        if found is None:
            found = self._weather[where] = Weather()
        return found

    def listen(self, name: str, port: int, listener: Listener) -> Where:
        """Has a host of that name, and something that listens there. Returns its address."""
        where = (self.names.setdefault(name, f"10.0.0.{len(self.names) + 1}"), port)
        self.listeners[where] = listener
        return where

    def port(self) -> int:
        self._port += 1
        return self._port

    def connect(self, where: Where, connected: Callable[[End | None, int], object]) -> None:
        """Calls `connected` with this side's end, or with None and an errno, in a while."""
        weather = self.weather(where)
        if weather.stalled:
            return  # nobody answers, and nobody says so
        delay = weather.latency * (1 + 4 * self._chance.random())
        self._world.after(delay, self._connect, where, weather, connected)

    def _connect(
        self, where: Where, weather: Weather, connected: Callable[[End | None, int], object]
    ) -> None:
        listener = self.listeners.get(where)
        if listener is None or weather.refused:
            missing = isinstance(where, str) and listener is None
            connected(None, errno.ENOENT if missing else errno.ECONNREFUSED)
            return
        near = End(self._world, self._chance, weather)
        far = End(self._world, self._chance, weather)
        near.other, far.other = far, near
        near.where, far.where = where, ("10.0.0.254", self.port())
        if not listener.accept(far):
            connected(None, errno.ECONNREFUSED)
            return
        self.open[far] = where
        connected(near, 0)

    def connections(self, where: Where) -> Iterator[End]:
        """The world's ends of what is connected to an address."""
        for end in [end for end in self.open if end.closed or end.reset]:
            del self.open[end]
        return iter([end for end, at in self.open.items() if at == where])


def pair(world: World) -> tuple[End, End]:
    """Two ends of a connection within one process."""
    chance, weather = world.chance("network"), Weather()
    weather.latency = 0.000_001
    one, two = End(world, chance, weather), End(world, chance, weather)
    one.other, two.other = two, one
    return one, two
