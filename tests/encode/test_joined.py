"""Batches that follow each other become one, with the same entries."""

from __future__ import annotations

from pipeline.encode.joined import joined
from pipeline.model.acknowledgement import UNTRACKED
from pipeline.model.encode_cache import EncodeCache
from pipeline.testing.builders import batch, container, entries

API = container("api")


def test_batches_of_one_container_become_one() -> None:
    some = [
        batch("a", "b", of=API, start=4),
        batch(of=API),
        batch("c", of=API, streams="err", start=6),
    ]
    (one,) = joined(some)
    assert entries(one) == [entry for each in some for entry in entries(each)]
    assert one.sequences == range(4, 7)
    assert len(some[0]) == 2


def test_numbers_with_gaps_stay_as_they_are() -> None:
    (one,) = joined([batch("a", of=API, start=1), batch("b", of=API, start=7)])
    assert list(one.sequences) == [1, 7]
    (one,) = joined([batch("a", of=API), batch("b", of=API).replace(sequences=[1])])
    assert list(one.sequences) == [0, 1]


def test_others_stay_apart_and_in_order() -> None:
    apart = [
        batch("a", of=API),
        batch("b", of=container("web", number=2)),
        batch("c", of=API),
        batch("d", of=API, source="events"),
        batch("e", of=API, route="other"),
        batch("f", of=API, fields=[{}]),
        batch("g", of=API, bare=True),
        batch("h", of=API, parts=[1]),
        batch("i", of=API, flags={0: "truncated"}),
        batch("j", of=API).replace(cache=EncodeCache(UNTRACKED)),
        batch("k", of=API),
    ]
    assert joined(apart) == apart
    assert joined([]) == []
