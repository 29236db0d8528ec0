"""What a search finds among entries that pass, and what it may cost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.model.batch import Batch
from pipeline.model.errors import ConfigError
from pipeline.model.records import Records, Shape
from pipeline.testing.builders import batch, container
from pipeline.topology.tap import ENTRIES, Choice, Tap, Tapper
from pipeline.topology.tap_search import BUDGET, LONG, SQUARE, WINDOW, Search, Searcher


def found(search: Search, *lines: str | bytes, **columns: Any) -> list[int]:
    places, skipped = search(batch(*lines, **columns))
    assert skipped == 0
    return list(places)


@pytest.mark.parametrize(
    ("text", "line", "is_found"),
    [
        ("boom", "BOOM at 12", True),
        ("Boom", "boom", False),
        ("Boom", "a Boom", True),
        ("12", "at 12", True),
        ("größe", "DIE GRÖSSE", False),
        ("größe", "DIE GRÖßE", True),
        ("Größe", "größe", False),
        ("a\nb", "A\nB", True),
        ("\x00", "a\x00b", True),
        ("x", "", False),
    ],
)
def test_text_is_found_whatever_its_case_unless_it_has_capitals(
    text: str, line: str, is_found: bool
) -> None:
    assert found(Search(match=text), "nothing of it", line) == ([1] if is_found else [])


def test_text_is_found_in_what_is_not_utf_8() -> None:
    assert found(Search(match="ä boom"), b"\xff\x00 \xc3\xa4 BOOM \xfe") == [0]
    assert found(Search(regex="b.{2}m"), b"\xff\x00 boom \xfe") == [0]


def test_all_that_is_asked_has_to_be_true() -> None:
    search = Search(match="a", regex="^b", where="n > 1", level="warning")
    lines = ["ba", "ba", "ba", "ca", "bx", "ba"]
    levels = ["error", "info", "error", "error", "error", "fatal"]
    fields = [{"n": n, "level": level} for n, level in zip([1, 2, 3, 4, 5, 6], levels, strict=True)]
    assert found(search, *lines, fields=fields) == [2, 5]


def test_a_field_that_is_missing_is_false() -> None:
    fields: list[dict[str, Any]] = [{}, {"n": 1}, {"n": 2}]
    assert found(Search(where="n != 1"), "a", "b", "c", fields=fields) == [2]


def test_where_no_stage_has_parsed_fields_and_levels_are_those_of_the_message() -> None:
    lines = [
        '{"level":"warn","n":1}',
        "level=error n=2 msg=x",
        "2026-01-31 ERROR foo",
        "info: up",
        "no level",
        '{"level":30,"n":1}',
    ]
    assert found(Search(where="n == 1"), *lines) == [0, 5]
    assert found(Search(level="warning"), *lines) == [0, 1, 2]
    assert found(Search(level="W"), *lines) == [0, 1, 2]
    assert found(Search(level="30"), *lines) == [0, 1, 2, 3, 5]


def test_a_batch_that_lanes_share_stays_as_it_is() -> None:
    shape = Shape(("level", "n"))
    records = Records(shape, [shape.of({"level": "error", "n": 1}), shape.of({"n": 2})])
    for parsed in (None, records, [{"level": "error", "n": 1}, {"n": 2}]):
        one = batch('{"level":"error","n":1}', '{"n":2}').replace(parsed=parsed)
        lines = list(one.lines)
        before = json.dumps(one.replace().fields)
        for search in (
            Search(where="n == 1"),
            Search(level="error"),
            Search(where='"n" in fields'),
        ):
            assert list(search(one)[0])[:1] == [0]
        assert one.parsed is parsed
        assert one.lines == lines
        assert json.dumps(one.replace().fields) == before


def test_a_message_that_a_stage_removed_is_not_searched() -> None:
    removed = batch("secret level=error x=1").replace(bare=True)
    for terms in ({"match": "secret"}, {"regex": "secret"}, {"where": '"secret" in message'}):
        assert not Search(**terms)(removed)[0]
    assert not Search(level="error")(removed)[0]
    assert not Search(where="x == 1")(removed)[0]
    kept = removed.replace(fields=[{"x": 1}])
    assert Search(where="x == 1")(kept) == ([0], 0)


def test_of_a_long_message_is_searched_what_is_shown() -> None:
    long = "x" * LONG + "boom"
    assert found(Search(match="boom"), long, "boom") == [1]
    assert found(Search(match="xxx"), "x" * 10_000_000, "boom") == [0]


def test_a_pattern_that_may_take_long_is_not_tried_on_long_messages_which_are_counted() -> None:
    places, skipped = Search(regex="error.*timeout")(
        batch("error " * 1000 + "timeout", "an error: timeout", "x" * SQUARE)
    )
    assert (list(places), skipped) == ([1], 1)


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"regex": "(a|a)*b"}, "would take for ever"),
        ({"regex": "("}, "the pattern cannot be read"),
        ({"regex": "a" * 5000}, "longer than 4096"),
        ({"where": "n =="}, "cannot be read as an expression"),
        ({"where": "__import__('os')"}, "for a field of this name"),
        ({"where": "matches(message, r'(\\w+\\s?)*x')"}, "would take for ever"),
        ({"where": "(" * 5000}, "cannot be read"),
        ({"level": "loud"}, 'there is no level "loud"; there are: emergency'),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_is_wrong(
    terms: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        Search(**terms)


# ------------------------------------------------------------------------------ its budget


class Clocks:
    """Of the window, and of the CPU: `costs` is what each search takes."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.cpu = 0.0


