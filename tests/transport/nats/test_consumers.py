"""Consumers of a real nats-server: made, changed, pinned and unpinned."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pipeline.encode.nats.messages import Published
from pipeline.model.errors import Unavailable
from pipeline.testing.intake_room import until
from pipeline.transport.nats.connection import NatsConnection
from pipeline.transport.nats.consumers import Wanted, ensure, remove, unpin
from pipeline.transport.nats.jetstream import JetStream
from pipeline.transport.nats.pull import ACK, Delivered, Interrupted, Puller
from tests.servers.nats import NatsServer

WANTED = Wanted("DOCKLINE", "hub-0", "dockline.0.>", True, 10.0, 100)


async def _opened(server: NatsServer) -> JetStream:
    jetstream = JetStream(NatsConnection([server.url]), timeout=20)
    await jetstream.open()
    return jetstream


@pytest.fixture
async def jetstream(nats_server: NatsServer) -> AsyncIterator[JetStream]:
    one = await _opened(nats_server)
    yield one
    await one.close()


@pytest.fixture(params=["workqueue", "limits", "interest"])
async def stream(jetstream: JetStream, request: pytest.FixtureRequest) -> str:
    """Its retention. It is empty."""
    await _make_stream(jetstream, request.param)
    return str(request.param)


async def _make_stream(jetstream: JetStream, retention: str = "workqueue") -> None:
    await jetstream.request("STREAM.DELETE.DOCKLINE")
    config = {"name": "DOCKLINE", "subjects": ["dockline.>"], "retention": retention}
    answer = await jetstream.request("STREAM.CREATE.DOCKLINE", config)
    assert "error" not in answer, answer


async def _publish(jetstream: JetStream, *bodies: bytes, header: bytes = b"a: b") -> None:
    head = b"NATS/1.0\r\n%b\r\n\r\n" % header
    spans = [(Published("dockline.0.x", body, head, []), 0, 1) for body in bodies]
    assert await jetstream.publish(spans, lambda *_: None, "DOCKLINE") == []


async def _puller(
    jetstream: JetStream, came: list[Delivered] | None = None, *, pinned: bool = True
) -> Puller:
    came = [] if came is None else came

    def note(one: Delivered) -> bool:
        came.append(one)
        return True

    puller = Puller(jetstream, "DOCKLINE", "hub-0", note, pinned=pinned)
    puller.expires = 0.3
    await puller.open()
    return puller


async def _pulled(puller: Puller, messages: int) -> list[bytes]:
    await puller.pull(messages, 1 << 20)
    found = []
    while (one := await puller.next()) is not None:
        found.append(one.body)
    return found


async def test_an_existing_consumer_is_pinned_where_it_is_and_back(
    stream: str, jetstream: JetStream
) -> None:
    """A hub of before made it, and has messages of it."""
    loose = WANTED._replace(pinned=False, ack_wait=77.0, most=5)
    assert (await ensure(jetstream, loose)).made
    await _publish(jetstream, *(b"%d" % number for number in range(10)))
    had: list[Delivered] = []
    old = await _puller(jetstream, had, pinned=False)
    assert await _pulled(old, 4) == [b"0", b"1", b"2", b"3"]
    await jetstream.nats.publish(had[1].reply, ACK)
    changed = await ensure(jetstream, WANTED)
    assert not changed.made and changed.ack_wait == 77.0
    new = await _puller(jetstream)
    assert await _pulled(new, 2) == [b"4", b"5"] and new.pin
    with pytest.raises(Unavailable, match=r"refuses to be pulled: .*Priority Group missing"):
        await _pulled(old, 1)
    for one in had:
        await jetstream.nats.publish(one.reply, ACK)

    async def acknowledged_by_the_old() -> bool:
        found = await ensure(jetstream, WANTED)
        return (found.pending, found.waiting, found.pin) == (2, 4, new.pin)

    await until(acknowledged_by_the_old)
    back = await ensure(jetstream, loose)
    assert (back.pending, back.waiting, back.pin, back.made) == (2, 4, "", False)
    assert await _pulled(await _puller(jetstream, pinned=False), 3) == [b"6", b"7", b"8"]


async def test_of_two_that_pull_one_gets_messages_until_it_is_unpinned(
    jetstream: JetStream,
) -> None:
    await _make_stream(jetstream)
    await ensure(jetstream, WANTED)
    await _publish(jetstream, *(b"%d" % number for number in range(6)))
    first, second = await _puller(jetstream), await _puller(jetstream)
    assert await _pulled(first, 2) == [b"0", b"1"]
    assert await _pulled(second, 2) == [] and not second.pin
    assert await _pulled(first, 2) == [b"2", b"3"]
    await unpin(jetstream, WANTED)
    assert await _pulled(second, 1) == [b"4"] and second.pin != first.pin
    with pytest.raises(Interrupted, match="not pinned to this hub any more"):
        await _pulled(first, 1)
    assert not first.pin


@pytest.mark.parametrize("says_so", [True, False])
async def test_one_that_requests_nothing_keeps_its_pin_by_saying_so(
    jetstream: JetStream, says_so: bool
) -> None:
    await _make_stream(jetstream)
    await ensure(jetstream, WANTED._replace(ack_wait=0.25))  # so pins last for half a second
    await _publish(jetstream, b"0", b"1")
    first, second = await _puller(jetstream), await _puller(jetstream)
    first.expires = second.expires = 0.1
    assert await _pulled(first, 1) == [b"0"]
    came: list[bytes] = []
    for _ in range(12):
        if says_so:
            await first.keep_pin(0.0)
        came += await _pulled(second, 1)
    assert bool(came) != says_so


async def test_a_pin_of_before_is_kept_only_once_it_is_open(jetstream: JetStream) -> None:
    """A hub that connects anew has its names of before, and its clocks may go off at once."""
    await _make_stream(jetstream)
    await ensure(jetstream, WANTED)
    await _publish(jetstream, b"0", b"1")
    before = await _puller(jetstream)
    assert await _pulled(before, 1) == [b"0"]
    again = Puller(jetstream, "DOCKLINE", "hub-0", lambda _: True, pinned=True)
    again.pin = before.pin
    await again.keep_pin(0.0)
    await again.open()
    await again.keep_pin(0.0)
    assert await _pulled(again, 1) == [b"1"]


async def test_a_name_that_a_publisher_says_is_not_believed(jetstream: JetStream) -> None:
    await _make_stream(jetstream)
    await ensure(jetstream, WANTED)
    await _publish(jetstream, b"0", b"1", header=b"Nats-Pin-Id: mine")
    one = await _puller(jetstream)
    assert await _pulled(one, 1) == [b"0"]
    assert one.pin == (await ensure(jetstream, WANTED)).pin != "mine"


async def test_it_is_removed_and_made_anew(jetstream: JetStream) -> None:
    await _make_stream(jetstream)
    assert [(await ensure(jetstream, WANTED)).made for _ in range(2)] == [True, False]
    for _ in range(2):
        await remove(jetstream, WANTED)
        await unpin(jetstream, WANTED)
    assert (await ensure(jetstream, WANTED)).made


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"ack_policy": "none"}, "has ack_policy = 'none'"),
        ({"filter_subject": "dockline.1.>"}, r"has filter_subject = 'dockline\.1\.>'"),
        (
            {
                "priority_groups": ["jobs"],
                "priority_policy": "pinned_client",
                "priority_timeout": 10**9,
            },
            r"has priority_groups = \['jobs'\] and not \['hubs'\]",
        ),
    ],
)
async def test_one_of_another_kind_is_named(
    jetstream: JetStream, config: dict[str, Any], said: str
) -> None:
    await _make_stream(jetstream, "limits")
    body = {"durable_name": "hub-0", "ack_policy": "explicit", "filter_subject": WANTED.subject}
    request = {"stream_name": "DOCKLINE", "config": body | config}
    answer = await jetstream.request("CONSUMER.DURABLE.CREATE.DOCKLINE.hub-0", request)
    assert "error" not in answer, answer
    with pytest.raises(Unavailable, match=said):
        await ensure(jetstream, WANTED)


async def test_a_server_that_cannot_pin_is_never_read_without_order(
    old_nats_server: NatsServer,
) -> None:
    """As in a cluster whose servers are updated one after the other: it ignores what it does not
    know."""
    jetstream = await _opened(old_nats_server)
    try:
        await _make_stream(jetstream)
        for _ in range(2):
            with pytest.raises(Unavailable, match=r"cannot pin it: this needs NATS 2\.11"):
                await ensure(jetstream, WANTED)
        assert not (await ensure(jetstream, WANTED._replace(pinned=False))).made
    finally:
        await jetstream.close()


async def test_a_server_that_refuses_the_change_is_quoted(
    jetstream: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No server that was tried does."""
    await _make_stream(jetstream)
    await ensure(jetstream, WANTED._replace(pinned=False))
    asked = jetstream.request

    async def request(api: str, body: object = None) -> dict[str, Any]:
        if "update" in json.dumps(body):
            return {"error": {"code": 400, "err_code": 1, "description": "no\nway"}}
        return await asked(api, body)

    monkeypatch.setattr(jetstream, "request", request)
    with pytest.raises(Unavailable, match=r"cannot be changed: no.way; stop the hubs when"):
        await ensure(jetstream, WANTED)


async def test_messages_wait_while_nobody_pulls(jetstream: JetStream) -> None:
    await _make_stream(jetstream)
    await ensure(jetstream, WANTED)
    await _publish(jetstream, b"0")

    async def one_waits() -> bool:
        return (await ensure(jetstream, WANTED)).waiting == 1

    await until(one_waits)
