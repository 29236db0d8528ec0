"""Polls the stats of each running container: `GET /containers/{id}/stats`.

With API 1.41 and newer a poll is `one-shot`: it takes the Engine 2 to 6 ms instead of the 1 to 2 s
in which it waits for a second reading. A one-shot answer lacks the previous reading
(`precpu_stats`), so it is filled in here. Polling 50 containers each second costs the Engine about
as much as streaming (4.0 % of a core against 2.7 %), and unlike a stream's, the interval can be
longer.

https://docs.docker.com/reference/api/engine/version/v1.45/#operation/ContainerStats
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from pipeline.model.batch import Batch
from pipeline.model.cadvisor import (
    CadvisorSample,
    Number,
    cpu_cores,
    number,
    per_device,
    table,
    working_set,
)
from pipeline.model.container import Container
from pipeline.model.container_state import UNKNOWN, State
from pipeline.model.errors import EngineError
from pipeline.model.metrics import Metrics
from pipeline.model.samples import Inspection, Samples
from pipeline.model.timestamps import split_timestamp, timestamp, to_seconds
from pipeline.sources.docker.discovery.events import action_of
from pipeline.sources.docker.discovery.inspection import read_inspection
from pipeline.sources.docker.discovery.watch import Event
from pipeline.sources.docker.engine.client import Engine, NotFound

ONE_SHOT = (1, 41)
"""First API version that has `one-shot`."""
REQUESTS = 8
"""Most requests at once. One-shot polls of 1,000 containers every 5 s need no more than two."""
SLOW_REQUESTS = 64
"""Most requests at once without one-shot, when a request mostly waits."""
TIMEOUT = 10.0
"""Seconds to wait for an answer."""

BURSTS = 20
"""In how many bursts per interval the containers are asked, at most. Single polls find the agent
and the Engine asleep: for 500 containers every 10 s they took 6.4 % of a core."""

_GOLDEN = (math.sqrt(5) - 1) / 2
"""The golden ratio: its multiples, modulo 1, are evenly spread however many there are."""


class StatsPoller:
    """Reads the stats of each container once per interval, and publishes each reading.

    Containers are spread over the interval in `BURSTS` groups. A container is not asked again
    before it has answered: polls that come late are skipped, not made up for. Errors of one
    container do not delay others and are counted in `dockline_source_errors_total`:
    `stats_unavailable`, `stats_timeout`, `stats_refused` (an answer with status 200 but without
    stats, as Podman gives it for a stopped container) and `stats_late` for each skipped poll.
    """

    def __init__(
        self,
        engine: Engine,
        every: float,
        publish: Callable[[Samples], None],
        metrics: Metrics,
        state: Callable[[str], State] = lambda container_id: UNKNOWN,
    ) -> None:
        """`every` is the interval in seconds. `publish` is called with each reading, in the event
        loop. `state` gives what is known of a container's state, by its id: each reading has it.
        """
        self._engine = engine
        self._every = every
        self._publish = publish
        self._state = state
        self._errors = metrics.source_errors
        self._targets: dict[str, _Target] = {}
        self._queue: asyncio.PriorityQueue[tuple[float, int, _Target]] = asyncio.PriorityQueue()
        self._order = count()

    def add(self, container: Container, inspect: Mapping[str, Any]) -> None:
        """Polls the container from now on.

        `inspect` is the answer to `GET /containers/{id}/json`. For a container that is polled
        already, its facts are replaced.
        """
        inspection = read_inspection(inspect, str(self._engine.info.get("CgroupDriver")))
        target = self._targets.get(container.id)
        if target is not None:
            target.renew(container, inspection)
            return
        target = self._targets[container.id] = _Target(container, inspection)
        order = next(self._order)
        phase = int(order * _GOLDEN % 1 * BURSTS) / BURSTS * self._every
        now = asyncio.get_running_loop().time()
        self._queue.put_nowait((now + (phase - now) % self._every, order, target))

    def remove(self, container_id: str) -> None:
        """Stops polling the container. A reading under way is not published. Unknown ids are
        ignored.
        """
        if target := self._targets.pop(container_id, None):
            target.removed = True

    def observe(self, event: Event) -> None:
        """Takes an event of the Engine. A rename changes what is published."""
        if target := self._targets.get(event["Actor"]["ID"]):
            target.observe(event)

    def polls(self, container_id: str) -> bool:
        """Whether the container is polled."""
        return container_id in self._targets

    def containers(self) -> Iterable[str]:
        """The ids of the containers that are polled: those that run."""
        return self._targets

    async def run(self) -> None:
        """Polls until it is cancelled."""
        requests = REQUESTS if self._engine.api >= ONE_SHOT else SLOW_REQUESTS
        async with asyncio.TaskGroup() as tasks:
            for index in range(requests):
                tasks.create_task(self._work(), name=f"stats {index}")

    async def _work(self) -> None:
        """Polls the containers that are due, one after another. The number of such tasks bounds the
        requests at once.
        """
        loop = asyncio.get_running_loop()
        while True:
            due, order, target = await self._queue.get()
            await asyncio.sleep(due - loop.time())
            if target.removed:
                continue
            await self._poll(target)
            missed = max(0, math.floor((loop.time() - due) / self._every))
            if missed:
                self._errors.labels("stats_late").inc(missed)
            self._queue.put_nowait((due + (1 + missed) * self._every, order, target))

    async def _poll(self, target: _Target) -> None:
        query = {"stream": "0"}
        if self._engine.api >= ONE_SHOT:
            query["one-shot"] = "1"
        try:
            async with asyncio.timeout(TIMEOUT):
                answer = await self._engine.get(f"/containers/{target.container.id}/stats", **query)
        except NotFound:
            return  # the container is gone; `remove` will be called
        except EngineError:
            self._errors.labels("stats_unavailable").inc()
            return
        except TimeoutError:
            self._errors.labels("stats_timeout").inc()
            return
        if target.removed:
            return
        try:
            state = self._state(target.container.id)
            samples = target.take(answer, state) if table(answer, "cpu_stats") else None
        except ValueError:  # an invalid time, such as of month 13
            samples, answer = None, {}
        if not table(answer, "cpu_stats"):
            self._errors.labels("stats_refused").inc()
        elif samples:
            self._publish(samples)


class _Target:
    """A container that is polled, and what its next reading needs from the previous one."""

    __slots__ = ("_before", "_inspection", "_version", "container", "removed")

    def __init__(self, container: Container, inspection: Inspection) -> None:
        self.container = container
        self.removed = False
        self._inspection = replace(inspection, out_of_memory=0)
        self._version = 0
        """Of the state that the inspection has."""
        self._before: dict[str, Any] = {}

    def renew(self, container: Container, inspection: Inspection) -> None:
        """Replaces the facts."""
        self.container = container
        self._inspection, self._version = replace(inspection, out_of_memory=0), 0

    def observe(self, event: Event) -> None:
        """Takes an event of the container."""
        if action_of(event) == "rename":
            name = event["Actor"]["Attributes"]["name"].lstrip("/")
            self.container = replace(self.container, name=name)

    def take(self, answer: Mapping[str, Any], state: State) -> Samples | None:
        """Makes a reading from an answer, with the container's state. None when the container does
        not run: then the Engine sends zeros and a time in year 1.
        """
        time, _ = split_timestamp(str(answer.get("read")).encode(errors="replace"))
        if not time:
            return None
        if state.version != self._version:
            self._version = state.version
            self._inspection = _with_state(self._inspection, state)
        stats = answer
        if not table(table(answer, "precpu_stats"), "cpu_usage").get("total_usage"):
            stats = {**answer, **self._before}
        self._before = {"preread": answer.get("read"), "precpu_stats": answer.get("cpu_stats")}
        return Samples(self.container, to_seconds(time), stats, self._inspection)


def _with_state(inspection: Inspection, state: State) -> Inspection:
    return replace(
        inspection,
        started=state.started if state.started is not None else inspection.started,
        restarts=state.restarts if state.restarts is not None else inspection.restarts,
        health=state.health,
        out_of_memory=state.oom,
        disk=state.disk,
    )


# ------------------------------------------------------------------------------ as entries


def stats_batch(samples: Samples, sequence: int) -> Batch:
    """Makes a reading into a batch of one entry, for routes with `from = ["stats"]`.

    `sequence` is the entry's number. Fields are named as by Metricbeat's docker module:
    `docker.cpu.total.pct` (1.0 is one core), `docker.memory.usage.total` (bytes of the working set)
    and `.pct` (share of `docker.memory.limit`), `docker.memory.rss.total`,
    `docker.network.{inbound,outbound}.{bytes,packets,errors,dropped}` and
    `docker.diskio.{read,write}.bytes` (totals since the container's start, over all interfaces and
    devices), `docker.pids.current`. Fields that were not measured are left out; `cpu` needs a
    previous reading.
    """
    reading = CadvisorSample(samples)
    cores, used = cpu_cores(samples.stats), _memory_in_use(reading)
    fields = {
        "cpu": {"total": {"pct": cores and round(cores, 4)}},
        "memory": _memory(reading, used),
        "network": {"inbound": _network(reading, "rx"), "outbound": _network(reading, "tx")},
        "diskio": {"read": _disk(reading, "read"), "write": _disk(reading, "write")},
        "pids": {"current": number(reading.pids.get("current"))},
    }
    time, _ = split_timestamp(str(samples.stats.get("read")).encode(errors="replace"))
    return Batch(
        samples.container,
        [_sentence(cores, used).encode()],
        [time or timestamp(samples.time)],
        b"\0",
        range(sequence, sequence + 1),
        source="stats",
        fields=[{"docker": _measured(fields)}],
        samples=samples,
    )


def _sentence(cores: float | None, used: Number | None) -> str:
    """The entry's message, such as `cpu 12.3% memory 45.1MiB`. Figures that were not measured are
    left out.
    """
    parts = []
    if cores is not None:
        parts.append(f"cpu {cores * 100:.1f}%")
    if used is not None:
        parts.append(f"memory {used / 2**20:.1f}MiB")
    return " ".join(parts) or "nothing measured"


def _measured(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Removes values that are None, and tables that are empty without them."""
    found = {}
    for key, value in fields.items():
        kept = _measured(value) if isinstance(value, dict) else value
        if kept is not None and kept != {}:
            found[key] = kept
    return found


