"""The prometheus_remote_write sink at a real Prometheus and a real VictoriaMetrics."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge

from pipeline.model.batch import Batch
from pipeline.model.component import Duration, SinkContext
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.sinks import prometheus_remote_write
from pipeline.sinks.prometheus_remote_write import NOT_STATS, Config, PrometheusRemoteWrite
from pipeline.sources.docker.stats import stats_batch
from pipeline.testing.builders import batch, container
from pipeline.testing.leaks import unchanged
from pipeline.testing.sink_kit import SinkKit, _cancelled
from pipeline.transport.split_retry import AllRejected
from tests.servers.http_receiver import OK, Request, answer, http_receiver
from tests.servers.ports import free_port
from tests.servers.prometheus import PrometheusServer
from tests.servers.remote_write import Series, decoded
from tests.servers.victoria import VictoriaMetrics
from tests.sources.docker import answers

MEMORY = "container_memory_usage_bytes"
NOW = 0.0
"""Half a minute before each test began, which may be long after this was read."""


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "NOW", time.time() - 30)


def sink(url: str, **options: Any) -> PrometheusRemoteWrite:
    alive = options.pop("alive", lambda container_id: True)
    metrics = options.pop("metrics", tuple)
    context = SinkContext("metrics", "web-9", alive, metrics)
    return PrometheusRemoteWrite(
        Config(type="prometheus_remote_write", url=url, **options), context
    )


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[PrometheusRemoteWrite]:
    one = sink(url, **options)
    await one.open()
    try:
        yield one
    finally:
        await one.close()


def cid(number: int) -> str:
    return f"{number:064x}"


def stats(number: int = 1, at: float | None = None, usage: int = 1000, **networks: int) -> Batch:
    """A container's reading as a route sends it; `eth0=5` are bytes that it received there."""
    of = container(f"c-{number}", number=number, labels={"team": "shop"})
    found = answers.answer("v1")
    found["memory_stats"]["usage"] = usage
    found["networks"] = {name: {"rx_bytes": count} for name, count in networks.items()}
    inspection = answers.Inspection(cgroup=f"/docker/{of.id}")
    when = NOW if at is None else at
    return stats_batch(answers.reading(found, of, inspection, time=when), 1)


def series(requests: Iterable[Request], name: str = "", number: int = 0) -> list[Series]:
    """In the order in which they came."""
    return [
        each
        for request in requests
        for each in decoded(request.body)
        if name in ("", each.name)
        and (not number or dict(each.labels).get("name") == f"c-{number}")
    ]


# ------------------------------------------------------------------------------- Prometheus


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[PrometheusServer]:
    options = ["--web.enable-remote-write-receiver"]
    with PrometheusServer(tmp_path, f"127.0.0.1:{free_port()}", options=options) as server:
        yield server


def receiver(server: PrometheusServer) -> str:
    return f"http://127.0.0.1:{server.ports[0]}/api/v1/write"


@pytest.mark.server
async def test_prometheus_has_the_figures_with_their_labels(prometheus: PrometheusServer) -> None:
    options = {"labels": ["team"], "external_labels": {"cluster": "west"}}
    async with opened(receiver(prometheus), **options) as to:
        await to.send(to.encode([stats(1, usage=1000, eth0=5), stats(2, usage=2000)]))
        found = await prometheus.wait_for(f'{MEMORY}{{name="c-2"}}')
        assert found[0]["value"][1] == "2000"
        assert found[0]["metric"] == {
            "__name__": MEMORY,
            "job": "dockline",
            "instance": "web-1",
            "cluster": "west",
            "id": f"/docker/{cid(2)}",
            "name": "c-2",
            "image": "shop/api:1.4",
            "container_label_team": "shop",
        }
        received = 'container_network_receive_bytes_total{interface="eth0"}'
        assert await prometheus.value(received) == 5


