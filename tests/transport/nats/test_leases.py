"""Shares that several processes agree on, with a real nats-server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pipeline.model.errors import Unavailable
from pipeline.transport.nats.connection import NatsConnection
from pipeline.transport.nats.jetstream import JetStream
from pipeline.transport.nats.leases import Leases
from tests.servers.nats import NatsServer

pytestmark = pytest.mark.server


@pytest.fixture
def server(nats_server: NatsServer) -> NatsServer:
    """One without streams."""
    nats_server.empty()
    return nats_server


@asynccontextmanager
async def connected(server: NatsServer) -> AsyncIterator[JetStream]:
    one = JetStream(NatsConnection([server.url]), timeout=60)
    await one.open()
    try:
        yield one
    finally:
        await one.close()


def lease(owner: str, length: float = 600.0, shares: int = 7) -> Leases:
    return Leases("hub", owner, shares, length)


async def shorten(jetstream: JetStream, server: NatsServer, seconds: int) -> None:
    """Leases run out so soon from now on."""
    found = await asyncio.to_thread(server.stream, "hub-leases")
    assert found is not None
    config = found["config"]
    assert config["max_age"] == 600 * 10**9
    config["max_age"] = config["duplicate_window"] = seconds * 10**9
    assert "error" not in await jetstream.request("STREAM.UPDATE.hub-leases", config)


async def turn(jetstream: JetStream, *leases: Leases) -> None:
    """As their processes do now and then: what is more than their part goes, what is free comes."""
    for one in leases:
        await one.renew(jetstream)
        await one.claim(jetstream)
        for share in sorted(one.held)[one.part :]:
            await one.release(jetstream, share)


async def test_all_shares_are_somebodys_and_nobody_has_much_more(server: NatsServer) -> None:
    async with connected(server) as ours:
        one, two, three = (lease(name) for name in "abc")
        await one.ensure(ours, 1)
        await turn(ours, one)
        assert one.held.keys() == set(range(7)) and one.others == []
        await turn(ours, two, one, two)
        assert sorted(len(it.held) for it in (one, two)) == [3, 4]
        await turn(ours, three, one, two, three)
        assert sorted(len(it.held) for it in (one, two, three)) == [2, 2, 3]
        every = [share for it in (one, two, three) for share in it.held]
        assert sorted(every) == list(range(7)), "each has one owner"
        assert three.others == ["a", "b"]
        assert three.taken == {*one.held, *two.held}, "which is known without asking for each"
        await three.leave(ours)
        await turn(ours, one, two, one, two)
        assert sorted([*one.held, *two.held]) == list(range(7))


async def test_what_was_given_up_is_clean_and_what_has_run_out_is_not(server: NatsServer) -> None:
    async with connected(server) as ours:
        one, two, three = (lease(name) for name in "abc")
        await one.ensure(ours, 1)
        await turn(ours, one)
        await one.leave(ours)
        await turn(ours, two)
        assert two.clean == set(range(7))
        await three.renew(ours)
        await three.claim(ours)
        assert three.held == {}, "not before they have run out"
        await shorten(ours, server, 1)
        while len(three.held) < 7:  # `two` is not heard of any more
            await three.renew(ours)
            await three.claim(ours)
            await asyncio.sleep(0.05)
        assert three.clean == set()


async def test_who_was_away_for_too_long_has_lost_what_others_took(server: NatsServer) -> None:
    async with connected(server) as ours:
        one, two = lease("a", 0.5), lease("b")
        await two.ensure(ours, 1)
        await turn(ours, one)
        while not one.lost:
            await asyncio.sleep(0.05)
        await ours.request("STREAM.PURGE.hub-leases", {})  # as when they have run out
        await turn(ours, two)
        assert len(two.held) == 7
        assert sorted(await one.renew(ours)) == list(range(7))
        await one.claim(ours)
        assert one.held == {}


async def test_a_share_that_another_has_taken_is_lost_though_nobody_was_away(
    server: NatsServer,
) -> None:
    async with connected(server) as ours:
        one, two = lease("a"), lease("b")
        await one.ensure(ours, 1)
        await turn(ours, one)
        await two.renew(ours)
        two.held = {3: one.held[3]}  # as if it knew what stands there
        assert list(await two.renew(ours)) == []
        assert list(await one.renew(ours)) == [3]


async def test_an_answer_that_was_lost_does_not_cost_the_share(server: NatsServer) -> None:
    async with connected(server) as ours:
        one = lease("a")
        await one.ensure(ours, 1)
        await turn(ours, one)
        before = dict(one.held)
        await one.renew(ours)
        one.held = before  # what was written last was never answered
        assert list(await one.renew(ours)) == []
        assert one.held.keys() == before.keys()


async def test_processes_that_begin_together_make_the_stream_together(server: NatsServer) -> None:
    async with connected(server) as ours, connected(server) as others:
        one, two = lease("a"), lease("b")
        await asyncio.gather(one.ensure(ours, 1), two.ensure(others, 1))
        await turn(ours, one)
        await turn(others, two)
        assert not one.held.keys() & two.held.keys()


async def test_a_stream_that_cannot_be_had_is_told(server: NatsServer) -> None:
    async with connected(server) as ours:
        with pytest.raises(Unavailable, match="stream hub-leases cannot be made"):
            await lease("a").ensure(ours, 5)
