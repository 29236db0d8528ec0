"""Hundreds of real containers that say nothing, until they are given lines to log.

Each runs `cat` on a FIFO that is kept open here, so that one process of ours can have all of them
log at a steady pace, and knows how many lines each was given.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path

from benchmarks.checking import LINE
from benchmarks.lines import LENGTH, line_of
from benchmarks.receiver import Receiver
from pipeline.testing.docker_client import DockerClient
from pipeline.testing.private_engine import PrivateEngine

ALONE = "alone"
"""One more container, that may log as much as all others together."""
PREFIX = "crowd-"
TICK = 0.02
"""Seconds between two writes to one container."""
SLICES = 20
"""Of a tick: containers are written to one after the other, as hosts have it, not all at once."""
STARTING = 30.0
"""Seconds that the process which writes has to begin."""
F_SETPIPE_SZ = 1031
ROTATION = ("--log-opt", "max-file=2", "--log-opt")
"""So that a log which was written to before is soon looked through for where to begin."""

_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Crowd:
    """The containers of an Engine that were made by `crowd_of`, in whatever process."""

    engine: DockerClient
    count: int

    @property
    def names(self) -> list[str]:
        return [f"{PREFIX}{number:04}" for number in range(self.count)]

    @property
    def folder(self) -> Path:
        """Of the Engine."""
        return Path(self.engine.url.removeprefix("unix://")).parent

    @property
    def dockerd(self) -> int:
        return int((self.folder / "pid").read_text())

    def say(self, names: Iterable[str], line: bytes) -> None:
        """Each of them logs that line."""
        for name in names:
            pipe = os.open(self.folder / "fifos" / name, os.O_WRONLY | os.O_NONBLOCK)
            os.write(pipe, line + b"\n")
            os.close(pipe)


@contextmanager
def crowd_of(count: int) -> Iterator[Crowd]:
    """Starts an Engine with them: four a second, on two cores."""
    with PrivateEngine() as engine:
        engine.import_busybox()
        fifos = engine.directory / "fifos"
        fifos.mkdir()
        crowd = Crowd(engine, count)
        pipes = [_fifo(fifos / name) for name in (ALONE, *crowd.names)]

        def start(name: str) -> None:
            size = "max-size=200m" if name == ALONE else "max-size=1m"
            engine.docker(
                "run", "--detach", "--network", "none", "--name", name, *ROTATION, size,
                "--volume", f"{fifos}:/fifos:ro", "busybox:local", "cat", f"/fifos/{name}",
            )  # fmt: skip

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(start, (ALONE, *crowd.names)))
        try:
            yield crowd
        finally:
            for pipe in pipes:
                os.close(pipe)


def _fifo(path: Path) -> int:
    """Open for reading too, so that nobody waits for the other end, or sees it close."""
    os.mkfifo(path)
    pipe = os.open(path, os.O_RDWR)
    if path.name == ALONE:
        fcntl.fcntl(pipe, F_SETPIPE_SZ, 1 << 20)
    return pipe


# ------------------------------------------------------------------------------ at a pace


class Pace:
    """A process that has each container log `rate` lines a second, for `seconds`, after `go`.

    The lines are those of `benchmarks.lines`, numbered from 0 in each container.
    """

    def __init__(self, crowd: Crowd, names: Sequence[str], rate: float, seconds: float) -> None:
        self.each = int(rate * seconds)
        """Lines of each container."""
        self.took = 0.0
        """Seconds that it took, once it has joined: more than `seconds` if Docker was too slow."""
        self._ready, self._go = _SPAWN.Event(), _SPAWN.Event()
        self._took = _SPAWN.Value("d", 0.0)
        fifos = [str(crowd.folder / "fifos" / name) for name in names]
        self.process = _SPAWN.Process(
            target=_write,
            args=(fifos, rate, self.each, self._ready, self._go, self._took),
            daemon=True,
        )
        self.process.start()
        if not self._ready.wait(STARTING):
            raise TimeoutError("the process that writes does not start")

    def go(self) -> None:
        self._go.set()

    def join(self) -> None:
        """Waits until all is written."""
        self.process.join()
        self.took = float(self._took.value)


def _write(
    fifos: Sequence[str],
    rate: float,
    each: int,
    ready: Event,
    go: Event,
    took: Synchronized[float],
) -> None:
    text = memoryview("".join(map(line_of, range(each))).encode())
    pipes = [os.open(fifo, os.O_WRONLY | os.O_NONBLOCK) for fifo in fifos]
    done, size = [0] * len(pipes), LENGTH + 1
    ready.set()
    go.wait()
    began, step = time.monotonic(), 0
    while min(done) < len(text):
        late = time.monotonic() - began - step * TICK / SLICES
        if late < 0:
            time.sleep(-late)
        due = min(each, int((time.monotonic() - began) * rate)) * size
        for index in range(step % SLICES, len(pipes), SLICES):
            if done[index] < due:
                with suppress(BlockingIOError):
                    done[index] += os.write(pipes[index], text[done[index] : due])
        step += 1
    took.value = time.monotonic() - began


# ------------------------------------------------------------------------------- what came

_MESSAGE = re.compile(rb" (\S+) \S+ \S+ \S+ " + LINE.pattern)


def faults(receiver: Receiver, names: Sequence[str], each: int) -> str:
    """What is wrong with the syslog messages that came: each container's lines in their order, all
    of them, once. Empty if nothing is."""
    came: dict[bytes, list[int]] = {name.encode(): [] for name in names}
    for connection in receiver.used():
        with connection.content() as content:
            for name, number in _MESSAGE.findall(content):
                if name in came:
                    came[name].append(int(number))
    wanted = list(range(each))
    wrong = [name.decode() for name, numbers in came.items() if numbers != wanted]
    if not wrong:
        return ""
    lost = sum(len(set(wanted) - set(came[name.encode()])) for name in wrong)
    return f"{len(wrong)} of {len(names)} containers, such as {wrong[0]}; {lost:,} lines lost"
