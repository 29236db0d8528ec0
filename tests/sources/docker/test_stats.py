"""Every container that runs is read once per interval, and none disturbs another."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from pipeline.model.cadvisor import cpu_cores
from pipeline.model.container import Container
from pipeline.model.errors import EngineError
from pipeline.model.metrics import Metrics
from pipeline.model.samples import Samples
from pipeline.sources.docker.engine.client import Engine, NotFound
from pipeline.sources.docker.engine.endpoint import resolve
from pipeline.sources.docker.lifecycle.states import States
from pipeline.sources.docker.stats import (
    BURSTS,
    REQUESTS,
    SLOW_REQUESTS,
    StatsPoller,
    stats_batch,
)
from pipeline.testing.private_engine import PrivateEngine
from tests.servers.podman import PodmanServer
from tests.sources.docker.answers import CONTAINER, answer, reading
from tests.suite import virtual_time

PATIENCE = 60.0
LATE = {"stats_late", "stats_timeout"}
"""Errors of an Engine that is slow to answer, as on a busy machine."""


def numbered(number: int) -> Container:
    return Container(f"{number:064x}", f"c-{number}", "busybox")


def inspected(container: Container, **state: Any) -> dict[str, Any]:
    return {"Id": container.id, "State": state, "HostConfig": {}, "RestartCount": 0}


class Asked:
    """In an Engine's place: answers as told, after as long as told, and remembers all of it."""

    def __init__(
        self,
        reply: Callable[[str], Any] = lambda container_id: answer("v1"),
        *,
        takes: float = 0.003,
        api: tuple[int, int] = (1, 45),
    ) -> None:
        self.reply = reply
        self.takes = takes
        self.api = api
        self.info = {"CgroupDriver": "cgroupfs"}
        self.times: dict[str, list[float]] = {}
        self.queries: list[dict[str, str]] = []
        self.under_way: Counter[str] = Counter()
        self.most_at_once = 0

    async def get(self, path: str, **query: str) -> Any:
        container_id = path.split("/")[2]
        assert path == f"/containers/{container_id}/stats"
        assert not self.under_way[container_id], "asked again before it has answered"
        self.times.setdefault(container_id, []).append(asyncio.get_running_loop().time())
        self.queries.append(query)
        self.under_way[container_id] += 1
        self.most_at_once = max(self.most_at_once, self.under_way.total())
        try:
            await asyncio.sleep(self.takes)
            reply = self.reply(container_id)
            if isinstance(reply, Exception):
                raise reply
            return reply
        finally:
            self.under_way[container_id] -= 1


class Polling:
    """A poller that runs, what it has published, and what it has counted."""

    def __init__(self, engine: Any, every: float) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.published: list[Samples] = []
        self.states = States()
        self.poller = StatsPoller(
            cast(Engine, engine), every, self.published.append, self.metrics, self.states.of
        )

    def of(self, container_id: str) -> list[Samples]:
        return [one for one in self.published if one.container.id == container_id]

    def errors(self) -> dict[str, float]:
        """Count of each kind of trouble."""
        (family,) = self.metrics.source_errors.collect()
        samples = [one for one in family.samples if one.name.endswith("_total")]
        return {sample.labels["kind"]: sample.value for sample in samples}

    def plausible(self, container_id: str, most: float) -> bool:
        """Whether the CPU of some reading is. Where the Engine stands still between the two figures
        that a rate is made of, as on a busy machine, one may be anything."""
        rates = [cpu_cores(one.stats) for one in self.of(container_id)]
        return any(rate is not None and 0 < rate < most for rate in rates)

    async def add(self, engine: Engine, container_id: str) -> None:
        found = await engine.get(f"/containers/{container_id}/json")
        name, image = found["Name"].lstrip("/"), found["Config"]["Image"]
        self.poller.add(Container(found["Id"], name, image), found)

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not done():
                await asyncio.sleep(0.02)


@asynccontextmanager
async def polling(engine: Any, every: float = 5.0) -> AsyncIterator[Polling]:
    polling = Polling(engine, every)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(polling.poller.run())
        yield polling
        task.cancel()


def simulate(
    engine: Asked, containers: int, seconds: float, every: float = 5.0
) -> tuple[Asked, Polling]:
    """Polls so many containers for so long (the last moment excluded), in no time."""

    async def main() -> Polling:
        async with polling(engine, every) as running:
            for number in range(containers):
                running.poller.add(numbered(number), inspected(numbered(number)))
            await asyncio.sleep(seconds - 0.01)
        return running

    return engine, virtual_time.run(main())


