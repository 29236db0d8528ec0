"""The syslog sink, against real rsyslog and real syslog-ng, and against peers that misbehave."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pipeline.model.component import Duration, SinkContext, TLSConfig
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.sinks.syslog import Config, Syslog
from pipeline.testing.builders import batch, container
from pipeline.testing.sink_kit import SinkKit
from tests.servers.certificates import Authority
from tests.servers.ports import free_port
from tests.servers.receivers import Collector, serve, server_context, udp
from tests.servers.rsyslog import Rsyslog
from tests.servers.syslog_ng import SyslogNG
from tests.servers.syslog_received import Received

Server = Rsyslog | SyslogNG

LINES = (
    b"plain", b"", b"two\nlines\ttab", b"caf\xc3\xa9 \xe2\x98\x83", b"\xff\xfe invalid",
    b" leading and trailing ", b"%s %d", b"<30>1 not a header", b'"\\]', b"x" * 8000,
)  # fmt: skip


def sink(address: str, **options: Any) -> Syslog:
    options = {"timeout": Duration(60), **options}
    return Syslog(Config(type="syslog", address=address, **options), SinkContext("central"))


async def deliver(sink: Syslog, *lines: bytes, **columns: Any) -> None:
    await sink.open()
    try:
        await sink.send(sink.encode([batch(*lines, **columns)]))
    finally:
        await sink.close()


def messages(received: list[Received]) -> list[bytes]:
    return [one.message for one in received]


# -- real servers --------------------------------------------------------------------------------


@pytest.fixture(params=["rsyslog", "syslog_ng"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each of the two in turn; it has forgotten what earlier tests have sent."""
    found: Server = request.getfixturevalue(f"{request.param}_server")
    found.forget()
    return found


@pytest.fixture
def shared(rsyslog_server: Rsyslog) -> Rsyslog:
    rsyslog_server.forget()
    return rsyslog_server


@pytest.fixture
def syslog_ng(syslog_ng_server: SyslogNG) -> SyslogNG:
    syslog_ng_server.forget()
    return syslog_ng_server


@pytest.mark.server
async def test_over_tcp_every_byte_arrives_as_it_was(server: Server) -> None:
    await deliver(sink(f"tcp://127.0.0.1:{server.tcp}"), *LINES)
    received = await asyncio.to_thread(server.received, len(LINES))
    assert messages(received) == list(LINES)


@pytest.mark.server
async def test_over_tls_every_byte_arrives_as_it_was(server: Server, authority: Authority) -> None:
    tls = TLSConfig(ca=authority.ca)
    await deliver(sink(f"tls://localhost:{server.tls}", tls=tls), *LINES)
    received = await asyncio.to_thread(server.received, len(LINES))
    assert messages(received) == list(LINES)


@pytest.mark.server
async def test_over_udp_every_byte_arrives_as_it_was(server: Server) -> None:
    await deliver(sink(f"udp://127.0.0.1:{server.udp}"), *LINES[:-1])
    received = await asyncio.to_thread(server.received, len(LINES) - 1)
    assert sorted(messages(received)) == sorted(LINES[:-1])


@pytest.mark.server
async def test_the_header_is_understood_in_all_its_parts(server: Server) -> None:
    named = container("shop-api-1", labels={"com.docker.compose.service": "api"}, number=2**200)
    data = {"origin@32473": {"site": 'no"r]th'}}
    await deliver(
        sink(f"tcp://127.0.0.1:{server.tcp}", facility="local3", structured_data=data),
        b"x", of=named, fields=[{"level": "alert"}],
    )  # fmt: skip
    (one,) = await asyncio.to_thread(server.received, 1)
    assert (one.priority, one.host, one.app) == (b"153", b"web-1", b"api")
    assert one.process == named.short_id.encode()
    assert one.data == rb'[origin@32473 site="no\"r\]th"]'
    assert one.time.replace(b"+00:00", b"Z") == b"2026-01-31T23:59:59.000000Z"


@pytest.mark.fault(37)
@pytest.mark.server
async def test_an_oversize_message_is_cut_to_what_the_server_takes_whole(server: Server) -> None:
    to = sink(f"tcp://127.0.0.1:{server.tcp}")
    lines = [b"a" * 100_000, b"next"]
    assert to.encode([batch(*lines)]).truncated == 1
    await deliver(to, *lines)
    cut, following = await asyncio.to_thread(server.received, 2)
    assert len(cut.raw) == 8096
    assert set(cut.message) == set(b"a")
    assert following.message == b"next"


