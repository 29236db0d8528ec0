"""What clients send, whatever it is: read, or refused, and nothing else."""

from __future__ import annotations

import gzip
import json
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.forward.columns import Rows
from pipeline.forward.framing import Framer, ProtocolError
from pipeline.forward.partials import Partials
from pipeline.forward.reading import SMALL, entries, messages, objects
from pipeline.model.timestamps import all_seconds

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=10))
    | st.builds(msgpack.Timestamp, st.integers(0, 2**34 - 1), st.integers(0, 10**9 - 1))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)
KEYS = st.sampled_from(
    ["message", "log", "msg", "stream", "event", "container", "container_id", "fields", "host",
     "partial_message", "partial_id", "partial_ordinal", "partial_last", "source", "x"]
)  # fmt: skip
RECORDS = st.dictionaries(KEYS, VALUES | st.just("f" * 64) | st.just("true"))
OPTIONS = st.none() | st.fixed_dictionaries(
    {}, optional={"chunk": VALUES, "compressed": st.just("gzip") | VALUES, "dockline": VALUES}
)
ENTRIES = st.lists(st.tuples(VALUES, RECORDS) | VALUES, max_size=5)
PACKED = st.binary(max_size=30) | ENTRIES.map(
    lambda some: gzip.compress(b"".join(map(msgpack.packb, some)))
)
SENSIBLE = st.tuples(
    st.just("tag"), st.lists(st.tuples(st.integers(0, 9), RECORDS), min_size=1, max_size=5)
)
SAID = st.one_of(
    SENSIBLE,
    VALUES,
    st.tuples(VALUES, ENTRIES, OPTIONS),
    st.tuples(st.text(), PACKED, OPTIONS),
    st.tuples(st.text(), VALUES, RECORDS, OPTIONS),
)


def read(stream: bytes, step: int) -> Rows:
    """As a session does."""
    framer, rows = Framer(2**20), Rows("peer", Partials(2**20), 2**20)
    for start in range(0, len(stream), step):
        for one in messages(*framer.feed(stream[start : start + step])):
            assert type(one.chunk) is str
            for some, _ in entries(one, 2**20):
                rows.add(one.tag, one.option, some)
    return rows


@given(st.lists(SAID, max_size=5), st.integers(1, 200))
def test_anything_is_read_or_refused(said: list[Any], step: int) -> None:
    try:
        rows = read(b"".join(map(msgpack.packb, said)), step)
    except ProtocolError as error:
        assert error.kind in ("malformed", "too_large", "too_deep")
        return
    for one in rows.take():
        assert len(one.lines) == len(one.times) == len(one.streams) == len(one.fields) > 0
        assert {type(line) for line in one.lines} == {bytes}
        assert {len(time) for time in one.times} == {30}
        assert min(all_seconds(one.times)) >= 0
        json.dumps(one.fields)  # has nothing that JSON has not


@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes_are_read_or_refused(stream: bytes, step: int) -> None:
    try:
        read(stream, step)
    except ProtocolError as error:
        assert error.kind in ("malformed", "too_large", "too_deep")


@pytest.mark.parametrize("size", [10, SMALL, 3 * SMALL])
def test_small_and_large_messages_are_read_in_their_order(size: int) -> None:
    said = [["tag", [[1, {"message": f"{n} " + "x" * (size * (n % 3))}]]] for n in range(12)]
    stream = b"".join(map(msgpack.packb, said))
    framer = Framer(2**22)
    found = [
        some[0][1]["message"]
        for start in range(0, len(stream), SMALL)
        for one in messages(*framer.feed(stream[start : start + SMALL]))
        for some, _ in entries(one, 2**22)
    ]
    assert found == [one[1][0][1]["message"] for one in said]


def test_a_timestamp_of_messagepacks_own_is_a_number() -> None:
    (found,) = objects(msgpack.packb({"t": msgpack.Timestamp(1, 5)}))
    assert found == {"t": 10**9 + 5}