# -------------------------------------------------------------------------------- schedule


def test_each_container_is_read_once_per_interval_at_its_own_moment() -> None:
    engine, running = simulate(Asked(), containers=50, seconds=60.0)
    assert len(engine.times) == 50
    for times in engine.times.values():
        assert len(times) == 12
        assert times == pytest.approx([times[0] + 5 * turn for turn in range(12)])
    assert len(running.published) == 600
    assert running.errors() == {}


def test_containers_are_spread_over_the_interval_in_bursts() -> None:
    """So that most polls find everybody awake."""
    engine, _ = simulate(Asked(takes=0.0), containers=500, seconds=5.0)
    bursts = Counter(round(times[0], 6) for times in engine.times.values())
    first, *others = sorted(bursts)
    assert others == pytest.approx([first + 5 / BURSTS * turn for turn in range(1, BURSTS)])
    assert set(bursts.values()) <= {24, 25, 26}


def test_few_containers_are_spread_as_well() -> None:
    engine, _ = simulate(Asked(takes=0.0), containers=10, seconds=5.0)
    moments = sorted(times[0] for times in engine.times.values())
    gaps = [later - sooner for sooner, later in pairwise(moments)]
    assert min(gaps) >= 5 / BURSTS - 1e-6
    assert max(gaps) < 1.0
    assert engine.most_at_once == 1


def test_requests_at_once_are_bounded_and_more_where_each_is_mostly_waiting() -> None:
    engine, _ = simulate(Asked(takes=4.0), containers=100, seconds=60.0)
    assert engine.most_at_once == REQUESTS
    engine, _ = simulate(Asked(takes=2.0, api=(1, 40)), containers=500, seconds=60.0)
    assert engine.most_at_once == SLOW_REQUESTS


def test_a_late_poll_is_skipped_and_counted_and_not_caught_up_with() -> None:
    engine, running = simulate(Asked(takes=7.0), containers=1, seconds=100.0)
    (times,) = engine.times.values()
    assert times == pytest.approx([times[0] + 10 * turn for turn in range(len(times))])
    assert running.errors() == {"stats_late": len(running.published)}


def test_one_container_that_hangs_delays_no_other_and_is_given_up() -> None:
    engine = Asked()

    async def get(path: str, **query: str) -> Any:
        if numbered(0).id in path:
            await asyncio.sleep(3600)
        return await Asked.get(engine, path, **query)

    engine.get = get  # type: ignore[method-assign]
    _, running = simulate(engine, containers=20, seconds=60.0)
    assert numbered(0).id not in engine.times
    assert {len(times) for times in engine.times.values()} == {12}
    assert running.errors() == {"stats_timeout": 4, "stats_late": 8}


def test_one_shot_is_asked_for_from_api_1_41_on() -> None:
    engine, _ = simulate(Asked(api=(1, 41)), containers=1, seconds=5.0)
    assert engine.queries == [{"stream": "0", "one-shot": "1"}]
    engine, _ = simulate(Asked(api=(1, 40)), containers=1, seconds=5.0)
    assert engine.queries == [{"stream": "0"}]


def test_a_container_that_comes_later_is_read_within_one_interval() -> None:
    async def main() -> Asked:
        engine = Asked()
        async with polling(engine) as running:
            for number in range(30):
                running.poller.add(numbered(number), inspected(numbered(number)))
            await asyncio.sleep(12.34)
            running.poller.add(numbered(99), inspected(numbered(99)))
            await asyncio.sleep(5.5)
        return engine

    engine = virtual_time.run(main())
    assert numbered(99).id in engine.times


# --------------------------------------------------------------------------------- trouble


@pytest.mark.parametrize(
    ("trouble", "counted"),
    [
        (EngineError("the Engine answers 500: no"), {"stats_unavailable": 12}),
        ({"cause": "stopped", "message": "stopped", "response": 500}, {"stats_refused": 12}),
        ([1], {"stats_refused": 12}),
        (None, {"stats_refused": 12}),
        (NotFound("the Engine answers 404: gone"), {}),
        (answer("stopped"), {}),
    ],
    ids=["500", "a 200 with an error", "a list", "null", "404", "not running"],
)
def test_trouble_with_one_is_counted_by_kind_and_disturbs_no_other(
    trouble: Any, counted: dict[str, float]
) -> None:
    ill = numbered(3).id
    engine = Asked(lambda container_id: trouble if container_id == ill else answer("v1"))
    engine, running = simulate(engine, containers=10, seconds=60.0)
    assert running.of(ill) == []
    assert len(running.published) == 9 * 12
    assert running.errors() == counted


