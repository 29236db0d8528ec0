"""The syslog source with `logger`, rsyslog and syslog-ng as they are, and with bad senders."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from pipeline.encode.json import JsonEncoder
from pipeline.model.batch import Batch
from pipeline.model.component import Duration, Size, SourceContext
from pipeline.model.errors import ConfigError
from pipeline.sources.syslog import Config, Syslog
from pipeline.testing.intake_room import Room, room, until
from pipeline.testing.source_kit import Connect, SourceKit
from pipeline.transport.net.listen import ListenTLSConfig
from tests.servers.certificates import Authority
from tests.servers.daemon import Daemon, takes_datagrams
from tests.servers.ports import free_port
from tests.servers.receivers import client_context
from tests.servers.rsyslog import found as rsyslogd
from tests.servers.syslog_ng import run as syslog_ng

FIRST = b"<13>1 2026-01-31T23:59:59Z web-1 app - - - "


def source(scheme: str, **options: Any) -> Syslog:
    config = Config(type="syslog", **{"listen": f"{scheme}://127.0.0.1:0", **options})
    return Syslog(config, SourceContext("in", "hub-1"))


@asynccontextmanager
async def served(scheme: str, **options: Any) -> AsyncIterator[tuple[Room, int]]:
    it = source(scheme, **options)
    async with room(it) as one:
        yield one, it.port


def batches(one: Room) -> list[Batch]:
    return one.sinks[0].batches


async def has(one: Room, count: int) -> list[bytes]:
    await until(lambda: len(one.sinks[0].lines) >= count)
    return one.sinks[0].lines


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


# -- logger --------------------------------------------------------------------------------------


async def logger(port: int, *arguments: str) -> None:
    if shutil.which("logger") is None:
        pytest.skip("logger is not installed")
    command = ["logger", "--server", "127.0.0.1", "--port", str(port), *arguments]
    await asyncio.to_thread(subprocess.run, command, check=True, timeout=60)


@pytest.mark.server
@pytest.mark.parametrize(
    ("scheme", "options"),
    [
        ("udp", ("--udp",)),
        ("udp", ("--udp", "--rfc3164")),
        ("tcp", ("--tcp",)),
        ("tcp", ("--tcp", "--rfc3164")),
        ("tcp", ("--tcp", "--octet-count")),
    ],
)
async def test_what_logger_sends_arrives_with_its_facts(
    scheme: str, options: tuple[str, ...]
) -> None:
    async with served(scheme) as (one, port):
        for text in ("first", "päß 2 <3>"):
            await logger(port, *options, "-p", "mail.err", "-t", "tagged", "--id=77", text)
        assert await has(one, 2) == [b"first", "päß 2 <3>".encode()]
        batch = batches(one)[0]
        assert (batch.container.name, batch.container.host) == ("tagged", socket.gethostname())
        assert batch.fields is not None
        fields = batch.fields[0]
        assert (fields["facility"], fields["severity"], fields["procid"]) == ("mail", "err", 77)
        json = JsonEncoder().encode([batch])
        assert b'"log":{"level":"error"}' in json
        assert batch.times[0][:4] >= b"2024"


@pytest.mark.server
async def test_structured_data_and_msgid_are_fields() -> None:
    async with served("udp") as (one, port):
        data = ("--sd-id", "x@32473", "--sd-param", 'a="1"', "--msgid", "ID9")
        await logger(port, "--udp", "--rfc5424", *data, "text")
        await has(one, 1)
        (fields,) = batches(one)[0].fields or []
        assert fields["structured_data"]["x@32473"] == {"a": "1"}
        assert fields["msgid"] == "ID9"


# -- rsyslog and syslog-ng -----------------------------------------------------------------------

RSYSLOG = """
global(workDirectory="{directory}" parser.escapeControlCharactersOnReceive="off"
       defaultNetstreamDriverCAFile="{ca}")