@pytest.mark.server
async def test_a_client_certificate_is_shown_where_it_is_demanded(
    server: Server, authority: Authority
) -> None:
    own = authority.issue("client")
    tls = TLSConfig(ca=authority.ca, cert=own.cert, key=own.key)
    await deliver(sink(f"tls://localhost:{server.mutual}", tls=tls), b"known")
    assert messages(await asyncio.to_thread(server.received, 1)) == [b"known"]


@pytest.mark.server
@pytest.mark.usefixtures("long_grace")
async def test_a_missing_client_certificate_is_told_on_opening(
    server: Server, authority: Authority
) -> None:
    to = sink(f"tls://localhost:{server.mutual}", tls=TLSConfig(ca=authority.ca))
    with pytest.raises(Unavailable, match=r"set tls\.cert and tls\.key"):
        await to.open()


@pytest.mark.server
async def test_rsyslog_takes_messages_ended_by_lf(shared: Rsyslog) -> None:
    await deliver(sink(f"tcp://127.0.0.1:{shared.tcp}", framing="lf"), b"a\nb", b"8 digits")
    assert messages(await asyncio.to_thread(shared.received, 2)) == [b"a b", b"8 digits"]


@pytest.mark.server
async def test_syslog_ng_takes_messages_ended_by_lf(syslog_ng: SyslogNG) -> None:
    await deliver(sink(f"tcp://127.0.0.1:{syslog_ng.lines}", framing="lf"), b"a\nb", b"8 digits")
    assert messages(await asyncio.to_thread(syslog_ng.received, 2)) == [b"a b", b"8 digits"]


@pytest.mark.fault(37)
@pytest.mark.server
@pytest.mark.usefixtures("long_grace")
async def test_the_wrong_framing_for_syslog_ng_is_told_and_nothing_counts_as_sent(
    syslog_ng: SyslogNG,
) -> None:
    with pytest.raises(Unavailable, match="check its protocol and framing"):
        await deliver(sink(f"tcp://127.0.0.1:{syslog_ng.tcp}", framing="lf"), b"a" * 100)


@pytest.mark.server
async def test_rsyslog_understands_rfc_3164(shared: Rsyslog) -> None:
    await deliver(sink(f"tcp://127.0.0.1:{shared.tcp}", format="rfc3164"), b"old: news")
    (one,) = await asyncio.to_thread(shared.received, 1)
    assert (one.priority, one.host, one.app) == (b"30", b"web-1", b"api-1")
    assert one.process == b"000000000000"
    assert one.message == b" old: news"


@pytest.mark.server
async def test_syslog_ng_understands_rfc_3164(syslog_ng: SyslogNG) -> None:
    to = sink(f"tcp://127.0.0.1:{syslog_ng.old}", format="rfc3164", framing="lf")
    await deliver(to, b"old: news")
    (one,) = await asyncio.to_thread(syslog_ng.received, 1)
    assert (one.priority, one.host, one.app) == (b"30", b"web-1", b"api-1")
    assert (one.process, one.message) == (b"000000000000", b"old: news")


@pytest.mark.server
async def test_rsyslog_left_to_itself_writes_line_feeds_as_octal(
    tmp_path: Any, authority: Authority
) -> None:
    """As the sink's documentation says."""
    with Rsyslog(tmp_path, authority, escape=True) as server:
        await deliver(sink(f"tcp://127.0.0.1:{server.tcp}"), b"a\nb")
        assert messages(await asyncio.to_thread(server.received, 1)) == [b"a#012b"]


@pytest.mark.server
async def test_a_server_that_was_restarted_is_found_again(rsyslog: Rsyslog) -> None:
    to = sink(f"tcp://127.0.0.1:{rsyslog.tcp}")
    await to.open()
    await to.send(to.encode([batch("before")]))
    await asyncio.to_thread(rsyslog.received, 1)
    await asyncio.to_thread(rsyslog.stop)
    with pytest.raises(Unavailable, match="refused the connection"):
        await to.send(to.encode([batch("after")]))
    await asyncio.to_thread(rsyslog.start)
    await to.open()
    await to.send(to.encode([batch("after")]))
    await to.close()
    assert messages(await asyncio.to_thread(rsyslog.received, 2)) == [b"before", b"after"]


