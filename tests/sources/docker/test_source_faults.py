"""What a real Engine can hardly be made to do: events and answers that cross on their way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from pipeline.accounting.checkpoint import Checkpoint, Position
from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import Ledger
from pipeline.model.container import Container, EntryKind
from pipeline.model.metrics import Metrics
from pipeline.sources.docker.discovery.watch import Event
from pipeline.sources.docker.engine.client import Engine
from pipeline.sources.docker.engine.endpoint import resolve
from pipeline.sources.docker.logs import follower
from pipeline.sources.docker.source import DockerSource, FollowOptions
from pipeline.support.rate_limit import RateLimit
from pipeline.testing.fake_engine import FakeEngine, Fault, frame, head, json_answer
from pipeline.testing.following import Kept
from pipeline.topology import Route, Router

ONE, TWO = "a" * 64, "b" * 64


class Polled:
    """In place of the poller of stats: whom it would poll."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.added = 0

    def add(self, container: Container, inspect: Mapping[str, Any]) -> None:
        self.names[container.id] = container.name
        self.added += 1

    def remove(self, container_id: str) -> None:
        self.names.pop(container_id, None)

    def observe(self, event: Event) -> None:
        pass

    def polls(self, container_id: str) -> bool:
        return container_id in self.names


@dataclass
class World:
    """A source on a fake Engine."""

    fake: FakeEngine
    source: DockerSource
    checkpoint: Checkpoint
    metrics: Metrics
    kept: Kept
    polled: Polled
    removed: list[str] = field(default_factory=list)

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not holds():
                await asyncio.sleep(0.01)

    async def lose_the_engine(self) -> None:
        """It is gone for a moment, and known to be: events that were merely cut off are none."""
        self.fake.answer("/_ping", [json_answer({"message": "not now"}, 503)])
        self.fake.cut_events()
        await self.until(lambda: self.source.watch.problem)
        self.fake.answer("/_ping")

    async def looks_twice(self) -> None:
        """Until it has looked through a list that was asked for after this."""
        for _ in range(2):
            lists = self.asked("/containers/json")
            self.source.watch.hurry()
            await self.until(lambda lists=lists: self.asked("/containers/json") > lists)

    def lines(self, container_id: str) -> list[bytes]:
        found = [b for b in self.kept.batches if b.container.id == container_id]
        return [line for b in found if b.source == "logs" for line in b.lines]

    def series(self, name: str) -> float | None:
        labels = {"container": name}
        value = self.metrics.registry.get_sample_value
        return value("dockline_received_entries_total", labels)

    def errors(self, kind: str) -> float:
        value = self.metrics.registry.get_sample_value
        return value("dockline_source_errors_total", {"kind": kind}) or 0.0

    def asked(self, path: str) -> int:
        return sum(request.path == path for request in self.fake.requests)


class Full(Kept):
    """An output that never has room."""

    def offer(self, envelope: Envelope) -> bool:
        return False

    async def put(self, envelope: Envelope) -> None:
        await asyncio.Event().wait()


@asynccontextmanager
async def world(
    folder: Path,
    *,
    takes: tuple[EntryKind, ...] = ("logs",),
    kept: Kept | None = None,
    **reading: Any,
) -> AsyncIterator[World]:
    metrics, polled, checkpoint = Metrics(CollectorRegistry()), Polled(), Checkpoint(None)
    kept = kept or Kept()
    route = Route("all", frozenset(takes), lambda one: True, [], [kept])
    removed: list[str] = []
    async with FakeEngine(folder / "docker.sock") as fake:
        engine = Engine(resolve(fake.url, None, {}))
        source = DockerSource(
            engine, Router([route], metrics, Ledger()), checkpoint, metrics,
            FollowOptions(**reading), stats=polled, removed=removed.append,
        )  # fmt: skip
        made = World(fake, source, checkpoint, metrics, kept, polled, removed)
        try:
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(source.run(), name="source")
                await made.until(lambda: source.watch.problem is None and source._caught_up)
                yield made
                task.cancel()
        finally:
            await engine.close()


