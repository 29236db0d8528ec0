"""The GELF sink on each of its wires, against a server written from the specification."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator
from itertools import chain
from typing import Any

import pytest

from pipeline.model.component import Duration, SinkContext, Size, TLSConfig
from pipeline.model.datagrams import one_by_one
from pipeline.model.errors import ConfigError
from pipeline.sinks.gelf import Config, Gelf, chunks
from pipeline.testing.builders import batch
from pipeline.testing.sink_kit import SinkKit
from tests.servers.certificates import Authority
from tests.servers.graylog import Reassembly, message, stream
from tests.servers.ports import free_port
from tests.servers.receivers import Collector, serve, server_context, udp


def gelf(address: str, **options: Any) -> Gelf:
    options = {"timeout": Duration(60), **options}
    return Gelf(Config(type="gelf", address=address, **options), SinkContext("gelf", host="web-1"))


def incompressible(size: int) -> str:
    """Text that hardly gets any shorter."""
    import random

    return random.Random(size).randbytes(size // 2).hex()


async def deliver(to: Gelf, *lines: str) -> None:
    await to.open()
    try:
        await to.send(to.encode([batch(*lines)]))
    finally:
        await to.close()


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
async def test_over_a_stream_messages_end_with_nul_and_are_not_compressed(
    scheme: str, authority: Authority
) -> None:
    receiver = Collector()
    tls = server_context(authority.issue("graylog")) if scheme == "tls" else None
    options = {"tls": TLSConfig(ca=authority.ca)} if tls else {}
    lines = ["one", "a\0b\nc", "x" * 200_000, *map(str, range(1000))]
    async with serve(receiver, tls=tls) as port:
        to = gelf(f"{scheme}://localhost:{port}", **options)
        await deliver(to, *lines)
        size = to.encode([batch(*lines)]).size
        data = await receiver.has(size)
    found = stream(data)
    assert [one["short_message"] for one in found] == ["one", "a\0b", *lines[2:]]
    assert found[1]["full_message"] == "a\0b\nc"


@pytest.mark.parametrize(
    ("compression", "begins"), [(None, b"\x1f\x8b"), ("gzip", b"\x1f\x8b"), ("zlib", b"\x78"),
                                ("none", b"{")],
)  # fmt: skip
async def test_over_udp_a_message_is_a_datagram(compression: Any, begins: bytes) -> None:
    async with udp() as receiver:
        to = gelf(f"udp://127.0.0.1:{receiver.getsockname()[1]}", compression=compression)
        await deliver(to, "one", "two")
        received = [receiver.recv(65536) for _ in range(2)]
    assert all(one.startswith(begins) for one in received)
    assert [message(one)["short_message"] for one in received] == ["one", "two"]


@pytest.mark.parametrize("compression", ["gzip", "none"])
async def test_what_is_too_long_for_a_datagram_comes_in_chunks(compression: Any) -> None:
    text, server = incompressible(100_000), Reassembly()
    async with udp() as receiver:
        to = gelf(f"udp://127.0.0.1:{receiver.getsockname()[1]}", compression=compression)
        payload = to.encode([batch("short", text, "also short")])
        assert not payload.refused
        await to.open()
        await to.send(payload)
        await to.close()
        for _ in chain.from_iterable(map(one_by_one, payload.data)):
            server.datagram(receiver.recv(65536))
    assert server.incomplete == 0
    assert server.largest == 1420
    assert [one["short_message"] for one in server.messages] == ["short", text, "also short"]


def test_chunks_are_numbered_and_their_message_is_told_from_others() -> None:
    first, second = chunks(b"x" * 3000, 1012), chunks(b"x" * 3000, 1012)
    assert [len(one) for one in first] == [1012, 1012, 1012]
    assert [(one[:2], one[10], one[11]) for one in first] == [
        (b"\x1e\x0f", number, 3) for number in range(3)
    ]
    assert len({one[2:10] for one in first}) == 1
    assert first[0][2:10] != second[0][2:10]


def test_128_chunks_are_the_most_and_what_needs_more_is_refused_alone() -> None:
    to = gelf("udp://127.0.0.1:9", compression="none", chunk=Size(512))
    overhead = to.encode([batch("x" * 1000)]).size - 3 * 12 - 1000
    fits = 128 * 500 - overhead
    one = batch("a", "x" * fits, "x" * (fits + 1), "b")
    payload = to.encode([batch("first"), one])
    assert payload.entries == 4
    ((refused, index, reason),) = payload.refused
    assert (refused, index) == (one, 2)
    assert reason == "it has 64001 bytes, and 64000 fit into 128 chunks"
    counts = [
        data[11]
        for data in chain.from_iterable(map(one_by_one, payload.data))
        if data.startswith(b"\x1e\x0f")
    ]
    assert counts.count(128) == 128


def test_what_is_packed_is_what_was_meant() -> None:
    ((packed,),) = gelf("udp://127.0.0.1:9").encode([batch("one")]).data
    ((other,),) = gelf("udp://127.0.0.1:9", compression="zlib").encode([batch("one")]).data
    assert gzip.decompress(packed) == zlib.decompress(other)


@pytest.mark.parametrize(
    ("options", "path", "says"),
    [
        ({"address": "http://x"}, "address", "known are udp://, tcp://, tls://"),
        ({"address": "tcp://x", "compression": "gzip"}, "compression", "no compression over TCP"),
        ({"address": "udp://x", "tls": TLSConfig()}, "address", "not encrypted"),
    ],
)
def test_what_cannot_be_meant_is_told_where_it_stands(
    options: dict[str, Any], path: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        gelf(**options)
    assert raised.value.path == path


class TestTcp(SinkKit):
    complaint = "refused the connection"

    @pytest.fixture
    async def sink(self) -> AsyncIterator[Gelf]:
        async with serve(Collector()) as port:
            yield gelf(f"tcp://127.0.0.1:{port}")

    @pytest.fixture
    def unreachable(self) -> Gelf:
        return gelf(f"tcp://127.0.0.1:{free_port()}")


class TestUdp(SinkKit):
    complaint = "nothing listens there"

    @pytest.fixture
    async def sink(self) -> AsyncIterator[Gelf]:
        async with udp() as receiver:
            yield gelf(f"udp://127.0.0.1:{receiver.getsockname()[1]}", chunk=Size(8192))

    @pytest.fixture
    def unreachable(self) -> Gelf:
        import socket

        return gelf(f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}")
