"""Requests within limits, whatever is refused or fails."""

from __future__ import annotations

import json
import random
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.component import Payload
from pipeline.model.errors import Unavailable
from pipeline.testing.builders import batch
from pipeline.transport.evidence import Evidence
from pipeline.transport.http import Rejected, RequestFailed, TooLarge
from pipeline.transport.limited_requests import Form, LimitedRequests
from pipeline.transport.split_retry import Part

ARRAY = Form(b'{"a":[', b",", b"]}", most_entries=3, most_bytes=30)


def payload(form: Form, *entries: str) -> Payload[LimitedRequests]:
    pieces = [entry.encode() for entry in entries]
    data = LimitedRequests(form, pieces, [batch(*entries)], Evidence())
    return Payload(data, len(entries), sum(map(len, pieces)))


async def bodies(form: Form, *entries: str) -> list[bytes]:
    found: list[bytes] = []

    async def post(part: Part) -> None:
        found.append(part.body)

    what = payload(form, *entries)
    await what.data.send(what, post)
    return found


async def test_a_request_has_what_stands_around_entries_and_between_them() -> None:
    assert await bodies(Form(b"<", b"|", b">"), "a", "b", "c") == [b"<a|b|c>"]
    assert await bodies(Form(b"<", b"|", b">"), "a") == [b"<a>"]


async def test_no_request_has_more_entries_than_allowed() -> None:
    assert await bodies(Form(between=b",", most_entries=2), *"abcde") == [b"a,b", b"c,d", b"e"]
    assert await bodies(Form(most_entries=1), *"abc") == [b"a", b"b", b"c"]


async def test_no_request_has_more_bytes_than_allowed_and_none_fewer_than_fit() -> None:
    form = Form(b"[", b",", b"]", most_bytes=9)
    assert await bodies(form, "aa", "bb", "c", "1234567", "dd") == [
        b"[aa,bb,c]",
        b"[1234567]",
        b"[dd]",
    ]
    assert await bodies(form, "aa", "bb", "cc") == [b"[aa,bb]", b"[cc]"]


@given(
    st.lists(st.integers(0, 10**9), min_size=1, max_size=40),
    st.integers(1, 5),
    st.integers(20, 60),
    st.sampled_from([Rejected, TooLarge, RequestFailed]),
    st.integers(0, 2**32),
)
async def test_whatever_fails_every_request_is_within_limits_and_each_good_entry_comes_once(
    numbers: list[int], most: int, size: int, kind: type[Exception], seed: int
) -> None:
    chance = random.Random(seed)
    entries = [str(number) for number in dict.fromkeys(numbers)]
    bad = {entry for entry in entries if chance.random() < 0.2}
    form = Form(b'{"a":[', b",", b"]}", most_entries=most, most_bytes=size)
    taken: list[str] = []

    async def post(part: Part) -> None:
        found = [str(number) for number in json.loads(part.body)["a"]]
        assert 0 < len(found) == len(part) <= most and len(part.body) <= size
        if chance.random() < 0.1:
            raise Unavailable("later")
        if bad & set(found):
            raise kind("no") if kind is RequestFailed else kind("no", 400)  # type: ignore[call-arg]
        taken.extend(found)

    what = payload(form, *entries)
    for _ in range(300):
        with suppress(Unavailable):
            await what.data.send(what, post)
            break
    assert len(taken) == len(set(taken)) and not bad & set(taken)
    if kind is Rejected and set(entries) - bad:
        assert set(taken) == set(entries) - bad
        assert {what.data._pieces[index].decode() for _, index, _ in what.refused} == bad


async def test_what_was_taken_is_not_sent_again() -> None:
    sent: list[bytes] = []

    async def post(part: Part) -> None:
        if len(sent) == 2:
            sent.append(b"")
            raise Unavailable("busy", 1.0)
        sent.append(part.body)

    what = payload(ARRAY, *map(str, range(10)))
    with pytest.raises(Unavailable):
        await what.data.send(what, post)
    await what.data.send(what, post)
    came = [json.loads(body)["a"] for body in sent if body]
    assert came == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
