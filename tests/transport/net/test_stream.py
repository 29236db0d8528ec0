"""A stream knows what was taken, notices what was closed, and sends again what was lost."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from pipeline.model.component import TLSConfig
from pipeline.model.errors import Unavailable
from pipeline.transport.net.address import Address
from pipeline.transport.net.sockets import connect, readable
from pipeline.transport.net.stream import Closed, Stream
from tests.servers.certificates import Authority
from tests.servers.ports import free_port
from tests.servers.receivers import Collector, serve, server_context
from tests.suite.waiting import until

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def to(port: int, **options: object) -> Stream:
    return Stream(Address("tcp", "127.0.0.1", port), **options)  # type: ignore[arg-type]


@asynccontextmanager
async def peer(port: int | None = None) -> AsyncIterator[tuple[int, asyncio.Queue[socket.socket]]]:
    """A listener with a small window, whose connections the test reads, resets or leaves."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.setblocking(False)
        listener.bind(("127.0.0.1", port or free_port()))
        listener.listen()
        accepted: asyncio.Queue[socket.socket] = asyncio.Queue()
        kept: list[socket.socket] = []

        async def accept() -> None:
            while True:
                connection, _ = await asyncio.get_running_loop().sock_accept(listener)
                kept.append(connection)
                await accepted.put(connection)

        async with asyncio.TaskGroup() as group:
            task = group.create_task(accept())
            try:
                yield listener.getsockname()[1], accepted
            finally:
                task.cancel()
                for connection in kept:
                    connection.close()


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


async def noticed(stream: Stream) -> None:
    """Until the kernel knows what the peer has done."""
    assert stream._socket is not None
    async with asyncio.timeout(60):
        await readable(stream._socket)


def waiting(stream: Stream) -> int:
    """Bytes that the kernel has for it."""
    assert stream._socket is not None
    answer = fcntl.ioctl(stream._socket, termios.FIONREAD, b"\0" * 4)
    return int.from_bytes(answer, sys.byteorder)


async def read(connection: socket.socket, count: int) -> bytes:
    data = b""
    async with asyncio.timeout(60):
        while len(data) < count:
            data += await asyncio.get_running_loop().sock_recv(connection, 65536)
    return data


async def test_what_is_sent_arrives_and_closing_waits_for_it() -> None:
    receiver, data = Collector(), b"x" * 3_000_000
    async with serve(receiver) as port:
        stream = to(port)
        await stream.open()
        await stream.send(data)
        await stream.close()
        assert await receiver.has(len(data)) == data


async def test_a_peer_that_hangs_up_and_takes_nothing_is_not_waited_for() -> None:
    async with peer() as (port, accepted):
        stream = to(port)
        await stream.open()
        await stream.send(b"x")  # on probation
        connection = await accepted.get()

        def hang_up() -> None:
            connection.send(b"what nobody reads")
            connection.shutdown(socket.SHUT_WR)

        asyncio.get_running_loop().call_later(0.1, hang_up)
        with pytest.raises(Closed, match="closed the connection"):
            async with asyncio.timeout(60):
                await stream.send(b"x" * 30_000_000)
        await stream.close()


async def test_over_tls_large_data_arrive_whole(authority: Authority) -> None:
    receiver, data = Collector(), bytes(range(256)) * 12_000
    async with serve(receiver, tls=server_context(authority.issue("large"))) as port:
        stream = Stream(Address("tls", "localhost", port), TLSConfig(ca=authority.ca))
        await stream.open()
        await stream.send(data)
        await stream.close()
        assert await receiver.has(len(data)) == data


async def test_send_returns_only_when_the_kernel_has_taken_everything() -> None:
    async with peer() as (port, accepted):
        stream = to(port)
        await stream.open()
        connection = await accepted.get()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await stream.send(b"x" * 50_000_000)
        assert connection.fileno() != -1
        await stream.close()


