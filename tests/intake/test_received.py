"""What is made of messages that anybody may have written."""

from __future__ import annotations

import random
import zlib
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest

from pipeline.buffer.columns import Columns
from pipeline.encode.json import JsonEncoder
from pipeline.intake import received
from pipeline.intake.received import Received
from pipeline.testing.builders import batch, container, entries
from pipeline.testing.hostile import hostile

read = Received()


def test_all_that_a_dockline_sends_comes_back() -> None:
    for sent in hostile():
        if not len(sent):
            continue
        body, plain = Columns().encode([sent])
        (came,) = read.columns(body, plain, len(sent))
        assert came.lines == list(sent.lines) and list(came.sequences) == list(sent.sequences)
        assert came.container.id == sent.container.id


def test_times_that_are_none_are_refused_since_encoders_write_them_as_they_are() -> None:
    bad = batch("x")
    bad.times[0] = b'2026-01-31T23:59:59.0000","a":1'[:30]
    body, plain = Columns().encode([bad])
    with pytest.raises(ValueError, match="not those of a batch"):
        read.columns(body, plain, 1)


GOOD: dict[str, Any] = {
    "facts": ("a" * 64, "web", "image", {"a": "b"}, "host", False),
    "way": (0, 1, "logs", "all"),
    "row": ([b"line"], [b"2026-01-31T23:59:59.000000000Z"], b"\1", ([1],), None, False, None),
}


def columns(**changes: Any) -> tuple[bytes, int]:
    it = GOOD | changes
    plain = msgpack.packb(([msgpack.packb(it["facts"])], [it["way"]])) + msgpack.packb([it["row"]])
    return plain, len(plain)


def replaced(row: str, place: int, value: Any) -> dict[str, Any]:
    new = list(GOOD[row])
    new[place] = value
    return {row: new}


def test_the_same_by_hand_is_read() -> None:
    (one,) = read.columns(*columns(), 1)
    assert one.lines == [b"line"] and one.container.labels == {"a": "b"}


@pytest.mark.parametrize(
    "change",
    [
        replaced("facts", 0, "short"),
        replaced("facts", 0, 7),
        replaced("facts", 1, b"bytes"),
        replaced("facts", 3, []),
        replaced("facts", 3, {"a": 1}),
        replaced("facts", 3, {1: "a"}),
        {"facts": 7},
        replaced("way", 0, 5),
        replaced("way", 0, "x"),
        replaced("way", 1, 2),
        replaced("way", 2, "other"),
        replaced("way", 2, []),
        replaced("way", 3, 1),
        {"way": 1},
        replaced("row", 0, ["text"]),
        replaced("row", 0, b"l"),
        replaced("row", 0, {}),
        replaced("row", 1, []),
        replaced("row", 1, ["2026-01-31T23:59:59.000000000Z"]),
        replaced("row", 1, [b"x" * 30]),
        replaced("row", 2, b""),
        replaced("row", 2, b"\x09"),
        replaced("row", 2, "\1"),
        replaced("row", 3, ([-1],)),
        replaced("row", 3, (["1"],)),
        replaced("row", 3, (0, 1 << 60, 1)),
        replaced("row", 3, (0, 1, 0)),
        replaced("row", 3, ()),
        replaced("row", 4, [[]]),
        replaced("row", 4, []),
        replaced("row", 6, {"1": "truncated"}),
        replaced("row", 6, [1]),
        {"row": [*GOOD["row"], [-1]]},
        {"row": [*GOOD["row"], 3]},
        {"row": None},
    ],
    ids=repr,
)
def test_columns_that_are_not_those_of_a_batch_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"no columns|not those of a batch"):
        read.columns(*columns(**change), 1)


def test_what_is_cut_or_changed_anywhere_is_refused_or_read_and_nothing_else() -> None:
    body, plain = Columns().encode([batch("one", "two", fields=[{"a": 1}, {"b": [1, 2]}])])
    chance = random.Random(7)
    for _ in range(3000):
        broken = bytearray(body)
        for _ in range(chance.randrange(1, 4)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        cut = bytes(broken[: chance.randrange(1, len(broken) + 1)])
        try:
            for one in read.columns(cut, chance.choice((plain, len(cut), 7)), 2):
                JsonEncoder().encode([one])
        except ValueError:
            continue


@pytest.mark.parametrize("plain", [0, -1, received.LARGEST + 1])
def test_sizes_beyond_all_bounds_are_refused_before_anything_is_made_of_them(plain: int) -> None:
    with pytest.raises(ValueError, match="larger than"):
        read.columns(b"x", plain, 1)


def test_a_decompression_bomb_is_not_decompressed() -> None:
    bomb = zlib.compress(b"\0" * (64 << 20))
    with pytest.raises(ValueError, match="the length that it says"):
        read.columns(bomb, 1000, 1)


def test_a_claim_of_four_billion_elements_is_not_believed() -> None:
    for bomb in (b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"):
        with pytest.raises(ValueError, match="no columns"):
            read.columns(bomb * 3, len(bomb) * 3, 1)
    with pytest.raises(ValueError, match="no columns"):
        read.columns(b"\x91" * 100_000, 100_000, 1)


def test_json_of_a_dockline_is_an_entry_with_its_parts() -> None:
    of = container(labels={"team": "a"}, image="shop/api:1.4")
    sent = batch("x", of=of, start=4, parts=[2], fields=[{"status": 1}], source="events")
    came = read.json(JsonEncoder().encode([sent]))
    assert entries(came) == entries(sent)
    assert (came.source, came.container.image) == ("events", "shop/api:1.4")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b"\xff",
        b'{"@timestamp":"x","event":{"sequence":1},"container":{"id":1}}',
        b'{"@timestamp":"2026-01-31T23:59:59Z","event":{"sequence":true},"container":{"id":"a"}}',
        b'{"@timestamp":"2026-01-31T23:59:59Z","event":7,"container":[]}',
    ],
)  # fmt: skip
def test_json_that_is_no_entry_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"no JSON|no entry of a dockline"):
        read.json(body)


def test_odd_json_of_an_entry_is_one() -> None:
    body = (
        b'{"@timestamp":"2026-01-31T23:59:59Z","message":{"a":1},"event":{"sequence":1,"part":"x"},'
        b'"container":{"id":"other runtime","labels":{"n":1},"image":7},"log":{"flags":7}}'
    )
    came = read.json(body)
    assert came.lines == [b'{"a":1}'] and came.parts is None and came.flags is None
    assert len(came.container.id) == 64 and came.container.labels == {"n": "1"}
    assert JsonEncoder().encode([came])