class Slow(Search):
    """A search that takes so much CPU for each call."""

    def __init__(self, clocks: Clocks, costs: float) -> None:
        super().__init__(match="a")
        self._clocks, self._costs = clocks, costs

    def __call__(self, batch: Batch) -> Any:
        self._clocks.cpu += self._costs
        return super().__call__(batch)


def slow(costs: float) -> tuple[Searcher, Clocks]:
    clocks = Clocks()
    return Searcher(Slow(clocks, costs), lambda: clocks.now, lambda: clocks.cpu), clocks


def searched(searcher: Searcher, batches: int, searchers: int = 1) -> list[bool]:
    one = batch("a", "b")
    return [bool(searcher.find(2, lambda: one, searchers)[1]) for _ in range(batches)]


def test_when_the_budget_is_used_up_batches_are_skipped_and_counted_until_the_next_window() -> None:
    searcher, clocks = slow(BUDGET / 4)
    assert searched(searcher, 6) == [True] * 4 + [False] * 2
    assert searcher.take_counts() == {"matched": 4, "of": 12, "skipped": 4}
    assert searcher.take_counts() == {"matched": 0, "of": 0, "skipped": 0}
    clocks.now += WINDOW
    assert searched(searcher, 5) == [True] * 4 + [False]


def test_several_who_search_share_the_budget() -> None:
    searcher, _ = slow(BUDGET / 4)
    assert searched(searcher, 4, searchers=2) == [True] * 2 + [False] * 2


def test_what_one_batch_has_used_too_much_is_taken_from_the_next_windows() -> None:
    searcher, clocks = slow(BUDGET * 3.5)
    assert searched(searcher, 2) == [True, False]
    for is_searched in (False, False, True, False):
        clocks.now += WINDOW
        assert searched(searcher, 1) == [is_searched]
    clocks.now += 100 * WINDOW
    assert searched(searcher, 1) == [True]


def test_a_large_batch_is_searched_in_portions_and_the_rest_is_skipped() -> None:
    searcher, _ = slow(BUDGET)
    large = batch(*["a" * 1000] * 1000)
    _, places = searcher.find(1000, lambda: large)
    counts = searcher.take_counts()
    assert counts["matched"] == len(places) > 0
    assert counts["skipped"] == 1000 - len(places) > 0


