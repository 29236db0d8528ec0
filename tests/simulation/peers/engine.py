"""A Docker Engine with its containers: the bytes of its API, and the files of its logs.

What it does is what was measured of Engine 26.1: see docs/explain/engine.md, and the tests of
`tests/sources/docker`, which run against the real one.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import orjson

from tests.simulation.peers.http import HttpListener, HttpPeer, Request
from tests.simulation.world.disk import File, Folder
from tests.simulation.world.host import Host
from tests.simulation.world.network import Network
from tests.simulation.world.world import FOREVER, SECOND, World

PIECE = 16_384
"""Bytes of a line that the Engine keeps together."""
RING = 256
"""Events that it keeps."""
PATH = "/simulated/run/docker.sock"
FOLDER = "/simulated/docker"


class Row(NamedTuple):
    """What the Engine keeps of a line, or of a piece of one."""

    time: int
    """Nanoseconds since 1970."""
    stream: int
    """1 for standard output, 2 for standard error."""
    data: bytes
    """With its newline, unless more of the line follows."""

    @property
    def size(self) -> int:
        """Bytes in the file, about."""
        return len(self.data) + 100


class Container:
    """A container, and the log that the Engine has of it."""

    def __init__(
        self, name: str, number: int, chance: Any, *, tty: bool, labels: dict[str, str]
    ) -> None:
        self.id = f"{number:04x}" + f"{chance.getrandbits(240):060x}"
        self.name = name
        self.labels = labels
        self.tty = tty
        self.running = False
        self.removed = False
        self.created = self.started = self.finished = 0
        self.exit_code = 0
        self.restarts = 0
        self.rows: list[Row] = []
        """What is kept, oldest first."""
        self.dropped = 0
        """How many rows rotation has removed."""
        self.gone: list[tuple[int, int]] = []
        """What `dropped` became, and when."""
        self.max_size = 0
        """Bytes of one file of its log; 0 for no rotation."""
        self.max_file = 3
        self.files: list[int] = [0]
        """For each file that is kept, the number of the first row of it, counted from the first
        row of all."""
        self.size = 0
        """Bytes of the newest file."""
        self.followers: list[Follow] = []
        self.open_line: dict[int, bytes] = {}
        """By stream, what was written since the last newline, and is in no row yet."""
        self.open_time: dict[int, int] = {}
        """By stream, the time of the rows of a line whose end is not written yet."""
        self.truncated: Literal["", "short", "long"] = ""
        """How long the log was when something else emptied its file. The Engine has not noticed."""
        self.cut_by_truncation = FOREVER
        """When that was in the middle of a line for the first time."""
        self.log: LogFiles | None = None


class LogFiles:
    """The files of a container's log, and of what the Engine notes of it."""

    def __init__(self, host: Host, one: Container) -> None:
        self._disk = host.disk
        self._host = host
        self._one = one
        self._folder = f"{FOLDER}/containers/{one.id}"
        self._disk.make_folder(self._folder)
        config = {"Config": {"Tty": one.tty}}
        self._make("config.v2.json").data += orjson.dumps(config)
        self._make("hostconfig.json").data += orjson.dumps(_host_config(one))
        self._file = self._make(f"{one.id}-json.log")
        self._sync()

    def append(self, row: Row) -> None:
        line = {
            "log": row.data.decode("utf-8", "replace"),
            "stream": "stdout" if row.stream == 1 else "stderr",
            "time": _stamp(row.time),
        }
        self._file.data += orjson.dumps(line) + b"\n"
        self._changed()

    def _changed(self) -> None:
        file = self._file
        file.changed = self._host.time()
        for inotify, number in list(file.watchers):
            inotify.told(number, 0x2)  # type: ignore[attr-defined]

    def truncate(self) -> None:
        self._file.data.clear()
        self._changed()

    def rotate(self) -> None:
        one = self._one
        folder = self._disk.find(self._folder)
        assert isinstance(folder, Folder)
        name = f"{one.id}-json.log"
        for number in range(one.max_file - 1, 0, -1):
            source = name if number == 1 else f"{name}.{number - 1}"
            moved = folder.names.pop(source, None)
            if isinstance(moved, File):
                replaced = folder.names.get(f"{name}.{number}")
                if isinstance(replaced, File):
                    replaced.links = 0
                folder.names[f"{name}.{number}"] = moved
                for inotify, watch in list(moved.watchers):
                    inotify.told(watch, 0x800)  # type: ignore[attr-defined]
        self._file = self._make(name)
        self._sync()

    def remove(self) -> None:
        folder = self._disk.find(self._folder)
        assert isinstance(folder, Folder)
        for one in folder.names.values():
            if isinstance(one, File):
                one.links = 0
        folder.names.clear()
        self._disk.rmdir(self._folder)
        self._sync()

    def _make(self, name: str) -> File:
        return self._disk.make(f"{self._folder}/{name}", 0o640)

    def _sync(self) -> None:
        """What the Engine has of its own is not what is tested here: it is on the disk."""
        for path in (FOLDER, f"{FOLDER}/containers", self._folder):
            with suppress(OSError):
                self._disk.find(path).sync()