def test_a_removed_container_is_asked_no_more_and_nothing_under_way_is_published() -> None:
    async def main() -> tuple[Asked, Polling]:
        engine = Asked(takes=1.0)
        async with polling(engine) as running:
            running.poller.add(numbered(0), inspected(numbered(0)))
            while not engine.times:
                await asyncio.sleep(0.1)
            assert running.poller.polls(numbered(0).id)
            running.poller.remove(numbered(0).id)
            running.poller.remove("unknown")
            assert not running.poller.polls(numbered(0).id)
            await asyncio.sleep(30)
        return engine, running

    engine, running = virtual_time.run(main())
    assert len(engine.times[numbered(0).id]) == 1
    assert running.published == []


# ------------------------------------------------------------------- what readings contain


def test_the_reading_before_is_filled_in_where_the_engine_left_it_out() -> None:
    moments = iter(("2026-01-01T00:00:00Z", "2026-01-01T00:00:05.5Z"))
    totals = iter((1_000_000_000, 2_000_000_000))

    def reply(container_id: str) -> dict[str, Any]:
        stats = answer("v1")
        stats["read"] = next(moments)
        total = next(totals)
        stats["cpu_stats"]["cpu_usage"]["total_usage"] = total
        stats["cpu_stats"]["system_cpu_usage"] = total * 8
        return stats

    _, running = simulate(Asked(reply), containers=1, seconds=10.0)
    first, second = running.published
    assert cpu_cores(first.stats) is None
    assert cpu_cores(second.stats) == pytest.approx(2 / 8)
    assert second.stats["preread"] == "2026-01-01T00:00:00Z"
    assert second.time - first.time == 5.5


def test_the_engines_own_reading_before_is_kept() -> None:
    stats = answer("v1")
    stats["precpu_stats"] = {"cpu_usage": {"total_usage": 1}, "system_cpu_usage": 2}
    stats["preread"] = "2026-01-01T00:00:00Z"
    _, running = simulate(Asked(lambda _: stats, api=(1, 40)), containers=1, seconds=10.0)
    assert [one.stats for one in running.published] == [stats, stats]


def event(container: Container, action: str, **attributes: str) -> dict[str, Any]:
    return {"Action": action, "Actor": {"ID": container.id, "Attributes": attributes}}


def test_a_reading_has_the_state_and_the_name_of_its_moment() -> None:
    one = numbered(0)

    async def main() -> Polling:
        async with polling(Asked()) as running:
            running.poller.add(one, inspected(one, Health={"Status": "starting"}))
            await asyncio.sleep(5)
            for action in ("oom", "exec_start: sh", "oom", "health_status: healthy"):
                running.states.observe(event(one, action))
            running.poller.observe(event(one, "rename", name="/new", oldName="/c-0"))
            running.states.observe(event(numbered(1), "oom"))
            await asyncio.sleep(5)
            of_podman = {"HealthStatus": "unhealthy"}  # beside the action, as measured
            running.states.observe(event(one, "health_status") | of_podman)
            await asyncio.sleep(5)
        return running

    running = virtual_time.run(main())
    seen = [(p.container.name, p.inspection.health, p.inspection.out_of_memory)
            for p in running.published]  # fmt: skip
    assert seen == [("c-0", "starting", 0), ("new", "healthy", 2), ("new", "unhealthy", 2)]


def test_adding_a_container_again_takes_its_new_facts_and_keeps_its_moment() -> None:
    one = numbered(0)

    async def main() -> tuple[Asked, Polling]:
        engine = Asked()
        async with polling(engine) as running:
            running.poller.add(one, inspected(one))
            running.states.observe(event(one, "oom"))
            await asyncio.sleep(7)
            again = {**inspected(one, StartedAt="1970-01-01T00:00:09Z"), "RestartCount": 1}
            running.poller.add(Container(one.id, "new", "busybox"), again)
            await asyncio.sleep(5)
        return engine, running

    engine, running = virtual_time.run(main())
    times = engine.times[one.id]
    assert times == pytest.approx([times[0] + 5 * turn for turn in range(len(times))])
    last = running.published[-1]
    assert (last.container.name, last.inspection.started) == ("new", 9.0)
    assert (last.inspection.restarts, last.inspection.out_of_memory) == (1, 1)