# -- certificates --------------------------------------------------------------------------------


@pytest.mark.fault(27)
@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("unknown authority", r"not trusted here; set tls\.ca"),
        ("expired", "has expired; renew it"),
        ("another name", r'is not for "localhost"; use its name .* set tls\.server_name'),
    ],
)
async def test_a_certificate_that_does_not_verify_is_refused_in_a_sentence(
    case: str, says: str, authority: Authority, stranger: Authority
) -> None:
    own = {
        "unknown authority": lambda: stranger.issue("server"),
        "expired": lambda: authority.issue("expired", expired=True),
        "another name": lambda: authority.issue("other", "DNS:other.example"),
    }[case]()
    async with serve(Collector(), tls=server_context(own)) as port:
        with pytest.raises(Unavailable, match=says):
            await sink(f"tls://localhost:{port}", tls=TLSConfig(ca=authority.ca)).open()


async def test_a_certificate_may_be_for_the_name_that_the_configuration_gives(
    authority: Authority,
) -> None:
    own = authority.issue("named", "DNS:other.example")
    tls = TLSConfig(ca=authority.ca, server_name="other.example")
    receiver = Collector()
    async with serve(receiver, tls=server_context(own)) as port:
        await deliver(sink(f"tls://127.0.0.1:{port}", tls=tls), b"x")
        assert (await receiver.has(1)).endswith(b" x")


# -- udp -----------------------------------------------------------------------------------------


async def test_over_udp_a_message_is_a_datagram_of_at_most_2048_bytes() -> None:
    async with udp() as receiver:
        to = sink(f"udp://127.0.0.1:{receiver.getsockname()[1]}")
        payload = to.encode([batch("short", "x" * 5000)])
        await to.open()
        await to.send(payload)
        await to.close()
        assert receiver.recv(65536).endswith(b" short")
        assert len(receiver.recv(65536)) == 2048
        assert payload.truncated == 1


async def test_a_refused_datagram_makes_the_destination_unavailable() -> None:
    to = sink(f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}")
    await to.open()
    with pytest.raises(Unavailable, match="refused the connection"):
        await to.send(to.encode([batch("a", "b")]))
    await to.close()


# -- configuration -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "path", "says"),
    [
        ({"address": "gopher://x"}, "address", "known are tcp://, tls://, udp://"),
        ({"address": "a b"}, "address", 'write it like "tcp://host:1234"'),
        ({"address": "udp://x", "tls": TLSConfig()}, "address", "not encrypted"),
        ({"address": "x", "tls": TLSConfig(key="k")}, "tls.key", "without its certificate"),
        ({"address": "x", "max_message": 100}, "max_message", "480"),
        ({"address": "udp://x", "max_message": 70_000}, "max_message", "65487"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(
    options: dict[str, Any], path: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)) as caught:
        sink(**options)
    assert caught.value.path == path


# -- what every sink promises --------------------------------------------------------------------


class TestOverTcp(SinkKit):
    complaint = "refused the connection"

    @pytest.fixture
    async def sink(self) -> AsyncIterator[Syslog]:
        async with serve(Collector()) as port:
            yield sink(f"tcp://127.0.0.1:{port}")

    @pytest.fixture
    def unreachable(self) -> Syslog:
        return sink(f"tcp://127.0.0.1:{free_port()}")


class TestOverTls(SinkKit):
    complaint = "is not trusted here"

    @pytest.fixture
    async def sink(self, authority: Authority) -> AsyncIterator[Syslog]:
        async with serve(Collector(), tls=server_context(authority.issue("kit"))) as port:
            yield sink(f"tls://127.0.0.1:{port}", tls=TLSConfig(ca=authority.ca))

    @pytest.fixture
    async def unreachable(self, stranger: Authority) -> AsyncIterator[Syslog]:
        async with serve(Collector(), tls=server_context(stranger.issue("kit"))) as port:
            yield sink(f"tls://127.0.0.1:{port}")


class TestOverUdp(SinkKit):
    complaint = "refused the connection"

    @pytest.fixture
    async def sink(self) -> AsyncIterator[Syslog]:
        async with udp() as receiver:
            yield sink(f"udp://127.0.0.1:{receiver.getsockname()[1]}")

    @pytest.fixture
    def unreachable(self) -> Syslog:
        return sink(f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}")