def test_places_in_a_later_portion_are_those_of_the_batch() -> None:
    searcher, _ = slow(0.0)
    lines = ["b" * 1000] * 500
    lines[321] = "a"
    assert list(searcher.find(500, lambda: batch(*lines))[1]) == [321]


def test_the_slowest_pattern_on_the_longest_messages_ends_with_the_budget() -> None:
    searcher = Searcher(Search(regex=r'(?:[^"\\]|\\.)*"'))
    hostile = batch(*["x" * (SQUARE - 1)] * 10_000)
    _, places = searcher.find(len(hostile), lambda: hostile)
    assert not places
    assert searcher.skipped > 9_900  # all of them would take minutes


def test_a_pattern_within_an_expression_is_tried_on_short_messages_only_as_well() -> None:
    search = Search(where='matches(message, "error.*timeout")')
    long, short = "error " * 1000 + "timeout", "error: timeout"
    assert search(batch(long, short, short)) == ([1, 2], 1)
    assert Search(where='matches(message, "error")')(batch(long, short)) == ([0, 1], 0)


# -------------------------------------------------------------------------- with the sample


def routed(*lines: str, **columns: Any) -> Batch:
    return batch(*lines, of=container("api-1"), route="all", **columns)


def read(tapper: Tapper) -> list[dict[str, Any]]:
    return [json.loads(line) for line in tapper.read().splitlines()]


def looking(now: list[float], **choice: Any) -> tuple[Tap, Tapper]:
    tap = Tap()
    tapper = Tapper(Choice(**choice), lambda: now[0])
    tap.tappers = (tapper,)
    return tap, tapper


def test_the_sample_is_of_what_matches() -> None:
    now = [1000.0]
    tap, tapper = looking(now, search=Search(match="needle"))
    for number in range(4):
        hay = [f"hay {place}" for place in range(10 * ENTRIES)]
        tap.passed(routed(*hay, f"needle {number}"), "out")
    lines = read(tapper)
    messages = [one["entry"]["message"] for one in lines if "entry" in one]
    assert messages == [f"needle {number}" for number in range(4)]
    assert lines[-1] == {
        "control": "searched", "matched": 4, "of": 4 * (10 * ENTRIES + 1), "skipped": 0,
    }  # fmt: skip
    tap.passed(routed(*["needle"] * (3 * ENTRIES), "hay"), "out")
    now[0] += 1.0
    lines = read(tapper)
    assert len([one for one in lines if "entry" in one]) == ENTRIES - 4
    [sampled] = [one for one in lines if one.get("control") == "sampled"]
    assert sampled["of"] == 3 * ENTRIES + 4


def test_searched_comes_every_second_though_nothing_passes() -> None:
    now = [1000.0]
    _, tapper = looking(now, search=Search(match="needle"))
    nothing = {"control": "searched", "matched": 0, "of": 0, "skipped": 0}
    assert read(tapper) == [nothing]
    assert read(tapper) == []
    now[0] += 1.0
    assert read(tapper) == [nothing]


def test_of_what_a_stage_filters_only_that_is_searched() -> None:
    tap, tapper = looking([1000.0], dropped=True, search=Search(match="needle"))
    before = routed("needle 1", "needle 2", "hay")
    tap.filtered(before, before.select([0, 1, 0]), "errors", "keep", ["out"])
    tap.passed(before, "out")
    shown, control = read(tapper)
    assert (shown["entry"]["message"], shown["stage"]) == ("needle 1", "keep")
    assert (control["matched"], control["of"]) == (1, 2)


def test_nothing_is_searched_of_what_was_not_chosen() -> None:
    tap, tapper = looking([1000.0], containers=["web-*"], search=Search(match="a"))
    tap.passed(routed("a"), "out")
    assert read(tapper) == [{"control": "searched", "matched": 0, "of": 0, "skipped": 0}]