async def test_a_connection_that_the_peer_closed_when_idle_is_quietly_made_anew() -> None:
    async with peer() as (port, accepted):
        stream = to(port)
        await stream.open()
        await stream.send(b"one")
        first = await accepted.get()
        assert await read(first, 3) == b"one"
        first.close()
        await noticed(stream)
        await stream.send(b"two")
        assert await read(await accepted.get(), 3) == b"two"
        await stream.close()


async def test_where_connections_begin_with_a_greeting_it_is_not_made_anew() -> None:
    async with peer() as (port, accepted):
        stream = to(port, resend=False, reconnect=False)
        await stream.open()
        (await accepted.get()).close()
        await noticed(stream)
        with pytest.raises(Closed):
            await stream.send(b"one")
        await stream.open()
        await stream.send(b"two")
        assert await read(await accepted.get(), 3) == b"two"
        await stream.close()


async def test_a_socket_of_this_host_is_a_stream_too(tmp_path: Path) -> None:
    receiver, path = Collector(), str(tmp_path / "peer.sock")

    async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await receiver(reader, writer)
        writer.close()

    server = await asyncio.start_unix_server(collect, path)
    async with server:
        stream = Stream(Address("unix", path, 0), resend=False)
        await stream.open()
        assert stream.reached() == f"unix://{path}"
        await stream.send(b"x" * 1_000_000)
        await stream.close()
        assert await receiver.has(1_000_000) == b"x" * 1_000_000
    with pytest.raises(Unavailable, match=r"unix:///.*sock"):
        await Stream(Address("unix", f"{path}.sock", 0)).open()


@pytest.mark.fault(25)
async def test_what_a_reset_connection_had_not_delivered_is_sent_again_first() -> None:
    payloads = [bytes([65 + n]) * 500_000 for n in range(4)]
    async with peer() as (port, accepted):
        stream = to(port)
        await stream.open()
        for payload in payloads[:3]:
            await stream.send(payload)
        reset(await accepted.get())
        await noticed(stream)
        with pytest.raises(Unavailable, match="closed the connection"):
            await stream.send(payloads[3])

        async def reopen() -> None:
            await stream.open()
            await stream.send(payloads[3])

        async with asyncio.TaskGroup() as group:
            group.create_task(reopen())
            received = await read(await accepted.get(), 2_000_000)
        assert received == b"".join(payloads)
        await stream.close()


async def test_what_was_delivered_is_not_sent_again() -> None:
    async with peer() as (port, accepted):
        stream = to(port)
        await stream.open()
        await stream.send(b"delivered")
        first = await accepted.get()
        await read(first, 9)
        await stream.send(b"also")
        await read(first, 4)
        reset(first)
        await noticed(stream)
        with pytest.raises(Unavailable):
            await stream.send(b"next")
        await stream.open()
        await stream.send(b"next")
        assert await read(await accepted.get(), 4) == b"next"
        await stream.close()


async def test_open_is_not_done_before_the_peer_has_what_it_was_owed() -> None:
    async with peer() as (port, accepted):
        stream = to(port)
        await stream.open()
        await stream.send(b"x" * 1_000_000)
        reset(await accepted.get())
        await noticed(stream)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await stream.open()
        await stream.close()


@pytest.mark.usefixtures("long_grace")
async def test_a_peer_that_closes_on_the_first_data_has_not_taken_it() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)

    async with serve(hang_up) as port:
        stream = to(port)
        await stream.open()
        with pytest.raises(Unavailable, match="check its protocol and framing"):
            await stream.send(b"x")
        await stream.close()


