"""Sockets, epoll and inotify as a process sees them."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from collections.abc import Iterable
from random import Random
from typing import Any

from tests.simulation.world.disk import File
from tests.simulation.world.files import Files
from tests.simulation.world.network import End, Network, Where, pair
from tests.simulation.world.process import Process, Strand, error
from tests.simulation.world.world import SECOND, World

IN, OUT, HUP, ERR, RDHUP = (
    select.EPOLLIN, select.EPOLLOUT, select.EPOLLHUP, select.EPOLLERR, select.EPOLLRDHUP,
)  # fmt: skip


class Handle:
    """Something that epoll can wait for."""

    __slots__ = ("watched_by",)

    def __init__(self) -> None:
        self.watched_by: dict[Epoll, int] = {}
        """The epolls that wait for it, and its descriptor there."""

    def events(self) -> int:
        """What it is ready for."""
        return 0

    def changed(self) -> None:
        """Tells whoever waits for it to look again."""
        for epoll, descriptor in self.watched_by.items():
            epoll.changed(descriptor)

    def closed(self) -> None:
        """Nobody has it open any more."""
        for epoll, descriptor in self.watched_by.items():
            epoll.gone(descriptor)
        self.watched_by.clear()


class Socket(Handle):
    """As `socket.socket`: what asyncio and the agent use of it."""

    __slots__ = (
        "__weakref__",
        "_connecting",
        "_datagrams",
        "_descriptor",
        "_end",
        "_error",
        "_local",
        "_network",
        "_options",
        "_process",
        "_remote",
        "_sockets",
        "_waiting",
        "family",
        "proto",
        "type",
    )  # fmt: skip

    def __init__(
        self,
        sockets: Sockets,
        family: int = -1,
        type: int = -1,
        proto: int = -1,
        end: End | None = None,
    ) -> None:
        super().__init__()
        self._sockets = sockets
        self._network = sockets.network
        self._process: Process = sockets.process()
        self._process.called()
        self.family = socket.AF_INET if family == -1 else family
        self.type = socket.SOCK_STREAM if type == -1 else type & 0xF
        self.proto = max(proto, 0)
        self._end = end
        self._connecting = False
        self._error = 0
        self._local: Where = ("", 0)
        self._remote: Where | None = None
        self._options: dict[tuple[int, int], Any] = {}
        self._waiting: list[End] | None = None
        """Connections that wait to be accepted, if it listens."""
        self._datagrams: list[tuple[Where, bytes]] = []
        self._descriptor = sockets.files.register(self)
        if end is not None:
            end.notify = self.changed

    def fileno(self) -> int:
        return self._descriptor

    def setblocking(self, flag: bool) -> None:
        pass

    def gettimeout(self) -> float | None:
        return 0.0

    def settimeout(self, value: float | None) -> None:
        pass

    def setsockopt(self, level: int, option: int, value: Any, length: int = 0) -> None:
        self._options[level, option] = value

    def getsockopt(self, level: int, option: int, size: int = 0) -> Any:
        if (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR):
            code, self._error = self._error, 0
            return code
        return self._options.get((level, option), 0)

    def getsockname(self) -> Any:
        return self._local

    def getpeername(self) -> Any:
        if self._remote is None:
            raise error(errno.ENOTCONN)
        return self._remote

    def bind(self, where: Any) -> None:
        if isinstance(where, tuple):
            where = (where[0] or "0.0.0.0", where[1] or self._network.port())
        self._local = where

    def listen(self, backlog: int = 128) -> None:
        if self._local in self._network.listeners:
            raise error(errno.EADDRINUSE)
        self._waiting = []
        self._network.listeners[self._local] = self

    def accept_end(self, end: End) -> bool:
        assert self._waiting is not None
        self._waiting.append(end)
        self.changed()
        return True

    def accept(self, end: End | None = None) -> Any:
        if end is not None:  # called by the network
            return self.accept_end(end)
        self._process.called()
        if not self._waiting:
            raise BlockingIOError(errno.EAGAIN, "nobody has connected")
        end = self._waiting.pop(0)
        made = Socket(self._sockets, self.family, self.type, self.proto, end)
        made._local, made._remote = self._local, end.where
        return made, end.where

    def connect(self, where: Any) -> None:
        self._process.called()
        if self.type == socket.SOCK_DGRAM:
            self._remote = where
            return
        if self._connecting or self._end is not None:
            raise error(errno.EALREADY)
        if isinstance(where, bytes):
            where = os.fsdecode(where)
        self._remote = where if isinstance(where, str) else where[:2]
        if isinstance(self._remote, str):
            self._remote = f"{self._process.host.name}:{where}"
        self._connecting = True
        self._network.connect(self._remote, self._connected)
        raise BlockingIOError(errno.EINPROGRESS, "it is being connected")

    def connect_ex(self, where: Any) -> int:
        try:
            self.connect(where)
        except OSError as problem:
            return problem.errno or 0
        return 0

    def _connected(self, end: End | None, code: int) -> None:
        self._connecting = False
        if self._descriptor < 0:
            if end is not None:
                end.close()
            return
        self._end, self._error = end, code
        if end is not None:
            end.notify = self.changed
            self._local = ("10.0.0.254", self._network.port())
        self.changed()

    def events(self) -> int:
        if self._waiting is not None:
            return IN if self._waiting else 0
        if self.type == socket.SOCK_DGRAM:
            return OUT | (IN if self._datagrams else 0)
        if self._connecting:
            return 0
        end = self._end
        if end is None:
            return (OUT | IN | HUP | ERR) if self._error else (OUT | HUP)
        ready = 0
        if end.inbox or end.eof or end.reset:
            ready |= IN
        if end.room() or end.reset:
            ready |= OUT
        if end.eof:
            ready |= RDHUP
        if end.reset:
            ready |= HUP | ERR | RDHUP
        return ready

    # ---------------------------------------------------------------------------------- bytes

    def _open(self) -> End:
        self._process.called()
        if self._descriptor < 0:
            raise error(errno.EBADF)
        if self._end is None:
            if self._error:
                code, self._error = self._error, 0
                raise error(code)
            raise error(errno.ENOTCONN)
        return self._end

    def send(self, data: Any, flags: int = 0) -> int:
        data = bytes(data)
        if self.type == socket.SOCK_DGRAM:
            return self._send_datagram(data)
        end = self._open()
        if end.reset:
            raise error(errno.EPIPE)
        if end.finished:
            raise error(errno.EPIPE)
        room = end.room()
        if not room:
            raise BlockingIOError(errno.EAGAIN, "it is full")
        chance = self._sockets.chance
        if len(data) > 1 and chance.random() < 0.05:
            room = min(room, chance.randrange(1, len(data) + 1))
        end.send(data[:room])
        return min(len(data), room)

    def sendmsg(self, buffers: Iterable[Any], *_: Any) -> int:
        return self.send(b"".join(bytes(one) for one in buffers))

    def sendall(self, data: Any, flags: int = 0) -> None:
        self.send(data)

    def _send_datagram(self, data: bytes) -> int:
        self._process.called()
        if self._error:
            code, self._error = self._error, 0
            raise error(code)
        if len(data) > 65_507:
            raise error(errno.EMSGSIZE)
        where = self._remote
        assert where is not None
        where = where if isinstance(where, str) else where[:2]  # type: ignore[assignment]
        taken = self._network.datagrams.get(where)
        weather = self._network.weather(where)
        if taken is None or weather.refused:
            self._sockets.world.after(weather.latency, self._refused)
        elif not weather.stalled:
            self._sockets.world.after(weather.latency, taken, self._local, data)
        return len(data)

    def _refused(self) -> None:
        self._error = errno.ECONNREFUSED
        self.changed()

    def recv(self, size: int, flags: int = 0) -> bytes:
        if self.type == socket.SOCK_DGRAM:
            self._process.called()
            if not self._datagrams:
                raise BlockingIOError(errno.EAGAIN, "nothing has come")
            return self._datagrams.pop(0)[1][:size]
        end = self._open()
        if flags & socket.MSG_PEEK:
            if not end.inbox and not end.eof:
                raise BlockingIOError(errno.EAGAIN, "nothing has come")
            return bytes(end.inbox[:size])
        chance = self._sockets.chance
        if size > 1 and len(end.inbox) > 1 and chance.random() < 0.05:
            size = chance.randrange(1, min(size, len(end.inbox)) + 1)
        data = end.read(size)
        if data is None:
            raise BlockingIOError(errno.EAGAIN, "nothing has come")
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        view = memoryview(buffer).cast("B")
        data = self.recv(nbytes or len(view), flags)
        view[: len(data)] = data
        return len(data)

    def shutdown(self, how: int) -> None:
        end = self._open()
        if how != socket.SHUT_RD:
            end.finish()

    def close(self) -> None:
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        process = self._process
        process.descriptors.discard(descriptor)
        if process.host.open.pop(descriptor, None) is not None:
            self.closed()

    def detach(self) -> int:
        descriptor, self._descriptor = self._descriptor, -1
        return descriptor

    def closed(self) -> None:
        super().closed()
        if self._waiting is not None:
            if self._network.listeners.get(self._local) is self:
                del self._network.listeners[self._local]
            for end in self._waiting:
                end.abort()
        if self._end is not None:
            self._end.notify = None
            self._end.close()

    def unacknowledged(self) -> int:
        """Bytes that the other side's kernel does not have."""
        return self._end.outstanding if self._end is not None else 0

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Epoll:
    """As `select.epoll`."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._files = sockets.files
        self._chance: Random = sockets.process().scheduling
        self._wanted: dict[int, tuple[Handle, int]] = {}
        self._maybe: dict[int, None] = {}
        """Descriptors that may be ready."""
        self._waiting: Strand | None = None
        self._descriptor = sockets.files.register(self)

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        self._files.forget(self._descriptor)
        self.closed()

    def closed(self) -> None:
        for handle, _ in self._wanted.values():
            handle.watched_by.pop(self, None)
        self._wanted.clear()
        self._maybe.clear()

    def register(self, descriptor: int, events: int) -> None:
        handle = self._files.handle(descriptor)
        if descriptor in self._wanted:
            raise error(errno.EEXIST)
        handle.watched_by[self] = descriptor
        self._wanted[descriptor] = handle, events
        self._maybe[descriptor] = None

    def modify(self, descriptor: int, events: int) -> None:
        if descriptor not in self._wanted:
            raise error(errno.ENOENT)
        self._wanted[descriptor] = self._wanted[descriptor][0], events
        self._maybe[descriptor] = None

    def unregister(self, descriptor: int) -> None:
        found = self._wanted.pop(descriptor, None)
        if found is None:
            raise error(errno.ENOENT)
        found[0].watched_by.pop(self, None)
        self._maybe.pop(descriptor, None)

    def gone(self, descriptor: int) -> None:
        self._wanted.pop(descriptor, None)
        self._maybe.pop(descriptor, None)

    def changed(self, descriptor: int) -> None:
        handle, wanted = self._wanted[descriptor]
        if handle.events() & (wanted | HUP | ERR):
            self._maybe[descriptor] = None
            if self._waiting is not None:
                self._waiting.wake()

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[tuple[int, int]]:
        """Lets others act, at least for a moment, and then says what is ready."""
        strand: Strand = self._sockets.world.current
        strand.process.called()
        if timeout == 0 or self._ready():
            strand.sleep(int(self._chance.random() ** 4 * 100_000) + 1_000)
        else:
            until = None
            if timeout is not None and timeout >= 0:
                until = self._sockets.world.now + int(timeout * SECOND) + 1
            self._waiting = strand
            changed = strand.wait(until)
            self._waiting = None
            if not changed:
                return []
        found = self._ready()
        if len(found) > 1:
            self._chance.shuffle(found)
        return found

    def _ready(self) -> list[tuple[int, int]]:
        found = []
        for descriptor in list(self._maybe):
            handle, wanted = self._wanted[descriptor]
            events = handle.events() & (wanted | HUP | ERR)
            if events:
                found.append((descriptor, events))
            else:
                del self._maybe[descriptor]
        return found


class Poll:
    """As `select.poll`, to ask at once."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._of: list[tuple[int, int]] = []

    def register(self, what: Any, events: int) -> None:
        self._of.append((what if isinstance(what, int) else what.fileno(), events))

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        found = []
        for descriptor, wanted in self._of:
            handle = self._files.handle(descriptor)
            events = handle.events() if isinstance(handle, Handle) else IN | OUT
            if events & (wanted | HUP | ERR):
                found.append((descriptor, events & (wanted | HUP | ERR)))
        return found


