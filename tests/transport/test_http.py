"""What each answer over HTTP means, and what is said of it."""

from __future__ import annotations

import asyncio
import base64
import gzip
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from email.utils import formatdate
from typing import Any

import pytest

from pipeline.component import Duration, Secret, TLSConfig
from pipeline.errors import ConfigError, Refused, Unavailable
from pipeline.testing.leaks import no_garbage
from pipeline.transport.http import (
    LARGEST_ANSWER,
    AuthConfig,
    Http,
    HttpSinkConfig,
    Misdirected,
    Rejected,
    RequestFailed,
    ServerFault,
    TooLarge,
    retry_after,
)
from tests.servers.certificates import Authority
from tests.servers.http_receiver import OK, HttpReceiver, answer, http_receiver
from tests.servers.ports import free_port
from tests.servers.receivers import server_context


def config(**options: Any) -> HttpSinkConfig:
    return HttpSinkConfig(type="test", **options)


@asynccontextmanager
async def opened(*urls: str, probe: str = "", **options: Any) -> AsyncIterator[Http]:
    http = Http(urls, config(**options), probe=probe)
    await http.open()
    try:
        yield http
    finally:
        await http.close()


async def said(to: HttpReceiver, **options: Any) -> str:
    """What is raised when something is posted there."""
    async with opened(to.url, **options) as http:
        with pytest.raises((Unavailable, Refused)) as raised:
            await http.post("/in", b"x")
    return f"{type(raised.value).__name__}: {raised.value}"


# -- requests ------------------------------------------------------------------------------------


async def test_a_request_has_the_path_behind_the_nodes_own_and_both_queries() -> None:
    async with http_receiver() as to, opened(to.url + "/base/?key=1") as http:
        await http.post("/in?a=b%20c", b"x")
        await http.post("", b"x")
    assert [one.path for one in to.requests] == ["/base/in?key=1&a=b+c", "/base/?key=1"]


async def test_who_sends_and_how_is_in_the_headers() -> None:
    options = {"auth": AuthConfig(user="me", password=Secret("pässword")), "headers": {"X-A": "b"}}
    async with http_receiver() as to, opened(to.url, **options) as http:
        await http.post("", b"x", {"Content-Type": "text/plain"})
    headers = to.requests[0].headers
    assert base64.b64decode(headers["authorization"].split()[1]).decode() == "me:pässword"
    assert headers["x-a"] == "b"
    assert headers["content-type"] == "text/plain"
    assert headers["user-agent"].startswith("dockline/")


async def test_a_bearer_token_is_sent_as_one() -> None:
    async with http_receiver() as to, opened(to.url, auth=AuthConfig(bearer=Secret("tok"))) as http:
        await http.post("", b"x")
    assert to.requests[0].headers["authorization"] == "Bearer tok"


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


async def test_of_several_nodes_each_has_its_turn_and_one_that_is_gone_is_left_out() -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    async with http_receiver() as one, http_receiver() as two:
        async with opened(one.url, gone, two.url) as http:
            for _ in range(8):
                await http.post("", b"x")
        assert len(one.requests) + len(two.requests) == 8
        assert min(len(one.requests), len(two.requests)) >= 3


async def test_while_a_node_is_busy_another_takes_it() -> None:
    busy = answer(503)
    async with http_receiver(lambda request: busy) as one, http_receiver() as two:
        async with opened(one.url, two.url) as http:
            for _ in range(4):
                await http.post("", b"x")
        assert len(one.requests) <= 1
        assert len(two.requests) == 4


async def test_what_cannot_be_a_destination_is_a_wrong_configuration() -> None:
    for url in ("", "logs", "ftp://host", "http://", "http://host:99999999", "http://[::1"):
        with pytest.raises(ConfigError, match="is not a URL"):
            Http([url], config())
    with pytest.raises(ConfigError, match="use `auth`"):
        Http(["http://me:secret@host"], config())
    with pytest.raises(ConfigError, match="is not encrypted"):
        Http(["http://host"], config(tls=TLSConfig()))
    with pytest.raises(ConfigError, match="at least one address"):
        Http([], config())
    with pytest.raises(ConfigError, match="name of a header"):
        Http(["http://host"], config(headers={"a b": Secret("c")}))
    with pytest.raises(ConfigError, match="one line"):
        Http(["http://host"], config(headers={"a": Secret("b\r\nc: d")}))
    for auth in ({}, {"user": "a", "bearer": "b"}, {"bearer": "b", "password": "c"}):
        with pytest.raises(ConfigError):
            Http(["http://host"], config(auth=AuthConfig(**auth)))


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"content-length": "3"}, "cannot be set: it follows from the body"),
        ({"Transfer-Encoding": "chunked"}, "cannot be set: it follows from the body"),
        ({"Content-Encoding": "br"}, "cannot be set: it follows from `compression`"),
        ({"CONTENT-TYPE": "text/plain"}, "cannot be set: it follows from other settings"),
        ({"accept-encoding": "gzip"}, "cannot be set: it is what answers can be read in"),
        ({"Connection": "close"}, "cannot be set: it is for the connection"),
        ({"authorization": "Basic x"}, "cannot be set: it follows from `auth`"),
        ({"X-A": "1", "x-a": "2"}, "cannot be set: it is there twice"),
    ],
)
def test_a_header_that_is_not_the_users_to_set_is_a_wrong_configuration(
    headers: dict[str, str], message: str
) -> None:
    secrets = {name: Secret(value) for name, value in headers.items()}
    with pytest.raises(ConfigError, match=message) as raised:
        Http(["http://host"], config(headers=secrets, auth=AuthConfig(bearer=Secret("t"))))
    assert raised.value.path == f"headers.{list(headers)[-1]}"