@pytest.mark.server
async def test_what_prometheus_shows_of_a_container_ends_with_it(
    prometheus: PrometheusServer,
) -> None:
    alive = {cid(1), cid(2)}
    async with opened(receiver(prometheus), alive=alive.__contains__) as to:
        await to.send(to.encode([stats(1), stats(2)]))
        assert len(await prometheus.wait_for(MEMORY)) == 2
        alive.discard(cid(1))
        await to.tend()
        (left,) = await prometheus.query(MEMORY)
        assert left["metric"]["name"] == "c-2"
        assert not await prometheus.query('{name="c-1"}')
        # it is started again, and what was still waiting of it is no trouble
        alive.add(cid(1))
        await to.send(to.encode([stats(1, at=NOW + 0.5), stats(1, at=NOW + 1)]))
        assert len(await prometheus.query(MEMORY)) == 2


@pytest.mark.fault(29)
@pytest.mark.server
async def test_of_a_request_that_prometheus_refuses_all_but_what_is_to_blame_is_stored(
    prometheus: PrometheusServer,
) -> None:
    """A reading that is out of order, one that is too old, and many that are good."""
    async with opened(receiver(prometheus)) as to:
        await to.send(to.encode([stats(1, at=NOW - 10), stats(2, at=NOW - 10)]))
        out_of_order, too_old = stats(1, at=NOW - 11), stats(3, at=NOW - 90_000)
        good = [stats(number, at=NOW - 5) for number in range(4, 20)]
        batches = [*good[:8], out_of_order, *good[8:], too_old, stats(1, at=NOW - 4, usage=7)]
        payload = to.encode(batches)
        await to.send(payload)
        assert [(one, index) for one, index, _ in payload.refused] == [
            (out_of_order, 0),
            (too_old, 0),
        ]
        assert payload.entries == len(batches) - 2
        assert "out of order sample" in payload.refused[0][2]
        assert "out of bounds" in payload.refused[1][2]
        assert len(await prometheus.wait_for(MEMORY)) == 18
        assert await prometheus.value(f'{MEMORY}{{name="c-1"}}') == 7


@pytest.mark.server
async def test_a_request_that_comes_twice_is_stored_once(prometheus: PrometheusServer) -> None:
    async with opened(receiver(prometheus)) as to:
        for _ in range(2):
            payload = to.encode([stats(1)])
            await to.send(payload)
            assert not payload.refused
        assert await prometheus.value(f"count_over_time({MEMORY}[5m])") == 1


@pytest.mark.server
async def test_the_agents_own_metrics_come_as_often_as_configured(
    prometheus: PrometheusServer,
) -> None:
    registry = CollectorRegistry()
    Gauge("dockline_engine_up", "Up.", registry=registry).set(1)
    of_one = Gauge("dockline_of", "Of.", ["container"], registry=registry)
    of_one.labels("c-1").set(5)
    options = {"agent_metrics": Duration(0.001), "metrics": registry.collect}
    async with opened(receiver(prometheus), **options) as to:
        await to.tend()
        (found,) = await prometheus.wait_for("dockline_engine_up")
        assert found["metric"]["instance"] == "web-9"
        assert await prometheus.value("dockline_of") == 5
        of_one.remove("c-1")
        await asyncio.sleep(0.01)
        await to.tend()
        await to.tend()
        assert not await prometheus.query("dockline_of")
        assert await prometheus.query("dockline_engine_up")


@pytest.mark.server
async def test_without_the_receiver_it_is_told_that_the_configuration_is_wrong(
    tmp_path: Path,
) -> None:
    with PrometheusServer(tmp_path, f"127.0.0.1:{free_port()}") as server:
        async with opened(receiver(server)) as to:
            payload = to.encode([stats(1)])
            with pytest.raises(Unavailable, match="remote write receiver needs to be enabled"):
                await to.send(payload)
            assert not payload.refused


# --------------------------------------------------------------------------- VictoriaMetrics


