"""What each answer over HTTP means, and what is said of it."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import pytest

from pipeline.model.errors import Unavailable
from pipeline.transport.http import (
    Misconfigured,
    Rejected,
    RequestFailed,
    ServerFault,
    TooLarge,
    retry_after,
)
from tests.servers.http_receiver import answer, http_receiver
from tests.transport.http.opening import opened, said


@pytest.mark.parametrize(
    ("status", "means"),
    [
        (400, "Rejected"),
        (401, "Misconfigured"),
        (403, "Misconfigured"),
        (404, "Misconfigured"),
        (405, "Misconfigured"),
        (407, "Misconfigured"),
        (408, "Unavailable"),
        (409, "Rejected"),
        (413, "TooLarge"),
        (415, "Misconfigured"),
        (422, "Rejected"),
        (425, "Unavailable"),
        (429, "Unavailable"),
        (500, "ServerFault"),
        (502, "RequestFailed"),
        (503, "RequestFailed"),
        (504, "RequestFailed"),
        (301, "Misconfigured"),
        (302, "Misconfigured"),
        (600, "RequestFailed"),
    ],
)
async def test_each_status_means_what_the_table_says(status: int, means: str) -> None:
    async with http_receiver(lambda request: answer(status, b"because\n\nof this")) as to:
        problem = await said(to)
    assert problem.startswith(f"{means}: {to.url} answers {status}")
    assert "because of this" in problem
    assert issubclass(TooLarge, Rejected) and issubclass(ServerFault, RequestFailed)
    assert issubclass(Misconfigured, RequestFailed) and issubclass(RequestFailed, Unavailable)


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
