"""Which lanes a container has, and what a batch goes through."""

from __future__ import annotations

import asyncio
import json
import math
import random
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from prometheus_client import CollectorRegistry

from pipeline.accounting.acks import AckTracker
from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import ContainerAccount, Ledger
from pipeline.accounting.offsets import Offsets
from pipeline.model.acknowledgement import UNTRACKED
from pipeline.model.batch import LARGEST_PIECE, Batch
from pipeline.model.component import Effect, Stage
from pipeline.model.container import Container, EntryKind
from pipeline.model.metrics import Metrics
from pipeline.stages import join, remove, split
from pipeline.stages import set as set_
from pipeline.testing.builders import batch, container
from pipeline.topology import ContainerLanes, Lane, Route, Router, TakesBatches
from pipeline.topology.bound_stage import MOST_TRIES
from pipeline.topology.labels import TAG, Asked, Labels, Wish
from pipeline.topology.tap import Choice, Tap, Tapper
from tests.buffer.acknowledgements import Tracked
from tests.suite.waiting import until


class Kept:
    """An outlet with room for `room` batches; the others wait until `make_room`."""

    def __init__(self, room: int = 100, name: str = "out") -> None:
        self.name = name
        self.room = room
        self.envelopes: list[Envelope] = []
        self.roomy = asyncio.Event()

    def offer(self, envelope: Envelope) -> bool:
        if len(self.envelopes) >= self.room:
            return False
        self.envelopes.append(envelope)
        return True

    async def put(self, envelope: Envelope) -> None:
        await self.roomy.wait()
        self.envelopes.append(envelope)

    @property
    def batches(self) -> list[Batch]:
        return [envelope.batch for envelope in self.envelopes]

    @property
    def lines(self) -> list[bytes]:
        return [line for one in self.batches for line in one.lines]


class Without(Stage):
    """Filters out entries that hold a text."""

    def __init__(self, text: bytes) -> None:
        super().__init__(text)
        self.text = text

    def __call__(self, one: Batch) -> Batch | None:
        return one.select([self.text not in line for line in one.lines])


class Broken(Stage):
    def __call__(self, one: Batch) -> Batch | None:
        raise ZeroDivisionError


class Marking(Stage):
    """Changes fields in place, as stages may."""

    def __call__(self, one: Batch) -> Batch | None:
        for fields in one.fields or []:
            fields["marked"] = True
        return one


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def route(
    *outputs: TakesBatches,
    stages: tuple[tuple[str, Stage], ...] = (),
    only: str = "",
    name: str = "r",
    feeds: tuple[str, ...] = (),
    sources: tuple[EntryKind, ...] = ("logs",),
) -> Route:
    def takes(one: Container) -> bool:
        return only in one.name

    return Route(name, frozenset(sources), takes, stages, outputs, feeds)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def lane(one: Route, metrics: Metrics) -> Lane:
    return Lane(one, container(), metrics, ContainerAccount("1", "api-1").route("logs", one.name))


def bound(
    metrics: Metrics,
    *routes: Route,
    ledger: Ledger | None = None,
    offsets: Offsets | None = None,
) -> ContainerLanes:
    """The lanes that a container has for its logs."""
    router = Router(routes, metrics, ledger or Ledger())
    return router.bind(container(), offsets or Offsets({}))["logs"]


def test_a_container_has_a_lane_for_each_route_that_takes_it_and_its_source(
    metrics: Metrics,
) -> None:
    router = Router([route(only="api"), route(only="web", name="w")], metrics, Ledger())
    lanes = router.bind(container("api-1"), Offsets({}))
    assert [lane.route.name for lane in lanes["logs"]] == ["r"]
    assert not lanes["events"]


def test_what_a_stage_filters_is_counted_for_that_stage(metrics: Metrics) -> None:
    stages = (("keep", Without(b"b")), ("drop", Without(b"c")))
    one = lane(route(stages=stages), metrics)
    (left,) = one.process(batch("a", "b", "c", "bc"))
    assert left.lines == [b"a"]
    value = metrics.registry.get_sample_value
    name = "dockline_filtered_entries_total"
    assert value(name, {"route": "r", "stage": "keep"}) == 2
    assert value(name, {"route": "r", "stage": "drop"}) == 1
    assert not one.process(batch("b", "b"))
    assert value(name, {"route": "r", "stage": "keep"}) == 4