class Follow:
    """A client that follows a log."""

    def __init__(self, container: Container, peer: HttpPeer, next: int) -> None:
        self.container = container
        self.peer = peer
        self.next = next
        """The number of the row to be sent next, counted from the first row of all."""
        self.until = 0
        """The number of the row at which it ends, if the container has ended; it may run again."""
        self.waits = False
        """For room at the client's end."""
        self.most = FOREVER
        """The number of the row from which on it gives none, though there are some."""


class SimulatedEngine:
    """The Engine of a host."""

    def __init__(
        self, world: World, host: Host, network: Network, *, logs_on_disk: bool = False
    ) -> None:
        """`logs_on_disk`: whether its files can be read."""
        self._world = world
        self._host = host
        self._network = network
        self._chance = world.chance("engine")
        self.containers: dict[str, Container] = {}
        self._number = 0
        self._last = 0
        self._ring: deque[tuple[int, bytes, str]] = deque(maxlen=RING)
        self._subscribers: list[tuple[HttpPeer, set[str]]] = []
        self.lose_events = 0.0
        """How likely an event is lost to those who listen."""
        self.delay_events = 0.0
        """Seconds that an event may come late."""
        self.up = True
        self.clock_offset = 0
        """Nanoseconds that its clock is ahead of its host's, where it runs in a virtual machine."""
        self.answer_late = 0.0
        """Seconds that an answer may take."""
        self.wrong: Callable[[Request], tuple[int, str] | None] | None = None
        """Answers that are given instead of the right ones, for a while."""
        self.path = f"{host.name}:{PATH}"
        self._logs_on_disk = logs_on_disk
        for folder in ("/simulated/run", FOLDER, f"{FOLDER}/containers"):
            host.disk.make_folder(folder)
        for folder in ("/", "/simulated", FOLDER):
            host.disk.find(folder).sync()
        network.listeners[self.path] = HttpListener(self._serve)

    # ------------------------------------------------------------------- what happens to it

    def now(self) -> int:
        """Its clock, in nanoseconds since 1970. It gives no time twice, but seldom."""
        time = self._host.time() + self.clock_offset
        if 0 <= self._last - time < SECOND:
            time = self._last + (
                self._chance.randrange(1, 5000) if self._chance.random() < 0.98 else 0
            )
        self._last = time
        return time

    def create(
        self,
        name: str,
        *,
        tty: bool = False,
        labels: dict[str, str] | None = None,
        max_size: int = 0,
        max_file: int = 3,
    ) -> Container:
        self._number += 1
        one = Container(name, self._number, self._chance, tty=tty, labels=labels or {})
        one.created = self.now()
        self.containers[one.id] = one
        one.max_size, one.max_file = max_size, max_file
        if self._logs_on_disk:
            one.log = LogFiles(self._host, one)
        self._emit("create", one)
        return one

    def start(self, one: Container) -> None:
        one.running, one.started, one.truncated = True, self.now(), ""
        self._emit("start", one)

    def die(self, one: Container, code: int = 0) -> None:
        if not one.running:
            return
        for stream in list(one.open_line):
            self._row(one, stream, one.open_line.pop(stream), one.open_time.pop(stream, 0))
        one.open_time.clear()
        one.running, one.finished, one.exit_code = False, self.now(), code
        self._emit("die", one, exitCode=str(code))
        for follow in list(one.followers):
            follow.until = self.total(one)
            self._pump(follow)
            self._world.after(self._chance.random() * 0.02, self._end, follow)

    def remove(self, one: Container) -> None:
        self.die(one, 137)
        one.removed = True
        self.containers.pop(one.id, None)
        if one.log is not None:
            one.log.remove()
        self._emit("destroy", one)

    def rename(self, one: Container, name: str) -> None:
        old, one.name = one.name, name
        self._emit("rename", one, oldName=f"/{old}")

    def total(self, one: Container) -> int:
        """How many rows its log has had."""
        return one.dropped + len(one.rows)

    def write(self, one: Container, text: bytes, stream: int = 1) -> None:
        """A process of the container writes a line, with its newline, or a part of one."""
        data = one.open_line.pop(stream, b"") + text
        lines = data.split(b"\n")
        for line in lines[:-1]:
            whole = line + b"\n"
            time = one.open_time.pop(stream, 0) or self.now()
            while len(whole) > PIECE:
                self._row(one, stream, whole[:PIECE], time)
                whole = whole[PIECE:]
            self._row(one, stream, whole, time)
        rest = lines[-1]
        while len(rest) >= PIECE:
            time = one.open_time.get(stream) or self.now()
            one.open_time[stream] = time
            self._row(one, stream, rest[:PIECE], time)
            rest = rest[PIECE:]
        if rest:
            one.open_line[stream] = rest
        for follow in list(one.followers):
            self._pump(follow)

    def _row(self, one: Container, stream: int, data: bytes, time: int = 0) -> None:
        time = time or self.now()
        row = Row(time, 1 if one.tty else stream, data)
        if one.max_size and one.size + row.size > one.max_size and one.size:
            one.files.append(one.dropped + len(one.rows))
            one.size = 0
            if one.log is not None:
                one.log.rotate()
            if len(one.files) > one.max_file:
                one.files.pop(0)
                gone = one.files[0] - one.dropped
                del one.rows[:gone]
                one.dropped += gone
                one.gone.append((one.dropped, self._world.now))
        one.size += row.size
        one.rows.append(row)
        if one.log is not None:
            one.log.append(row)

    def truncate(self, one: Container) -> None:
        """Something else empties the log's file, of a log that is not rotated. By its own count the
        Engine is behind what is written then: streams give what there is when they are opened, and
        the end of the log is searched for in vain, or without end if it was long."""
        if not one.size:
            return
        one.truncated = "long" if one.size > 1000 else "short"
        if one.open_time:
            one.cut_by_truncation = min(one.cut_by_truncation, self._world.now)
        one.dropped += len(one.rows)
        one.rows.clear()
        one.files[:], one.size = [one.dropped], 0
        one.gone.append((one.dropped, self._world.now))
        for follow in one.followers:
            follow.most = follow.next
        if one.log is not None:
            one.log.truncate()

    def stop_answering(self) -> None:
        """The Engine ends: all connections close, and the socket is gone."""
        self.up = False
        self._network.listeners.pop(self.path, None)
        for end in list(self._network.connections(self.path)):
            end.abort() if self._chance.random() < 0.5 else end.close()
        for one in self.containers.values():
            one.followers.clear()
        self._subscribers.clear()
        self._ring.clear()

    def answer_again(self) -> None:
        """It answers, and may have forgotten what has happened meanwhile."""
        self.up = True
        for one in self.containers.values():
            one.truncated = ""  # it opens the files anew, and sees where they end
        if self._chance.random() < 0.5:
            self._ring.clear()
        self._network.listeners[self.path] = HttpListener(self._serve)

    def cut_events(self) -> None:
        """Ends all streams of events."""
        for peer, _ in self._subscribers:
            peer.end.abort() if self._chance.random() < 0.5 else peer.finish()
        self._subscribers.clear()

    def cut_logs(self) -> None:
        """Cuts most streams of logs, each with what was sent of it so far."""
        for one in self.containers.values():
            for follow in list(one.followers):
                if self._chance.random() < 0.7:
                    one.followers.remove(follow)
                    end = follow.peer.end
                    end.abort() if self._chance.random() < 0.5 else end.close()

    # -------------------------------------------------------------------------------- events

    def _emit(self, action: str, one: Container, **attributes: str) -> None:
        time = self.now()
        event = {
            "Type": "container",
            "Action": action,
            "Actor": {
                "ID": one.id,
                "Attributes": {"name": one.name, "image": "busybox", **one.labels, **attributes},
            },
            "time": time // SECOND,
            "timeNano": time,
        }
        line = orjson.dumps(event) + b"\n"
        self._ring.append((time, line, action))
        if self._chance.random() < self.lose_events:
            return
        late = self._chance.random() * self.delay_events
        if late:
            self._world.after(late, self._tell, action, line)
        else:
            self._tell(action, line)

    def _tell(self, action: str, line: bytes) -> None:
        for peer, actions in self._subscribers:
            if action in actions:
                peer.more(line)

    def _events(self, peer: HttpPeer, request: Request) -> None:
        filters = orjson.loads(request.query.get("filters", "{}"))
        actions = set(filters.get("event", ()))
        peer.begin(Content_Type="application/json")
        if "since" in request.query:
            since = _nanoseconds(request.query["since"])
            for time, line, action in self._ring:
                if time >= since and action in actions:
                    peer.more(line)
        subscriber = peer, actions
        self._subscribers.append(subscriber)

        def gone() -> None:
            if subscriber in self._subscribers:
                self._subscribers.remove(subscriber)

        peer.closed = gone

    # ------------------------------------------------------------------------------- serving

    def _serve(self, peer: HttpPeer, request: Request) -> None:
        late = 0.000_3 + self._chance.random() * self.answer_late
        self._world.after(late, self._reply, peer, request)

    def _reply(self, peer: HttpPeer, request: Request) -> None:
        if peer.end.closed or not self.up:
            return
        if self.wrong is not None and (wrong := self.wrong(request)) is not None:
            peer.answer_json({"message": wrong[1]}, wrong[0])
            return
        path = request.path
        if path.startswith("/v1."):
            path = path[path.index("/", 1) :]
        if path == "/_ping":
            peer.answer(200, b"OK", Api_Version="1.45", Content_Type="text/plain")
        elif path == "/info":
            peer.answer_json(
                {
                    "ID": f"engine-of-{self._host.name}",
                    "Name": self._host.name,
                    "SystemTime": _stamp(self.now()),
                    "DockerRootDir": FOLDER,
                    "NCPU": 2,
                    "MemTotal": 8 << 30,
                    "ServerVersion": "26.1.5",
                }
            )
        elif path == "/containers/json":
            everything = request.query.get("all") == "1"
            peer.answer_json(
                [_listed(one) for one in self.containers.values() if everything or one.running]
            )
        elif path == "/events":
            self._events(peer, request)
        elif path.startswith("/containers/"):
            _, _, key, what = path.split("/", 3)
            one = self.containers.get(key)
            if one is None:
                peer.answer_json({"message": f"No such container: {key}"}, 404)
            elif what == "json":
                peer.answer_json(_inspected(one))
            elif what == "logs":
                self._logs(one, peer, request)
            else:
                peer.answer_json({"message": "page not found"}, 404)
        else:
            peer.answer_json({"message": "page not found"}, 404)

    def _logs(self, one: Container, peer: HttpPeer, request: Request) -> None:
        query = request.query
        kind = "raw" if one.tty else "multiplexed"
        peer.begin(Content_Type=f"application/vnd.docker.{kind}-stream")
        rows, first = one.rows, 0
        if "tail" in query and one.truncated:
            if one.truncated == "short":
                peer.finish()
            return
        if tail := int(query.get("tail", "-1")) + 1:
            first = max(0, len(rows) - tail + 1)
        if "since" in query:
            since = _nanoseconds(query["since"])
            while first < len(rows) and rows[first].time < since:
                first += 1
        until = _nanoseconds(query["until"]) if "until" in query else None
        follow = Follow(one, peer, one.dropped + first)
        if query.get("follow") == "1" and until is None:
            if one.truncated:
                follow.most = self.total(one)
            self._pump(follow)
            one.followers.append(follow)

            def gone() -> None:
                if follow in one.followers:
                    one.followers.remove(follow)

            peer.closed = gone
            if not one.running:
                follow.until = self.total(one)
                self._end(follow)
        else:
            sent = []
            for row in rows[first:]:
                if until is not None and row.time > until:
                    break
                sent.append(_frame(row, one.tty))
            peer.more(b"".join(sent))
            peer.finish()

    def _pump(self, follow: Follow) -> None:
        """Sends what is there. A client that does not read is waited for, and rotation may jump
        over what it has not read."""
        one, end = follow.container, follow.peer.end
        if end.closed:
            return
        if follow.next < one.dropped:  # skipped, with no sign to the client
            follow.next = one.files[-1]
        room = end.room()
        rows = one.rows
        index, last = follow.next - one.dropped, min(len(rows), follow.most - one.dropped)
        if index >= last:
            return
        if room <= 0:
            self._pump_later(follow, 0.05)
            return
        out = []
        while index < last and room > 0:
            frame = _frame(rows[index], one.tty)
            out.append(frame)
            room -= len(frame)
            index += 1
        follow.next = one.dropped + index
        follow.peer.more(b"".join(out))
        if index < last:
            self._pump_later(follow, 0.01)

    def _pump_later(self, follow: Follow, seconds: float) -> None:
        if not follow.waits:
            follow.waits = True
            self._world.after(seconds, self._pump_again, follow)

    def _pump_again(self, follow: Follow) -> None:
        follow.waits = False
        if self.up:
            self._pump(follow)

    def _end(self, follow: Follow) -> None:
        one = follow.container
        if follow not in one.followers:
            return
        if follow.next < min(follow.until, follow.most):
            self._pump(follow)
            self._world.after(0.05, self._end, follow)
            return
        one.followers.remove(follow)
        follow.peer.finish()