@pytest.mark.server
async def test_victoriametrics_has_the_figures_and_the_end(
    victoriametrics: VictoriaMetrics,
) -> None:
    alive = {cid(1), cid(2)}
    url = f"{victoriametrics.url}/api/v1/write"
    async with opened(url, alive=alive.__contains__) as to:
        await to.send(to.encode([stats(1, at=NOW - 1), stats(1, usage=7), stats(2)]))
        alive.discard(cid(1))
        await to.tend()
    found = {one["metric"]["name"]: one for one in victoriametrics.series(MEMORY)}
    millisecond = round(NOW * 1000)
    assert found["c-1"]["metric"]["instance"] == "web-1"
    assert found["c-1"]["values"][:2] == [1000, 7]
    assert found["c-1"]["values"][2] is None, "a stale marker"
    assert found["c-1"]["timestamps"] == [millisecond - 1000, millisecond, millisecond + 1]
    assert found["c-2"]["values"] == [1000]


# ------------------------------------------------------------------ what ends, and what not


async def test_a_series_that_a_container_no_longer_has_is_ended() -> None:
    async with http_receiver() as to, opened(to.url) as one:
        await one.send(one.encode([stats(1, at=NOW, eth0=5, eth1=6)]))
        await one.send(one.encode([stats(1, at=NOW + 5, eth0=7)]))
        await one.tend()
        last = series(to.requests[-1:])
        assert {each.stale for each in last} == {True}
        assert {dict(each.labels)["interface"] for each in last} == {"eth1"}
        assert {each.samples[0].time for each in last} == {round((NOW + 5) * 1000)}
        await one.tend()
        assert len(to.requests) == 3, "it is said once"


async def test_a_renamed_container_ends_under_its_old_name() -> None:
    async with http_receiver() as to, opened(to.url) as one:
        first = stats(1)
        renamed = container("new", number=1)
        inspection = answers.Inspection(cgroup=f"/docker/{renamed.id}")
        await one.send(one.encode([first]))
        again = answers.reading("v1", renamed, inspection, time=NOW + 1)
        await one.send(one.encode([stats_batch(again, 2)]))
        await one.tend()
        last = series(to.requests[-1:])
        assert {dict(each.labels)["name"] for each in last if each.stale} == {"c-1"}


async def test_one_whose_readings_come_late_is_ended_behind_the_last_of_them() -> None:
    """It is gone before they have been sent: the end may not stand before what is to come."""
    alive = {cid(1)}
    async with http_receiver() as to, opened(to.url, alive=alive.__contains__) as one:
        await one.send(one.encode([stats(1, at=NOW - 100)]))
        alive.clear()
        await one.tend()
        await one.send(one.encode([stats(1, at=NOW - 95)]))
        await one.tend()
        times = [each.samples[0].time for each in series(to.requests, MEMORY)]
        assert times == sorted(times)
        assert [each.stale for each in series(to.requests, MEMORY)] == [False, True] * 2