def test_a_stage_that_fails_is_skipped_and_counted_and_the_entries_go_on(
    metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    stages = (("broken", Broken(None)), ("drop", Without(b"b")))
    (left,) = lane(route(stages=stages), metrics).process(batch("a", "b"))
    assert left.lines == [b"a"]
    labels = {"route": "r", "stage": "broken"}
    assert metrics.registry.get_sample_value("dockline_stage_errors_total", labels) == 1
    assert "broken" in caplog.text


def test_a_stage_that_fails_on_every_batch_is_counted_each_time_and_said_once(
    metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    one = lane(route(stages=(("broken", Broken(None)),)), metrics)
    for _ in range(100):
        one.process(batch("a"))
    labels = {"route": "r", "stage": "broken"}
    assert metrics.registry.get_sample_value("dockline_stage_errors_total", labels) == 100
    assert len(caplog.records) == 1


class Choking(Stage):
    """Hides nothing, says that it does, and fails on every batch that has one of these lines."""

    def __init__(self, lines: frozenset[bytes], error: type[Exception], effect: Effect) -> None:
        super().__init__(None)
        self._lines, self._error, self._effect = lines, error, effect

    def effect(self) -> Effect:
        return self._effect

    def __call__(self, one: Batch) -> Batch | None:
        if found := self._lines.intersection(one.lines):
            raise self._error(f"choked on {found}")
        return one


LINES = [f"{n}" for n in range(1000)]


@pytest.mark.fault(106)
@pytest.mark.parametrize("error", [TypeError, MemoryError, RecursionError])
@pytest.mark.parametrize(
    "effect", [Effect(hides=True), Effect(removes=True), Effect(condition="x")]
)
async def test_what_a_stage_that_withholds_fails_on_is_lost_and_counted_and_the_rest_goes_on(
    metrics: Metrics,
    ledger: Ledger,
    error: type[Exception],
    effect: Effect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad = frozenset({b"0", b"500", b"999"})
    stages = (("hide", Choking(bad, error, effect)), ("drop", Without(b"7")))
    first, second = Kept(name="first"), Kept(name="second")
    behind = route(second, name="behind")
    lanes = bound(metrics, route(first, stages=stages, feeds=("behind",)), behind, ledger=ledger)
    await lanes.distribute(batch(*LINES))
    left = [one.encode() for one in LINES if "7" not in one and one.encode() not in bad]
    assert first.lines == left == second.lines
    for account in ledger.accounts():
        assert account.dropped == {"stage_failed": 3}
        assert account.open == len(left)
    (container_account,) = ledger
    assert not any(route_account.unaccounted for route_account in container_account.routes.values())
    labels = {"sink": "second", "reason": "stage_failed"}
    assert metrics.registry.get_sample_value("dockline_dropped_entries_total", labels) == 3
    assert "3 entries were dropped" in caplog.text
    assert "b'500'" not in caplog.text, "what an exception says may be what is to be hidden"


async def test_a_stage_that_has_no_memory_for_a_batch_does_its_halves_and_loses_nothing(
    metrics: Metrics, ledger: Ledger
) -> None:
    class Hungry(Stage):
        """Marks entries, few at once, and never those that say so."""

        def __call__(self, one: Batch) -> Batch | None:
            if len(one) > 50 or b"500" in one.lines:
                raise MemoryError
            return one.replace(lines=[line + b"!" for line in one.lines])

    out = Kept(room=10_000)
    lanes = bound(metrics, route(out, stages=(("mark", Hungry(None)),)), ledger=ledger)
    await lanes.distribute(batch(*LINES))
    marked = [one.encode() + b"!" for one in LINES]
    assert out.lines == [b"500" if one == b"500!" else one for one in marked]
    (container_account,) = ledger
    assert not any(route_account.unaccounted for route_account in container_account.routes.values())


async def test_a_stage_of_a_label_that_fails_is_skipped_and_said_without_what_it_choked_on(
    metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    class Asking(Labels):
        def _read(self, container: Container) -> Wish:
            choking = Choking(frozenset({b"secret"}), ValueError, Effect())
            return Wish(stages=[Asked(TAG, choking)])

    out = Kept()
    router = Router([route(out)], metrics, Ledger(), labels=Asking())
    await router.bind(container(), Offsets({}))["logs"].distribute(batch("secret", "b"))
    assert out.lines == [b"secret", b"b"]
    assert "the stage of label dockline.tag failed with ValueError" in caplog.text
    assert "secret" not in caplog.text
    labels = {"route": "", "stage": "dockline.tag"}
    assert metrics.registry.get_sample_value("dockline_stage_errors_total", labels) == 1


async def test_where_all_entries_fail_tries_have_an_end_and_all_are_lost(
    metrics: Metrics, ledger: Ledger
) -> None:
    class Never(Stage):
        calls = 0

        def effect(self) -> Effect:
            return Effect(hides=True)

        def __call__(self, one: Batch) -> Batch | None:
            self.calls += 1
            raise ValueError

    hide, out = Never(None), Kept()
    lanes = bound(metrics, route(out, stages=(("hide", hide),)), ledger=ledger)
    await lanes.distribute(batch(*LINES))
    assert not out.batches
    assert hide.calls <= MOST_TRIES + 1
    (account,) = ledger.accounts()
    assert account.dropped == {"stage_failed": 1000}


async def test_nothing_goes_on_that_a_stage_failed_on_which_makes_what_a_later_one_removes(
    metrics: Metrics,
) -> None:
    out = Kept()
    makes = Choking(frozenset({b"b"}), KeyError, Effect(makes=frozenset({"secret"})))
    looks = Choking(frozenset({b"c"}), KeyError, Effect(makes=frozenset()))
    stages = (("rename", makes), ("count", looks), ("remove", remove.Stage(["secret"])))
    await bound(metrics, route(out, stages=stages)).distribute(batch("a", "b", "c"))
    assert out.lines == [b"a", b"c"]
    behind = Kept()
    later = route(behind, stages=stages[2:], name="later")
    first = route(stages=stages[:2], feeds=("later",))
    await bound(metrics, first, later).distribute(batch("a", "b", "c"))
    assert behind.lines == [b"a", b"c"]
    alone = Kept()
    await bound(metrics, route(alone, stages=stages[:2])).distribute(batch("a", "b"))
    assert alone.lines == [b"a", b"b"]


async def test_a_stage_that_holds_back_and_withholds_loses_all_that_it_failed_on(
    metrics: Metrics, ledger: Ledger
) -> None:
    class Withholding(Pairing):
        def effect(self) -> Effect:
            return Effect(hides=True)

        def __call__(self, one: Batch) -> Batch | None:
            result = super().__call__(one)
            if b"bad" in one.lines:
                raise ValueError
            return result

    out = Kept()
    lanes = bound(metrics, route(out, stages=(("hide", Withholding()),)), ledger=ledger)
    await lanes.distribute(batch("a", "b", "c"))
    await lanes.distribute(batch("bad", "d", "e", start=3))
    lanes.end()
    (account,) = ledger.accounts()
    assert b"bad" not in out.lines
    (container_account,) = ledger
    assert not any(route_account.unaccounted for route_account in container_account.routes.values())
    assert account.routed == len(out.lines) + account.dropped["stage_failed"]


def test_a_lane_that_changes_fields_changes_them_for_itself_alone(metrics: Metrics) -> None:
    one = batch("a", fields=[{"n": 1}])
    (marked,) = lane(route(stages=(("mark", Marking(None)),)), metrics).process(one)
    assert marked.fields == [{"n": 1, "marked": True}]
    assert one.fields == [{"n": 1}]


async def test_a_buffer_with_room_has_the_batch_before_a_full_one_is_waited_for(
    metrics: Metrics,
) -> None:
    full, roomy = Kept(room=0), Kept()
    lanes = bound(metrics, route(full, roomy))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lanes.distribute(batch("a")))
        await asyncio.sleep(0)
        assert roomy.lines == [b"a"]
        assert full.lines == []
        full.roomy.set()
    assert full.lines == [b"a"]


@pytest.mark.fault(128)
async def test_a_batch_goes_on_in_pieces_by_what_labels_and_tags_add_to_each_entry(
    metrics: Metrics, ledger: Ledger
) -> None:
    out = Kept(room=10_000)
    tags = {f"t{number}": "x" * 256 for number in range(31)}
    router = Router([route(out)], metrics, ledger, labels=Labels())
    many = container(labels={f"dockline.tag.{name}": text for name, text in tags.items()})
    lanes = router.bind(many, Offsets({}))["logs"]
    source = Tracked()
    lines = [b"%d" % number for number in range(2000)]
    await lanes.distribute(batch(*lines, of=many, start=5), source)
    assert out.lines == lines
    assert [number for one in out.batches for number in one.sequences] == list(range(5, 2005))
    assert all(one.fields == [tags] * len(one) for one in out.batches)
    assert max(one.written(one.size) for one in out.batches) < LARGEST_PIECE * 1.6
    assert len(out.batches) == 9
    source.settle()
    for one in out.envelopes:
        assert not source.settled
        one.ack.settle()
    assert source.settled


async def test_the_next_piece_is_made_when_the_one_before_has_found_room(
    metrics: Metrics, ledger: Ledger
) -> None:
    out = Kept(room=1)
    of = container(labels={"big": "x" * 2**20})
    lanes = Router([route(out)], metrics, ledger).bind(of, Offsets({}))["logs"]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lanes.distribute(batch(*"abcdefgh", of=of)), name="put")
        await asyncio.sleep(0)
        assert (len(out.batches), sum(lanes.waiting.values())) == (1, 3)
        (container_account,) = ledger
        assert container_account.read["logs"] == 6
        out.roomy.set()
    assert out.lines == [b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h"]


async def test_what_a_stage_sets_out_of_labels_counts_with_each_entry(metrics: Metrics) -> None:
    out = Kept()
    texts = {f"f{number}": "{container.labels['big']}{message}" for number in range(10)}
    lanes = bound(metrics, route(out, stages=(("set", set_.Stage(texts)),)))
    one = batch(*[b""] * 50, of=container(labels={"big": "x" * 80_000}))
    await lanes.distribute(one)
    assert sum(map(len, out.batches)) == 50
    assert max(len(one) for one in out.batches) == LARGEST_PIECE // 880_043
    assert sum(one.size for one in out.batches) > 50 * 10 * 80_000


async def test_what_a_stage_splits_entries_into_goes_on_in_pieces_too(metrics: Metrics) -> None:
    out = Kept()
    of = container(labels={"big": "x" * 100_000})
    lanes = bound(metrics, route(out, stages=(("split", split.Stage("message")),)))
    await lanes.distribute(batch(b"[%b0]" % (b"0," * 99), "whole", of=of, start=7))
    assert [len(one) for one in out.batches] == [41, 41, 19]
    numbers = [
        pair for one in out.batches for pair in zip(one.sequences, one.parts or (), strict=True)
    ]
    assert numbers == [*((7, part) for part in range(1, 101)), (8, 0)]


async def test_a_buffer_that_there_is_no_memory_for_gets_its_batch_later(
    metrics: Metrics, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Short(Kept):
        failures = 3

        def offer(self, envelope: Envelope) -> bool:
            self.failures -= 1
            if self.failures >= 0:
                raise MemoryError
            return super().offer(envelope)

        async def put(self, envelope: Envelope) -> None:
            self.offer(envelope)

    monkeypatch.setattr("pipeline.topology.container_lanes.SHORTAGE", 0.001)
    short, other = Short(name="short"), Kept(name="other")
    lanes = bound(metrics, route(short, other), ledger=ledger)
    await lanes.distribute(batch("a"))
    assert short.lines == other.lines == [b"a"]
    assert not any(account.waiting for account in ledger.accounts())
    given = {"where": "buffers"}
    assert metrics.registry.get_sample_value("dockline_memory_errors_total", given) == 3


async def test_of_two_full_buffers_the_one_that_has_room_first_gets_the_batch_first(
    metrics: Metrics,
) -> None:
    dead, slow = Kept(room=0), Kept(room=0)
    lanes = bound(metrics, route(dead, slow))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lanes.distribute(batch("a")))
        await asyncio.sleep(0)
        slow.roomy.set()
        for _ in range(5):
            await asyncio.sleep(0)
        assert slow.lines == [b"a"]
        assert dead.lines == []
        dead.roomy.set()
    assert dead.lines == [b"a"]


async def test_a_buffer_that_fails_holds_nothing_for_ever_and_keeps_nothing_from_the_others(
    metrics: Metrics, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Kept):
        def offer(self, envelope: Envelope) -> bool:
            raise ZeroDivisionError

    moved: list[int] = []
    tracker: AckTracker[int] = AckTracker(moved.append)
    ack = tracker.open(1)
    healthy = Kept(name="healthy")
    lanes = bound(metrics, route(Failing(), healthy), ledger=ledger)
    await lanes.distribute(batch("a"), ack)
    ack.settle()
    healthy.envelopes[0].ack.settle()
    assert moved == [1]
    failing, _ = ledger.accounts()
    assert (failing.dropped, failing.open) == ({"bug": 1}, 0)
    labels = {"sink": "out", "reason": "bug"}
    assert metrics.registry.get_sample_value("dockline_dropped_entries_total", labels) == 1
    assert "sink out failed to take 1 entry" in caplog.text


async def test_each_place_holds_the_batch_and_a_filtered_one_is_settled_at_once(
    metrics: Metrics,
) -> None:
    moved: list[int] = []
    tracker: AckTracker[int] = AckTracker(moved.append)
    first, second = Kept(name="first"), Kept(name="second")
    filtering = route(Kept(), stages=(("drop", Without(b"a")),), name="f")
    lanes = bound(metrics, route(first, second), filtering)
    ack = tracker.open(1)
    await lanes.distribute(batch("a"), ack)
    ack.settle()
    assert moved == []
    for output in (first, second):
        output.envelopes[0].ack.settle()
    assert moved == [1]


def test_an_offer_never_waits_and_counts_what_had_no_room_as_dropped(
    metrics: Metrics, ledger: Ledger
) -> None:
    full, roomy = Kept(room=0, name="full"), Kept()
    assert bound(metrics, route(full, roomy), ledger=ledger).offer(batch("a")) == 1
    assert roomy.lines == [b"a"]
    assert {account.sink: account.dropped for account in ledger.accounts()} == {
        "full": {"backlog": 1},
        "out": {},
    }


# -------------------------------------------------------------------------------- the ledger


async def test_what_is_read_is_accounted_to_stages_and_to_sinks(
    metrics: Metrics, ledger: Ledger
) -> None:
    stages = (("keep", Without(b"b")), ("drop", Without(b"c")))
    output = Kept(name="out")
    lanes = bound(metrics, route(output, stages=stages), route(output, name="all"), ledger=ledger)
    await lanes.distribute(batch("a", "b", "c", "d"))
    (container_account,) = ledger
    filtering, whole = container_account.routes.values()
    assert container_account.read == {"logs": 4}
    assert filtering.filtered == {"keep": 1, "drop": 1}
    assert [filtering.sink("out").routed, whole.sink("out").routed] == [2, 4]
    assert [filtering.unaccounted, whole.unaccounted] == [0, 0]
    assert [(one.route, len(one)) for one in output.batches] == [("r", 2), ("all", 4)]
    assert [one.account for one in output.envelopes] == [filtering.sink("out"), whole.sink("out")]


async def test_what_waits_for_room_is_accounted_as_waiting_until_it_has_room_or_is_abandoned(
    metrics: Metrics, ledger: Ledger
) -> None:
    full = Kept(room=0)
    lanes = bound(metrics, route(full), ledger=ledger)
    (account,) = ledger.accounts()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lanes.distribute(batch("a", "b")))
        await asyncio.sleep(0)
        assert (account.waiting, account.open) == (2, 2)
        full.roomy.set()
    assert (account.waiting, account.open) == (0, 2)
    full.roomy.clear()
    async with asyncio.TaskGroup() as tasks:
        putting = tasks.create_task(lanes.distribute(batch("c")))
        await asyncio.sleep(0)
        putting.cancel()
    assert account.waiting == 1
    lanes.abandon("abandoned")
    assert (account.waiting, account.dropped, account.open) == (0, {"abandoned": 1}, 2)


async def test_a_route_that_takes_a_container_only_by_its_new_name_owes_nothing_of_before(
    metrics: Metrics, ledger: Ledger
) -> None:
    output = Kept()
    router = Router([route(output), route(output, only="web", name="w")], metrics, ledger)
    offsets = Offsets({})
    await router.bind(container("api"), offsets)["logs"].distribute(batch("a", "b"))
    await router.bind(container("web"), offsets)["logs"].distribute(batch("c"))
    await router.bind(container("api"), offsets)["logs"].distribute(batch("d"))
    await router.bind(container("web"), offsets)["logs"].distribute(batch("e"))
    (container_account,) = ledger
    assert container_account.name == "web"
    assert [route_account.taken for route_account in container_account.routes.values()] == [
        5,
        2,
    ]
    assert [route_account.unaccounted for route_account in container_account.routes.values()] == [
        0,
        0,
    ]


async def test_what_waited_through_a_rename_is_owed_by_no_route_that_never_saw_it(
    metrics: Metrics, ledger: Ledger
) -> None:
    old, new = Kept(name="old"), Kept(name="new")
    routes = [route(old, only="old", name="o"), route(new, only="new", name="n")]
    router = Router(routes, metrics, ledger)
    lanes = router.bind(container("old"), Offsets({}))["logs"]
    router.bind(container("new"), Offsets({}))
    await lanes.distribute(batch("a"))
    (container_account,) = ledger
    assert old.lines == [b"a"]
    assert [route_account.unaccounted for route_account in container_account.routes.values()] == [
        0,
        0,
    ]


async def test_what_waits_for_room_is_abandoned_after_a_rename_as_well(
    metrics: Metrics, ledger: Ledger
) -> None:
    full = Kept(room=0)
    router = Router([route(full, only="old")], metrics, ledger)
    lanes = router.bind(container("old"), Offsets({}))["logs"]
    async with asyncio.TaskGroup() as tasks:
        putting = tasks.create_task(lanes.distribute(batch("a", "b")))
        await asyncio.sleep(0)
        router.bind(container("new"), Offsets({}))
        lanes.abandon("abandoned")
        putting.cancel()
    (account,) = ledger.accounts()
    assert (account.dropped, account.waiting, account.open) == ({"abandoned": 2}, 0, 0)


# --------------------------------------------------------------- what sinks have already


async def test_a_sink_is_given_only_what_is_new_to_it_when_a_log_is_read_again(
    metrics: Metrics, ledger: Ledger
) -> None:
    ahead, behind = Kept(name="ahead"), Kept(name="behind")
    offsets = Offsets({"r": {"ahead": 7}})
    lanes = bound(metrics, route(ahead, behind), ledger=ledger, offsets=offsets)
    moved: list[int] = []
    tracker: AckTracker[int] = AckTracker(moved.append)
    for start in (5, 6, 8):
        ack = tracker.open(start)
        await lanes.distribute(batch("a", "b", start=start), ack)
        ack.settle()
    assert [n for one in ahead.batches for n in one.sequences] == [8, 9]
    assert [n for one in behind.batches for n in one.sequences] == [5, 6, 6, 7, 8, 9]
    first, second = ledger.accounts()
    assert (first.routed, first.known, first.open) == (6, 4, 2)
    assert (second.routed, second.known, second.open) == (6, 0, 6)
    for one in behind.envelopes:
        one.ack.settle()
    assert moved == [5, 6]
    ahead.envelopes[0].ack.settle()
    assert moved == [5, 6, 8]


async def test_how_far_each_sink_is_ahead_of_the_slowest_is_known(metrics: Metrics) -> None:
    quick, slow = Kept(name="quick"), Kept(name="slow")
    offsets = Offsets({})
    filtering = route(quick, stages=(("drop", Without(b"c")),), name="f")
    lanes = bound(metrics, route(quick, slow), filtering, offsets=offsets)
    for start, line in ((1, "a"), (2, "b"), (3, "c")):
        await lanes.distribute(batch(line, start=start))
    assert offsets.ahead_of(0) == {}
    for one in quick.envelopes:
        one.ack.settle()
    assert offsets.ahead_of(0) == {"r": {"quick": 3}, "f": {"quick": 3}}
    assert offsets.ahead_of(3) == {}
    slow.envelopes[1].ack.settle()
    assert "slow" not in offsets.ahead_of(0)["r"]
    slow.envelopes[0].ack.settle()
    assert offsets.ahead_of(0)["r"] == {"quick": 3, "slow": 2}


async def test_in_doubt_about_the_numbers_every_sink_is_given_everything_again(
    metrics: Metrics,
) -> None:
    output = Kept()
    offsets = Offsets({"r": {"out": 100}})
    lanes = bound(metrics, route(output), offsets=offsets)
    offsets.doubt(5)
    await lanes.distribute(batch("a", start=6))
    assert output.lines == [b"a"]
    output.envelopes[0].ack.settle()
    assert offsets.ahead_of(4) == {}
    assert offsets.ahead_of(5) == {"r": {"out": 6}}


async def test_sinks_that_have_the_same_entries_share_what_they_are_encoded_to(
    metrics: Metrics,
) -> None:
    outs = Kept(name="a"), Kept(name="b"), Kept(name="c")
    lanes = bound(metrics, route(*outs[:2], name="two"), route(*outs[2:], name="one"))
    await lanes.distribute(batch(b"x"))
    first, second, alone = (out.batches[0] for out in outs)
    assert first is second
    assert first.cache is not None
    assert alone.cache is None


# ------------------------------------------------------------------- what is held back


class Pairing(Stage):
    """Holds every other entry back until its successor has come, and lets the first one go."""

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self.kept: Batch | None = None

    def bind(self, container: Container) -> Stage:
        return type(self)()

    def __call__(self, one: Batch) -> Batch | None:
        results = []
        for index in range(len(one)):
            if self.kept is None:
                self.kept = one.pick([index])
            else:
                results.append(self.kept)
                self.kept = None
        self._count()
        return one.replace(**merged(results)) if results else None

    def flush(self, now: float) -> Batch | None:
        if now < 100:
            return None
        kept, self.kept = self.kept, None
        self._count()
        return kept

    def _count(self) -> None:
        self.held = 0 if self.kept is None else 1
        self.oldest_held = 0 if self.kept is None else self.kept.sequences[0]


def merged(batches: list[Batch]) -> dict[str, Any]:
    return {
        "lines": [line for one in batches for line in one.lines],
        "times": [time for one in batches for time in one.times],
        "streams": b"".join(one.streams for one in batches),
        "sequences": [number for one in batches for number in one.sequences],
    }


class Log:
    """A container's log, of which a batch is distributed at a time."""

    def __init__(self, lanes: ContainerLanes) -> None:
        self.moved: list[int] = []
        self._account: AckTracker[int] = AckTracker(self.moved.append)
        self._lanes = lanes
        self.read = 0

    async def write(self, *lines: str) -> None:
        first, self.read = self.read + 1, self.read + len(lines)
        ack = self._account.open(self.read)
        await self._lanes.distribute(batch(*lines, start=first), ack)
        ack.settle()


def settle(output: Kept) -> None:
    for one in output.envelopes:
        one.ack.settle()
    output.envelopes.clear()


def balance(ledger: Ledger) -> tuple[int, int, int, int]:
    """Of one passage with one sink: read, filtered, held, routed."""
    (container_account,) = ledger
    (route_account,) = container_account.routes.values()
    (account,) = route_account.accounts.values()
    assert route_account.unaccounted == 0
    return (
        route_account.came,
        sum(route_account.filtered.values()),
        route_account.held,
        account.routed,
    )


HELD = (("pair", Pairing()), ("drop", Without(b"x")))


async def test_what_is_held_back_is_not_settled_until_what_came_of_it_is(
    metrics: Metrics, ledger: Ledger
) -> None:
    out, offsets = Kept(), Offsets({})
    lanes = bound(metrics, route(out, stages=HELD), ledger=ledger, offsets=offsets)
    log = Log(lanes)
    await log.write("a")
    assert (log.moved, out.lines, balance(ledger)) == ([], [], (1, 0, 1, 0))
    await log.write("b", "c")
    assert (log.moved, out.lines, balance(ledger)) == ([], [b"a"], (3, 1, 1, 1))
    settle(out)
    assert log.moved == [1]  # and "c" is in the second batch
    assert offsets.ahead_of(1) == {"r": {"out": 2}}
    await log.write("d", "e", "f")
    settle(out)
    assert (log.moved[-1], balance(ledger)) == (6, (6, 3, 0, 3))
    value = metrics.registry.get_sample_value
    labels = {"route": "r", "stage": "pair"}
    assert value("dockline_filtered_entries_total", labels) == 3


async def test_what_the_stages_behind_filter_out_of_it_is_settled_too(
    metrics: Metrics, ledger: Ledger
) -> None:
    out = Kept()
    lanes = bound(metrics, route(out, stages=HELD), ledger=ledger)
    log = Log(lanes)
    await log.write("x")
    lanes.flush(99)
    assert log.moved == []
    lanes.flush(100)
    assert (log.moved, out.lines, balance(ledger)) == ([1], [], (1, 1, 0, 0))


async def test_one_timer_lets_go_of_what_every_container_holds(
    metrics: Metrics, ledger: Ledger
) -> None:
    class Brief(Pairing):
        def flush(self, now: float) -> Batch | None:
            return super().flush(100)

    out = Kept()
    router = Router([route(out, stages=(("pair", Brief()),))], metrics, ledger)
    async with asyncio.TaskGroup() as tasks:
        flusher = tasks.create_task(router.flusher.run())
        for number in range(3):
            lanes = router.bind(container(f"c{number}", number=number), Offsets({}))["logs"]
            await lanes.distribute(batch(str(number)))
        assert out.lines == []
        await until(lambda: len(out.lines) == 3)
        flusher.cancel()
    assert out.lines == [b"0", b"1", b"2"]


async def test_what_is_let_go_and_has_no_room_keeps_nobody_waiting_but_its_own_container(
    metrics: Metrics, ledger: Ledger
) -> None:
    full, moved = Kept(room=0), list[int]()
    tracker: AckTracker[int] = AckTracker(moved.append)
    router = Router([route(full, stages=HELD)], metrics, ledger)
    lanes = router.bind(container(), Offsets({}))["logs"]
    ack = tracker.open(1)
    await lanes.distribute(batch("a", start=1), ack)
    ack.settle()
    (account,) = ledger.accounts()
    async with asyncio.TaskGroup() as tasks:
        flusher = tasks.create_task(router.flusher.run())
        await asyncio.sleep(0)
        lanes.flush(100)
        assert (account.waiting, account.open, balance(ledger)) == (1, 1, (1, 0, 0, 1))
        next_one = tasks.create_task(lanes.distribute(batch("b", start=2)))
        finishing = tasks.create_task(router.flusher.finish())
        await asyncio.sleep(0.01)
        assert not next_one.done()
        full.room = 1
        full.roomy.set()
        await asyncio.wait_for(finishing, 30)
        flusher.cancel()
    assert full.lines[:1] == [b"a"]
    settle(full)
    assert (moved, account.waiting) == ([1], 0)
    assert lanes.start(batch("c", start=3), UNTRACKED) is None, "nothing is waited for any more"


async def test_at_the_end_all_is_let_go(metrics: Metrics, ledger: Ledger) -> None:
    out = Kept()
    router = Router([route(out, stages=HELD)], metrics, ledger)
    await router.bind(container(), Offsets({}))["logs"].distribute(batch("a"))
    await router.flusher.finish()
    assert (out.lines, balance(ledger)) == ([b"a"], (1, 0, 0, 1))


async def test_lanes_that_others_have_replaced_hold_nothing_back(
    metrics: Metrics, ledger: Ledger
) -> None:
    out = Kept()
    log = Log(bound(metrics, route(out, stages=HELD), ledger=ledger))
    await log.write("a")
    log._lanes.end()
    await log.write("b")
    assert out.lines == [b"a", b"b"]
    settle(out)
    assert log.moved[-1] == 2


async def test_a_container_that_is_given_up_loses_what_is_held_and_that_is_counted(
    metrics: Metrics, ledger: Ledger
) -> None:
    out = Kept()
    log = Log(bound(metrics, route(out, stages=HELD), ledger=ledger))
    await log.write("a")
    log._lanes.abandon("abandoned")
    (account,) = ledger.accounts()
    assert (account.dropped, log.moved, balance(ledger)) == ({"abandoned": 1}, [1], (1, 0, 0, 1))


async def test_nothing_is_joined_across_what_a_sink_is_known_to_have(
    metrics: Metrics, ledger: Ledger
) -> None:
    """Else the whole would be taken for known, and its end be lost."""
    out = Kept()
    join_ = join.Stage("indent")
    offsets = Offsets({"r": {"out": 12}})
    lanes = bound(metrics, route(out, stages=(("join", join_),)), ledger=ledger, offsets=offsets)
    await lanes.distribute(batch("a", " b", " c", " d", "e", start=10))
    assert out.lines == [b" d"]
    assert [n for one in out.batches for n in one.sequences] == [13]
    (account,) = ledger.accounts()
    assert (account.known, account.routed, balance(ledger)) == (1, 2, (5, 2, 1, 2))


async def test_a_small_batch_does_not_overtake_one_that_found_no_room_before_it(
    metrics: Metrics, ledger: Ledger
) -> None:
    """A batch that is cut where a sink ended is put in parts: the last one went first if it alone
    fitted."""

    class Narrow(Kept):
        def offer(self, envelope: Envelope) -> bool:
            return len(envelope) < 2 and super().offer(envelope)

    ahead, behind = Kept(name="ahead"), Narrow(name="behind")
    offsets = Offsets({"r": {"ahead": 12}})
    stages = (("join", join.Stage("indent")),)
    behind.roomy.set()
    lanes = bound(metrics, route(ahead, behind, stages=stages), ledger=ledger, offsets=offsets)
    await lanes.distribute(batch("a", "b", "c", "d", "e", start=10))
    lanes.flush(math.inf)
    assert behind.lines == [b"a", b"b", b"c", b"d", b"e"]


async def test_a_bug_in_what_lets_go_is_counted_and_keeps_nothing_else_from_going(
    metrics: Metrics, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty(Pairing):
        def flush(self, now: float) -> Batch | None:
            raise ZeroDivisionError

    out = Kept()
    stages = (("faulty", Faulty()), ("pair", Pairing()))
    lanes = bound(metrics, route(out, stages=stages), ledger=ledger)
    await lanes.distribute(batch("a", "b", "c"))
    lanes.flush(100)
    assert out.lines == [b"a"]
    assert balance(ledger) == (3, 1, 1, 1)
    assert "faulty" in caplog.text


def looked_at(metrics: Metrics, choice: Choice, one: Route) -> tuple[ContainerLanes, Tapper]:
    tap = Tap()
    router = Router([one], metrics, Ledger(), tap=tap)
    return router.bind(container(), Offsets({}))["logs"], tap.open(choice)


def seen(tapper: Tapper) -> list[tuple[str, str, str]]:
    """Where entries were met, why they go no further, and their messages."""
    found = map(json.loads, tapper.read().splitlines())
    return [
        (one.get("sink") or one["stage"], one.get("dropped", ""), one["entry"]["message"])
        for one in found
    ]


async def test_who_looks_sees_what_each_sink_is_given(metrics: Metrics) -> None:
    stages = (("drop", Without(b"b")),)
    both = route(Kept(), Kept(name="other"), stages=stages)
    lanes, tapper = looked_at(metrics, Choice(), both)
    await lanes.distribute(batch("a", "b"))
    assert seen(tapper) == [("out", "", "a"), ("other", "", "a")]


async def test_who_looks_at_what_is_dropped_sees_what_stages_filter_and_what_had_no_room(
    metrics: Metrics,
) -> None:
    stages = (("drop", Without(b"b")), ("keep", Without(b"a")))
    lanes, tapper = looked_at(metrics, Choice(dropped=True), route(Kept(room=0), stages=stages))
    lanes.offer(batch("a", "b", "c"))
    assert seen(tapper) == [
        ("drop", "filtered", "b"),
        ("keep", "filtered", "a"),
        ("out", "backlog", "c"),
    ]


async def test_who_looks_at_what_is_dropped_sees_what_is_given_up_while_it_waits_for_room(
    metrics: Metrics,
) -> None:
    lanes, tapper = looked_at(metrics, Choice(dropped=True), route(Kept(room=0)))
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(lanes.distribute(batch("a", "b")))
        await asyncio.sleep(0)
        lanes.abandon("abandoned")
        waiting.cancel()
    found = [json.loads(line) for line in tapper.read().splitlines()]
    assert found == [{"route": "r", "sink": "out", "dropped": "abandoned", "entries": 2}]


# -------------------------------------------------------------------- routes that feed routes


class Parsing(Stage):
    """Gives each entry a field."""

    def __call__(self, one: Batch) -> Batch | None:
        return one.replace(fields=[{"line": line.decode()} for line in one.lines])


def accounts(ledger: Ledger) -> dict[str, tuple[int, int, dict[str, int]]]:
    """Of one container, by route: what came, what is missing, and what was handed on."""
    (container_account,) = ledger
    return {
        route_account.route: (
            route_account.came,
            route_account.unaccounted,
            {name: feed.handed for name, feed in route_account.feeds.items()},
        )
        for route_account in container_account.routes.values()
    }


async def test_a_route_that_is_fed_has_what_the_others_leave_and_nothing_else(
    metrics: Metrics, ledger: Ledger
) -> None:
    archive, alarm = Kept(name="archive"), Kept(name="alarm")
    lanes = bound(
        metrics,
        route(alarm, stages=(("keep", Without(b"c")),), name="errors"),
        route(archive, stages=(("drop", Without(b"b")),), name="all", feeds=("errors",)),
        ledger=ledger,
    )
    await lanes.distribute(batch("a", "b", "c"))
    assert (archive.lines, alarm.lines) == ([b"a", b"c"], [b"a"])
    assert [one.route for one in (*archive.batches, *alarm.batches)] == ["all", "errors"]
    assert accounts(ledger) == {"all": (3, 0, {"errors": 2}), "errors": (2, 0, {})}


async def test_the_conditions_of_a_route_that_is_fed_still_apply(
    metrics: Metrics, ledger: Ledger
) -> None:
    web, events = Kept(name="web"), Kept(name="events")
    lanes = bound(
        metrics,
        route(Kept(), name="all", feeds=("web", "events")),
        route(web, name="web", only="web"),
        route(events, name="events", sources=("events",)),
        ledger=ledger,
    )
    await lanes.distribute(batch("a"))
    assert web.lines == events.lines == []
    assert accounts(ledger) == {"all": (1, 0, {})}


async def test_a_route_that_is_fed_changes_fields_for_itself_alone(metrics: Metrics) -> None:
    plain, marked = Kept(name="plain"), Kept(name="marked")
    lanes = bound(
        metrics,
        route(plain, stages=(("parse", Parsing(None)),), name="all", feeds=("marks",)),
        route(marked, stages=(("mark", Marking(None)),), name="marks"),
    )
    await lanes.distribute(batch("a"))
    assert plain.batches[0].fields == [{"line": "a"}]
    assert marked.batches[0].fields == [{"line": "a", "marked": True}]


async def test_an_entry_is_settled_when_every_route_it_was_handed_to_has_settled_it(
    metrics: Metrics, ledger: Ledger
) -> None:
    out, fed = Kept(name="out"), Kept(name="fed")
    offsets = Offsets({})
    lanes = bound(
        metrics,
        route(out, name="all", feeds=("more",)),
        route(fed, stages=HELD, name="more"),
        ledger=ledger,
        offsets=offsets,
    )
    log = Log(lanes)
    await log.write("a")
    settle(out)
    assert (log.moved, fed.lines, lanes.holding) == ([], [], True)
    await log.write("b", "c")
    settle(out)
    assert (log.moved, fed.lines) == ([], [b"a"])
    settle(fed)
    assert log.moved == [1]
    assert offsets.ahead_of(1) == {"all": {"out": 3}, "all>more": {"fed": 2}}
    lanes.flush(100)
    assert fed.lines == [b"c"]
    settle(fed)
    assert log.moved[-1] == 3
    assert accounts(ledger) == {"all": (3, 0, {"more": 3}), "more": (3, 0, {})}


async def test_a_route_fed_over_two_ways_gets_entries_over_both_and_settles_each(
    metrics: Metrics, ledger: Ledger
) -> None:
    out = Kept()
    lanes = bound(
        metrics,
        route(name="a", feeds=("b", "c")),
        route(name="b", stages=(("drop", Without(b"x")),), feeds=("d",)),
        route(name="c", stages=(("drop", Without(b"y")),), feeds=("d",)),
        route(out, name="d"),
        ledger=ledger,
    )
    log = Log(lanes)
    await log.write("x", "y", "z")
    assert out.lines == [b"y", b"z", b"x", b"z"]
    out.envelopes.pop().ack.settle()
    assert log.moved == []
    settle(out)
    assert log.moved == [3]
    assert accounts(ledger) == {
        "a": (3, 0, {"b": 3, "c": 3}),
        "b": (3, 0, {"d": 2}),
        "c": (3, 0, {"d": 2}),
        "d": (4, 0, {}),
    }


async def test_a_sink_of_a_route_that_is_fed_is_given_only_what_is_new_to_it(
    metrics: Metrics, ledger: Ledger
) -> None:
    out = Kept()
    lanes = bound(
        metrics,
        route(name="all", stages=(("join", join.Stage("indent")),), feeds=("more",)),
        route(out, name="more"),
        ledger=ledger,
        offsets=Offsets({"all>more": {"out": 12}}),
    )
    await lanes.distribute(batch("a", " b", " c", " d", "e", start=10))
    assert [(one.lines, list(one.sequences)) for one in out.batches] == [([b" d"], [13])]
    assert accounts(ledger) == {"all": (5, 0, {"more": 2}), "more": (2, 0, {})}


async def test_a_route_that_is_fed_and_takes_a_container_by_its_new_name_owes_nothing_of_before(
    metrics: Metrics, ledger: Ledger
) -> None:
    routes = [route(Kept(), name="all", feeds=("web",)), route(Kept(), only="web", name="web")]
    router = Router(routes, metrics, ledger)
    for name in ("api", "web", "api", "web"):
        lanes = router.bind(container(name), Offsets({}))["logs"]
        await lanes.distribute(batch("a", "b"))
    old = router.bind(container("api"), Offsets({}))["logs"]
    router.bind(container("web"), Offsets({}))
    await old.distribute(batch("c"))
    assert accounts(ledger) == {"all": (9, 0, {"web": 4}), "web": (4, 0, {})}
    router.forget(container().id)
    assert [
        route_account.unaccounted
        for container_account in ledger
        for route_account in container_account.routes.values()
    ] == [0, 0]


# ------------------------------------------------------------- a reload leaves what is the same


def reloaded(
    router: Router, before: dict[EntryKind, ContainerLanes], *routes: Route
) -> dict[EntryKind, ContainerLanes]:
    """The lanes of the same container, after a change of the routes."""
    router.change(routes, Labels(()))
    return router.bind(container(), PROGRESS[router], before=before)


PROGRESS: WeakKeyDictionary[Router, Offsets] = WeakKeyDictionary()


def first_bound(router: Router) -> dict[EntryKind, ContainerLanes]:
    PROGRESS[router] = Offsets({})
    return router.bind(container(), PROGRESS[router])


async def test_a_route_that_is_the_same_goes_on_with_what_its_stages_hold(
    metrics: Metrics, ledger: Ledger
) -> None:
    out, other, late = Kept(), Kept(name="other"), Kept(name="late")
    same = route(out, stages=(("join", join.Stage("indent")),), name="same")
    changed = route(other, stages=(("join", join.Stage("indent")),), name="changed")
    router = Router([same, changed], metrics, ledger)
    before = first_bound(router)
    log = Log(before["logs"])
    await log.write("a", " b")
    (lane, _) = before["logs"]
    bound = reloaded(router, before, route(other, name="changed"), same, route(late, name="new"))
    assert [one is lane for one in bound["logs"]] == [False, True, False]
    assert (out.lines, other.lines, log.moved) == ([], [b"a\n b"], [])
    log._lanes = bound["logs"]
    await log.write(" c", "d")
    bound["logs"].flush(math.inf)
    assert out.lines == [b"a\n b\n c", b"d"]
    assert other.lines == [b"a\n b", b" c", b"d"]
    assert late.lines == [b" c", b"d"]
    for one in (out, other, late):
        settle(one)
    assert log.moved[-1] == 4
    assert PROGRESS[router].ahead_of(0) == {
        "same": {"out": 4},
        "changed": {"other": 4},
        "new": {"late": 4},
    }
    assert accounts(ledger) == {
        "same": (4, 0, {}),
        "changed": (4, 0, {}),
        "new": (2, 0, {}),
    }


async def test_what_stays_is_let_go_by_the_timer_once(metrics: Metrics, ledger: Ledger) -> None:
    class Brief(Pairing):
        def flush(self, now: float) -> Batch | None:
            return super().flush(100)

    out = Kept()
    same = route(out, stages=(("pair", Brief()),), name="same")
    router = Router([same], metrics, ledger)
    before = first_bound(router)
    await before["logs"].distribute(batch("a", start=1))
    bound = reloaded(router, before, same, route(Kept(name="x"), name="new"))
    assert (before["logs"].holding, bound["logs"].holding) == (False, True)
    async with asyncio.TaskGroup() as tasks:
        flusher = tasks.create_task(router.flusher.run())
        await until(lambda: not router.flusher._held)
        flusher.cancel()
    assert out.lines == [b"a"]


async def test_a_route_that_is_fed_goes_on_behind_one_that_has_changed(
    metrics: Metrics, ledger: Ledger
) -> None:
    out = Kept()
    joining = (("join", join.Stage(join.Own(start="^[a-z]"))),)
    fed = route(out, stages=(("join", join.Stage("indent")),), name="fed")
    router = Router([route(name="all", stages=joining, feeds=("fed",)), fed], metrics, ledger)
    before = first_bound(router)
    log = Log(before["logs"])
    await log.write("a", "b", " c")
    assert out.lines == []
    changed = route(name="all", stages=(("drop", Without(b"x")),), feeds=("fed",))
    bound = reloaded(router, before, changed, fed)
    (root,) = bound["logs"]
    assert list(root.with_feeds())[1] is list(next(iter(before["logs"])).with_feeds())[1]
    log._lanes = bound["logs"]
    await log.write(" d", "x", "e")
    bound["logs"].flush(math.inf)
    assert out.lines == [b"a", b"b\n c\n d", b"e"]
    settle(out)
    assert log.moved[-1] == 6
    assert [
        route_account.unaccounted
        for container_account in ledger
        for route_account in container_account.routes.values()
    ] == [0, 0]


async def test_what_routes_before_and_behind_one_that_stays_hold_keeps_its_order(
    metrics: Metrics, ledger: Ledger
) -> None:
    def holding(name: str, *outputs: TakesBatches, feeds: tuple[str, ...] = ()) -> Route:
        stages = (("join", join.Stage(join.Own(start="^[a-z]"))),)
        return route(*outputs, name=name, stages=stages, feeds=feeds)

    out = Kept()
    stays = holding("stays", feeds=("behind",))
    router = Router(
        [holding("before", feeds=("stays",)), stays, holding("behind", out)], metrics, ledger
    )
    before = first_bound(router)
    await before["logs"].distribute(batch("a", "b", "c", start=1))
    assert out.lines == []
    changed = route(name="before", feeds=("stays",)), stays, route(out, name="behind")
    bound = reloaded(router, before, *changed)
    assert out.lines == [b"a", b"b"]
    await bound["logs"].distribute(batch(" c", "d", start=4))
    bound["logs"].flush(math.inf)
    assert out.lines == [b"a", b"b", b"c\n c", b"d"]
    assert [
        route_account.unaccounted
        for container_account in ledger
        for route_account in container_account.routes.values()
    ] == [0] * 3


async def test_a_batch_that_waited_through_a_reload_goes_the_way_of_before_and_not_twice(
    metrics: Metrics, ledger: Ledger
) -> None:
    out, other = Kept(), Kept(name="other")
    same = route(out, stages=(("join", join.Stage("indent")),), name="same")
    router = Router([same, route(other, name="old")], metrics, ledger)
    before = first_bound(router)
    await before["logs"].distribute(batch("a", start=1))
    bound = reloaded(router, before, same, route(other, name="new"))
    await before["logs"].distribute(batch(" b", start=2))
    await bound["logs"].distribute(batch(" c", start=3))
    bound["logs"].flush(math.inf)
    assert out.lines == [b"a\n b\n c"]
    assert other.lines == [b"a", b" b", b" c"]
    assert [
        route_account.unaccounted
        for container_account in ledger
        for route_account in container_account.routes.values()
    ] == [0] * 3


def test_stages_that_labels_ask_for_go_on_with_the_routes(metrics: Metrics) -> None:
    labels = Labels()
    one = container(labels={"dockline.parse": "json"})
    same = route(Kept(), name="same")
    router = Router([same], metrics, Ledger(), labels=labels)
    before = router.bind(one, Offsets({}))
    for routes, stays in (((same, route(Kept(), name="new")), True), ((route(Kept()),), False)):
        router.change(routes, Labels())
        bound = router.bind(one, Offsets({}), before=before)
        assert (bound["logs"].first is before["logs"].first) == stays


@pytest.mark.parametrize("seed", range(40))
async def test_through_any_reloads_each_route_that_stays_has_all_and_every_account_balances(
    seed: int, metrics: Metrics, ledger: Ledger
) -> None:
    """The route `same` joins ten lines. It is fed by one that stays or changes, or by none, and
    feeds one that stays or changes."""
    chance = random.Random(seed)
    outs = {name: Kept(10_000, name) for name in ("same", "root", "below", "x", "y")}
    fed = chance.random() < 0.5
    tens = join.Stage(join.Own(start="0$"))
    same = route(outs["same"], stages=(("join", tens),), name="same", feeds=("below",))

    def changing(name: str, feeds: tuple[str, ...] = ()) -> Route:
        holding = join.Stage(join.Own(start="line"))  # the last entry, until the next one comes
        stages = chance.choice(((), (("join", holding),), (("drop", Without(b"no")),)))
        return route(outs[name], stages=stages, name=name, feeds=feeds)

    def root() -> Route:
        return changing("root", ("same",) if fed else ())

    def others() -> list[Route]:
        names = chance.sample(("x", "y"), chance.randrange(3))
        return [
            route(outs[name], stages=(("pair", Pairing()),) * chance.randrange(2), name=name)
            for name in names
        ]

    there, below = root(), changing("below")
    router = Router([there, same, below, *others()], metrics, ledger)
    bound = first_bound(router)
    log, number = Log(bound["logs"]), 0
    for _ in range(30):
        earlier = bound
        for _ in range(chance.choice((0, 0, 0, 1, 1, 2, 3))):
            there = root() if chance.random() < 0.5 else there
            below = changing("below") if chance.random() < 0.5 else below
            router.change([there, same, below, *others()], Labels(()))
            bound = router.bind(container(), PROGRESS[router], log.read, bound)
        log._lanes = chance.choice((earlier, bound, bound))["logs"]
        lines = [f"line {number + index}" for index in range(chance.randrange(1, 9))]
        number += len(lines)
        await log.write(*lines)
        log._lanes = bound["logs"]
        if chance.random() < 0.5:
            for out in outs.values():
                for one in out.envelopes:
                    one.ack.settle()
                    one.ack = UNTRACKED
        for container_account in ledger:
            assert [one.unaccounted for one in container_account.routes.values()] == [0] * len(
                container_account.routes
            )
    bound["logs"].flush(math.inf)
    for out in outs.values():
        out_lines = out.lines
        for one in out.envelopes:
            one.ack.settle()
        if out.name in ("same", "below"):
            joined = [
                "\n".join(f"line {index}" for index in range(start, min(start + 10, number)))
                for start in range(0, number, 10)
            ]
            assert [line.decode() for line in out_lines] == joined
    assert log.moved[-1] == number
    for container_account in ledger:
        assert [one.held for one in container_account.routes.values()] == [0] * len(
            container_account.routes
        )
        assert [one.unaccounted for one in container_account.routes.values()] == [0] * len(
            container_account.routes
        )


class Brief(Pairing):
    """Waits for nobody once it is asked."""

    def flush(self, now: float) -> Batch | None:
        return super().flush(100)


async def test_what_stays_lets_go_of_what_a_batch_left_in_it_that_waited_through_the_reload(
    metrics: Metrics, ledger: Ledger
) -> None:
    out = Kept()
    same = route(out, stages=(("pair", Brief()),), name="same")
    router = Router([same], metrics, ledger)
    before = first_bound(router)
    reloaded(router, before, same, route(Kept(name="x"), name="new"))
    await before["logs"].distribute(batch("a", start=1))
    async with asyncio.TaskGroup() as tasks:
        flusher = tasks.create_task(router.flusher.run())
        await until(lambda: not router.flusher._held)
        flusher.cancel()
    assert out.lines == [b"a"]


@pytest.mark.parametrize("fed", [False, True])
async def test_a_batch_that_waited_through_two_reloads_leaves_nothing_in_what_stayed_only_once(
    metrics: Metrics, ledger: Ledger, fed: bool
) -> None:
    out = Kept()

    def joining() -> Route:
        return route(out, stages=(("join", join.Stage("indent")),), name="same")

    def others() -> list[Route]:
        return [route(name="root", feeds=("same",))] if fed else []

    same = joining()
    router = Router([same, *others()], metrics, ledger)
    before = first_bound(router)
    log = Log(before["logs"])
    again = reloaded(router, before, same, *others())
    reloaded(router, again, joining(), *others())
    await log.write("a", "b")
    assert out.lines == [b"a", b"b"]
    settle(out)
    assert log.moved[-1] == 2
    assert router.flusher._held == {}
