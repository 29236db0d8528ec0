"""What is bad in a payload is found and refused, one entry at a time; the rest arrives once."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.component import Payload
from pipeline.model.errors import Unavailable
from pipeline.testing.builders import batch
from pipeline.transport.evidence import Evidence
from pipeline.transport.http import Rejected, RequestFailed, ServerFault, TooLarge
from pipeline.transport.split_retry import (
    HOPELESS,
    LONG,
    PATIENCE,
    AllRejected,
    EntriesLeft,
    EntriesRejected,
    Part,
    SplitRetry,
    lines,
)

Verdict = Callable[[list[bytes]], Exception | None]


class Server:
    """Takes what `verdict` has nothing against."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.requests: list[list[bytes]] = []
        self.taken: list[bytes] = []

    async def post(self, part: Part) -> None:
        entries = part.body.split()
        assert len(entries) == len(part)
        self.requests.append(entries)
        if error := self.verdict(entries):
            raise error
        self.taken += entries


def payload(*entries: str, to: Evidence | None = None) -> Payload[SplitRetry]:
    batches = [batch(*entries[:2]), batch(*entries[2:])] if entries[2:] else [batch(*entries)]
    whole = b"".join(line + b"\n" for one in batches for line in one.lines)
    data = SplitRetry(whole, batches, lines, evidence=to)
    return Payload(data, len(entries), len(whole))


async def deliver(to: Server, what: Payload[SplitRetry], attempts: int = 100) -> int:
    """Sends until it is sent; after how many attempts."""
    for attempt in range(1, attempts + 1):
        try:
            await what.data.send(what, to.post)
        except Unavailable:
            continue
        return attempt
    raise AssertionError(f"not delivered after {attempts} attempts; {what.data.__dict__}")


def refused(what: Payload[Any]) -> list[str]:
    return [one.lines[index].decode() for one, index, _ in what.refused]


def numbers(count: int, *bad: int) -> list[str]:
    return [f"bad{n}" if n in bad else f"{n}" for n in range(count)]


def rejects(entries: list[bytes]) -> Exception | None:
    return Rejected("bad", 400) if any(b"bad" in entry for entry in entries) else None


def fails(entries: list[bytes]) -> Exception | None:
    return ServerFault("oops") if any(b"bad" in entry for entry in entries) else None


async def test_what_is_taken_is_one_request() -> None:
    to, what = Server(lambda entries: None), payload(*numbers(10))
    await what.data.send(what, to.post)
    assert len(to.requests) == 1
    await what.data.send(what, to.post)
    assert len(to.requests) == 1, "what was taken is not sent again"


async def test_what_is_too_large_is_halved_until_it_is_not() -> None:
    to = Server(lambda entries: TooLarge("413", 413) if len(entries) > 3 else None)
    what = payload(*numbers(10))
    await what.data.send(what, to.post)
    assert to.taken == [b"%d" % n for n in range(10)]
    assert (what.entries, what.refused) == (10, [])


@pytest.mark.fault(29)
async def test_a_single_entry_that_is_too_large_is_refused_and_the_rest_delivered() -> None:
    to, what = Server(rejects), payload(*numbers(9, 4))
    await what.data.send(what, to.post)
    assert refused(what) == ["bad4"]
    assert what.entries == len(to.taken) == 8


async def test_where_nothing_is_taken_nothing_is_refused_and_few_requests_are_made() -> None:
    """It is the configuration that is wrong. Once it is not, all arrives, in order."""
    to = Server(lambda entries: Rejected("the answer to everything", 400))
    what = payload(*numbers(5000))
    for _ in range(20):
        with pytest.raises(AllRejected, match=r"the answer to everything; nothing .* was taken"):
            await what.data.send(what, to.post)
    assert (what.refused, what.entries) == ([], 5000)
    assert len(to.requests) < 5 * 4 * HOPELESS + 15 * 2
    to.verdict = lambda entries: None
    await deliver(to, what)
    assert to.taken == [b"%d" % n for n in range(5000)]
    assert len(to.requests[-1]) == 5000