# ------------------------------------------------------------------------------ as entries


def test_a_reading_becomes_one_entry_with_metricbeats_fields() -> None:
    batch = stats_batch(reading("v1"), 7)
    assert len(batch) == 1
    assert batch.source == "stats"
    assert batch.lines == [b"memory 2.4MiB"]
    assert batch.times == [b"2026-11-24T08:37:15.142927252Z"]
    assert batch.streams == b"\0"
    assert list(batch.sequences) == [7]
    assert batch.samples is not None
    assert batch.samples.container is batch.container
    assert batch.fields == [
        {
            "docker": {
                "memory": {
                    "usage": {"total": 2502656, "pct": 0.0373},
                    "limit": 67108864,
                    "rss": {"total": 118784},
                },
                "network": {
                    "inbound": {"bytes": 896, "packets": 10, "errors": 0, "dropped": 0},
                    "outbound": {"bytes": 126, "packets": 2, "errors": 0, "dropped": 0},
                },
                "diskio": {"read": {"bytes": 1589248}, "write": {"bytes": 4096}},
                "pids": {"current": 2},
            }
        }
    ]


def test_its_sentence_has_the_cpu_as_soon_as_there_is_a_rate() -> None:
    stats = answer("v1")
    stats["precpu_stats"] = {
        "cpu_usage": {"total_usage": 1},
        "system_cpu_usage": 1472050000000 - 2_000_000_000,
    }
    stats["cpu_stats"]["cpu_usage"]["total_usage"] = 123_000_001
    batch = stats_batch(reading(stats), 1)
    assert batch.lines == [b"cpu 12.3% memory 2.4MiB"]
    assert batch.fields is not None
    assert batch.fields[0]["docker"]["cpu"] == {"total": {"pct": 0.123}}


def test_interfaces_and_devices_are_added_up() -> None:
    stats = answer("v2")
    stats["networks"]["eth1"] = {"rx_bytes": 4}
    stats["blkio_stats"]["io_service_bytes_recursive"].append(
        {"major": 8, "minor": 16, "op": "write", "value": 4}
    )
    (fields,) = stats_batch(reading(stats), 1).fields or []
    assert fields["docker"]["network"]["inbound"]["bytes"] == 900
    assert fields["docker"]["diskio"]["write"] == {"bytes": 4100}


def test_podmans_entry_has_all_of_the_usage_for_memory_and_nothing_made_up() -> None:
    batch = stats_batch(reading("podman"), 1)
    assert batch.lines == [b"memory 0.0MiB"]
    assert batch.fields == [
        {
            "docker": {
                "memory": {"usage": {"total": 45056, "pct": 0.0007}, "limit": 67108864},
                "pids": {"current": 2},
            }
        }
    ]


@pytest.mark.fault(21)
def test_a_reading_of_junk_is_an_entry_that_says_so() -> None:
    batch = stats_batch(reading({"cpu_stats": 1, "networks": [], "read": 3}, time=0.0), 1)
    assert batch.lines == [b"nothing measured"]
    assert batch.times == [b"1970-01-01T00:00:00.000000000Z"]
    assert batch.fields == [{"docker": {}}]
    assert batch.container is CONTAINER


# ---------------------------------------------------------------------------- real engines


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Engine]:
    engine = Engine(resolve(url, None, {}))
    await engine.connect()
    try:
        yield engine
    finally:
        await engine.close()


@pytest.fixture
def started(engine: PrivateEngine, busybox: str) -> Iterator[Callable[..., str]]:
    """Starts a container, gives its id, and removes it after the test."""
    ids = []

    def start(*arguments: str, command: str = "sleep 1000", verb: str = "run") -> str:
        options = ["--network=none", *arguments, *(["--detach"] if verb == "run" else [])]
        ids.append(engine.docker(verb, *options, busybox, "sh", "-c", command))
        return ids[-1]

    yield start
    for container_id in ids:
        engine.docker("rm", "--force", container_id)