def logs(container_id: str) -> str:
    return f"/containers/{container_id}/logs"


def inspection(container_id: str, name: str, *, status: str = "running") -> bytes:
    state = {"Running": status == "running", "Status": status, "StartedAt": "x"}
    return json_answer(
        {"Id": container_id, "Name": f"/{name}", "Config": {"Labels": {}}, "State": state}
    )


# ------------------------------------------------------------------------------- stats


@pytest.mark.parametrize("last", ["die", "destroy"])
async def test_an_inspection_that_crosses_the_end_of_its_container_does_not_revive_it(
    tmp_path: Path, last: str
) -> None:
    async with world(tmp_path, takes=("events",)) as made:
        answer = inspection(ONE, "web")
        go = asyncio.Event()
        made.fake.answer(f"/containers/{ONE}/json", [go, answer])
        made.fake.emit("start", ONE, name="web")
        await made.until(lambda: made.asked(f"/containers/{ONE}/json"))
        followed = made.source.followed[ONE]
        made.fake.emit("die", ONE, name="web")
        if last == "destroy":
            made.fake.emit("destroy", ONE, name="web")
        await made.until(lambda: made.removed if last == "destroy" else followed.container.ends)
        go.set()
        await asyncio.sleep(0.3)  # the answer is here by then
        await made.until(lambda: made.polled.names == {})
        await made.until(lambda: (ONE in made.removed) == (last == "destroy"))


@pytest.mark.fault(13)
async def test_stats_that_are_missing_are_seen_to_at_the_next_list(tmp_path: Path) -> None:
    """As when a `die` comes after the `start` that followed it."""
    async with world(tmp_path, reconcile=0.1) as made:
        made.fake.answer(logs(ONE), [head(), Fault.STALL])
        made.fake.containers[ONE] = {"name": "web"}
        await made.until(lambda: made.polled.polls(ONE))
        made.fake.emit("die", ONE, name="web")
        await made.until(lambda: made.polled.added > 1)
        assert made.polled.polls(ONE)


