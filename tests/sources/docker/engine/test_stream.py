"""The body of an answer comes out whole, whatever the connection does, in bounded memory."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
import subprocess
import sys
import textwrap
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline.model.component import TLSConfig
from pipeline.model.errors import EngineError
from pipeline.sources.docker.engine import stream as module
from pipeline.sources.docker.engine.endpoint import Endpoint, resolve
from pipeline.sources.docker.engine.stream import (
    HIGH_WATER,
    MAX_HEAD,
    MAX_SHORT,
    ByteStream,
    GatheredReads,
    open_stream,
    parse_head,
)
from pipeline.support.selector import CoalescingLoop
from pipeline.testing.fake_engine import FakeEngine, Fault, head
from pipeline.testing.leaks import no_garbage
from tests.servers.certificates import Authority, authority
from tests.suite.waiting import until

__all__ = ["authority"]

HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: a/b\r\nX-Two:  words here \r\n\r\n"
BODY = b"\x01\0\0\0\0\0\0\x04one\n"

Open = Callable[[FakeEngine | Endpoint], Awaitable[ByteStream]]


def endpoint(fake: FakeEngine) -> Endpoint:
    return resolve(fake.url, None, {})


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeEngine]:
    async with FakeEngine(tmp_path / "docker.sock") as engine:
        yield engine


@pytest.fixture
async def fake_tcp() -> AsyncIterator[FakeEngine]:
    async with FakeEngine() as engine:
        yield engine


@pytest.fixture
async def opened() -> AsyncIterator[Open]:
    """Opens `/x` there; closes at the end."""
    streams = []

    async def open_one(where: FakeEngine | Endpoint) -> ByteStream:
        place = where if isinstance(where, Endpoint) else endpoint(where)
        streams.append(await open_stream(place, "/x"))
        return streams[-1]

    yield open_one
    for stream in streams:
        stream.close()


def feed(stream: ByteStream, data: bytes) -> None:
    """As the event loop does."""
    stream.get_buffer(-1)[: len(data)] = data
    stream.buffer_updated(len(data))


async def everything(stream: ByteStream) -> bytes:
    body = b""
    while data := await stream.read():
        body += data
    return body


# ------------------------------------------------------------------------------- the head


@pytest.mark.parametrize("at", range(1, len(HEAD + BODY)))
async def test_a_head_in_two_pieces_is_one_head(at: int) -> None:
    stream = ByteStream()
    feed(stream, (HEAD + BODY)[:at])
    feed(stream, (HEAD + BODY)[at:])
    assert stream.status == 200
    assert stream.header("content-type") == "a/b"
    assert stream.header("x-two") == "words here"
    assert await stream.read() == BODY


async def test_a_head_of_single_bytes_is_one_head() -> None:
    stream = ByteStream()
    for byte in HEAD + BODY:
        feed(stream, bytes([byte]))
    assert stream.status == 200
    assert await stream.read() == BODY


async def test_a_body_may_hold_what_ends_a_head() -> None:
    stream = ByteStream()
    feed(stream, HEAD + b"a\r\n\r\nb")
    assert await stream.read() == b"a\r\n\r\nb"


async def test_a_header_that_is_not_there_is_empty() -> None:
    stream = ByteStream()
    feed(stream, HEAD)
    assert stream.header("content-length") == ""


@pytest.mark.parametrize(
    "raw", [b"HTTP/1.1 404 Not Found", b"HTTP/1.0 404", b"HTTP/1.1 404 \r\nEmpty:\r\nno colon"]
)
def test_a_status_line_may_do_without_its_words(raw: bytes) -> None:
    assert parse_head(raw).status == 404


@pytest.mark.parametrize(
    "raw",
    [b"", b"\r\n", b"SSH-2.0-OpenSSH_9", b"HTTP/2 200", b"HTTP/1.1", b"HTTP/1.1 abc", b"\xff" * 9],
)
def test_what_is_no_head_is_refused_in_a_sentence(raw: bytes) -> None:
    with pytest.raises(EngineError, match="not an answer of a Docker Engine"):
        parse_head(raw)


@pytest.mark.parametrize(
    "raw", [b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * MAX_HEAD, b"x" * 2 * MAX_HEAD]
)
async def test_a_head_without_an_end_is_given_up_at_its_limit(fake: FakeEngine, raw: bytes) -> None:
    fake.answer("/x", [raw, Fault.STALL])
    with pytest.raises(EngineError, match="the head of an answer is longer than 65536 bytes"):
        await open_stream(endpoint(fake), "/x")
    await no_connection()


async def test_an_answer_that_ends_before_its_head_is_an_error(fake: FakeEngine) -> None:
    for script in ([], [b"HTTP/1.1 20"]):
        fake.answer("/x", script)
        with pytest.raises(ConnectionError):
            await open_stream(endpoint(fake), "/x")


async def test_a_reset_before_the_head_is_an_error(fake_tcp: FakeEngine) -> None:
    fake_tcp.answer("/x", [Fault.RESET])
    with pytest.raises(ConnectionResetError):
        await open_stream(endpoint(fake_tcp), "/x")


async def test_a_peer_that_says_nothing_is_given_up(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEAD_TIMEOUT", 0.1)
    fake.answer("/x", [Fault.STALL])
    with pytest.raises(TimeoutError):
        await open_stream(endpoint(fake), "/x")
    await no_connection()


async def test_a_peer_that_accepts_nobody_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEAD_TIMEOUT", 0.1)
    monkeypatch.setattr(module, "CONNECT_TIMEOUT", 0.1)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "docker.sock"))
        listener.listen(0)
        for _ in range(3):
            with pytest.raises(OSError):
                await open_stream(resolve(f"unix://{tmp_path}/docker.sock", None, {}), "/x")


async def test_a_chunked_answer_is_refused_and_the_proxy_named(fake: FakeEngine) -> None:
    fake.answer("/x", [head(transfer_encoding="chunked"), Fault.STALL])
    with pytest.raises(EngineError, match=r"a proxy .* does not speak HTTP/1\.0"):
        await open_stream(endpoint(fake), "/x")
    await no_connection()


async def test_the_request_names_its_host(fake: FakeEngine, fake_tcp: FakeEngine) -> None:
    for engine in (fake, fake_tcp):
        engine.answer("/x", [head()])
        (await open_stream(endpoint(engine), "/x")).close()
    assert fake.requests[0].protocol == "HTTP/1.0"
    assert fake.requests[0].headers["host"] == "docker"
    assert fake_tcp.requests[0].headers["host"] == fake_tcp.url.removeprefix("tcp://")
    assert Endpoint("", "", host="::1", port=2375).authority == "[::1]:2375"


# ------------------------------------------------------------------------------- the body


async def test_a_body_ends_where_the_connection_does(fake: FakeEngine, opened: Open) -> None:
    fake.answer("/x", [HEAD + b"a", 0.05, b"b", 0.05, b"c"])
    stream = await opened(fake)
    assert await everything(stream) == b"abc"
    assert await stream.read() == b""


async def test_a_connection_broken_off_is_an_error_after_what_had_come(
    fake_tcp: FakeEngine, opened: Open
) -> None:
    fake_tcp.answer("/x", [HEAD + b"abc", 0.1, Fault.RESET])
    stream = await opened(fake_tcp)
    await asyncio.sleep(0.3)
    assert await stream.read() == b"abc"
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await stream.read()


async def test_a_reader_that_waits_is_told_of_the_break(fake_tcp: FakeEngine, opened: Open) -> None:
    fake_tcp.answer("/x", [HEAD, 0.1, Fault.RESET])
    stream = await opened(fake_tcp)
    with pytest.raises(ConnectionError):
        await stream.read()


async def test_closing_ends_the_wait_of_a_reader(fake: FakeEngine, opened: Open) -> None:
    fake.answer("/x", [HEAD, Fault.STALL])
    stream = await opened(fake)
    asyncio.get_running_loop().call_later(0.05, stream.close)
    assert await stream.read() == b""
    stream.close()
    await no_connection()


def test_closing_before_there_is_a_connection_does_nothing() -> None:
    async def close() -> None:
        ByteStream().close()

    asyncio.run(close())


async def test_a_reader_that_stops_makes_the_sender_wait_and_loses_nothing(
    fake: FakeEngine, opened: Open
) -> None:
    """What is held here is `HIGH_WATER` and less than one read more; the rest is in two sockets'
    buffers and the sender's own."""
    piece, count = bytes(range(256)) * 256, 128
    fake.answer("/x", [HEAD, *[piece] * count])
    stream = await opened(fake)
    await until(lambda: stream._waiting >= HIGH_WATER)
    sent = await settled(fake)
    assert HIGH_WATER <= stream._waiting < HIGH_WATER + len(stream.get_buffer(-1))
    assert sent < stream._waiting + 2**20 < count * len(piece)
    assert await everything(stream) == piece * count