class Inotify(Handle):
    """An inotify instance, and the calls of libc that are made for one."""

    __slots__ = ("_events", "_files", "_number", "_sockets", "_watches", "descriptor")

    def __init__(self, sockets: Sockets) -> None:
        super().__init__()
        self._sockets = sockets
        self._events: list[bytes] = []
        self._watches: dict[int, tuple[File, int]] = {}
        self._number = 0
        self.descriptor = sockets.files.register(self)

    def add(self, descriptor: int, mask: int) -> int:
        file = self._sockets.files.file(descriptor).file
        assert isinstance(file, File)
        for number, (one, _) in self._watches.items():
            if one is file:
                self._watches[number] = file, mask
                return number
        self._number += 1
        self._watches[self._number] = file, mask
        file.watchers.append((self, self._number))
        return self._number

    def remove(self, number: int) -> int:
        found = self._watches.pop(number, None)
        if found is None:
            return -1
        found[0].watchers.remove((self, number))
        return 0

    def told(self, number: int, mask: int) -> None:
        """Something has happened to a file that is watched."""
        if self._watches[number][1] & mask:
            event = struct.pack("iIII", number, mask, 0, 0)
            if not self._events or self._events[-1] != event:
                self._events.append(event)
                self.changed()

    def take(self, size: int) -> bytes:
        """The events so far. Raises `OSError` if there are none."""
        if not self._events:
            raise BlockingIOError(errno.EAGAIN, "nothing has happened")
        data = b"".join(self._events[: size // 16])
        del self._events[: size // 16]
        return data

    def events(self) -> int:
        return IN if self._events else 0

    def closed(self) -> None:
        super().closed()
        for number in list(self._watches):
            self.remove(number)


class Sockets:
    """Makes sockets and epolls for whichever process acts."""

    def __init__(self, world: World, files: Files, network: Network) -> None:
        self.world = world
        self.files = files
        self.network = network
        self.chance = world.chance("sockets")

    def process(self) -> Process:
        return self.world.current.process  # type: ignore[no-any-return]

    def pair(self) -> tuple[Socket, Socket]:
        one, two = pair(self.world)
        return (
            Socket(self, socket.AF_UNIX, socket.SOCK_STREAM, 0, one),
            Socket(self, socket.AF_UNIX, socket.SOCK_STREAM, 0, two),
        )

    def addresses(self, host: str, port: Any, family: int, type: int) -> list[Any]:
        """As `socket.getaddrinfo`."""
        strand = self.world.current
        strand.process.called()
        if strand.name != "main":
            strand.sleep(int(self.chance.random() * 2_000_000))
        address = host if host[:1].isdigit() else self.network.names.get(host)
        if address is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        type = type or socket.SOCK_STREAM
        protocol = socket.IPPROTO_UDP if type == socket.SOCK_DGRAM else socket.IPPROTO_TCP
        return [(socket.AF_INET, type, protocol, "", (address, int(port or 0)))]