async def test_a_few_good_entries_among_many_bad_ones_are_found_in_time() -> None:
    good = {1234, 3456, *range(4000, 4100)}
    to, what = Server(rejects), payload(*numbers(5000, *(set(range(5000)) - good)))
    await deliver(to, what, 200)
    assert sorted(map(int, to.taken)) == sorted(good)
    assert len(what.refused) == 5000 - len(good)


@pytest.mark.parametrize("bad", [("bad",), ("bad", "bad")])
async def test_what_others_are_answered_tells_whether_entries_are_bad_that_came_alone(
    bad: tuple[str, ...],
) -> None:
    evidence = Evidence()
    to, what, other = Server(rejects), payload(*bad, to=evidence), payload("good", to=evidence)
    for _ in range(5):
        with pytest.raises(AllRejected):
            await what.data.send(what, to.post)
    await other.data.send(other, to.post)
    await what.data.send(what, to.post)
    assert refused(what) == list(bad)


async def test_what_was_taken_before_is_no_evidence() -> None:
    """The configuration may have become wrong since."""
    evidence = Evidence()
    to, before = Server(lambda entries: None), payload("good", to=evidence)
    await before.data.send(before, to.post)
    to.verdict = lambda entries: Rejected("400", 400)
    what = payload("a", "b", to=evidence)
    for _ in range(LONG * 2):
        with pytest.raises(AllRejected):
            await what.data.send(what, to.post)
    assert not what.refused


async def test_a_single_entry_that_is_too_large_needs_no_evidence_unless_it_is_small() -> None:
    to = Server(lambda entries: TooLarge("413", 413))
    large, small = payload("x" * 5000), payload("x")
    await large.data.send(large, to.post)
    assert len(large.refused) == 1
    with pytest.raises(AllRejected):
        await small.data.send(small, to.post)
    assert not small.refused


def busy(entries: list[bytes]) -> Exception | None:
    return RequestFailed("503") if any(b"bad" in entry for entry in entries) else None


@pytest.mark.fault(120)
@pytest.mark.parametrize("bad", [(0,), (9,), (4,), (2, 7), tuple(range(9))])
async def test_entries_that_a_server_answers_503_to_for_ever_are_found(
    bad: tuple[int, ...],
) -> None:
    evidence = Evidence()
    to, what = Server(busy), payload(*numbers(10, *bad), to=evidence)
    for _ in range(100):
        with suppress(Unavailable):
            await what.data.send(what, to.post)
            break
        evidence.took()  # as others are
    assert sorted(refused(what)) == sorted(f"bad{n}" for n in bad)
    assert sorted(to.taken) == sorted(b"%d" % n for n in range(10) if n not in bad)


@pytest.mark.fault(29)
async def test_while_a_server_is_down_with_503_nothing_is_refused_and_it_is_asked_little() -> None:
    """Be it down from the beginning, or from anywhere between the answers to one payload."""
    for began in range(30):
        down = False
        to = Server(lambda entries: RequestFailed("503") if down else busy(entries))  # noqa: B023
        what = payload(*numbers(8, 3))
        for attempt in range(60):
            down = began <= attempt
            count = len(to.requests)
            with suppress(Unavailable):
                await what.data.send(what, to.post)
                break
            assert not down or len(to.requests) - count <= 2 + 1
        assert set(refused(what)) <= {"bad3"}
        to.verdict = lambda entries: None
        await deliver(to, what)
        assert len(to.taken) + len(what.refused) == 8


async def test_a_server_that_asks_for_a_pause_gets_one_request_at_a_time() -> None:
    to, what = Server(lambda entries: RequestFailed("503", 7)), payload(*numbers(100))
    for _ in range(LONG - 1):
        with pytest.raises(RequestFailed):
            await what.data.send(what, to.post)
    assert [len(request) for request in to.requests] == [100] * (LONG - 1)