async def settled(fake: FakeEngine) -> int:
    """What has been sent when no more goes out."""
    before = -1
    while before != fake.sent:
        before = fake.sent
        await asyncio.sleep(0.2)
    return before


async def test_closing_a_stream_that_is_not_read_closes_its_connection(
    fake: FakeEngine, opened: Open
) -> None:
    fake.answer("/x", [HEAD, *[bytes(2**16)] * 128])
    stream = await opened(fake)
    await settled(fake)
    stream.close()
    await no_connection()


@pytest.mark.parametrize(
    ("length", "sent", "got"),
    [
        ("5", b"error and more", b"error"),
        ("100", b"short", b"short"),
        ("", b"to the end", b"to the end"),
        ("junk", b"to the end", b"to the end"),
        ("0", b"nothing", b""),
        (str(10 * MAX_SHORT), bytes(4 * MAX_SHORT), bytes(MAX_SHORT)),
        ("", bytes(4 * MAX_SHORT), bytes(MAX_SHORT)),
    ],
    ids=["less", "more", "unknown", "junk", "nothing", "too long", "endless"],
)
async def test_a_short_answer_is_read_as_far_as_it_says_and_no_further_than_the_limit(
    fake: FakeEngine, length: str, sent: bytes, got: bytes, opened: Open
) -> None:
    length_header = {"content_length": length} if length else {}
    fake.answer("/x", [head(500, **length_header) + sent])
    stream = await opened(fake)
    assert await stream.read_all() == got
    stream.close()


