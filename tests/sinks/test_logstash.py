"""The Logstash sink on each of its wires.

No Logstash runs here: TCP, TLS and UDP are read with the standard library, and `receivers.Beats`
answers as go-lumber and logstash-input-beats do, or as they never should.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from pipeline.model.component import Duration, SinkContext, TLSConfig
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.sinks import logstash
from pipeline.sinks.logstash import Config, Logstash
from pipeline.testing.builders import batch
from pipeline.testing.sink_kit import SinkKit
from tests.servers.certificates import Authority
from tests.servers.ports import free_port
from tests.servers.receivers import (
    Beats,
    Collector,
    ack,
    read_window,
    serve,
    server_context,
    something_came,
    udp,
)
from tests.suite.waiting import until

Answers = Callable[[int], AsyncIterator[bytes | None]]


def sink(address: str, **options: Any) -> Logstash:
    options = {"timeout": Duration(60), "ack_timeout": Duration(60), **options}
    return Logstash(Config(type="logstash", address=address, **options), SinkContext("logstash"))


def beats(port: int, **options: Any) -> Logstash:
    return sink(f"lumberjack://127.0.0.1:{port}", **options)


def messages(events: list[bytes]) -> list[str]:
    return [json.loads(event)["message"] for event in events]


async def deliver(to: Logstash, *lines: str) -> None:
    await to.open()
    try:
        await to.send(to.encode([batch(*lines)]))
    finally:
        await to.close()


def numbers(count: int) -> list[str]:
    return list(map(str, range(count)))


# -- json lines ----------------------------------------------------------------------------------


async def test_over_tcp_events_are_lines_of_json() -> None:
    receiver = Collector()
    async with serve(receiver) as port:
        to, lines = sink(f"tcp://127.0.0.1:{port}"), ["one", "two\nlines", "\u2603"]
        await deliver(to, *lines)
        data = await receiver.has(to.encode([batch(*lines)]).size)
    assert messages(data.split(b"\n")[:-1]) == lines


async def test_over_tls_events_are_lines_of_json(authority: Authority) -> None:
    receiver, tls = Collector(), TLSConfig(ca=authority.ca)
    async with serve(receiver, tls=server_context(authority.issue("logstash"))) as port:
        to = sink(f"tls://localhost:{port}", tls=tls)
        await deliver(to, *numbers(1000))
        data = await receiver.has(to.encode([batch(*numbers(1000))]).size)
    assert messages(data.split(b"\n")[:-1]) == numbers(1000)


async def test_over_udp_an_event_is_a_datagram_and_one_too_long_is_refused() -> None:
    async with udp() as receiver:
        to = sink(f"udp://127.0.0.1:{receiver.getsockname()[1]}")
        batches = [batch("one"), batch("two", "x" * 70_000, "three")]
        payload = to.encode(batches)
        await to.open()
        await to.send(payload)
        await to.close()
        assert messages([receiver.recv(65536) for _ in range(3)]) == ["one", "two", "three"]
    assert payload.entries == 3
    (refused,) = payload.refused
    assert refused[:2] == (batches[1], 1)
    assert "65487 bytes" in refused[2]


# -- lumberjack, as it should be -----------------------------------------------------------------


@pytest.mark.parametrize("compression", [0, 3, 9])
async def test_events_are_sent_in_windows_and_each_is_acknowledged(compression: int) -> None:
    server = Beats()
    async with serve(server) as port:
        await deliver(beats(port, window=400, compression=compression), *numbers(1000))
    assert [len(window) for window in server.windows] == [400, 400, 200]
    assert messages(server.events) == numbers(1000)


async def test_lumberjack_runs_over_tls(authority: Authority) -> None:
    server, tls = Beats(), TLSConfig(ca=authority.ca)
    async with serve(server, tls=server_context(authority.issue("beats"))) as port:
        await deliver(sink(f"lumberjack+tls://localhost:{port}", tls=tls), *numbers(5000))
    assert messages(server.events) == numbers(5000)


async def test_a_window_may_be_acknowledged_in_parts_cut_anywhere() -> None:
    async def answers(count: int) -> AsyncIterator[bytes | None]:
        stream = b"".join(ack(n) for n in range(1, count + 1))
        for start in range(0, len(stream), 7):
            yield stream[start : start + 7]
            await asyncio.sleep(0.001)

    server = Beats(answers)
    async with serve(server) as port:
        await deliver(beats(port), *numbers(10))
    assert messages(server.events) == numbers(10)


@pytest.mark.fault(26)
async def test_a_peer_that_is_still_at_work_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that it has begins anew whenever it says so."""
    waits: list[float] = []

    def timeout(seconds: float) -> asyncio.Timeout:
        waits.append(seconds)
        return asyncio.timeout(seconds)

    async def answers(count: int) -> AsyncIterator[bytes | None]:
        for number in range(1, 7):
            await until(lambda number=number: len(waits) == number)  # type: ignore[misc]
            yield ack(0)
        await until(lambda: len(waits) == 7)
        yield ack(count)

    monkeypatch.setattr(logstash, "asyncio", SimpleNamespace(timeout=timeout))
    async with serve(Beats(answers)) as port:
        await deliver(beats(port), "slow")
    assert waits == [60.0] * 7