async def test_a_header_of_the_user_stands_in_for_a_usual_one_whatever_its_case() -> None:
    options = {"headers": {"user-agent": Secret("shop"), "host": Secret("logs.example.com")}}
    async with http_receiver() as to, opened(to.url, **options) as http:
        await http.post("", b"x")
    (request,) = to.requests
    assert request.headers["user-agent"] == "shop"
    assert request.headers["host"] == "logs.example.com"


# -- answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "means"),
    [
        (400, "Rejected"),
        (401, "Misdirected"),
        (403, "Misdirected"),
        (404, "Misdirected"),
        (405, "Misdirected"),
        (407, "Misdirected"),
        (408, "Unavailable"),
        (409, "Rejected"),
        (413, "TooLarge"),
        (415, "Misdirected"),
        (422, "Rejected"),
        (425, "Unavailable"),
        (429, "Unavailable"),
        (500, "ServerFault"),
        (502, "RequestFailed"),
        (503, "RequestFailed"),
        (504, "RequestFailed"),
        (301, "Misdirected"),
        (302, "Misdirected"),
        (600, "RequestFailed"),
    ],
)
async def test_each_status_means_what_the_table_says(status: int, means: str) -> None:
    async with http_receiver(lambda request: answer(status, b"because\n\nof this")) as to:
        problem = await said(to)
    assert problem.startswith(f"{means}: {to.url} answers {status}")
    assert "because of this" in problem
    assert issubclass(TooLarge, Rejected) and issubclass(ServerFault, RequestFailed)
    assert issubclass(Misdirected, RequestFailed) and issubclass(RequestFailed, Unavailable)


async def test_everything_from_200_to_299_is_success() -> None:
    codes = iter([200, 201, 202, 204, 206])
    async with http_receiver(lambda request: answer(next(codes))) as to, opened(to.url) as http:
        for code in (200, 201, 202, 204, 206):
            assert (await http.post("", b"x")).status == code


@pytest.mark.fault(28)
async def test_a_redirect_is_named_and_not_followed_for_ever() -> None:
    def around(request: Any) -> bytes:
        return answer(307, Location=request.path)

    async with http_receiver(around) as to:
        assert "a redirect to /in; write that address if it is right" in await said(to)
        assert len(to.requests) == 1


@pytest.mark.fault(29)
def test_retry_after_is_a_number_or_a_date() -> None:
    def after(text: str) -> float | None:
        return retry_after({"Retry-After": text})

    assert after("0") == 0
    assert after("120") == 120
    assert after(" 1.5 ") == 1.5
    in_an_hour = after(formatdate(time.time() + 3600, usegmt=True))
    assert in_an_hour and 3500 < in_an_hour <= 3600
    assert after(formatdate(0, usegmt=True)) == 0
    for rubbish in ("", "soon", "-5", "9" * 40, "Mon, 99 Foo 2000 00:00:00 GMT", "1e400"):
        assert after(rubbish) is None


async def test_what_is_asked_for_is_in_the_error() -> None:
    reply = answer(429, Retry_After="7")
    async with http_receiver(lambda request: reply) as to, opened(to.url) as http:
        with pytest.raises(Unavailable) as raised:
            await http.post("", b"x")
    assert raised.value.retry_after == 7


# -- bad servers ---------------------------------------------------------------------------------


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
    async def nobody_is_looked_for(http: Http) -> None: ...

    monkeypatch.setattr(Http, "_somebody_answers", nobody_is_looked_for)
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


# -- TLS -----------------------------------------------------------------------------------------


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
