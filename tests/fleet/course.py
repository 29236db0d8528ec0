"""One course of events: lines flow, three things are killed in turn, and all lines are counted."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pipeline.testing.agent_process import AgentProcess
from tests.fleet.fleet import HOSTS, Fleet, fleet
from tests.fleet.stored import NOTHING, Stored, missing
from tests.servers.nats import NatsServer

Seen = TypeVar("Seen")

AWAY = 3.0
"""Seconds that what was killed is not there."""


@dataclass
class Kill:
    """`kill -9` of something, and when it was back."""

    what: str
    stored: int
    """Rows in the store at that moment."""
    in_queue: int
    """Messages of the stream."""
    away: float = 0.0


@dataclass
class Outcome:
    """What came of it."""

    written: dict[str, int]
    names: dict[str, str]
    stored: dict[str, Stored]
    kills: list[Kill]
    seconds: float
    """From the first line written until all were in the store, or none came any more."""
    exits: list[int] = field(default_factory=list)
    left_in_queue: int = 0
    """Messages that a hub was still to have, or to acknowledge."""

    @property
    def missing(self) -> int:
        return missing(self.stored, self.written)

    @property
    def repeated(self) -> int:
        return sum(one.repeated for one in self.stored.values())

    @property
    def good(self) -> bool:
        """Every line is there, nobody else's are, and all that ran has ended in good order."""
        return not self.odd()

    def odd(self) -> list[str]:
        """What is not as it should be."""
        found = {
            f"{self.missing:,} lines are missing": self.missing,
            "the store has lines of other containers": self.stored.keys() - self.written.keys(),
            f"agents and hubs have ended with {self.exits}": any(self.exits),
            f"{self.left_in_queue:,} messages were not acknowledged": self.left_in_queue,
        }
        return [what for what, holds in found.items() if holds]

    def table(self) -> str:
        """For people."""
        lines = sum(self.written.values())
        rows = [
            f"{lines:,} lines of {len(self.written)} containers on {HOSTS} hosts, in the store "
            f"after {self.seconds:.0f} s ({lines / self.seconds:,.0f} lines/s)",
            "",
            "| killed | when the store had | messages in the queue | away |",
            "|---|---|---|---|",
        ]
        rows += [
            f"| {one.what} | {one.stored:,} | {one.in_queue:,} | {one.away:.1f} s |"
            for one in self.kills
        ]
        rows += [
            "",
            "| host | written | in the store | missing | repeated |",
            "|---|---|---|---|---|",
        ]
        for host in sorted({name.partition("-")[0] for name in self.names.values()}):
            ids = [it for it, name in self.names.items() if name.startswith(f"{host}-")]
            rows.append(self._row(host, ids))
        rows.append(self._row("all", list(self.names)))
        return "\n".join(rows)

    def _row(self, host: str, ids: list[str]) -> str:
        there = [self.stored.get(one, NOTHING) for one in ids]
        written = sum(self.written[one] for one in ids)
        gone = sum(one.missing(self.written[it]) for it, one in zip(ids, there, strict=True))
        repeated = sum(one.repeated for one in there)
        unique = sum(one.numbers for one in there)
        return f"| {host} | {written:,} | {unique:,} | {gone:,} | {repeated:,} |"


def run(
    folder: Path, lines: int, *, burst: int, patience: float, say: Callable[[str], object] = print
) -> Outcome:
    """Kills a hub at a fifth of the lines, an agent at two fifths and NATS at three fifths. Gives
    up when for `patience` seconds nothing more has come to the store."""
    with fleet(folder) as it:
        say(f"{HOSTS} engines with an agent each, NATS, {len(it.hubs)} hubs and VictoriaLogs run")
        it.write(lines, burst)
        began = time.monotonic()
        say(f"{len(it.written)} containers write {lines:,} lines")
        kills = []
        for fifths, (what, one) in enumerate(
            [("a hub", it.hubs[0]), ("an agent", it.agents[0]), ("NATS", it.nats)], 1
        ):
            _until_stored(it, lines * fifths // 5, patience)
            kill = _kill(it, what, one)
            say(f"{what} was killed when {kill.stored:,} lines were stored, and is back")
            kills.append(kill)
        _settled(it, patience)
        seconds = time.monotonic() - began
        _until_acknowledged(it, patience)
        there = it.stored()
        exits = it.stop()
        return Outcome(it.written, it.names, there, kills, seconds, exits, _left(it))


def _kill(it: Fleet, what: str, one: AgentProcess | NatsServer) -> Kill:
    """Now; it is back when this returns."""
    stream = it.nats.stream("DOCKLINE")
    kill = Kill(what, _rows(it), int(stream["state"]["messages"]) if stream else 0)
    began = time.monotonic()
    if isinstance(one, NatsServer):
        one.kill()
    else:
        one.stop(signal.SIGKILL)
    time.sleep(AWAY)
    one.start()
    kill.away = time.monotonic() - began
    return kill


def _until_stored(it: Fleet, rows: int, patience: float) -> None:
    if not _until(lambda: _rows(it), lambda stored: stored >= rows, patience):
        raise TimeoutError(f"nothing more has come to the store for {patience:g} s:\n{_said(it)}")


def _settled(it: Fleet, patience: float) -> None:
    """When every line is stored, or none has come for long."""

    def stored() -> tuple[int, int]:
        there = it.stored()
        return missing(there, it.written), sum(one.rows for one in there.values())

    _until(stored, lambda now: now[0] == 0, patience, every=1)


def _until_acknowledged(it: Fleet, patience: float) -> None:
    """Or until that gets no further. What a hub had acknowledged when NATS was killed may be
    delivered again, once its time for an acknowledgement is over."""
    _until(lambda: _left(it), lambda left: left == 0, patience)


def _until(
    look: Callable[[], Seen],
    enough: Callable[[Seen], bool],
    patience: float,
    *,
    every: float = 0.3,
) -> bool:
    """Whether what is seen is enough at last, or has not changed for `patience` seconds."""
    last, since = look(), time.monotonic()
    while not enough(last):
        if time.monotonic() - since > patience:
            return False
        time.sleep(every)
        if (now := look()) != last:
            last, since = now, time.monotonic()
    return True


def _left(it: Fleet) -> int:
    """Messages that a hub is still to have, or to acknowledge. The consumers are asked and not the
    stream: NATS (2.10.27), killed, may come back with a message that was acknowledged, which nobody
    is given and nothing removes."""
    consumers = it.nats.consumers("DOCKLINE")
    return sum(one["num_pending"] + one["num_ack_pending"] for one in consumers)


def _rows(it: Fleet) -> int:
    (row,) = it.store.stats("* | stats count() rows") or ({"rows": "0"},)
    return int(row["rows"])


def _said(it: Fleet) -> str:
    """The end of what each process has said."""
    return "\n".join(f"{one.folder.name}: {one.said[-1500:]}" for one in (*it.agents, *it.hubs))