async def test_containers_of_other_hosts_are_not_taken_for_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A hub does not know whether they are; when nothing comes any more they are ended too."""
    async with http_receiver() as to, opened(to.url, alive=lambda container_id: False) as one:
        await one.send(one.encode([stats(1)]))
        await one.tend()
        assert len(to.requests) == 1
        monkeypatch.setattr(prometheus_remote_write, "LOOKBACK", 0.0)
        one._shown.look()
        assert one._shown._newest == {}


async def test_an_end_that_cannot_be_told_is_told_later_and_one_refused_is_left_out() -> None:
    alive = set(map(cid, range(1, 9)))
    said = [answer(503)]

    def judge(request: Request) -> bytes:
        if not any(each.stale for each in decoded(request.body)):
            return OK
        if said:
            return said.pop()
        names = {dict(each.labels)["name"] for each in decoded(request.body)}
        return answer(400) if "c-5" in names else OK

    async with http_receiver(judge) as to, opened(to.url, alive=alive.__contains__) as one:
        await one.send(one.encode([stats(number) for number in range(1, 10)]))
        alive.clear()
        with pytest.raises(Unavailable):
            await one.tend()
        to.requests.clear()
        await one.tend()
        taken = [request for request in to.requests if judge(request) == OK]
        ended = {dict(each.labels)["name"] for each in series(taken)}
        assert ended == {f"c-{number}" for number in range(1, 9)} - {"c-5"}
        count = len(to.requests)
        await one.tend()
        assert len(to.requests) == count


# --------------------------------------------------------------------------- what is refused


@pytest.mark.fault(29)
async def test_one_bad_series_of_a_reading_costs_only_itself() -> None:
    """And the reading is refused with what was said of it, so that the loss is counted."""

    def judge(request: Request) -> bytes:
        bad = [each for each in decoded(request.body) if ("interface", "bad") in each.labels]
        return answer(400, b"label value too long") if bad else OK

    async with http_receiver(judge) as to, opened(to.url) as one:
        batches = [stats(1), stats(2, bad=1, good=2), stats(3)]
        payload = one.encode(batches)
        await one.send(payload)
        taken = [request for request in to.requests if judge(request) == OK]
        names = {each.name for each in series(taken, number=1)}
        interfaces = {dict(each.labels).get("interface") for each in series(taken, number=2)}
        assert {each.name for each in series(taken, number=3)} == names
        assert interfaces == {None, "good"}
        assert {each.name for each in series(taken, number=2)} > names
    ((refused, index, reason),) = payload.refused
    assert (refused, index) == (batches[1], 0)
    assert "1 of its" in reason and "label value too long" in reason
    assert payload.entries == 2


async def test_where_all_is_refused_no_reading_is_and_few_requests_are_made_for_it() -> None:
    """It may be the configuration that is wrong."""
    async with http_receiver(lambda request: answer(400, b"no")) as to, opened(to.url) as one:
        payload = one.encode([stats(number) for number in range(1, 101)])
        with pytest.raises(AllRejected):
            await one.send(payload)
        assert (payload.entries, payload.refused) == (100, [])
        assert len(to.requests) <= 2 * 100 + prometheus_remote_write.TRIES


async def test_readings_that_are_all_too_old_are_refused_whatever_else_is_taken() -> None:
    """As after a long outage: no configuration could be the cause."""
    said = answer(400, b"out of bounds")
    async with http_receiver(lambda request: said) as to, opened(to.url) as one:
        payload = one.encode([stats(number) for number in range(1, 101)])
        await one.send(payload)
        assert len(payload.refused) == 100
        assert payload.entries == 0
        assert len(to.requests) <= 2 * 100 + prometheus_remote_write.TRIES


async def test_old_readings_do_not_take_those_behind_them_with_them() -> None:
    """However many there are."""

    def judge(request: Request) -> bytes:
        times = [sample.time for each in decoded(request.body) for sample in each.samples]
        return answer(400, b"too old") if min(times) < (NOW - 3602) * 1000 else OK

    async with http_receiver(judge) as to, opened(to.url) as one:
        batches = [stats(1, at=NOW - 4000 + 5 * step) for step in range(100)]
        payload = one.encode(batches)
        await one.send(payload)
        refused = [one for one, _, _ in payload.refused]
        assert refused == batches[:80]
        assert payload.entries == 20


async def test_what_is_older_than_the_limit_is_refused_without_being_sent() -> None:
    async with http_receiver() as to, opened(to.url, sample_age_limit=Duration(3600)) as one:
        batches = [stats(number, at=NOW - 4000 + 50 * number) for number in range(1, 101)]
        payload = one.encode(batches)
        await one.send(payload)
        assert {reason for _, _, reason in payload.refused} == {
            "measured more than 3600 s ago, which is sample_age_limit"
        }
        refused = [one for one, _, _ in payload.refused]
        assert refused == batches[: len(refused)]
        assert (
            7
            <= len(refused)
            <= sum(time.time() - NOW + 4000 - 50 * n > 3600 for n in range(1, 101))
        )
        assert len(series(to.requests, MEMORY)) == 100 - len(refused)


async def test_what_is_not_stats_is_refused_one_by_one() -> None:
    async with http_receiver() as to, opened(to.url) as one:
        logs = batch("a", "b")
        events = batch("started", streams="none", source="events")
        odd = stats(1, at=-5.0)
        payload = one.encode([logs, stats(2), events, odd])
        assert payload.refused == [
            (logs, 0, NOT_STATS),
            (logs, 1, NOT_STATS),
            (events, 0, NOT_STATS),
            (odd, 0, "-5.0 is no time"),
        ]
        await one.send(payload)
        assert payload.entries == 1
        assert len(series(to.requests, MEMORY)) == 1


# ------------------------------------------------------------------------------ the request


async def test_a_request_says_what_it_is() -> None:
    options = {"headers": {"X-Scope-OrgID": "7"}}
    async with http_receiver() as to, opened(f"{to.url}/api/v1/push", **options) as one:
        await one.send(one.encode([stats(1)]))
        (request,) = to.requests
        assert request.path == "/api/v1/push"
        assert request.headers["content-type"] == "application/x-protobuf"
        assert request.headers["content-encoding"] == "snappy"
        assert request.headers["x-prometheus-remote-write-version"] == "0.1.0"
        assert request.headers["x-scope-orgid"] == "7"
        assert request.headers["user-agent"].startswith("dockline/")


async def test_what_is_busy_is_waited_for_as_it_says_and_gets_the_same_again() -> None:
    said = [answer(429, Retry_After="7"), answer(503)]
    async with http_receiver(lambda request: said.pop(0) if said else OK) as to:
        async with opened(to.url) as one:
            payload = one.encode([stats(1), stats(2)])
            with pytest.raises(Unavailable) as busy:
                await one.send(payload)
            assert busy.value.retry_after == 7
            with pytest.raises(Unavailable):
                await one.send(payload)
            await one.send(payload)
            assert not payload.refused
        assert len({request.body for request in to.requests}) == 1
        assert len(to.requests) == 3


async def test_a_large_request_is_whole() -> None:
    async with http_receiver() as to, opened(to.url) as one:
        payload = one.encode([stats(number) for number in range(1, 501)])
        assert payload.size > prometheus_remote_write.LARGE
        await one.send(payload)
        assert len(series(to.requests, MEMORY)) == 500


@pytest.mark.parametrize("name", ["__name__", "a-b", "", "1a", "é"])
def test_an_external_label_has_the_name_of_one(name: str) -> None:
    with pytest.raises(ConfigError, match="is not the name of a label") as found:
        sink("http://here/write", external_labels={name: "x"})
    assert found.value.path == "external_labels"


def test_without_its_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cramjam", None)
    with pytest.raises(ConfigError, match=r"pip install 'dockline\[prometheus_remote_write\]'"):
        sink("http://here/write")


# ---------------------------------------------------------------- what every sink promises


class TestPrometheusRemoteWrite(SinkKit):
    complaint = "refused the connection"

    @pytest.fixture
    async def sink(self) -> AsyncIterator[PrometheusRemoteWrite]:
        async with http_receiver() as to:
            yield sink(to.url)

    @pytest.fixture
    def unreachable(self) -> PrometheusRemoteWrite:
        return sink(f"http://127.0.0.1:{free_port()}")

    async def test_cancelling_it_with_readings_leaks_nothing(
        self, sink: PrometheusRemoteWrite
    ) -> None:
        """The kit's entries are logs, of which nothing is sent."""
        batches = [stats(number) for number in range(1, 201)]

        async def cancel() -> None:
            for turn, pause in enumerate((*[0.0] * 8, 0.001, 0.005, 0.02)):
                await sink.open()
                await _cancelled(partial(sink.send, sink.encode(batches)), turn, pause)
            await sink.close()

        await unchanged(cancel)
        await sink.open()
        await sink.send(sink.encode(batches))
        await sink.close()