# --------------------------------------------------------------------------- nothing is left


async def no_connection() -> None:
    """Waits until this process has no connection open that it has made."""
    await until(lambda: not connections(), "connections are left")


def connections() -> list[str]:
    """Their peers: unix sockets that have one, and no name of their own, as those have that a
    server's listening socket has made."""
    found = []
    for entry in list(Path("/proc/self/fd").iterdir()):
        try:
            if not str(entry.readlink()).startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(entry.name))) as one:
                if one.family == socket.AF_UNIX and one.getpeername() and not one.getsockname():
                    found.append(str(one.getpeername()))
        except OSError:
            continue  # a listener, or gone
    return found


async def test_a_wait_for_the_head_that_is_cancelled_leaves_no_connection(
    fake: FakeEngine,
) -> None:
    fake.answer("/x", [Fault.STALL])
    async with asyncio.TaskGroup() as tasks:
        opening = [tasks.create_task(open_stream(endpoint(fake), "/x")) for _ in range(100)]
        for task, turns in zip(opening, range(100), strict=True):
            for _ in range(turns % 7):
                await asyncio.sleep(0)
            task.cancel()
    await no_connection()


def test_a_connection_that_ends_when_nobody_waits_any_more_says_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As between connecting and asking, where the task is cancelled just then."""

    async def end() -> None:
        ByteStream().connection_lost(None)
        gc.collect()

    asyncio.run(end())
    assert not caplog.records


async def test_a_read_that_is_cancelled_loses_nothing(fake: FakeEngine, opened: Open) -> None:
    go = asyncio.Event()
    fake.answer("/x", [HEAD, go, b"abc"])
    stream = await opened(fake)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await stream.read()
    go.set()
    assert await everything(stream) == b"abc"


# ---------------------------------------------------------------- hosts that are far away


async def test_a_connection_over_tcp_asks_whether_its_peer_is_still_there(
    fake_tcp: FakeEngine, opened: Open
) -> None:
    fake_tcp.answer("/x", [HEAD, Fault.STALL])
    stream = await opened(fake_tcp)
    assert stream._transport
    connection = stream._transport.get_extra_info("socket")
    assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
    stream.close()


VANISHES = """
    import asyncio, subprocess
    from pipeline.sources.docker.engine import stream
    from pipeline.sources.docker.engine.endpoint import resolve
    from pipeline.testing.fake_engine import FakeEngine, Fault, head

    stream.KEEPALIVE = dict.fromkeys(stream.KEEPALIVE, 1)

    def loopback(state):
        subprocess.run(["busybox", "ip", "link", "set", "lo", state], check=True)

    async def main():
        loopback("up")
        async with FakeEngine() as fake:
            fake.answer("/x", [head(), Fault.STALL])
            opened = await stream.open_stream(resolve(fake.url, None, {}), "/x")
            loopback("down")
            try:
                await asyncio.wait_for(opened.read(), 90)
            except ConnectionError as error:
                print(error)

    asyncio.run(main())
