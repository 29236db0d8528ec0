"""Entries as stores give them back, and lines that are none."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.audit import entries
from pipeline.cli.audit.entries import LOGS, Verifier, blocks
from pipeline.cli.audit.sequences import Gap, Series
from pipeline.encode.json import JsonEncoder
from pipeline.model.container import Container
from pipeline.testing.builders import batch


def line(sequence: object, *, id: str = "a" * 64, name: str = "api", **rest: object) -> bytes:
    entry = {
        "@timestamp": f"t{sequence}",
        "message": "…",
        "event": {"sequence": sequence, "dataset": "docker.logs"},
        "container": {"id": id, "name": name, "image": {"name": "shop/api"}},
    }
    return orjson.dumps(entry | rest)


def verified(*lines: bytes) -> Verifier:
    verifier = Verifier()
    verifier.read(io.BytesIO(b"\n".join(lines)), "export")
    return verifier


def only(verifier: Verifier) -> Series:
    assert (verifier.rubbish.count, len(verifier.series)) == (0, 1), verifier.rubbish
    return verifier.series[0]


def test_what_the_encoder_writes_is_understood() -> None:
    container = Container("c" * 64, "shop-api-1", "shop/api:1")
    batches = [
        batch(b"x", b"y", of=container, start=1),
        batch(b"z", of=container, start=2, fields=[{"_time": [1]}]),
    ]
    series = only(verified(*JsonEncoder().encode(batches).splitlines()))
    assert (series.container, series.name, series.dataset) == ("c" * 64, "shop-api-1", LOGS)
    assert (series.entries, series.missing, series.repeated) == (3, 0, [(2, 2)])


@pytest.mark.parametrize(
    "given",
    [
        {"container.id": "abc", "container.name": "api", "event.sequence": "7", "_time": "noon",
         "event.dataset": "docker.logs", "_msg": "…", "stream": "stdout"},
        {"_index": "logs", "_id": "1", "sort": [3], "_source": {
            "@timestamp": "noon", "event": {"sequence": 7, "dataset": "docker.logs"},
            "container": {"id": "abc", "name": "api"}}},
        {"_source": {"container.id": "abc", "container.name": "api", "event.sequence": 7.0,
                     "@timestamp": "noon"}},
        {"container": {"id": "abc", "name": "api"}, "event": {"sequence": 7}, "@timestamp": "noon",
         "_source": "a field of the application's own", "_time": {"of": "its own"}},
        {"container_id": "abc", "container_name": "api", "event_sequence": "7", "_time": "noon",
         "_msg": "…", "host": "web-1"},
        {"labels": {"container_id": "abc", "container_name": "api", "event_sequence": "7",
                    "stream": "stdout"}, "line": "…", "timestamp": "noon"},
    ],
)  # fmt: skip
def test_every_form_in_which_a_store_gives_entries_back(given: dict[str, Any]) -> None:
    series = only(verified(json.dumps(given).encode()))
    assert (series.container, series.name, series.dataset) == ("abc", "api", LOGS)
    assert series.runs == [(7, 7, "noon", "noon")]


def test_containers_and_datasets_are_counted_apart() -> None:
    events = {"event": {"sequence": 2, "dataset": "docker.events"}}
    verifier = verified(line(1), line(2), line(1, id="b", name="worker"), line(0, **events))
    found = [(one.name, one.dataset, one.first, one.last) for one in verifier.series]
    assert found == [
        ("api", "docker.events", 2, 2),
        ("api", "docker.logs", 1, 2),
        ("worker", "docker.logs", 1, 1),
    ]


def test_a_hole_is_shown_with_the_times_of_its_neighbours() -> None:
    assert list(only(verified(line(5), line(1), line(4))).gaps) == [Gap(2, 3, "t1", "t4")]


DEEP = b"[" * 100_000
RUBBISH = [
    (b"rubbish", "JSON"),
    (b'"text"', "object"),
    (b"[]", "object"),
    (b"{}", "it has no event.sequence"),
    (b'{"labels":"mine","event_sequence":[1]}', "it has no event.sequence"),
    (b'{"labels":{"container_id":"abc"}}', "it has no event.sequence"),
    (b'{"x":' + DEEP, ""),
    (b'{"_source":' * 5000, ""),
    (b"\xff\x00", ""),
    (line(1)[:-9], ""),
    (line("seven"), "no number that counts"),
    (line(1.5), "no number that counts"),
    (line(-1), "less than 1"),
    (line(0), "less than 1"),
    (line("9" * 5000), "no number that counts"),
    (line([1]), "event.sequence"),
    (line(1, event={"sequence": 1, "part": "x"}), "its event.part is no number that counts"),
    (
        line(1, event={"sequence": 1, "part": str(1 << 64)}),
        "its event.part is no number that counts",
    ),
    (line(1, container="api"), "container"),
    (line(1, container={}), "it has no container.id"),
    (b'{"container":{"id":"\xff"},"event":{"sequence":1}}', "utf-8"),
]


@pytest.mark.parametrize(("given", "reason"), RUBBISH)
def test_what_is_no_entry_is_counted_and_told_with_its_line(given: bytes, reason: str) -> None:
    verifier = verified(line(1), b"", b" \r", given, line(2))
    assert verifier.rubbish.count == 1
    [(name, number, told)] = verifier.rubbish.first
    assert (name, number) == ("export", 4)
    assert reason in told
    assert [one.runs for one in verifier.series] == [[(1, 2, "t1", "t2")]]


def test_only_the_first_lines_of_rubbish_are_remembered() -> None:
    rubbish = verified(*[b"x"] * 1000).rubbish
    assert rubbish.count == 1000
    assert [number for _, number, _ in rubbish.first] == [1, 2, 3, 4, 5]


@given(st.lists(st.binary(max_size=12)), st.integers(1, 5))
def test_a_stream_is_read_by_its_lines_wherever_its_blocks_end(
    lines: list[bytes], block: int
) -> None:
    data = b"\n".join(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entries, "BLOCK", block)
        patch.setattr(entries, "LONGEST", 6)
        found = [one for some in blocks(io.BytesIO(data)) for one in some]
    expected = data.split(b"\n")
    assert len(found) == len(expected) - (expected[-1] == b"")
    for got, line in zip(found, expected, strict=False):
        assert got == line or (got is None and len(line) > 6)


def test_a_line_of_any_length_takes_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.RawIOBase):
        left = 200

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            return b"x" * size if self.left > 0 else b"\n" + line(1) if self.left == 0 else b""

    monkeypatch.setattr(entries, "LONGEST", 2 << 20)
    verifier = Verifier()
    tracemalloc.start()
    verifier.read(Endless(), "export")  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20
    assert (verifier.rubbish.count, verifier.series[0].entries) == (1, 1)


def part(sequence: int, number: int) -> bytes:
    return line(sequence, event={"sequence": sequence, "part": number, "dataset": LOGS})


def test_parts_of_an_entry_are_no_repeats_and_their_number_is_no_gap() -> None:
    whole = [line(1), part(2, 1), part(2, 2), part(2, 3), line(3), part(4, 1), part(5, 1), line(6)]
    series = only(verified(*whole))
    assert (series.entries, series.missing, series.repeats, series.repeated) == (8, 0, 0, [])
    assert [(first, last) for first, last, *_ in series.runs] == [(1, 6)]
    series = only(verified(line(1), part(2, 1), line(4), part(4, 1), part(7, 2)))
    assert (series.missing, series.repeats) == (3, 0)
    assert [(gap.first, gap.last) for gap in series.gaps] == [(3, 3), (5, 6)]


@pytest.mark.parametrize("other", [
    {"container.id": "a" * 64, "event.sequence": "2", "event.part": "1"},
    {"container.id": "a" * 64, "event.sequence": 2, "event.part": 1.0},
    {"_source": {"container": {"id": "a" * 64}, "event": {"sequence": 2, "part": 1}}},
])  # fmt: skip
def test_a_part_that_came_twice_is_found_in_every_form(other: dict[str, Any]) -> None:
    series = only(verified(line(1), part(2, 1), part(2, 2), line(3), orjson.dumps(other)))
    assert (series.repeats, series.repeated, series.missing) == (1, [(2, 2)], 0)