@pytest.mark.usefixtures("long_grace")
async def test_a_peer_that_objects_to_the_first_data_has_not_taken_it() -> None:
    async def object_to_it(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    async with serve(object_to_it) as port:
        stream = to(port)
        await stream.open()
        with pytest.raises(Unavailable, match="or objected"):
            await stream.send(b"x")
        await stream.close()


async def test_a_cancelled_send_leaves_no_half_message_to_go_on_from() -> None:
    async with peer() as (port, accepted):
        stream = to(port)
        await stream.open()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await stream.send(b"x" * 50_000_000)
        await stream.send(b"whole")
        await accepted.get()
        assert await read(await accepted.get(), 5) == b"whole"
        await stream.close()


async def test_receive_gives_what_the_peer_says_then_that_it_has_closed() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")

    async with serve(talk) as port:
        stream = to(port, resend=False)
        await stream.open()
        assert await stream.receive() == b"hello"
        with pytest.raises(Closed):
            await stream.receive()
        await stream.close()


@pytest.mark.fault(27)
async def test_a_silent_port_is_not_taken_for_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    async def patient(address: Address, timeout: float) -> socket.socket:
        return await connect(address, 60)

    monkeypatch.setattr("pipeline.transport.net.stream.connect", patient)
    async with serve(Collector()) as port:
        stream = Stream(Address("tls", "127.0.0.1", port), TLSConfig(), timeout=0.2)
        with pytest.raises(Unavailable, match="does not answer the TLS handshake"):
            await stream.open()


async def test_a_port_that_answers_something_else_is_not_taken_for_tls() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await reader.read()

    async with serve(talk) as port:
        stream = Stream(Address("tls", "127.0.0.1", port), TLSConfig())
        with pytest.raises(Unavailable, match="does not speak TLS on this port"):
            await stream.open()


async def test_nothing_listening_is_told() -> None:
    with pytest.raises(Unavailable, match="refused the connection: nothing listens there"):
        await to(free_port()).open()


async def test_a_full_backlog_ends_in_a_timeout_that_is_told() -> None:
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        stream = to(listener.getsockname()[1], timeout=0.2)
        with pytest.raises(Unavailable, match="does not answer"):
            await stream.open()


# ------------------------------------------------------------------------ what has arrived


async def test_what_the_peers_kernel_has_is_confirmed_whether_the_peer_reads_it_or_not() -> None:
    async with peer() as (port, accepted):
        stream = to(port)
        await stream.open()
        await stream.send(b"one")
        await accepted.get()
        async with asyncio.timeout(60):
            while stream.unconfirmed():
                await asyncio.sleep(0.001)
        await stream.close()


async def test_what_the_kernel_still_has_is_not_confirmed_payload_by_payload() -> None:
    async with peer() as (port, accepted):
        stream = to(port)
        await stream.open()
        connection = await accepted.get()
        await stream.send(b"x" * 1000)
        for _ in range(3):
            await stream.send(b"x" * 100_000)
        await until(lambda: stream.unconfirmed() == 3)
        await asyncio.sleep(0.1)
        assert stream.unconfirmed() == 3
        await read(connection, 301_000)
        async with asyncio.timeout(60):
            while stream.unconfirmed():
                await asyncio.sleep(0.001)
        await stream.close()


async def test_what_a_broken_connection_has_left_is_said_until_the_next_has_delivered_it() -> None:
    async with peer() as (port, accepted):
        stream = to(port)
        await stream.open()
        connection = await accepted.get()
        await stream.send(b"a" * 1000)
        await read(connection, 1000)
        await stream.send(b"b" * 500_000)
        reset(connection)
        await noticed(stream)
        with pytest.raises(Unavailable):
            stream.unconfirmed()
        async with asyncio.TaskGroup() as tasks:
            opening = tasks.create_task(stream.open())
            second = await accepted.get()
            assert await read(second, 500_000) == b"b" * 500_000
            await opening
        assert stream.unconfirmed() == 0
        await stream.close()


@pytest.mark.fault(103)
async def test_a_peer_that_says_more_than_anybody_can_read_is_read_a_piece_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_once = 2**15  # which the kernel certainly has
    monkeypatch.setattr("pipeline.transport.net.stream.AT_ONCE", at_once)
    async with peer() as (port, accepted):
        stream = to(port)
        await stream.open()
        connection = await accepted.get()
        with suppress(BlockingIOError):
            while True:
                connection.send(b"x" * 2**16)
                await asyncio.sleep(0.001)
        await until(lambda: waiting(stream) >= at_once)
        assert at_once <= len(await stream.receive()) < at_once + 2**16
        async with asyncio.timeout(60):
            assert await stream.receive()
        reset(connection)
        await stream.close()