"""


@pytest.mark.server
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a network of its own")
def test_a_host_that_vanishes_without_a_word_is_noticed() -> None:
    """In a network namespace of its own, whose loopback is switched off."""
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", textwrap.dedent(VANISHES)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert "timed out" in done.stdout, done.stderr


# -------------------------------------------------------------------------------- over TLS


@pytest.fixture
async def fake_tls(authority: Authority) -> AsyncIterator[tuple[FakeEngine, Endpoint]]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server = authority.issue("stream", "DNS:localhost")
    context.load_cert_chain(server.cert, server.key)
    async with FakeEngine(tls=context) as engine:
        yield engine, resolve(engine.url, TLSConfig(ca=authority.ca, server_name="localhost"), {})


async def test_a_body_comes_whole_over_tls_and_keeps_to_the_same_bound(
    fake_tls: tuple[FakeEngine, Endpoint], opened: Open
) -> None:
    """Where a socket's buffers are larger: some MiB on each side (tcp(7), tcp_rmem, tcp_wmem)."""
    fake, endpoint = fake_tls
    piece, count = bytes(range(256)) * 1024, 128
    fake.answer("/x", [HEAD, *[piece] * count])
    stream = await opened(endpoint)
    await until(lambda: stream._waiting >= HIGH_WATER)
    sent = await settled(fake)
    assert HIGH_WATER <= stream._waiting < HIGH_WATER + len(stream.get_buffer(-1))
    assert sent < count * len(piece)
    assert await everything(stream) == piece * count


async def test_a_break_over_tls_is_an_error(
    fake_tls: tuple[FakeEngine, Endpoint], opened: Open
) -> None:
    fake, endpoint = fake_tls
    fake.answer("/x", [HEAD + b"abc", 0.1, Fault.RESET])
    stream = await opened(endpoint)
    await asyncio.sleep(0.3)
    assert await stream.read() == b"abc"
    with pytest.raises(ConnectionError):
        await stream.read()


# ------------------------------------------------------------------- many streams, little in each

the_loop_pauses = pytest.mark.parametrize("no_blocking_calls", [None], ids=[""])
"""In place of the fixture that finds that the loop blocks: here it does so on purpose."""


@the_loop_pauses
def test_a_stream_that_is_left_alone_for_a_while_gives_all_that_came_and_its_end() -> None:
    """On the loop of the agent, where streams rest, more of them than may be read at once."""

    async def read(number: int) -> tuple[bytes, bool]:
        ours, theirs = socket.socketpair()
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(ByteStream, sock=ours)
        theirs.sendall(HEAD)
        await stream.head_arrived
        body, rested = b"", False
        for line in range(5):
            theirs.sendall(b"%d %d\n" % (number, line))
            body += await stream.read()
            rested = rested or stream._resting
        theirs.sendall(b"end")
        theirs.close()
        return body + await everything(stream), rested

    async def read_all() -> list[tuple[bytes, bool]]:
        return await asyncio.gather(*map(read, range(100)))

    with asyncio.Runner(loop_factory=CoalescingLoop) as runner:
        results = runner.run(read_all())
    for number, (body, _) in enumerate(results):
        assert body == b"".join(b"%d %d\n" % (number, line) for line in range(5)) + b"end"
    assert any(rested for _, rested in results)