module(load="imudp")
input(type="imudp" address="127.0.0.1" port="{entry}")
module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="{ready}")
action(type="omfwd" target="127.0.0.1" port="{port}" {how})
"""
RSYSLOG_WAYS = {
    "udp": ("udp", 'protocol="udp"'),
    "lf": ("tcp", 'protocol="tcp"'),
    "octet counting": ("tcp", 'protocol="tcp" tcp_framing="octet-counted"'),
    "5424": (
        "tcp",
        'protocol="tcp" tcp_framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"',
    ),
    "tls": (
        "tls",
        'protocol="tcp" streamDriver="ossl" streamDriverMode="1" streamDriverAuthMode="anon"',
    ),
}
SYSLOG_NG = """
@version: 4.8
options {{ keep-hostname(yes); stats(freq(0)); frac-digits(6); ts-format(iso); }};
source s {{ network(ip("127.0.0.1") port({ready}) transport("tcp"));
           network(ip("127.0.0.1") port({entry}) transport("udp")); }};
destination d {{ {how} }};
log {{ source(s); destination(d); }};
"""
SYSLOG_NG_WAYS = {
    "udp": ("udp", 'syslog("127.0.0.1" port({port}) transport("udp"));'),
    "octet counting": ("tcp", 'syslog("127.0.0.1" port({port}) transport("tcp"));'),
    "lf": ("tcp", 'network("127.0.0.1" port({port}) transport("tcp"));'),
    "tls": (
        "tls",
        'syslog("127.0.0.1" port({port}) transport("tls") tls(peer-verify(optional-untrusted)));',
    ),
}


def certificate(scheme: str, authority: Authority) -> dict[str, Any]:
    own = authority.issue("syslog-source")
    tls = {"tls": ListenTLSConfig(cert=own.cert, key=own.key)}
    return tls if scheme == "tls" else {}


async def forwarded(relay: Daemon, entry: int, one: Room) -> None:
    """A hundred lines go to the relay, and on from there."""
    await asyncio.to_thread(relay.start)
    try:
        await until(lambda: takes_datagrams(entry))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for number in range(100):
                text = f"<27>Jan 31 23:59:59 router ospfd[5]: line {number} of 100"
                await asyncio.to_thread(sock.sendto, text.encode(), ("127.0.0.1", entry))
                await asyncio.sleep(0.001)
        await until(lambda: b"line 99 of 100" in map(bytes.lstrip, one.sinks[0].lines))
    finally:
        await asyncio.to_thread(relay.stop)
    # rsyslog keeps the space before a message of RFC 3164 as a part of it
    lines = [line.lstrip() for line in one.sinks[0].lines if b"line " in line]
    assert lines == [b"line %d of 100" % number for number in range(100)]
    batch = next(it for it in batches(one) if b"line " in it.lines[0])
    assert (batch.container.name, batch.container.host) == ("ospfd", "router")
    assert batch.dataset == "syslog.logs"
    assert batch.fields is not None
    assert batch.fields[0]["severity"] == "err"
    assert batch.fields[0]["procid"] == 5
    assert one.intake.refused == {}


@pytest.mark.server
@pytest.mark.parametrize("way", RSYSLOG_WAYS)
async def test_rsyslog_forwards(way: str, authority: Authority, tmp_path: Path) -> None:
    scheme, how = RSYSLOG_WAYS[way]
    binary = await asyncio.to_thread(rsyslogd)
    entry, ready = free_port(socket.SOCK_DGRAM), free_port()
    options = await asyncio.to_thread(certificate, scheme, authority)
    async with served(scheme, **options) as (one, port):
        config = tmp_path / "rsyslog.conf"
        values = {"directory": tmp_path, "entry": entry, "ready": ready, "ca": authority.ca}
        await asyncio.to_thread(config.write_text, RSYSLOG.format(port=port, how=how, **values))
        command = [binary, "-n", "-C", "-f", str(config), "-i", str(tmp_path / "pid")]
        await forwarded(Daemon(command, tmp_path, [ready]), entry, one)


@pytest.mark.server
@pytest.mark.parametrize("way", SYSLOG_NG_WAYS)
async def test_syslog_ng_forwards(way: str, authority: Authority, tmp_path: Path) -> None:
    scheme, how = SYSLOG_NG_WAYS[way]
    entry, ready = free_port(socket.SOCK_DGRAM), free_port()
    options = await asyncio.to_thread(certificate, scheme, authority)
    async with served(scheme, **options) as (one, port):
        config = tmp_path / "syslog-ng.conf"
        text = SYSLOG_NG.format(entry=entry, ready=ready, how=how.format(port=port))
        await asyncio.to_thread(config.write_text, text)
        command, env = await asyncio.to_thread(syslog_ng, config, tmp_path)
        await forwarded(Daemon(command, tmp_path, [ready], env), entry, one)


# -- framing, limits and backpressure ------------------------------------------------------------


@pytest.mark.parametrize(
    "stream",
    [
        FIRST + b"one\n" + FIRST + b"two\r\n",
        FIRST + b"one\0\n" + FIRST + b"two",
        b"%d %bone%d %btwo\n" % (len(FIRST) + 3, FIRST, len(FIRST) + 4, FIRST),
    ],
)
@pytest.mark.parametrize("cut", [None, 1])
async def test_the_framing_is_told_by_the_first_byte(stream: bytes, cut: int | None) -> None:
    async with served("tcp") as (one, port):
        _, writer = await connect(port)
        for start in range(0, len(stream), cut or len(stream)):
            writer.write(stream[start : start + (cut or len(stream))])
            await writer.drain()
        writer.close()
        assert await has(one, 2) == [b"one", b"two"]
        assert one.intake.refused == {}


BAD = {
    "four gibibytes": (b"4294967295 " + FIRST, "too_large"),
    "a length that is none": (b"99999999999 " + FIRST, "malformed"),
    "a number": (b"123456", None),
    "HTTP/2 with a number": (b"1PRI * HTTP/2.0", "malformed"),
}


@pytest.mark.fault(35)
@pytest.mark.parametrize("bad", BAD)
async def test_a_bad_sender_is_let_go_of_and_others_go_on(bad: str) -> None:
    data, reason = BAD[bad]
    async with served("tcp") as (one, port):
        reader, writer = await connect(port)
        writer.write(data)
        if reason is None:
            writer.write_eof()
        async with asyncio.timeout(60):
            assert await reader.read() == b""
        writer.close()
        await until(lambda: one.intake.refused == ({reason: 1} if reason else {}))
        _, good = await connect(port)
        good.write(FIRST + b"good\n")
        assert await has(one, 1) == [b"good"]
        good.close()


@pytest.mark.fault(35)
async def test_a_line_without_an_end_is_cut_marked_and_costs_no_memory() -> None:
    async with served("tcp", max_message=Size(1000)) as (one, port):
        _, writer = await connect(port)
        writer.write(FIRST)
        for _ in range(200):
            writer.write(b"x" * 65536)
            await writer.drain()
        writer.write(b"\n" + FIRST + b"after\n")
        first, second = await has(one, 2)
        assert (first, second) == (b"x" * (1000 - len(FIRST)), b"after")
        assert batches(one)[0].flags == {1: "truncated"}
        writer.close()


@pytest.mark.fault(35)
@pytest.mark.parametrize(("said", "reason"), [(b"", "idle"), (FIRST, "stalled")])
async def test_who_says_nothing_is_let_go_of(
    said: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.sources.syslog.STALLED", 0.2)
    async with served("tcp", idle=Duration(60 if said else 0.2)) as (one, port):
        reader, writer = await connect(port)
        writer.write(said)
        async with asyncio.timeout(60):
            assert await reader.read() == b""
        assert one.intake.refused == {reason: 1}
        writer.close()


async def test_what_came_right_before_a_bad_length_is_taken() -> None:
    async with served("tcp") as (one, port):
        _, writer = await connect(port)
        good = FIRST + b"good"
        writer.write(b"%d %b-5 x" % (len(good), good))
        assert await has(one, 1) == [b"good"]
        await until(lambda: one.intake.refused == {"malformed": 1})
        writer.close()


@pytest.mark.fault(35)
async def test_connections_beyond_the_limit_are_refused_and_counted() -> None:
    async with served("tcp", connections=3) as (one, port):
        writers = [(await connect(port))[1] for _ in range(10)]
        await until(lambda: one.intake.refused == {"connections": 7})
        writers[0].write(FIRST + b"good\n")
        assert await has(one, 1) == [b"good"]
        for writer in writers:
            writer.close()


def unread(port: int) -> int:
    """Bytes that the kernel has for a socket of UDP: see proc_net(5)."""
    rows = (row.split() for row in Path("/proc/net/udp").read_text().splitlines()[1:])
    return sum(int(row[4].split(":")[1], 16) for row in rows if row[1].endswith(f":{port:04X}"))


async def test_what_the_kernel_drops_while_sinks_are_full_is_counted() -> None:
    async with served("udp", receive_buffer=Size(2**16)) as (one, port):
        sink = one.sinks[0]
        sink.shut()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(("127.0.0.1", port))
            sock.send(FIRST + b"0")
            await until(lambda: one.intake.taken == 1)
            for number in range(1, 1000):
                sock.send(FIRST + b"%d" % number)
            sink.settle()
            await until(lambda: len(sink.lines) > 1 and not unread(port))
            sock.send(FIRST + b"last")
            await until(lambda: b"last" in sink.lines)
        dropped = one.intake.refused["dropped"]
        assert dropped > 100
        assert len(sink.lines) + dropped == 1001
        assert sink.lines[:3] == [b"0", b"1", b"2"]


@pytest.mark.fault(102)
async def test_what_is_in_flight_counts_by_what_it_takes_in_memory() -> None:
    many = b"<13>1 - h a - - [x" + b"".join(b' p%d=""' % number for number in range(5000)) + b"]\n"
    async with served("tcp") as (one, port):
        one.sinks[0].settles = False
        writers = [(await connect(port))[1] for _ in range(8)]
        for writer in writers:
            writer.write(many)
        await until(lambda: one.intake.bytes >= one.intake.limit)
        await asyncio.sleep(0.1)
        assert one.intake.taken == 1, "the others wait, with what they have read"
        one.sinks[0].settles = True
        one.sinks[0].settle()
        await until(lambda: one.intake.settled == 8)
        for writer in writers:
            writer.close()


async def test_what_waits_for_room_when_the_source_stops_is_counted() -> None:
    async with served("tcp") as (one, port):
        one.sinks[0].settles = False
        one.intake.limit = 1
        writers = [(await connect(port))[1] for _ in range(3)]
        for writer in writers:
            writer.write(FIRST + b"x\n")
        await until(lambda: one.intake.taken == 1)
        await asyncio.sleep(0.1)
        await one.stop()
        assert (one.intake.taken, one.intake.given_up) == (3, 3)
        for writer in writers:
            writer.close()


async def test_a_sender_over_tls_shows_a_certificate_where_that_is_asked_for(
    authority: Authority,
) -> None:
    own, client = authority.issue("hub"), authority.issue("client")
    tls = ListenTLSConfig(cert=own.cert, key=own.key, client_ca=authority.ca)
    async with served("tls", tls=tls) as (one, port):
        context = client_context(authority)
        try:
            reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
            await reader.read()
            writer.close()
        except (ConnectionError, ssl.SSLError):
            pass
        await until(lambda: one.intake.refused == {"tls": 1})
        context.load_cert_chain(client.cert, client.key)
        _, writer = await asyncio.open_connection("localhost", port, ssl=context)
        writer.write(FIRST + b"good\n")
        assert await has(one, 1) == [b"good"]
        writer.close()


async def test_what_is_no_syslog_at_all_is_a_message_of_its_sender() -> None:
    async with served("udp") as (one, port):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for data in (b"", b"\xff\xfe", b"<999>x", b"\0\n", b"x" * 60_000):
                sock.sendto(data, ("127.0.0.1", port))
        assert await has(one, 3) == [b"\xff\xfe", b"<999>x", b"x" * 60_000]
        assert batches(one)[0].container.host == "hub-1"
        assert batches(one)[0].container.name == "hub-1"


@pytest.mark.parametrize(
    ("options", "path", "says"),
    [
        ({"listen": "http://0.0.0.0:1"}, "listen", "known are udp://, tcp://, tls://"),
        ({"listen": "tls://0.0.0.0"}, "tls", "TLS needs a certificate"),
        (
            {"listen": "udp://0.0.0.0", "tls": ListenTLSConfig(cert="x")},
            "listen",
            "udp:// is not encrypted",
        ),
    ],
)
def test_what_cannot_be_meant_is_told_where_it_stands(
    options: dict[str, Any], path: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        source("udp", **options)
    assert raised.value.path == path


def test_without_a_setting_only_this_host_is_listened_to() -> None:
    it = Syslog(Config(type="syslog"), SourceContext("in"))
    assert it.reached() == "udp://127.0.0.1:514"


# -- the kit -------------------------------------------------------------------------------------


class Sender:
    """A message for each line, ended by LF, counted, or as a datagram."""

    def __init__(self, port: int, *, counted: bool, tls: ssl.SSLContext | None = None) -> None:
        self._port = port
        self._counted = counted
        self._tls = tls

    async def open(self) -> Sender:
        host = "localhost" if self._tls else "127.0.0.1"
        patience = 0.1 if self._tls else None  # with a server that is stuck
        _, self._writer = await asyncio.open_connection(
            host, self._port, ssl=self._tls, ssl_shutdown_timeout=patience
        )
        return self

    async def send(self, *lines: bytes) -> None:
        for line in lines:
            message = FIRST + line
            framed = b"%d %b" % (len(message), message) if self._counted else message + b"\n"
            self._writer.write(framed)
        await self._writer.drain()

    async def send_rubbish(self, data: bytes) -> None:
        other = await Sender(self._port, counted=self._counted, tls=self._tls).open()
        other._writer.write(data)
        await other._writer.drain()
        await other.close()

    async def answered(self) -> int:
        raise AssertionError("syslog has no answers")

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


class Datagrams(Sender):
    async def open(self) -> Datagrams:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", self._port))
        return self

    async def send(self, *lines: bytes) -> None:
        for line in lines:
            self._socket.send(FIRST + line)

    async def close(self) -> None:
        self._socket.close()


class TestTcp(SourceKit):
    complaint = "it is in use"
    answers = False
    rubbish = (b"99999999999 x", b"1x")
    counted = False

    @pytest.fixture
    def source(self) -> Syslog:
        return source("tcp")

    @pytest.fixture
    def connect(self, source: Syslog) -> Connect:
        return lambda: Sender(source.port, counted=self.counted).open()

    @pytest.fixture
    def unusable(self) -> Iterator[Syslog]:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            yield source("tcp", listen=f"tcp://127.0.0.1:{taken.getsockname()[1]}")


class TestTcpCounted(TestTcp):
    counted = True


class TestTls(TestTcp):
    @pytest.fixture
    def source(self, authority: Authority) -> Syslog:
        own = authority.issue("hub")
        return source("tls", tls=ListenTLSConfig(cert=own.cert, key=own.key))

    @pytest.fixture
    def connect(self, source: Syslog, authority: Authority) -> Connect:
        context = client_context(authority)
        return lambda: Sender(source.port, counted=True, tls=context).open()


class TestUdp(SourceKit):
    complaint = "it is in use"
    answers = False

    @pytest.fixture
    def source(self) -> Syslog:
        return source("udp")

    @pytest.fixture
    def connect(self, source: Syslog) -> Connect:
        return lambda: Datagrams(source.port, counted=False).open()

    @pytest.fixture
    def unusable(self) -> Iterator[Syslog]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            yield source("udp", listen=f"udp://127.0.0.1:{taken.getsockname()[1]}")
