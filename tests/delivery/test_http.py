"""HTTP: what was answered is there, what was not comes again."""

from __future__ import annotations

import itertools

import pytest

from pipeline.accounting.envelope import Envelope
from pipeline.model.component import BatchConfig, Duration, RetryConfig, Size
from pipeline.testing.builders import batch, container
from tests.delivery.sending import numbers, sending, until
from tests.servers.http_receiver import OK, Judge, Request, answer, http_receiver

LINES = 5000
KINDS = ["http", "victorialogs"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trouble", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", answer(503)])
async def test_what_was_not_answered_comes_again_and_nothing_else(
    kind: str, trouble: bytes
) -> None:
    """The connection breaks before the answer or in it; or it is said that it was not taken."""
    turn = itertools.count(1)

    async with http_receiver(lambda request: trouble if next(turn) == 3 else OK) as to:
        batch = BatchConfig(bytes=Size(2**16))
        async with sending(kind, url=to.url, batch=batch) as sent:
            sent.lines(LINES)
            await until(lambda: sent.settled == LINES)
            assert sent.delivered == LINES
    requests = [numbers(request.body) for request in to.requests]
    assert requests[2] == requests[3]
    del requests[2]
    assert list(itertools.chain(*requests)) == list(range(LINES))


@pytest.mark.parametrize("kind", KINDS)
async def test_of_what_was_too_large_only_what_was_not_answered_comes_again(kind: str) -> None:
    turn = itertools.count(1)

    def judge(request: Request) -> bytes:
        if len(request.lines) > 1000:
            return answer(413)
        return answer(503) if next(turn) == 3 else OK

    large = BatchConfig(bytes=Size(2**22))
    async with http_receiver(judge) as to, sending(kind, url=to.url, batch=large) as sent:
        sent.lines(LINES)
        await until(lambda: sent.settled == LINES)
    came = [numbers(request.body) for request in to.requests if len(request.lines) <= 1000]
    assert came[2] == came[3]
    del came[2]
    assert list(itertools.chain(*came)) == list(range(LINES))


# -- refused, or a wrong configuration -----------------------------------------------------------


def minds_bad(status: int) -> Judge:
    return lambda request: answer(status, b"no good") if b'"bad' in request.body else OK


@pytest.mark.fault(29)
async def test_while_a_server_calls_everything_bad_nothing_is_refused_and_readyz_says_so() -> None:
    """As where it minds the media type. Once the configuration is right all arrives, once."""
    wrong = True

    def judge(request: Request) -> bytes:
        return answer(400, b"invalid 'Content-Type'") if wrong else OK

    async with http_receiver(judge) as to, sending("http", url=to.url) as sent:
        sent.lines(LINES)
        await until(lambda: sent.count("retried_payloads") > 10)
        assert (sent.count("dropped_entries", reason="refused"), sent.settled) == (0, 0)
        assert "answers 400: invalid 'Content-Type'" in (sent.output.not_ready() or "")
        assert "Content-Type" in sent.output.now().problem
        wrong = False
        to.requests.clear()
        await until(lambda: sent.settled == LINES)
        assert sent.output.not_ready() is None and not sent.output.delivery.problem
    came = itertools.chain(*(numbers(request.body) for request in to.requests))
    assert sorted(came) == list(range(LINES))
    assert sent.delivered == LINES


@pytest.mark.fault(120)
@pytest.mark.parametrize("status", [400, 403, 500, 503])
async def test_a_bad_entry_that_comes_first_and_alone_is_refused_by_what_others_are_answered(
    status: int,
) -> None:
    async with http_receiver(minds_bad(status)) as to, sending("http", url=to.url) as sent:

        def has_come(sequence: int) -> bool:
            return any(b'"sequence":%d,' % sequence in request.body for request in to.requests)

        assert sent.output.offer(Envelope(batch("bad")))
        await until(lambda: sent.count("retried_payloads") > 4)
        assert sent.count("dropped_entries", reason="refused") == 0
        for sequence in range(1, 20):
            assert sent.output.offer(Envelope(batch("good", start=sequence)))
            await until(lambda: has_come(sequence))  # noqa: B023
        await until(lambda: sent.delivered + sent.count("dropped_entries", reason="refused") == 20)
        assert sent.delivered == 19


async def test_entries_that_come_while_one_is_in_doubt_are_not_kept_waiting() -> None:
    slow = RetryConfig(initial=Duration(60), max=Duration(60))
    async with http_receiver(minds_bad(400)) as to, sending("http", url=to.url, retry=slow) as sent:
        assert sent.output.offer(Envelope(batch("bad")))
        await until(lambda: sent.count("retried_payloads"))
        assert sent.output.offer(Envelope(batch("good", start=1)))
        await until(lambda: sent.delivered and sent.count("dropped_entries", reason="refused"))


@pytest.mark.fault(120)
async def test_a_flood_of_bad_entries_does_not_keep_those_of_another_container_waiting() -> None:
    """However many payloads of nothing else come first."""
    async with http_receiver(minds_bad(400)) as to, sending("http", url=to.url) as sent:
        for start in range(0, 3000, 100):
            assert sent.output.offer(Envelope(batch(*["bad" + "x" * 100] * 100, start=start)))
        assert sent.output.offer(Envelope(batch("good", of=container("quiet", number=2))))
        await until(lambda: sent.delivered)
        await until(lambda: sent.count("dropped_entries", reason="refused") == 3000)


async def test_floods_of_several_containers_do_not_either() -> None:
    """As of one that is started again and again."""
    async with http_receiver(minds_bad(400)) as to, sending("http", url=to.url) as sent:
        for number in range(2, 6):
            evil = container(f"evil-{number}", number=number)
            for start in range(0, 600, 100):
                bad = batch(*["bad" + "x" * 100] * 100, of=evil, start=start)
                assert sent.output.offer(Envelope(bad))
        assert sent.output.offer(Envelope(batch("good")))
        await until(lambda: sent.delivered)
        await until(lambda: sent.count("dropped_entries", reason="refused") == 2400)


async def test_what_is_given_up_in_time_is_refused_though_nothing_is_taken() -> None:
    retry = RetryConfig(initial=Duration(0.01), max=Duration(0.02), give_up_after=Duration(0.1))
    always = http_receiver(lambda request: answer(400, b"never"))
    async with always as to, sending("http", url=to.url, retry=retry) as sent:
        sent.lines(10)
        await until(lambda: sent.settled == 10)
        assert sent.count("dropped_entries", reason="refused") == 10
