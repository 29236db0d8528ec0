"""An entry's identity: the same for the same entry, and for no other."""

from __future__ import annotations

from pipeline.encode.identity import identities
from pipeline.testing.builders import batch
from pipeline.testing.hostile import hostile


def test_it_says_container_source_route_time_sequence_and_part() -> None:
    some = batch("one", "two", start=7, route="all")
    container = b"0" * 63 + b"1"
    assert identities(some) == [
        container + b":logs:all:2026-01-31T23:59:59.000000000Z:7.0",
        container + b":logs:all:2026-01-31T23:59:59.000001000Z:8.0",
    ]


def test_parts_of_one_entry_differ() -> None:
    some = batch("one", "two").replace(sequences=[5, 5], parts=[1, 2])
    assert [identity[-4:] for identity in identities(some)] == [b":5.1", b":5.2"]


def test_sources_and_routes_differ() -> None:
    same = [batch("x"), batch("x", source="events"), batch("x", route="a%d"), batch("x", route="é")]
    assert len({identities(one)[0] for one in same}) == 4


def test_no_batch_is_too_odd() -> None:
    for some in hostile():
        found = identities(some)
        assert len(set(found)) == len(some)