@pytest.mark.parametrize(("first", "last"), [(0, 100), (0, 350), (0, 200), (150, 500), (300, 500)])
async def test_many_bad_entries_in_a_row_do_not_cost_the_others(first: int, last: int) -> None:
    """As of one container among several."""
    to, what = Server(rejects), payload(*numbers(500, *range(first, last)))
    await what.data.send(what, to.post)
    assert sorted(refused(what)) == sorted(f"bad{n}" for n in range(first, last))
    assert sorted(to.taken, key=int) == [b"%d" % n for n in range(500) if not first <= n < last]


@pytest.mark.fault(29)
async def test_while_the_server_fails_at_everything_nothing_is_refused() -> None:
    to, what = Server(lambda entries: ServerFault("down")), payload(*numbers(1000))
    for _ in range(200):
        with pytest.raises(ServerFault):
            await what.data.send(what, to.post)
    assert what.refused == []
    to.verdict = lambda entries: None
    await deliver(to, what)
    assert sorted(to.taken) == sorted(b"%d" % n for n in range(1000))
    assert max(map(len, to.requests)) == 1000


async def test_a_failure_or_two_change_nothing() -> None:
    answers = itertools.chain([ServerFault("one"), ServerFault("two")], itertools.repeat(None))
    to, what = Server(lambda entries: next(answers)), payload(*numbers(10))
    assert await deliver(to, what) == 3
    assert [len(request) for request in to.requests] == [10, 10, 10]


@pytest.mark.fault(29)
@pytest.mark.parametrize("bad", [(0,), (9,), (4,), (2, 7), (0, 1, 2, 3, 4), tuple(range(9))])
async def test_entries_that_make_the_server_fail_for_ever_are_found(bad: tuple[int, ...]) -> None:
    to, what = Server(fails), payload(*numbers(10, *bad))
    await deliver(to, what)
    assert sorted(refused(what)) == sorted(f"bad{n}" for n in bad)
    assert sorted(to.taken) == sorted(b"%d" % n for n in range(10) if n not in bad)


async def test_a_server_that_goes_down_meanwhile_for_some_attempts_costs_no_entry() -> None:
    for began in range(1, 30):
        down = False
        to = Server(lambda entries: ServerFault("down") if down else fails(entries))  # noqa: B023
        what = payload(*numbers(8, 3))
        for attempt in range(500):
            down = began <= attempt < began + LONG - PATIENCE
            try:
                await what.data.send(what, to.post)
            except ServerFault:
                continue
            break
        assert refused(what) == ["bad3"], began
        assert len(to.taken) == 7


@given(st.sets(st.integers(0, 39)), st.sets(st.integers(0, 39)), st.integers(1, 40))
async def test_every_entry_arrives_once_or_is_refused_once(
    bad: set[int], poison: set[int], most: int
) -> None:
    names = [f"bad{n}" if n in bad else f"poison{n}" if n in poison else f"{n}" for n in range(40)]

    def verdict(entries: list[bytes]) -> Exception | None:
        if len(entries) > most:
            return TooLarge("413", 413)
        if any(b"poison" in entry for entry in entries):
            return ServerFault("oops")
        return rejects(entries)

    to, what = Server(verdict), payload(*names)
    if all(name.isdigit() is False for name in names):
        return  # nothing speaks against the server then
    await deliver(to, what, 1000)
    assert sorted(map(bytes.decode, to.taken)) == sorted(n for n in names if n.isdigit())
    assert sorted(refused(what)) == sorted(n for n in names if not n.isdigit())
    assert what.entries == len(to.taken)


async def test_of_what_is_taken_in_part_only_the_rest_is_sent_again() -> None:
    asked: list[list[bytes]] = []

    async def post(part: Part) -> None:
        asked.append(part.body.split())
        if len(part) > 1:
            raise EntriesLeft("busy", [index for index in range(len(part)) if index % 2])

    what = payload(*numbers(7))
    for _ in range(3):
        with pytest.raises(EntriesLeft):
            await what.data.send(what, post)
        if len(asked[-1]) < 4:
            break
    await what.data.send(what, post)
    assert asked == [
        [b"%d" % n for n in range(7)],
        [b"1", b"3", b"5"],
        [b"3"],
    ]


