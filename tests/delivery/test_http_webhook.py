"""A chat's webhook: a request at a time, as fast as it allows; nothing is lost or comes twice, and
its address is shown to nobody."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import random
from typing import Any

import pytest

from pipeline.accounting.envelope import Envelope
from pipeline.model.component import (
    BatchConfig,
    BufferConfig,
    Duration,
    Rate,
    RetryConfig,
    SecretURL,
    Size,
    TemplateText,
)
from pipeline.sinks.http import LimitsConfig
from pipeline.testing.builders import batch
from tests.delivery.sending import numbers, sending, until
from tests.servers.http_receiver import OK, Request, answer, http_receiver

CHAT = TemplateText('{{"text": "{container.name}: {message}"}}')
WRAP = TemplateText('{{"blocks": {entries}}}')
PATH = "/services/T01ABCDEFGH/B02ABCDEFGH/4fT7xK0aQ2mN9vB1cD3eF5gH"


async def test_what_comes_faster_than_it_allows_waits_in_the_buffer_and_arrives_once() -> None:
    """The buffer stands for the containers that wait behind it."""
    times: list[float] = []

    def judge(request: Request) -> bytes:
        times.append(asyncio.get_running_loop().time())
        return OK

    lines = 500
    async with http_receiver(judge) as to:
        limits = LimitsConfig(entries=50, rate=Rate(50))
        async with sending("http", url=to.url, template=CHAT, wrap=WRAP, limits=limits) as sent:
            sent.lines(lines)
            await until(lambda: len(to.requests) >= 3)
            assert sent.output.buffer.entries > 0
            await until(lambda: sent.settled == lines)
    assert [len(json.loads(request.body)["blocks"]) for request in to.requests] == [50] * 10
    assert list(itertools.chain(*(numbers(one.body) for one in to.requests))) == list(range(lines))
    assert times[-1] - times[0] > 8.5 / 50


async def test_a_full_buffer_takes_no_more() -> None:
    async with http_receiver() as to:
        small = BufferConfig(memory=Size(2**16))
        limits = LimitsConfig(rate=Rate(1 / 60))
        async with sending("http", url=to.url, template=CHAT, limits=limits, buffer=small) as sent:
            offered = [Envelope(batch(*["x" * 1000] * 10)) for _ in range(20)]
            taken = [sent.output.offer(one) for one in offered]
            await until(lambda: len(to.requests) == 1)
            assert 0 < taken.count(True) < 20 and not taken[-1]


@pytest.mark.parametrize("status", [408, 425, 429, 503])
async def test_when_it_asks_for_a_pause_it_gets_one_and_then_the_same_entry(status: int) -> None:
    turn = itertools.count()
    times: list[float] = []

    def judge(request: Request) -> bytes:
        times.append(asyncio.get_running_loop().time())
        return answer(status, b"slow down", Retry_After="0.3") if next(turn) == 2 else OK

    async with http_receiver(judge) as to, sending("http", url=to.url, template=CHAT) as sent:
        sent.lines(5)
        await until(lambda: sent.settled == 5)
    came = [numbers(request.body)[0] for request in to.requests]
    assert came == [0, 1, 2, 2, 3, 4]
    assert times[3] - times[2] > 0.29


async def test_after_a_stop_only_the_request_that_was_not_answered_comes_again() -> None:
    """Not all that waited behind it."""
    async with http_receiver() as to:
        limits = LimitsConfig(rate=Rate(20))
        async with sending(
            "http", url=to.url, template=CHAT, limits=limits, batch=BatchConfig(entries=10_000)
        ) as sent:
            for number in range(20):
                assert sent.output.offer(Envelope(batch(str(number), start=number)))
            await until(lambda: len(to.requests) >= 4)
            assert sent.delivered >= len(to.requests) - 1


FORMS: dict[str, dict[str, Any]] = {
    "each": {},
    "array": {"format": "array", "limits": LimitsConfig(entries=7, bytes=Size(1500))},
    "string": {"wrap": TemplateText('{{"text": "{entries}"}}'), "limits": LimitsConfig(entries=30)},
    "lines": {"format": "lines", "template": TemplateText("{message}")},
}


@pytest.mark.parametrize("form", FORMS)
async def test_whatever_it_answers_each_entry_is_taken_once(form: str) -> None:
    chance, taken = random.Random(form), list[int]()
    failures = [
        answer(429, Retry_After="0"),
        answer(503),
        answer(500),
        answer(404),
        answer(302, Location="http://elsewhere.example.com/"),
        b"",
        b"HTTP/1.1 5",
    ]

    def judge(request: Request) -> bytes:
        if chance.random() < 0.35:
            return chance.choice(failures)
        taken.extend(numbers(request.body))
        half = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
        return half if chance.random() < 0.1 else OK

    quick = RetryConfig(initial=Duration(0.001), max=Duration(0.01))
    options = {"template": TemplateText('{{"text": "{message}"}}'), "retry": quick, **FORMS[form]}
    async with http_receiver(judge) as to, sending("http", url=to.url, **options) as sent:
        sent.lines(200)
        await until(lambda: sent.settled == 200)
        assert sent.delivered == 200
    assert sorted(taken) == list(range(200))


async def test_its_address_and_keys_are_in_no_text_that_anybody_sees(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Servers repeat what they were asked for."""
    key = "r0ut1ngk3y-0123456789"
    template = TemplateText.filled(f'{{{{"key": "{key}", "text": "{{message}}"}}}}', [key])

    def judge(request: Request) -> bytes:
        told = f"<p>Cannot POST {request.path} with {request.body.decode()}</p>"
        return answer(404, told.encode())

    async with http_receiver(judge) as to:
        to.asked = lambda request: answer(302, Location=f"http://other{request.path}?again")
        url = SecretURL(f"{to.url}{PATH}?sig=aB%2Bc_d-e%3DfGh1jK")
        with caplog.at_level(logging.DEBUG):
            async with sending("http", url=url, template=template) as sent:
                sent.lines(1)
                await until(lambda: sent.count("retried_payloads") > 5)
                texts = [
                    sent.output.now().problem,
                    sent.output.not_ready() or "",
                    repr(sent.output.config),
                    caplog.text,
                ]
    said = "\n".join(texts)
    assert f"{to.url} answers 404" in texts[0] and "Cannot POST /***" in texts[0]
    for secret in ("B02ABCDEFGH", "4fT7xK0aQ2mN", "aB%2Bc_d", "aB+c_d", "k3y-0123"):
        assert secret not in said, said
