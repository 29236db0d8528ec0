"""A real Redis that is killed while it takes entries, and started again on what it wrote down."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from pipeline.model.component import BatchConfig, Duration, Size
from tests.delivery.sending import numbers, sending, until
from tests.servers.redis import RedisServer, has_replicas

pytestmark = pytest.mark.server
LINES = 30_000
PIPELINE = 200
SETTINGS = {
    "pipeline": PIPELINE,
    "batch": BatchConfig(bytes=Size(2**18)),
    "timeout": Duration(60),  # what is not answered in time is sent again
}


def stored(server: RedisServer) -> list[int]:
    return [number for one in server.entries() for number in numbers(one["json"].encode())]


async def test_a_server_that_is_killed_loses_nothing_that_it_wrote_down_before_it_answered(
    tmp_path: Path,
) -> None:
    with RedisServer(tmp_path / "r", "--appendonly", "yes", "--appendfsync", "always") as server:
        async with sending("redis", address=server.address, **SETTINGS) as sent:
            sent.lines(LINES)
            await sent.kill_behind(2000, server)
            await until(lambda: sent.count("retried_payloads") > 0)
            await asyncio.to_thread(server.start)
            await until(lambda: sent.settled == LINES, "not everything arrived")
            assert sent.delivered == LINES
        found = await asyncio.to_thread(stored, server)
        entries = await asyncio.to_thread(server.entries)
    assert list(dict.fromkeys(found)) == list(range(LINES))
    repeated = len(found) - LINES
    assert repeated <= PIPELINE
    assert len({one["event.id"] for one in entries}) == LINES, "a repetition can be told"


@pytest.mark.fault(25)
async def test_a_connection_that_breaks_repeats_one_pipeline_at_most(tmp_path: Path) -> None:
    breaks = 5
    with RedisServer(tmp_path / "r") as server:
        async with sending("redis", address=server.address, **SETTINGS) as sent:
            for _ in range(breaks):
                settled = sent.settled
                sent.lines(LINES // breaks)
                await until(lambda was=settled: sent.settled > was)  # type: ignore[misc]
                await asyncio.to_thread(server, "CLIENT", "KILL", "TYPE", "normal")
            await until(lambda: sent.settled == LINES, "not everything arrived")
        found = Counter(await asyncio.to_thread(stored, server))
    assert set(found) == set(range(LINES))
    assert max(found.values()) <= 2
    assert found.total() - LINES <= breaks * PIPELINE


async def test_with_replicas_what_was_settled_is_on_the_replica_when_the_master_is_gone(
    tmp_path: Path,
) -> None:
    master = RedisServer(tmp_path / "m")
    replica = RedisServer(tmp_path / "r", "--replicaof", "127.0.0.1", str(master.port))
    with master, replica:
        await asyncio.to_thread(has_replicas, master, 1)
        async with sending("redis", address=master.address, replicas=1, **SETTINGS) as sent:
            sent.lines(LINES)
            await until(lambda: sent.settled > 2000)
            await asyncio.to_thread(master.kill)
            settled = sent.settled
        found = await asyncio.to_thread(stored, replica)
    assert settled <= len(found)
    assert found == list(range(len(found)))
