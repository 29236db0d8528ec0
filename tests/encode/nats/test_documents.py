"""Entries as messages, written by either loop."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline import native
from pipeline.encode.nats.documents import Documents
from pipeline.encode.nats.messages import JsonMessages
from pipeline.model.batch import Batch
from pipeline.testing.builders import batch, container
from pipeline.testing.hostile import hostile
from tests.servers.nats_commands import sent

MESSAGES = Callable[..., list[Documents]]


@pytest.fixture(params=["C", "Python"])
def messages(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> MESSAGES:
    """Those of batches, written by each of the loops."""
    if request.param == "Python":
        monkeypatch.setattr(native, "loops", None)
    elif native.loops is None:
        pytest.skip(native.described)

    def of(*batches: Batch, **common: str) -> list[Documents]:
        subject = lambda batch: f"s.{batch.container.id[-2:]}"  # noqa: E731
        return JsonMessages(subject, common, host="here").of(batches)

    return of


def test_each_entry_is_a_document(messages: MESSAGES) -> None:
    some = messages(
        batch("a", "b\nc", fields=[{"x": 1}, {}], route="r"),
        batch(),
        batch("d", start=2),
        Common="100%",
    )
    commands = sent(some, b"in.p", 98)
    documents = [json.loads(one.body) for one in commands]
    assert [one["message"] for one in documents] == ["a", "b\nc", "d"]
    assert documents[0]["x"] == 1 and documents[2]["event"]["sequence"] == 2
    assert [one.reply for one in commands] == ["in.p98", "in.p99", "in.p100"]
    assert commands[0].headers == {
        "Common": "100%",
        "Dockline-Format": "json/1",
        "Nats-Msg-Id": commands[0].headers["Nats-Msg-Id"],
    }
    assert commands[0].headers["Nats-Msg-Id"].startswith(f"{container().id}:logs:r:")


def test_whatever_entries_have_both_loops_write_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def written() -> list[bytes]:
        some = JsonMessages(lambda batch: "s", {}).of(hostile())
        return [one.commands(0, len(one), b"in.p", 5) for one in some]

    in_c = written()
    monkeypatch.setattr(native, "loops", None)
    assert written() == in_c and in_c


def test_a_part_of_them_is_sent_as_in_the_whole(messages: MESSAGES) -> None:
    (some,) = messages(batch(*map(str, range(20)), parts=[0, 1] * 10))
    whole = some.commands(0, 20, b"in.p", 5)
    assert whole == b"".join(
        some.commands(start, stop, b"in.p", 5 + start)
        for start, stop in [(0, 1), (1, 9), (9, 19), (19, 20)]
    )


def test_sizes_are_those_of_the_bodies(messages: MESSAGES) -> None:
    (some,) = messages(batch("a", "b" * 50, "c" * 7))
    sizes = [len(one.body) for one in sent([some])]
    assert [some.size(index, index + 1) for index in range(3)] == sizes
    assert some.size(0, 3) == sum(sizes) and some.size(1, 1) == 0


def test_no_more_than_one_goes_beyond_the_room(messages: MESSAGES) -> None:
    (some,) = messages(batch(*["x" * 100] * 9))
    each = some.size(0, 1)
    assert [some.reach(0, 9, room) for room in (-1, 0, 1, each, each + 3, 10**9)] == [
        1,
        1,
        1,
        1,
        2,
        9,
    ]
    assert some.reach(4, 6, 10**9) == 6 and some.reach(4, 9, each + 3) == 6


@pytest.mark.parametrize("parts", [None, [0, 200, 0]])
def test_those_that_are_too_large_are_found_to_the_byte(messages: MESSAGES, parts: Any) -> None:
    (some,) = messages(batch("a", "b" * 300, "c" * 299, parts=parts))
    command = some.commands(1, 2, b"in.p", 0)
    size = int(command.partition(b"\r\n")[0].rpartition(b" ")[2])
    assert some.oversized(size) == []
    assert some.oversized(size - 1) == [1]
    assert some.oversized(10) == [0, 1, 2]
    assert some.entry(1)[1] == 1