def _memory_in_use(reading: CadvisorSample) -> Number | None:
    """Bytes in use without the page cache. Podman does not tell the cache, so there they include
    it.
    """
    used = working_set(reading.memory)
    return used if used is not None else number(reading.memory.get("usage"))


def _memory(reading: CadvisorSample, used: Number | None) -> dict[str, Any]:
    limit = number(reading.memory.get("limit"))
    stats = reading.memory_stats
    return {
        "usage": {"total": used, "pct": round(used / limit, 4) if used and limit else None},
        "limit": limit,
        "rss": {"total": number(stats.get("total_rss", stats.get("anon")))},
    }


def _network(reading: CadvisorSample, direction: str) -> dict[str, Any]:
    """Sums over all interfaces."""
    interfaces = [table(reading.networks, name) for name in reading.networks]
    totals = {}
    for what in ("bytes", "packets", "errors", "dropped"):
        values = [number(interface.get(f"{direction}_{what}")) for interface in interfaces]
        counted = [value for value in values if value is not None]
        totals[what] = sum(counted) if counted else None
    return totals


def _disk(reading: CadvisorSample, operation: str) -> dict[str, Any]:
    devices = per_device(reading, "io_service_bytes_recursive", operation)
    return {"bytes": sum(devices.values()) if devices else None}
