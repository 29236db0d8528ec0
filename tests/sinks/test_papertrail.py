"""The Papertrail preset: LF framing over TLS, with the account's token; a real rsyslog receives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pipeline.model.component import Duration, Secret, SinkContext, TLSConfig
from pipeline.model.errors import ConfigError
from pipeline.sinks.papertrail import Config, Papertrail
from pipeline.testing.builders import batch
from pipeline.testing.sink_kit import SinkKit
from tests.servers.certificates import Authority
from tests.servers.ports import free_port
from tests.servers.receivers import Collector, serve, server_context, udp
from tests.servers.rsyslog import Rsyslog

TOKEN = "t0ken-" + "x" * 70


def sink(address: str, **options: Any) -> Papertrail:
    options = {"timeout": Duration(60), **options}
    return Papertrail(
        Config(type="papertrail", address=address, **options), SinkContext("papertrail")
    )


@pytest.mark.server
async def test_messages_arrive_over_tls_with_the_token_and_on_one_line_each(
    rsyslog: Rsyslog, authority: Authority
) -> None:
    tls = TLSConfig(ca=authority.ca)
    to = sink(f"localhost:{rsyslog.tls}", tls=tls, token=Secret(TOKEN))
    await to.open()
    await to.send(to.encode([batch(b"one\r\ntwo\0", b"three", streams="out err")]))
    await to.close()
    first, second = await asyncio.to_thread(rsyslog.received, 2)
    assert (first.message, second.message) == (b"one  two ", b"three")
    assert (first.priority, second.priority) == (b"30", b"27")
    assert first.data == f"[{TOKEN}@41058]".encode()


def test_the_procid_may_be_left_out() -> None:
    data = sink("logs7.papertrailapp.com:1", proc_id="-").encode([batch("x")]).data
    assert data.endswith(b" - - - x\n")


def test_a_message_is_cut_to_what_papertrail_takes() -> None:
    payload = sink("logs7.papertrailapp.com:1").encode([batch("x" * 200_000)])
    assert (payload.size, payload.truncated) == (100_001, 1)


async def test_a_datagram_is_cut_to_what_papertrail_takes() -> None:
    async with udp() as receiver:
        to = sink(f"udp://127.0.0.1:{receiver.getsockname()[1]}")
        await to.open()
        await to.send(to.encode([batch("x" * 5000)]))
        await to.close()
        assert len(receiver.recv(65536)) == 1024


@pytest.mark.parametrize(
    ("options", "path", "says"),
    [
        ({"address": "logs7.papertrailapp.com"}, "address", "has no port"),
        ({"address": "x:1", "token": Secret("a b")}, "token", "no spaces"),
        ({"address": "tcp://x:1", "tls": TLSConfig()}, "address", "not encrypted"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(
    options: dict[str, Any], path: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        sink(**options)
    assert caught.value.path == path
    assert "a b" not in str(caught.value)


class TestPapertrail(SinkKit):
    complaint = "refused the connection"

    @pytest.fixture
    async def sink(self, authority: Authority) -> AsyncIterator[Papertrail]:
        async with serve(Collector(), tls=server_context(authority.issue("kit"))) as port:
            yield sink(f"localhost:{port}", tls=TLSConfig(ca=authority.ca), token=Secret("t"))

    @pytest.fixture
    def unreachable(self) -> Papertrail:
        return sink(f"127.0.0.1:{free_port()}")