@the_loop_pauses
def test_a_stream_is_closed_while_it_is_left_alone() -> None:
    async def close() -> bytes:
        ours, theirs = socket.socketpair()
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(ByteStream, sock=ours)
        theirs.sendall(HEAD + b"x")
        await stream.head_arrived
        stream._rest(3600)
        assert await stream.read() == b"x"
        stream.close()
        with theirs:
            return await stream.read()

    with asyncio.Runner(loop_factory=CoalescingLoop) as runner:
        assert runner.run(close()) == b""


@the_loop_pauses
def test_what_comes_while_somebody_reads_is_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[bool] = []
    begin = GatheredReads.begin

    def note(self: GatheredReads, size: int) -> bool:
        begun.append(begin(self, size))
        return begun[-1]

    monkeypatch.setattr(GatheredReads, "begin", note)

    async def read() -> int:
        ours, theirs = socket.socketpair()
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(ByteStream, sock=ours)
        theirs.setblocking(False)
        with theirs:
            await loop.sock_sendall(theirs, HEAD)
            await stream.head_arrived
            size = 0
            async with asyncio.TaskGroup() as tasks:
                for _ in range(20):
                    reading = tasks.create_task(stream.read(), name="read")
                    await asyncio.sleep(0)
                    await loop.sock_sendall(theirs, b"x" * 10_000)
                    size += len(await reading)
        stream.close()
        return size

    with asyncio.Runner(loop_factory=CoalescingLoop) as runner:
        assert runner.run(read()) == 200_000
    assert any(begun)


@the_loop_pauses
def test_a_stream_that_is_done_with_is_let_go_at_once() -> None:
    """Not when the garbage collector comes: it may have a quarter of a megabyte."""

    async def read_and_close() -> None:
        ours, theirs = socket.socketpair()
        transport, stream = await asyncio.get_running_loop().create_connection(
            ByteStream, sock=ours
        )
        with theirs:
            theirs.sendall(HEAD + BODY)
            assert await stream.read() == BODY
        known = weakref.ref(transport)
        stream.close()
        del transport, stream
        await asyncio.sleep(0.01)
        assert known() is None

    async def open_in_vain() -> None:
        async with FakeEngine() as fake:
            fake.answer("/x", [b"HTTP/1.0"])
            for _ in range(2):
                with suppress(ConnectionError):
                    await open_stream(endpoint(fake), "/x")
            await asyncio.sleep(0.05)

    double = ("FakeEngine", "Request")
    with asyncio.Runner(loop_factory=CoalescingLoop) as runner, no_garbage(double):
        for _ in range(3):
            runner.run(read_and_close())
        runner.run(open_in_vain())


@the_loop_pauses
def test_resting_and_being_full_are_two_reasons_to_pause_and_both_have_to_end() -> None:
    async def both() -> None:
        ours, theirs = socket.socketpair()
        loop = asyncio.get_running_loop()
        transport, stream = await loop.create_connection(ByteStream, sock=ours)
        theirs.sendall(HEAD)
        await stream.head_arrived
        feed(stream, b"x" * 200_000)
        while not stream._paused:
            feed(stream, b"x" * 200_000)
        stream._rest(3600)
        await stream.read()
        assert not transport.is_reading()
        stream.rested()
        assert transport.is_reading()
        stream.close()
        theirs.close()

    with asyncio.Runner(loop_factory=CoalescingLoop) as runner:
        runner.run(both())


@the_loop_pauses
def test_at_the_end_of_a_rest_a_stream_is_read_without_the_event_loop() -> None:
    async def read() -> None:
        ours, theirs = socket.socketpair()
        loop = asyncio.get_running_loop()
        transport, stream = await loop.create_connection(ByteStream, sock=ours)
        theirs.sendall(HEAD)
        await stream.head_arrived
        assert stream._selector is not None
        stream._selector.read = lambda size, *, rested=False: 3600.0  # type: ignore[method-assign]
        stream._rest(3600)
        theirs.sendall(b"one")
        stream.rested()
        assert await stream.read() == b"one"
        assert not transport.is_reading()  # it had little, and rests again
        stream.rested()
        assert transport.is_reading()  # it had nothing
        stream._rest(3600)
        theirs.sendall(b"two")
        theirs.close()
        stream.rested()
        assert await stream.read() == b"two"
        stream.rested()
        assert await stream.read() == b""
        stream.rested()  # after its end

    with asyncio.Runner(loop_factory=CoalescingLoop) as runner:
        runner.run(read())