async def test_an_idle_connection_that_the_peer_closed_is_quietly_made_anew() -> None:
    async def answers(count: int) -> AsyncIterator[bytes | None]:
        yield ack(count)
        yield None

    server = Beats(answers)
    async with serve(server) as port:
        to = beats(port)
        await to.open()
        for line in ("one", "two", "three"):
            await to.send(to.encode([batch(line)]))
            await something_came(to._wire)
        await to.close()
    assert messages(server.events) == ["one", "two", "three"]
    assert server.connections == 3


# -- lumberjack, as it should not be -------------------------------------------------------------


@pytest.mark.fault(26)
async def test_only_what_was_not_acknowledged_is_sent_again() -> None:
    async def answers(count: int) -> AsyncIterator[bytes | None]:
        if count == 10:
            yield ack(4)
            yield ack(7)
            await asyncio.sleep(0.01)
            yield ack(2)  # late, and no news
            yield None
        yield ack(count)

    server = Beats(answers)
    async with serve(server) as port:
        to = beats(port)
        payload = to.encode([batch(*numbers(10))])
        await to.open()
        with pytest.raises(Unavailable, match="closed the connection"):
            await to.send(payload)
        await to.open()
        await to.send(payload)
        await to.send(payload)  # all of it is acknowledged: nothing is left to send
        await to.close()
    assert [messages(window) for window in server.windows] == [numbers(10), ["7", "8", "9"]]


@pytest.mark.fault(26)
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (ack(3), "acknowledged 3 events of 2"),
        (ack(2**32 - 1), "acknowledged 4294967295 events of 2"),
        (b"1A\0\0\0\1", r"does not speak Lumberjack 2 .*got b'1A'"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "check that the port is that of a beats input"),
    ],
)
async def test_an_answer_that_cannot_be_is_not_believed(answer: bytes, says: str) -> None:
    async def answers(count: int) -> AsyncIterator[bytes | None]:
        yield answer
        await asyncio.sleep(10)

    async with serve(Beats(answers)) as port:
        with pytest.raises(Unavailable, match=says):
            await deliver(beats(port), "one", "two")


async def test_silence_is_told_after_the_timeout_and_costs_no_event() -> None:
    silent = True

    async def answers(count: int) -> AsyncIterator[bytes | None]:
        if silent:
            patience(0.2)  # after the first acknowledgement, which may take its time
        yield ack(1)
        if silent:
            await asyncio.Event().wait()
        yield ack(count)

    server = Beats(answers)
    async with serve(server) as port:
        to = beats(port)
        wire: Any = to._wire

        def patience(seconds: float) -> None:
            wire._config = msgspec.structs.replace(wire._config, ack_timeout=Duration(seconds))

        payload = to.encode([batch("one", "two", "three")])
        await to.open()
        with pytest.raises(Unavailable, match=r"acknowledged nothing for 0\.2 s"):
            await to.send(payload)
        silent = False
        patience(60)
        await to.open()
        await to.send(payload)
        await to.close()
    assert messages(server.windows[-1]) == ["two", "three"]


@pytest.mark.fault(26)
async def test_an_acknowledgement_before_anything_was_sent_is_not_believed() -> None:
    async with serve(Beats(greeting=ack(2))) as port:
        to = beats(port)
        await to.open()
        await something_came(to._wire)
        with pytest.raises(Unavailable, match="acknowledged events that were not sent"):
            await to.send(to.encode([batch("one", "two")]))
        await to.close()


@pytest.mark.fault(26)
async def test_a_second_acknowledgement_of_a_window_does_not_count_for_the_next() -> None:
    first, taken = True, asyncio.Event()

    async def answers(count: int) -> AsyncIterator[bytes | None]:
        nonlocal first
        yield ack(count)
        if first:
            first = False
            await taken.wait()
            yield ack(count)

    server = Beats(answers)
    async with serve(server) as port:
        to = beats(port)
        await to.open()
        await to.send(to.encode([batch("one", "two")]))
        taken.set()
        await something_came(to._wire)
        payload = to.encode([batch("three", "four")])
        with pytest.raises(Unavailable, match="were not sent"):
            await to.send(payload)
        await to.open()
        await to.send(payload)
        await to.close()
    assert messages(server.events) == ["one", "two", "three", "four"]