async def test_what_the_destination_names_itself_is_refused_and_the_rest_sent_at_once() -> None:
    asked: list[list[bytes]] = []

    async def post(part: Part) -> None:
        entries = part.body.split()
        asked.append(entries)
        if bad := [index for index, entry in enumerate(entries) if b"bad" in entry][:2]:
            raise EntriesRejected(Rejected("400", 400), {index: f"no {index}" for index in bad})

    what = payload(*numbers(9, 1, 4, 8))
    await what.data.send(what, post)
    assert refused(what) == ["bad1", "bad4", "bad8"]
    assert [why for *_, why in what.refused] == ["no 1", "no 4", "no 6"]
    assert [len(entries) for entries in asked] == [9, 7, 6]
    assert what.entries == 6
    await what.data.send(what, post)
    assert len(asked) == 3


async def test_where_all_are_named_nothing_is_left_to_send() -> None:
    asked = 0

    async def post(part: Part) -> None:
        nonlocal asked
        asked += 1
        raise EntriesRejected(Rejected("260", 260), dict.fromkeys(range(len(part)), "blocked"))

    what = payload(*numbers(9))
    await what.data.send(what, post)
    assert (what.entries, len(what.refused), asked) == (0, 9, 1)


async def test_a_place_is_that_of_the_entry_among_those_that_could_be_encoded() -> None:
    batches = [batch("zero", "bad1", "two"), batch("bad3", "four")]
    what: Payload[SplitRetry] = Payload(
        SplitRetry(b"zero\ntwo\nfour\n", batches, lines),
        3,
        1,
        refused=[(batches[0], 1, "no"), (batches[1], 0, "no")],
    )
    part = Part(what.data.whole, range(3))
    places = [what.data.place(part, index, what) for index in range(3)]
    assert [one.lines[row] for one, row in places] == [b"zero", b"two", b"four"]


@pytest.mark.parametrize("mended", range(1, 30))
async def test_a_configuration_that_is_mended_in_between_costs_no_entry(mended: int) -> None:
    turn = itertools.count()
    to = Server(lambda entries: Rejected("400", 400) if next(turn) < mended else None)
    what = payload(*numbers(10))
    await deliver(to, what)
    assert (sorted(to.taken), what.refused) == ([b"%d" % n for n in range(10)], [])


@pytest.mark.fault(29)
@pytest.mark.parametrize("rate", [0.2, 0.5, 0.9])
async def test_a_server_that_sheds_load_at_random_costs_no_entry(rate: float) -> None:
    chance = random.Random(rate)
    evidence = Evidence()
    to = Server(lambda entries: RequestFailed("503") if chance.random() < rate else None)
    for count in (1, 2, 5) * 40:
        what = payload(*numbers(count), to=evidence)
        for _ in range(1000):
            with suppress(Unavailable):
                await what.data.send(what, to.post)
                break
            with suppress(Unavailable):
                beside = payload("beside", to=evidence)
                await beside.data.send(beside, to.post)
        assert (what.entries, what.refused) == (count, [])


async def test_what_is_answered_503_counts_for_no_failure_with_500() -> None:
    evidence, to = Evidence(), Server(lambda entries: None)
    what = payload("a", to=evidence)
    answers = [*[RequestFailed("503")] * 2, *[ServerFault("500")] * PATIENCE]
    for number, answer in enumerate(answers, 1):
        to.verdict = lambda entries, answer=answer: answer  # type: ignore[misc]
        with suppress(Unavailable):
            await what.data.send(what, to.post)
        assert refused(what) == (["a"] if number == len(answers) else [])
        to.verdict = lambda entries: None
        other = payload("b", to=evidence)
        await other.data.send(other, to.post)
