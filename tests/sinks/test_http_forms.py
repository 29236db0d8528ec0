"""What the http sink sends: entries by a template, one or many, within limits, or an error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from pipeline.model.component import (
    Payload,
    Rate,
    Secret,
    SecretURL,
    SinkContext,
    Size,
    TemplateText,
)
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.sinks.http import Config, HttpSink, LimitsConfig
from pipeline.testing.builders import batch, container
from pipeline.testing.hostile import hostile
from pipeline.testing.sink_kit import SinkKit
from tests.servers.http_receiver import OK, HttpReceiver, Request, answer, http_receiver
from tests.servers.ports import free_port
from tests.servers.receivers import serve

CHAT = '{{"text": "{container.name}: {message}"}}'


def sink(url: str = "http://127.0.0.1:1/in", **options: Any) -> HttpSink:
    for name in ("template", "wrap"):
        if name in options:
            options[name] = TemplateText(options[name])
    config = Config(type="http", url=SecretURL(url), **options)
    return HttpSink(config, SinkContext("http", host="web-1"))


async def deliver(to: HttpReceiver, *lines: str, **options: Any) -> Payload[Any]:
    one = sink(to.url, **options)
    payload = one.encode([batch(*lines)])
    await one.open()
    try:
        await one.send(payload)
    finally:
        await one.close()
    return payload


async def sent(*lines: str, **options: Any) -> list[Request]:
    async with http_receiver() as to:
        await deliver(to, *lines, **options)
    return to.requests


def bodies(requests: list[Request]) -> list[Any]:
    return [json.loads(request.body) for request in requests]


# ------------------------------------------------------------------------------ the body


async def test_with_a_template_each_entry_is_a_request() -> None:
    requests = await sent("one", 'say "two"', template=CHAT)
    assert bodies(requests) == [{"text": "api-1: one"}, {"text": 'api-1: say "two"'}]
    for request in requests:
        assert request.headers["content-type"] == "application/json"
        assert "content-encoding" not in request.headers  # which chats do not take


@pytest.mark.parametrize(
    ("options", "content_type", "body"),
    [
        ({"format": "array"}, "application/json", b'[{"a": "x"},{"a": "y"}]'),
        ({"format": "ndjson"}, "application/x-ndjson", b'{"a": "x"}\n{"a": "y"}\n'),
        ({"wrap": '{{"e": {entries}}}'}, "application/json", b'{"e": [{"a": "x"},{"a": "y"}]}'),
        (
            {"wrap": '{{"e": "{entries}"}}'},
            "application/json",
            rb'{"e": "{\"a\": \"x\"}\n{\"a\": \"y\"}"}',
        ),
        ({"wrap": "<{entries}>"}, "text/plain; charset=utf-8", b'<{"a": "x"}\n{"a": "y"}>'),
    ],
)
async def test_many_entries_of_json_are_an_array_lines_or_stand_in_a_wrapper(
    options: dict[str, Any], content_type: str, body: bytes
) -> None:
    (request,) = await sent("x", "y", template='{{"a": "{message}"}}', **options)
    assert (request.headers["content-type"], request.body) == (content_type, body)


async def test_entries_of_text_are_requests_lines_or_stand_in_a_string() -> None:
    lines = ["x", 'y "\\"\nz', "{message}"]
    each = await sent(*lines, template="{stream} {message}")
    assert [request.body.decode() for request in each] == [f"stdout {line}" for line in lines]
    assert each[0].headers["content-type"] == "text/plain; charset=utf-8"
    (request,) = await sent(*lines, template="{stream} {message}", format="lines")
    assert request.body == b'stdout x\nstdout y "\\"\\nz\nstdout {message}\n'
    (request,) = await sent(*lines, template="- {message}", wrap='{{"text": "{entries}"}}')
    assert json.loads(request.body) == {"text": "\n".join(f"- {line}" for line in lines)}


async def test_without_a_template_entries_have_the_names_of_the_elastic_common_schema() -> None:
    for options in ({"format": "each"}, {"wrap": '{{"e": {entries}}}'}, {"format": "array"}):
        requests = await sent("one", "two", **options, compression="none")
        found: list[Any] = []
        for body in bodies(requests):
            found += body["e"] if "wrap" in options else body if isinstance(body, list) else [body]
        assert [(one["message"], one["event"]["sequence"]) for one in found] == [
            ("one", 0),
            ("two", 1),
        ]


async def test_the_media_type_decides_what_a_template_is() -> None:
    (request,) = await sent("x", template="{message}", content_type="application/vnd.x+json; v=1")
    assert request.body == b'"x"' and request.headers["content-type"].endswith("v=1")
    text = Secret("text/plain")
    (request,) = await sent("x", template='[{stream}] "{message}', headers={"content-TYPE": text})
    assert request.body == b'[stdout] "x' and request.headers["content-type"] == "text/plain"


@pytest.mark.parametrize(
    ("options", "path", "message"),
    [
        ({"template": "{message"}, "template", "braces that are meant"),
        ({"template": '{{"a": {x}'}, "template", "never JSON"),
        ({"template": "[{stream}] x"}, "template", "the JSON has ended before this"),
        ({"template": "x {message}", "format": "array"}, "template", "put it in quotes"),
        ({"template": "{x} {message}", "format": "ndjson"}, "template", "never JSON"),
        ({"template": "x", "content_type": "application/json"}, "template", "put it in quotes"),
        ({"template": '{"text": "{message}"}'}, "template", "braces of JSON are doubled"),
        ({"wrap": '{"text": {entries}}'}, "wrap", "for braces that are meant"),
        ({"template": "x\ny", "format": "lines"}, "template", "no line break"),
        ({"format": "lines"}, "format", "need a template"),
        ({"wrap": "{entries}"}, "wrap", "needs a template"),
        ({"wrap": '{{"a": "{entries}"}}'}, "wrap", "needs a template"),
        ({"wrap": "[1]"}, "wrap", "{entries} has to stand here, once"),
        ({"wrap": "[{entries}]", "format": "array"}, "wrap", "there is no format"),
        ({"wrap": "x {entries}", "content_type": "text/json"}, "wrap", "never JSON"),
        ({"template": "plain {x}", "wrap": "[{entries}]"}, "template", "put it in quotes"),
        ({"format": "each", "limits": LimitsConfig(entries=2)}, "limits.entries", "one entry"),
        ({"content_type": "a\nb"}, "content_type", "one line of ASCII"),
        (
            {"content_type": "a/b", "headers": {"content-type": Secret("c/d")}},
            "headers.content-type",
            "follows from other settings",
        ),
        ({"success": "("}, "success", ""),
        ({"success": "(a+)+b"}, "success", ""),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(
    options: dict[str, Any], path: str, message: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        sink(**options)
    assert raised.value.path == path and message in raised.value.message, raised.value


async def test_headers_of_the_configuration_arrive_or_are_refused() -> None:
    """None is ignored."""
    wanted = {
        "User-Agent": "mine/1", "Accept": "text/plain", "Accept-Language": "de", "Cookie": "a=b",
        "Authorization": "Splunk 00-11", "X-Routing-Key": "key", "Host": "other.example.com",
        "Date": "Tue, 01 Dec 2026 00:00:00 GMT", "Referer": "http://x", "Range": "bytes=0-",
        "If-Match": "x", "Title": "cafe", "Content-Language": "de", "Via": "1.1 me",
    }  # fmt: skip
    headers = {name: Secret(value) for name, value in wanted.items()}
    (request,) = await sent("x", template=CHAT, headers=headers)
    assert {name: request.headers[name.lower()] for name in wanted} == wanted
    for name in ("Content-Length", "content-encoding", "Transfer-Encoding", "Connection", "Expect"):
        with pytest.raises(ConfigError, match="cannot be set"):
            sink(template=CHAT, headers={name: Secret("1")})


# -------------------------------------------------------------------------------- limits


async def test_a_request_has_what_the_limits_allow() -> None:
    limits = LimitsConfig(entries=2, bytes=Size(30))
    requests = await sent(*"abcde", template='"{message}"', format="array", limits=limits)
    assert bodies(requests) == [["a", "b"], ["c", "d"], ["e"]]
    limits = LimitsConfig(bytes=Size(12))
    requests = await sent("aaa", "bbb", template='"{message}"', format="array", limits=limits)
    assert bodies(requests) == [["aaa"], ["bbb"]]
    requests = await sent(*"abc", limits=LimitsConfig(entries=2), compression="none")
    assert [len(request.lines) for request in requests] == [2, 1]


async def test_an_entry_that_no_request_can_have_is_refused_and_the_others_are_sent() -> None:
    limits = LimitsConfig(bytes=Size(20))
    async with http_receiver() as to:
        options: dict[str, Any] = {"template": '"{message}"', "format": "array", "limits": limits}
        payload = await deliver(to, "a", "b" * 50, "c", **options)
    assert bodies(to.requests) == [["a", "c"]]
    ((_, index, reason),) = payload.refused
    assert (index, reason) == (1, "its 52 bytes are more than limits.bytes allows")


async def test_requests_begin_as_far_apart_as_the_limits_want() -> None:
    loop, times = asyncio.get_running_loop(), list[float]()

    def judge(request: Request) -> bytes:
        times.append(loop.time())
        return OK

    async with http_receiver(judge) as to:
        rate = LimitsConfig(rate=Rate.parse("20/s"))
        await deliver(to, *"abcd", template=CHAT, limits=rate)
    assert len(times) == 4
    assert times[-1] - times[0] > 0.14  # that of the first may be noted late


def test_no_more_is_taken_from_the_buffer_than_one_request_may_have() -> None:
    assert sink().most_entries is None
    assert sink(template=CHAT).most_entries == 1
    assert sink(limits=LimitsConfig(entries=50)).most_entries == 50


async def test_an_entry_that_is_called_bad_is_found_in_a_wrapper_too() -> None:
    def judge(request: Request) -> bytes:
        return answer(400, b"no swearing") if b"damn" in request.body else OK

    async with http_receiver(judge) as to:
        wrap = '{{"embeds": {entries}}}'
        payload = await deliver(to, "one", "damn", "two", "three", template=CHAT, wrap=wrap)
    assert [(index, "no swearing" in why) for _, index, why in payload.refused] == [(1, True)]
    taken = [body["embeds"] for body in bodies(to.requests) if "damn" not in str(body)]
    assert sorted(one["text"] for some in taken for one in some) == [
        "api-1: one",
        "api-1: three",
        "api-1: two",
    ]


# ------------------------------------------------------------------------------- answers


@pytest.mark.parametrize("said", [b'{"ok":false,"error":"channel_not_found"}', b"", b"\xff" * 99])
async def test_a_success_that_is_none_is_no_success(said: bytes) -> None:
    async with http_receiver(lambda request: answer(200, said)) as to:
        with pytest.raises(Unavailable, match=r"answers 200 without what `success` looks for"):
            await deliver(to, "x", template=CHAT, success='"ok": ?true')
        to.judge = lambda request: answer(200, b'{"ok":true}')
        await deliver(to, "x", template=CHAT, success='"ok": ?true')


ENDLESS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"5\r\nhello\r\n" * 100_000
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it"


@pytest.mark.parametrize("said", [ENDLESS, HALF, answer(200, b"x" * 2**20)])
async def test_of_2xx_the_rest_of_the_answer_does_not_matter(said: bytes) -> None:
    """Were it tried again, a chat would get the same message for ever."""
    async with http_receiver(lambda request: said) as to:
        await deliver(to, "x", template=CHAT)
        assert len(to.requests) == 1
        with pytest.raises(Unavailable):
            await deliver(to, "x", template=CHAT, success="never")


async def test_a_stream_that_never_ends_costs_some_seconds_and_no_entry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.transport.http.client.REST", 0.1)

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
                while not writer.is_closing():
                    writer.write(b"data: x\n\n")
                    await writer.drain()
                    await asyncio.sleep(0.01)
        writer.close()

    async with serve(stream) as port:
        one = sink(f"http://127.0.0.1:{port}", template=CHAT)
        await one.open()
        await one.send(one.encode([batch("x")]))
        await one.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_so_that_no_secret_goes_elsewhere(status: int) -> None:
    async with http_receiver() as other:
        moved = answer(status, Location=f"{other.url}/hooks/sPq9xVt7Lk3J")
        async with http_receiver(lambda request: moved, probe=lambda request: moved) as to:
            with pytest.raises(Unavailable, match="a redirect to"):
                await deliver(to, "x", template=CHAT, headers={"Api-Key": Secret("s3cr3t")})
        assert other.requests == []


async def test_a_webhook_is_not_asked_with_get_which_might_be_an_order() -> None:
    def never(request: Request) -> bytes:
        raise AssertionError("GET")

    async with http_receiver(probe=never) as to:
        to.asked = lambda request: answer(405)
        await deliver(to, "x", template=CHAT)
    assert [request.method for request in to.requests] == ["POST"]


async def test_after_an_answer_it_opens_without_asking_again() -> None:
    """Where there may be few requests, one for nothing is one too many."""
    asked: list[str] = []

    def note(request: Request) -> bytes:
        asked.append(request.method)
        return OK

    async with http_receiver(lambda request: answer(429, Retry_After="2")) as to:
        to.asked = note
        one = sink(to.url, template=CHAT)
        payload = one.encode([batch("x")])
        for _ in range(3):
            await one.open()
            with pytest.raises(Unavailable) as raised:
                await one.send(payload)
            assert raised.value.retry_after == 2
        await one.close()
        await one.open()
        await one.close()
    assert asked == ["OPTIONS"]


# ------------------------------------------------------------------------------- hostile


def test_whatever_an_entry_has_the_body_is_the_template_s_json() -> None:
    one = sink(template='{{"m": "{message}", "n": "{container.name}", "f": {deep}}}')
    payload = one.encode(hostile())
    for piece in payload.data._pieces or []:
        assert set(json.loads(piece)) == {"m", "n", "f"}
    assert payload.entries == sum(map(len, hostile())) and not payload.refused


def test_a_message_that_looks_like_a_template_is_only_text() -> None:
    lines = ['"}}, "admin": true, "x": "', "{container.id}", "{{}}", '\\"', "\\", "{entries}"]
    one = sink(template=CHAT, wrap='{{"e": {entries}}}')
    data = one.encode([batch(*lines)]).data
    assert json.loads(data.join(data._pieces or [])) == {
        "e": [{"text": f"api-1: {line}"} for line in lines]
    }
    one = sink(template="{message}", wrap='{{"e": "{entries}"}}')
    data = one.encode([batch(*lines)]).data
    assert json.loads(data.join(data._pieces or [])) == {"e": "\n".join(lines)}


def test_labels_of_a_container_are_escaped() -> None:
    of = container(labels={"team": '"}, "a": {"'})
    one = sink(template='["{container.labels.team}", {container.labels.team}]')
    (piece,) = one.encode([batch("x", of=of)]).data._pieces or []
    assert json.loads(piece) == ['"}, "a": {"'] * 2


class TestWebhook(SinkKit):
    complaint = "refused the connection"

    @pytest.fixture
    async def sink(self) -> AsyncIterator[HttpSink]:
        async with http_receiver() as to:
            yield sink(to.url, template='{{"text": "{message}", "all": {fields["deep"]}}}')

    @pytest.fixture
    def unreachable(self) -> HttpSink:
        return sink(f"http://127.0.0.1:{free_port()}", template=CHAT)


class TestWrapped(TestWebhook):
    @pytest.fixture
    async def sink(self) -> AsyncIterator[HttpSink]:
        async with http_receiver() as to:
            limits = LimitsConfig(entries=100, bytes=Size(100_000))
            yield sink(to.url, template=CHAT, wrap='{{"e": {entries}}}', limits=limits)