@pytest.mark.fault(25)
async def test_a_connection_that_breaks_in_the_middle_of_a_window_loses_nothing() -> None:
    windows: list[list[bytes]] = []

    async def flaky(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not windows:
            windows.append([])
            await reader.readexactly(50_000)
            writer.transport.abort()
            return
        windows.append(await read_window(reader))
        writer.write(ack(len(windows[-1])))
        await reader.read()

    async with serve(flaky) as port:
        to = beats(port, compression=0)
        payload = to.encode([batch(*["x" * 1000] * 2000)])
        await to.open()
        with pytest.raises(Unavailable):
            await to.send(payload)
        await to.open()
        await to.send(payload)
        await to.close()
    assert len(windows[-1]) == 2000


# -- lumberjack, to a server that has a limit ----------------------------------------------------


def limited(windows: list[int], limit: Callable[[], int]) -> Callable[..., Any]:
    """As go-lumber's server: it closes the connection at the head of a window that is too large."""

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(6)
                windows.append(int.from_bytes(head[2:]))
                if windows[-1] > limit():
                    return
                frames = await reader.readexactly(6)
                await reader.readexactly(int.from_bytes(frames[2:]))
                writer.write(ack(windows[-1]))

    return serve_one


async def sent_in(to: Logstash, payload: Any) -> int:
    """Attempts until all is acknowledged."""
    for attempt in range(1, 20):
        try:
            await to.open()
            await to.send(payload)
        except Unavailable:
            continue
        return attempt
    raise AssertionError("stands still")


async def test_a_window_that_is_never_acknowledged_is_halved_until_one_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    windows: list[int] = []
    async with serve(limited(windows, lambda: 1000)) as port:
        to = beats(port, window=5000)
        assert await sent_in(to, to.encode([batch(*numbers(2600))])) == 5
        assert windows == [2600, 2600, 1300, 1300, 650, 650, 650, 650]
        await to.send(to.encode([batch(*numbers(1300))]))
        assert windows[8:] == [650, 650]
        await to.close()
    assert caplog.text.count("set window = 650") == 1


async def test_a_server_that_acknowledges_nothing_has_other_trouble_than_large_windows() -> None:
    windows: list[int] = []
    limit = 0
    async with serve(limited(windows, lambda: limit)) as port:
        to = beats(port, window=1024)
        payload = to.encode([batch(*numbers(1024))])
        for _ in range(7):
            await to.open()
            with pytest.raises(Unavailable, match="closed the connection"):
                await to.send(payload)
        assert windows == [1024, 1024, 512, 512, 256, 256, 1024]
        await to.close()
        windows.clear()
        to, limit = beats(port, window=1024), 1024
        assert await sent_in(to, to.encode([batch(*numbers(1024))])) == 1
        limit = 0
        payload = to.encode([batch(*numbers(1024))])
        for _ in range(3):
            with pytest.raises(Unavailable):
                await to.open()
                await to.send(payload)
        limit = 1024
        assert await sent_in(to, payload) == 1
        assert windows == [1024] * 5
        await to.close()


# -- configuration -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"address": "logstash"}, "has no port"),
        ({"address": "beats://x"}, "known are lumberjack://"),
        ({"address": "lumberjack://x", "tls": TLSConfig()}, "not encrypted"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        sink(**options)
    assert caught.value.path == "address"


# -- what every sink promises --------------------------------------------------------------------


class TestLines(SinkKit):
    complaint = "refused the connection"

    @pytest.fixture
    async def sink(self) -> AsyncIterator[Logstash]:
        async with serve(Collector()) as port:
            yield sink(f"tcp://127.0.0.1:{port}")

    @pytest.fixture
    def unreachable(self) -> Logstash:
        return sink(f"tcp://127.0.0.1:{free_port()}")


class TestUdp(SinkKit):
    complaint = "cannot be resolved"

    @pytest.fixture
    async def sink(self) -> AsyncIterator[Logstash]:
        async with udp() as receiver:
            yield sink(f"udp://127.0.0.1:{receiver.getsockname()[1]}")

    @pytest.fixture
    def unreachable(self) -> Logstash:
        return sink("udp://nowhere.invalid:5000")


class TestLumberjack(SinkKit):
    complaint = "does not speak Lumberjack 2"

    @pytest.fixture
    async def sink(self) -> AsyncIterator[Logstash]:
        async with serve(Beats()) as port:
            yield beats(port)

    @pytest.fixture
    async def unreachable(self) -> AsyncIterator[Logstash]:
        async with serve(Beats(greeting=b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
            yield beats(port)