@pytest.mark.fault(40)
async def test_a_container_whose_log_cannot_be_read_has_stats_all_the_same(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        unreadable = {"message": "configured logging driver does not support reading"}
        made.fake.answer(logs(ONE), [json_answer(unreadable, 501)])
        made.fake.containers[ONE] = {"name": "web"}
        for runs in (1, 2):
            made.fake.emit("start", ONE, name="web")
            await made.until(lambda runs=runs: made.polled.added >= runs)
            made.fake.emit("die", ONE, name="web")
            await made.until(lambda: not made.polled.names)
        assert made.errors("unreadable") == 1


# ------------------------------------------------------------------------------- names


async def test_a_rename_that_an_inspection_knows_first_leaves_no_series_of_the_old_name(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as made:
        made.fake.answer(logs(ONE), [head(), frame(b"line\n"), Fault.STALL])
        made.fake.containers[ONE] = {"name": "new"}
        made.fake.emit("start", ONE, name="old")
        await made.until(lambda: made.series("new"))
        assert made.series("old") is None
        made.fake.emit("rename", ONE, name="new", oldName="/old")
        await made.until(lambda: made.source.followed[ONE].facts.name == "new")
        assert made.series("new") == 1


async def test_an_inspection_made_before_a_rename_does_not_bring_the_old_name_back(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, takes=("events",)) as made:
        go = asyncio.Event()
        made.fake.answer(f"/containers/{ONE}/json", [go, inspection(ONE, "old")])
        made.fake.emit("start", ONE, name="old")
        await made.until(lambda: made.asked(f"/containers/{ONE}/json"))
        made.fake.emit("rename", ONE, name="new", oldName="/old")
        await made.until(lambda: made.source.followed[ONE].facts.name == "new")
        go.set()
        await made.until(lambda: made.polled.added)
        assert made.source.followed[ONE].facts.name == "new"


@pytest.mark.fault(14)
async def test_a_rename_that_nobody_told_of_is_seen_in_the_next_list(tmp_path: Path) -> None:
    async with world(tmp_path, reconcile=0.1) as made:
        made.fake.answer(logs(ONE), [head(), Fault.STALL])
        made.fake.containers[ONE] = {"name": "old"}
        await made.until(lambda: ONE in made.source.followed)
        made.fake.containers[ONE] = {"name": "new"}
        await made.until(lambda: made.source.followed[ONE].facts.name == "new")


# ------------------------------------------------------------------- answers without sense


async def test_an_element_of_a_list_that_makes_no_sense_does_not_hide_the_others(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, reconcile=0.1) as made:
        made.fake.answer(logs(ONE), [head(), frame(b"line\n"), Fault.STALL])
        listed = [{}, None, {"Id": TWO, "Names": 3}, {"Id": ONE, "Names": ["/web"]}]
        made.fake.containers[ONE] = {"name": "web"}
        made.fake.answer("/containers/json", [json_answer(listed)])
        await made.until(lambda: made.lines(ONE) == [b"line"])
        assert made.errors("list") >= 3


@pytest.mark.parametrize("answer", [{"response": 500}, None, 0])
async def test_a_list_that_is_none_lets_go_of_nobody(tmp_path: Path, answer: Any) -> None:
    async with world(tmp_path, reconcile=0.05) as made:
        made.fake.answer(logs(ONE), [head(), frame(b"line\n")])
        made.fake.containers[ONE] = {"name": "web", "running": False}
        made.fake.emit("start", ONE, name="web")
        await made.until(lambda: made.lines(ONE))
        running, everything = [json_answer([])], [json_answer(answer)]
        afterwards = [json_answer([{"Id": ONE, "Names": ["/web"]}])]
        asked = made.asked("/containers/json")
        made.fake.answer("/containers/json", *[running, everything] * 2, afterwards)
        await made.until(lambda: made.asked("/containers/json") > asked + 5)
        assert ONE in made.source.followed


async def test_a_container_that_brings_up_a_bug_does_not_hide_the_others(tmp_path: Path) -> None:
    def selects(one: Container) -> bool:
        return 1 / (one.id != ONE) > 0

    async with world(tmp_path, reconcile=0.1, selects=selects) as made:
        made.fake.answer(logs(TWO), [head(), frame(b"line\n"), Fault.STALL])
        made.fake.containers.update({ONE: {"name": "bad"}, TWO: {"name": "good"}})
        await made.until(lambda: made.lines(TWO) == [b"line"])
        assert made.errors("bug")


async def test_an_inspection_that_makes_no_sense_leaves_the_facts_of_the_event(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as made:
        made.fake.answer(logs(ONE), [head(), frame(b"line\n"), Fault.STALL])
        made.fake.answer(f"/containers/{ONE}/json", [json_answer({"response": 500})])
        made.fake.emit("start", ONE, name="web", team="shop")
        await made.until(lambda: made.lines(ONE) == [b"line"])
        container = made.kept.batches[-1].container
        assert (container.name, container.labels["team"]) == ("web", "shop")


# ---------------------------------------------------------------------------- being freed


@pytest.mark.fault(24)
async def test_nothing_is_kept_of_containers_that_came_and_went(tmp_path: Path) -> None:
    async with world(tmp_path, takes=("logs", "events")) as made:
        for number in range(150):
            key = f"{number:064x}"
            made.fake.answer(logs(key), [head(), frame(b"line\n")])
            for action in ("create", "start", "die", "destroy"):
                made.fake.emit(action, key, name=f"web-{number}")
            await made.until(lambda key=key: made.lines(key) == [b"line"])
        await made.until(lambda: not made.checkpoint.known())
        source = made.source
        await made.until(lambda: len(asyncio.all_tasks()) < 60)
        assert (source.followed, made.polled.names) == ({}, {})
        assert source._start_positions._created == set()
        assert not source._draining._waiting
        assert len(made.removed) == 150
        names = [sample.labels.get("container") for metric in made.metrics.registry.collect()
                 for sample in metric.samples if sample.labels.get("container")]  # fmt: skip
        assert names == []


async def test_containers_that_are_not_followed_leave_nothing_behind(tmp_path: Path) -> None:
    async with world(tmp_path, selects=lambda one: False) as made:
        made.fake.emit("create", ONE, name="web")
        made.fake.emit("start", ONE, name="web")
        await made.until(lambda: made.source._event_queue.cursor.position.since)
        await asyncio.sleep(0.05)
        assert made.source._start_positions._created == set()
        assert made.source.followed == {}


async def test_of_removed_containers_whose_lines_nobody_takes_the_oldest_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("pipeline.sources.docker.lifecycle.draining.MOST", 3)
    async with world(tmp_path, kept=Full()) as made:
        for number in range(5):
            key = f"{number:064x}"
            made.fake.answer(logs(key), [head(), frame(b"last words\n")])
            made.fake.emit("start", key, name=f"web-{number}")
            await made.until(lambda key=key: made.series(f"web-{int(key, 16)}"))
            made.fake.emit("destroy", key, name=f"web-{number}")
        await made.until(lambda: made.errors("abandoned") == 2)
        waiting = [one.facts.name for one in made.source._draining._waiting]
        assert waiting == ["web-2", "web-3", "web-4"]
        assert [record.message for record in caplog.records if "given up" in record.message]
        await made.until(lambda: made.checkpoint.known() == {f"{n:064x}" for n in (2, 3, 4)})


@pytest.mark.fault(15)
async def test_a_removal_that_nobody_told_of_is_found_out(tmp_path: Path) -> None:
    async with world(tmp_path, reconcile=0.1) as made:
        made.fake.answer(logs(ONE), [head(), frame(b"line\n"), 0.2])
        made.fake.containers[ONE] = {"name": "web"}
        await made.until(lambda: made.lines(ONE))
        del made.fake.containers[ONE]
        await made.until(lambda: ONE not in made.source.followed)
        await made.until(lambda: ONE not in made.checkpoint.known())
        assert made.removed == [ONE]
        filters = [json.loads(r.query["filters"]) for r in made.fake.requests
                   if r.path == "/containers/json" and "filters" in r.query]  # fmt: skip
        assert {"id": [ONE]} in filters


async def test_an_event_that_is_on_its_way_when_the_source_ends_begins_nothing(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, last_lines=5, events=True) as made:
        async with asyncio.TaskGroup() as over:
            pass
        made.source._tasks = over
        for action in ("create", "start", "die", "destroy"):
            made.fake.emit(action, ONE, name="late", exitCode="1")
        await made.until(lambda: made.removed == [ONE])
        assert made.errors("bug") == 0
        assert made.asked(logs(ONE)) == 0


async def test_what_the_engine_never_told_of_is_read_when_it_is_found_ended(tmp_path: Path) -> None:
    """An Engine that is killed forgets its events."""
    async with world(tmp_path) as made:
        made.fake.answer(logs(ONE), [head(), frame(b"last words\n")])
        made.fake.containers[ONE] = {"name": "web", "running": False, "created": 1 << 40}
        await made.lose_the_engine()
        await made.until(lambda: made.lines(ONE) == [b"last words"])
        await made.lose_the_engine()
        await made.looks_twice()
        read = [r for r in made.fake.requests if r.path == logs(ONE) and "tail" not in r.query]
        assert len(read) == 1, "but for a glance at its last line"


async def test_what_had_ended_before_the_agent_began_is_not_read(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        made.fake.containers[ONE] = {"name": "web", "running": False, "created": 1}
        await made.lose_the_engine()
        await made.looks_twice()
        assert made.asked(logs(ONE)) == 0


@pytest.mark.fault(12)
async def test_a_container_that_is_removed_before_its_log_is_opened_is_counted_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "_missed", RateLimit())  # it counts those of other tests, too
    async with world(tmp_path) as made:
        made.fake.emit("create", ONE, name="brief")
        made.fake.emit("start", ONE, name="brief")  # the answer for its log is a 404
        await made.until(lambda: made.errors("missed"))
        made.fake.emit("destroy", ONE, name="brief")  # and it is asked for once more
        await made.until(lambda: made.removed == [ONE])
        assert made.errors("missed") == 1
    said = [record.getMessage() for record in caplog.records]
    assert any(
        "1 container was removed before the log could be opened, the last one brief: " in one
        for one in said
    )


@pytest.mark.fault(12)
@pytest.mark.parametrize("status", [None, "removing", "exited"])
@pytest.mark.parametrize(
    "said", [b"", frame(b"Error grabbing logs: no such file\n", stream=3)], ids=["empty", "error"]
)
async def test_a_log_that_gives_nothing_while_its_container_is_removed_is_missed(
    tmp_path: Path, said: bytes, status: str | None
) -> None:
    """Or may be missed: dockerd makes the file anew of a log that it has just removed, or says that
    there is none. A container that was not being removed yet when its log was opened wrote nothing.
    """
    async with world(tmp_path) as made:
        made.fake.answer(logs(ONE), [head() + said])
        if status is not None:
            answer = inspection(ONE, "brief", status=status)
            made.fake.answer(f"/containers/{ONE}/json", [answer])
        made.fake.emit("start", ONE, name="brief")
        await made.until(lambda: made.asked(logs(ONE)))
        made.fake.emit("destroy", ONE, name="brief")
        await made.until(lambda: not made.source._draining._waiting and made.removed == [ONE])
        wanted = (1, 0) if said else (0, int(status != "exited"))
        assert (made.errors("missed"), made.errors("maybe_missed")) == wanted
        assert made.lines(ONE) == []


@pytest.mark.fault(12)
async def test_a_log_that_the_engine_fails_to_open_before_its_container_is_gone_is_missed(
    tmp_path: Path,
) -> None:
    """dockerd, between removing the container's folder and the container."""
    async with world(tmp_path) as made:
        made.fake.answer(logs(ONE), [json_answer({"message": "no such file or directory"}, 500)])
        made.fake.emit("start", ONE, name="brief")
        await made.until(lambda: made.errors("stream"))
        made.fake.emit("destroy", ONE, name="brief")
        await made.until(lambda: not made.source._draining._waiting and made.removed == [ONE])
        assert made.errors("missed") == 1


async def test_one_that_is_removed_after_its_log_was_read_is_not_missed(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        made.fake.answer(logs(ONE), [head(), frame(b"last words\n")])
        made.fake.emit("start", ONE, name="brief")
        await made.until(lambda: made.lines(ONE))
        made.fake.emit("destroy", ONE, name="brief")
        await made.until(lambda: not made.source._draining._waiting and made.removed == [ONE])
        assert made.errors("missed") == 0


async def test_after_a_gap_no_sink_is_taken_to_have_a_line_by_its_number(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        made.fake.containers[ONE] = {"name": "web", "running": False}
        made.fake.emit("create", ONE, name="web")
        await made.until(lambda: ONE in made.source.followed)
        offsets = made.source.followed[ONE].container.offsets
        offsets.of("all", "kept").skip(500)
        assert offsets.ahead_of(100) == {"all": {"kept": 500}}
        offsets.doubt(102)
        assert offsets.ahead_of(100) == {}
        offsets.of("all", "kept").skip(103)
        assert (offsets.ahead_of(100), offsets.ahead_of(102)) == ({}, {"all": {"kept": 103}})


async def test_the_page_of_a_removed_container_stays_until_its_last_event_is_on_its_way(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, takes=("events",)) as made:
        made.fake.emit("destroy", ONE, name="web")
        await made.until(lambda: made.kept.batches)
        (container_account,) = made.source._router._ledger
        await made.until(lambda: not container_account.followed)
        assert [
            route_account.unaccounted for route_account in container_account.routes.values()
        ] == [0]
        assert [(account.routed, account.open) for account in container_account.accounts] == [
            (1, 1)
        ]


async def test_what_was_removed_while_no_agent_looked_is_counted_where_its_end_was_not_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path) as made:
        made.checkpoint.move("b" * 64, Position(sequence=5))
        made.checkpoint.move("c" * 64, Position(sequence=5, ended="2026-01-31T00:00:00Z"))
        await made.lose_the_engine()
        await made.until(lambda: made.checkpoint.known() == set())
        assert made.errors("missed") == 1
    assert "removed while no agent looked, the last one bbbbbbbbbbbb" in caplog.text


async def test_what_waits_for_room_is_given_up_and_counted_after_a_rename_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.sources.docker.lifecycle.draining.MOST", 0)
    async with world(tmp_path, kept=Full()) as made:
        made.fake.answer(logs(ONE), [head(), frame(b"last words\n")])
        made.fake.emit("start", ONE, name="web")
        await made.until(lambda: made.series("web"))
        made.fake.emit("rename", ONE, name="other", oldName="/web")
        made.fake.emit("destroy", ONE, name="other")
        await made.until(lambda: made.errors("abandoned"))
        labels = {"sink": "kept", "reason": "abandoned"}
        value = made.metrics.registry.get_sample_value
        assert value("dockline_dropped_entries_total", labels) == 1


class Narrow(Kept):
    """An output in which each batch has to wait for room."""

    def __init__(self) -> None:
        super().__init__()
        self.room = asyncio.Semaphore(0)

    def offer(self, envelope: Envelope) -> bool:
        return False

    async def put(self, envelope: Envelope) -> None:
        await self.room.acquire()
        super().offer(envelope)


async def test_a_log_that_is_paused_behind_a_full_buffer_goes_on_with_the_next_line(
    tmp_path: Path,
) -> None:
    """Its task ends when what is being handed out is settled, and not in the middle of what the
    stream has ready behind that."""
    narrow = Narrow()
    times = [f"2026-01-31T23:59:{number:02}.123456789Z" for number in range(5)]
    lines = [frame(b"%d\n" % number, at=time) for number, time in enumerate(times)]
    async with world(tmp_path, kept=narrow, start="beginning") as made:
        more = asyncio.Event()
        made.fake.answer(
            logs(ONE),
            [head(), lines[0], more, *lines[1:4], Fault.STALL],
            [head(), *lines, Fault.STALL],
        )
        made.fake.containers[ONE] = {"name": "web", "running": True}
        made.fake.emit("start", ONE, name="web")
        await made.until(lambda: made.series("web"))
        more.set()
        await asyncio.sleep(0.1)  # the next lines are in the stream's buffer
        made.source.change(FollowOptions(selects=lambda one: False, start="beginning"))
        narrow.room.release()
        await made.until(lambda: made.lines(ONE))
        await made.looks_twice()
        made.source.change(FollowOptions(start="beginning"))
        for _ in lines:
            narrow.room.release()
        await made.until(lambda: len(made.lines(ONE)) >= len(lines))
        assert made.lines(ONE) == [b"%d" % number for number in range(len(lines))]


async def test_a_container_of_which_nothing_is_read_has_no_series(tmp_path: Path) -> None:
    async with world(tmp_path, takes=("stats",)) as made:
        made.fake.containers[ONE] = {"name": "web", "running": True}
        made.fake.emit("start", ONE, name="web")
        await made.until(lambda: ONE in made.source.followed)
        await made.looks_twice()
        assert made.series("web") is None


async def test_the_series_of_a_name_go_when_it_changes_while_the_container_is_left_out(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as made:
        made.fake.answer(logs(ONE), [head(), frame(b"one\n"), Fault.STALL])
        made.fake.containers[ONE] = {"name": "web", "running": True}
        made.fake.emit("start", ONE, name="web")
        await made.until(lambda: made.series("web"))
        made.source.change(FollowOptions(selects=lambda one: one.name != "web"))
        await made.until(lambda: ONE not in made.source.followed)
        made.fake.containers[ONE]["name"] = "other"
        made.fake.emit("rename", ONE, name="other", oldName="/web")
        await made.until(lambda: ONE in made.source.followed)
        assert made.series("web") is None
