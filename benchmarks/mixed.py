"""W4: containers of three kinds that log at a steady pace, as those of a host do.

A third writes JSON, a third access logs, a third plain lines of Java with stack traces. One entry
in twenty is a look at `/health`, one in fifty has an address of mail, one in a hundred each a
password and the number of a card.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.synchronize import Event

from benchmarks.crowd import SLICES, STARTING, TICK, Crowd
from benchmarks.receiver import Receiver

CONTAINERS, RATE, SECONDS = 50, 120.0, 20.0
"""How many there are, lines a second of each, and for how long."""
MARK = b"\n"
"""Once in each entry that comes."""
SECRETS = b"@example.com", b"hunter2", b"4111 1111"
FRAMES = 7
ID = re.compile(rb"c(\d{2})-(\d{6})")

_SPAWN = multiprocessing.get_context("spawn")


def entries_of(place: int, count: int) -> Iterator[tuple[bytes, bool]]:
    """What the container in that place writes: entries of `count` lines together, without the last
    line feed, and whether each should come through the route."""
    kind = (_json, _access, _java)[place % 3]
    number = lines = 0
    while lines < count:
        text, comes = kind(f"c{place:02}-{number:06}", number)
        if (more := text.count("\n") + 1) > count - lines:
            text, comes, more = (
                f"{_TIME},7 INFO  [main] the end of c{place:02}-{number:06}",
                True,
                1,
            )
        yield text.encode(), comes
        number, lines = number + 1, lines + more


_TIME = "2026-11-24 08:00:00"


def _extra(number: int) -> str:
    if number % 50 == 7:
        return " for bob@example.com"
    return " by 4111 1111 1111 1111" if number % 100 == 13 else ""


def _json(name: str, number: int) -> tuple[str, bool]:
    health = number % 20 == 3
    path = "/health" if health else f"/api/items/{number % 50}"
    level, status = ("error", 503) if number % 20 == 11 else ("info", 200)
    secret = ',"password":"hunter2"' if number % 100 == 31 else ""
    return (
        f'{{"ts":"2026-11-24T08:00:00.{number:06}Z","level":"{level}","logger":"shop.orders",'
        f'"msg":"order {name} served{_extra(number)}","path":"{path}","status":{status},'
        f'"duration_ms":{number * 7919 % 500},"trace_id":"{number * 2654435761 % 2**64:016x}"'
        f"{secret}}}"
    ), not health


def _access(name: str, number: int) -> tuple[str, bool]:
    health = number % 20 == 3
    path = "/health" if health else f"/items/{number % 50}?order={name}"
    status = 502 if number % 20 == 11 else 200
    agent = f"Mozilla/5.0 (X11; Linux x86_64){_extra(number)}"
    return (
        f'10.0.{number % 250}.7 - - [24/Nov/2026:08:00:00 +0000] "GET {path} HTTP/1.1" {status} '
        f'{number % 5000} "-" "{agent}"'
    ), not health


def _java(name: str, number: int) -> tuple[str, bool]:
    if number % 5 != 4:
        return f"{_TIME},7 INFO  [main] shop.Orders - order {name} placed{_extra(number)}", True
    frames = "".join(
        f"\n\tat com.example.shop.Orders.step{n}(Orders.java:{n})" for n in range(FRAMES)
    )
    return f"{_TIME},7 ERROR [main] java.lang.IllegalStateException: {name} failed{frames}", True


class Pace:
    """A process that has each container write its lines, once it is told to `go`."""

    def __init__(self, crowd: Crowd, rate: float = RATE, seconds: float = SECONDS) -> None:
        self.each = int(rate * seconds)
        """Lines of each container."""
        self._ready, self._go = _SPAWN.Event(), _SPAWN.Event()
        fifos = [str(crowd.folder / "fifos" / name) for name in crowd.names]
        arguments = fifos, rate, self.each, self._ready, self._go
        self.process = _SPAWN.Process(target=_write, args=arguments, daemon=True)
        self.process.start()
        if not self._ready.wait(STARTING):
            raise TimeoutError("the process that writes does not start")

    def go(self) -> None:
        self._go.set()

    def join(self) -> None:
        """Waits until all is written."""
        self.process.join()


def _write(fifos: Sequence[str], rate: float, each: int, ready: Event, go: Event) -> None:
    texts = [_lines(place, each) for place in range(len(fifos))]
    pipes = [os.open(fifo, os.O_WRONLY | os.O_NONBLOCK) for fifo in fifos]
    done = [0] * len(pipes)
    ready.set()
    go.wait()
    began, step = time.monotonic(), 0
    while min(done) < each:
        late = time.monotonic() - began - step * TICK / SLICES
        if late < 0:
            time.sleep(-late)
        due = min(each, int((time.monotonic() - began) * rate))
        for index in range(step % SLICES, len(pipes), SLICES):
            some = texts[index][done[index] : min(due, done[index] + 10)]
            if some:  # at most 4 KiB, which a pipe takes as a whole or not at all
                with suppress(BlockingIOError):
                    os.write(pipes[index], b"".join(some))
                    done[index] += len(some)
        step += 1


def _lines(place: int, count: int) -> list[bytes]:
    text = b"\n".join(entry for entry, _ in entries_of(place, count)) + b"\n"
    return text.splitlines(keepends=True)


# ------------------------------------------------------------------------------- what came


def expected(containers: int, each: int) -> int:
    """Entries that come through the route."""
    return sum(comes for place in range(containers) for _, comes in entries_of(place, each))


def faults(receiver: Receiver, containers: int, each: int) -> str:
    """What is wrong with the entries that came: each container's in their order, all of them, once,
    and nothing in them that was to be hidden. Empty if nothing is."""
    came: list[list[int]] = [[] for _ in range(containers)]
    secrets = lines = 0
    for connection in receiver.used():
        with connection.content() as content:
            data = bytes(content)
        secrets += sum(data.count(secret) for secret in SECRETS)
        for line in data.split(MARK):
            if found := ID.search(line):
                lines += 1
                came[int(found[1])].append(int(found[2]))
    wanted = [_numbers(place, each) for place in range(containers)]
    wrong = [place for place in range(containers) if came[place] != wanted[place]]
    said = []
    if wrong:
        lost = sum(len(set(wanted[place]) - set(came[place])) for place in wrong)
        more = lines - sum(map(len, wanted)) + lost
        said.append(f"{len(wrong)} of {containers} containers: {lost:,} lost, {more:,} too many")
    if secrets:
        said.append(f"{secrets:,} secrets came")
    return "; ".join(said)


def _numbers(place: int, each: int) -> list[int]:
    found = ((ID.search(text), comes) for text, comes in entries_of(place, each))
    return [int(match[2]) for match, comes in found if match and comes]