@pytest.mark.fault(21)
async def test_a_real_containers_figures_grow_and_give_its_cpu(
    engine: PrivateEngine, started: Callable[..., str]
) -> None:
    busy = started("--memory=64m", "--cpus=0.5", command="while :; do :; done")
    async with connected(engine.url) as client, polling(client, 0.5) as running:
        await running.add(client, busy)
        await running.until(lambda: len(running.of(busy)) >= 4 and running.plausible(busy, 1))
    first, *_, last = running.of(busy)
    assert cpu_cores(first.stats) is None
    assert last.inspection.memory_limit == 2**26
    assert last.time > first.time
    (fields,) = stats_batch(last, 1).fields or []
    assert fields["docker"]["memory"]["limit"] == 2**26
    assert running.errors().keys() <= LATE


@pytest.mark.fault(21)
async def test_one_that_does_not_run_and_one_that_is_removed_publish_nothing(
    engine: PrivateEngine, started: Callable[..., str]
) -> None:
    created = started(verb="create")
    removed = started()
    steady = started()
    async with connected(engine.url) as client, polling(client, 0.2) as running:
        await running.add(client, created)
        await running.add(client, removed)
        await asyncio.to_thread(engine.docker, "rm", "--force", removed)
        await running.add(client, steady)
        await running.until(lambda: len(running.of(steady)) >= 2)
        before = len(running.of(removed))  # one may have been on its way
        await running.until(lambda: len(running.of(steady)) >= 7)
    assert running.of(created) == []
    assert len(running.of(removed)) == before
    assert running.errors().keys() <= LATE


@pytest.mark.fault(22)
async def test_a_restart_gives_no_negative_rate(
    engine: PrivateEngine, started: Callable[..., str]
) -> None:
    busy = started(command="while :; do :; done")
    async with connected(engine.url) as client, polling(client, 0.3) as running:
        await running.add(client, busy)
        await running.until(lambda: len(running.of(busy)) >= 4)
        before = len(running.published)
        engine.docker("restart", "--time=0", busy)
        await running.until(lambda: len(running.published) >= before + 4)
    rates = [cpu_cores(one.stats) for one in running.of(busy)]
    assert all(rate is None or rate >= 0 for rate in rates)
    assert [rate for rate in rates if rate is not None]


async def test_a_network_has_its_counters(fresh_engine: Callable[..., PrivateEngine]) -> None:
    engine = fresh_engine(isolated=True)
    engine.docker("network", "create", "--internal", "shop")
    arguments = ("--detach", "--network=shop", "busybox:local", "sleep", "1000")
    container_id = engine.docker("run", *arguments)
    async with connected(engine.url) as client, polling(client, 0.2) as running:
        await running.add(client, container_id)
        await running.until(lambda: bool(running.published))
    stats = running.published[0].stats
    assert stats["networks"]["eth0"].keys() == answer("v1")["networks"]["eth0"].keys()
    engine.docker("rm", "--force", container_id)


@pytest.mark.fault(21)
@pytest.mark.server
async def test_podmans_containers_are_read_and_a_stopped_one_is_counted(tmp_path: Path) -> None:
    with PodmanServer(tmp_path) as podman:
        busy = podman.run("busy", "--cpus=0.5", "busybox:local", "sh", "-c", "while :; do :; done")
        stopped = podman.run("stopped", "busybox:local", "true")
        podman.podman("wait", stopped)
        async with connected(podman.url) as client, polling(client, 0.5) as running:
            assert client.api == (1, 41)
            await running.add(client, busy)
            await running.add(client, stopped)
            await running.until(
                lambda: (
                    len(running.of(busy)) >= 4
                    and running.plausible(busy, 0.8)
                    and "stats_refused" in running.errors()
                )
            )
        assert running.of(stopped) == []
        last = running.of(busy)[-1]
        assert last.stats["memory_stats"].keys() == answer("podman")["memory_stats"].keys()
        assert json.loads(podman.podman("inspect", busy))[0]["Id"] == last.container.id


def test_a_reading_of_a_month_that_is_none_is_counted_and_ends_nothing() -> None:
    stats = answer("v1") | {"read": "2026-13-01T00:00:00.000000000Z"}
    _, running = simulate(Asked(lambda _: stats), containers=1, seconds=10.0)
    assert running.published == []
    assert running.errors()["stats_refused"] > 1
