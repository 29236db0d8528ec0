"""Requests, and servers that answer badly or not at all."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import suppress

import pytest

from pipeline.model.component import Duration, Secret, TLSConfig
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.testing.leaks import no_garbage
from pipeline.transport.http import (
    LARGEST_ANSWER,
    AuthConfig,
    HttpClient,
)
from tests.servers.certificates import Authority
from tests.servers.http_receiver import OK, answer, http_receiver
from tests.servers.ports import free_port
from tests.servers.receivers import server_context
from tests.transport.http.opening import config, opened, said


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("size", [1, 100_000, 2_000_000])
async def test_bodies_are_compressed_as_configured(compression: str, size: int) -> None:
    body = b"x" * size
    async with http_receiver() as to, opened(to.url, compression=compression) as http:
        await http.post("", body)
        await http.post("", body, compressed=False)
    assert [one.body for one in to.requests] == [body, body]
    encodings = [one.headers.get("content-encoding", "none") for one in to.requests]
    assert encodings == [compression, "none"]


async def test_what_cannot_be_a_destination_is_a_wrong_configuration() -> None:
    for url in ("", "logs", "ftp://host", "http://", "http://host:99999999", "http://[::1"):
        with pytest.raises(ConfigError, match="is not a URL"):
            HttpClient([url], config())
    for url in ("http://host/a b", "http://host/a\n", "http://host/\ta"):
        with pytest.raises(ConfigError, match="no blanks and no line breaks"):
            HttpClient([url], config())
    with pytest.raises(ConfigError, match="use `auth`"):
        HttpClient(["http://me:secret@host"], config())
    with pytest.raises(ConfigError, match="is not encrypted"):
        HttpClient(["http://host"], config(tls=TLSConfig()))
    with pytest.raises(ConfigError, match="at least one address"):
        HttpClient([], config())
    with pytest.raises(ConfigError, match="name of a header"):
        HttpClient(["http://host"], config(headers={"a b": Secret("c")}))
    with pytest.raises(ConfigError, match="one line"):
        HttpClient(["http://host"], config(headers={"a": Secret("b\r\nc: d")}))
    for auth in ({}, {"user": "a", "bearer": "b"}, {"bearer": "b", "password": "c"}):
        with pytest.raises(ConfigError):
            HttpClient(["http://host"], config(auth=AuthConfig(**auth)))


@pytest.mark.fault(28)
@pytest.mark.parametrize(
    "rubbish",
    [
        b"",
        b"\0" * 100,
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 abc def\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
    ],
    ids=lambda said: said[:30],
)
async def test_rubbish_and_half_an_answer_are_no_success(rubbish: bytes) -> None:
    async with http_receiver(lambda request: rubbish) as to:
        problem = await said(to)
    kind, _, sentence = problem.partition(": ")
    assert kind in ("Unavailable", "RequestFailed") and sentence.startswith(f"{to.url} ")
    assert "\n" not in problem and "Error" not in problem.partition(": ")[2]


@pytest.mark.fault(111)
@pytest.mark.parametrize(
    "rubbish",
    [b"", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"],
    ids=["nothing", "rubbish", "half"],
)
async def test_what_could_not_be_sent_is_let_go_at_once(rubbish: bytes) -> None:
    """aiohttp's errors have its frames, which have them."""
    async with http_receiver(lambda request: rubbish) as to, opened(to.url) as http:
        with no_garbage():
            for _ in range(3):
                with suppress(Unavailable):
                    await http.post("", b"x" * 100_000)


@pytest.mark.fault(28)
async def test_silence_ends_after_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody_is_looked_for(http: HttpClient) -> None: ...

    monkeypatch.setattr(HttpClient, "_somebody_answers", nobody_is_looked_for)
    async with http_receiver(lambda request: None) as to:
        problem = await said(to, timeout=Duration(0.2))
    assert problem.startswith("RequestFailed: ") and "does not answer within 0.2 s" in problem


@pytest.mark.fault(126)
async def test_an_answer_without_end_is_not_read_to_it() -> None:
    body = b"x" * (LARGEST_ANSWER + 2**20)
    async with http_receiver(lambda request: answer(200, body)) as to, opened(to.url) as http:
        assert len((await http.post("", b"x")).body) == LARGEST_ANSWER


async def test_an_answer_that_is_compressed_unasked_is_not_inflated() -> None:
    bomb = gzip.compress(b"\0" * 2**24)
    reply = answer(400, bomb, Content_Encoding="gzip")
    async with http_receiver(lambda request: reply) as to:
        assert len(await said(to)) < 1000


async def test_nobody_there_and_no_such_name_are_told_in_a_sentence() -> None:
    with pytest.raises(Unavailable, match="refused the connection: nothing listens there"):
        async with opened(f"http://127.0.0.1:{free_port()}"):
            pass
    with pytest.raises(Unavailable, match="cannot be resolved"):
        async with opened("http://no-such-host.invalid"):
            pass


async def test_whoever_answers_when_it_is_opened_is_told_whatever_he_says() -> None:
    for status in (200, 404, 401, 405, 503):
        said = answer(status, Server="Shop/1.0")
        there = http_receiver(probe=lambda request, said=said: said)
        async with there as to, opened(to.url, probe="/health") as http:
            assert http.reached() == f"{to.url} (Shop/1.0)"


async def test_a_request_that_is_cancelled_leaks_nothing() -> None:
    async with http_receiver(lambda request: None) as to, opened(to.url) as http:
        for _ in range(20):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await http.post("", b"x")
        to.judge = lambda request: OK
        await http.post("", b"x")
        assert http._session and http._session.connector
        assert len(http._session.connector._acquired) == 0


async def test_over_tls_the_name_and_the_authority_are_verified(
    authority: Authority, stranger: Authority
) -> None:
    tls = TLSConfig(ca=authority.ca)
    async with http_receiver(tls=server_context(authority.issue("http"))) as to:
        async with opened(f"https://localhost:{to.port}", tls=tls) as http:
            await http.post("", b"x")
        assert len(to.requests) == 1
        with pytest.raises(Unavailable, match="not trusted here"):
            async with opened(f"https://localhost:{to.port}", tls=TLSConfig(ca=stranger.ca)):
                pass
        with pytest.raises(Unavailable, match='not for "other'):
            other = TLSConfig(ca=authority.ca, server_name="other.example.com")
            async with opened(f"https://localhost:{to.port}", tls=other):
                pass


async def test_an_expired_certificate_is_called_that(authority: Authority) -> None:
    old = authority.issue("http-expired", expired=True)
    async with http_receiver(tls=server_context(old)) as to:
        with pytest.raises(Unavailable, match="has expired"):
            async with opened(f"https://localhost:{to.port}", tls=TLSConfig(ca=authority.ca)):
                pass


async def test_a_server_without_tls_on_that_port_is_told_apart() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer(400))  # as nginx and Go's servers do
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unavailable, match="does not speak TLS on this port"):
            async with opened(f"https://127.0.0.1:{port}"):
                pass