def _frame(row: Row, tty: bool) -> bytes:
    data = _stamp(row.time).encode() + b" " + row.data
    if tty:
        return data.replace(b"\n", b"\r\n")
    return struct.pack(">BxxxI", row.stream, len(data)) + data


def _stamp(time: int) -> str:
    if time <= 0:
        return "0001-01-01T00:00:00Z"
    return f"{_second(time // SECOND)}.{time % SECOND:09d}Z"


@lru_cache(4096)
def _second(time: int) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%S}"


def _nanoseconds(text: str) -> int:
    seconds, _, fraction = text.partition(".")
    return int(seconds) * SECOND + int(fraction.ljust(9, "0")[:9] or 0)


def _host_config(one: Container) -> dict[str, Any]:
    config: dict[str, str] = {}
    if one.max_size:
        config = {"max-size": str(one.max_size), "max-file": str(one.max_file)}
    return {"LogConfig": {"Type": "json-file", "Config": config}}


def _state(one: Container) -> str:
    return "running" if one.running else "exited" if one.finished else "created"


def _listed(one: Container) -> dict[str, Any]:
    return {
        "Id": one.id,
        "Names": [f"/{one.name}"],
        "Image": "busybox",
        "ImageID": "sha256:" + "ab" * 32,
        "Labels": one.labels,
        "State": _state(one),
        "Status": "Up" if one.running else "Exited",
        "Created": one.created // SECOND,
    }


def _inspected(one: Container) -> dict[str, Any]:
    return {
        "Id": one.id,
        "Name": f"/{one.name}",
        "Created": _stamp(one.created),
        "Image": "sha256:" + "ab" * 32,
        "RestartCount": one.restarts,
        "State": {
            "Status": _state(one),
            "Running": one.running,
            "Paused": False,
            "Restarting": False,
            "OOMKilled": False,
            "ExitCode": one.exit_code,
            "StartedAt": _stamp(one.started),
            "FinishedAt": _stamp(one.finished),
        },
        "Config": {"Image": "busybox", "Labels": one.labels, "Tty": one.tty, "Env": []},
        "HostConfig": _host_config(one),
        "LogPath": f"{FOLDER}/containers/{one.id}/{one.id}-json.log",
        "NetworkSettings": {"Networks": {}},
        "Mounts": [],
    }
