"""Sources as an agent runs them: beginning, trouble, changes and the end."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from pipeline.accounting.ledger import Ledger
from pipeline.intake import runner
from pipeline.intake.runner import SourceGauges
from pipeline.intake.runners import SourceRunners
from pipeline.model import registry
from pipeline.model.component import Source
from pipeline.model.errors import Unavailable
from pipeline.model.metrics import Metrics
from pipeline.testing.intake_room import Sink, until
from pipeline.topology import Route, Router
from tests.intake.lines import Config, Lines, Peer
from tests.servers.ports import free_port
from tests.suite.waiting import pass_time


@pytest.fixture(autouse=True)
def sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "implementation", lambda kind, name: Lines)
    monkeypatch.setattr(runner, "FIRST_WAIT", 0.01)


class Fixture:
    def __init__(self) -> None:
        self.sink = Sink("out")
        self.metrics = Metrics(CollectorRegistry())
        route = Route("all", frozenset({"logs"}), lambda container: True, [], [self.sink])
        self.router = Router([route], self.metrics, Ledger())
        self.runners = SourceRunners(self.router, self.metrics, "host")
        self.metrics.registry.register(SourceGauges(self.runners))

    def apply(self, **sources: Config) -> Any:
        change = self.runners.plan(sources)
        self.runners.apply(change)
        return change

    def value(self, name: str, source: str = "a") -> float | None:
        return self.metrics.registry.get_sample_value(f"dockline_{name}", {"source": source})

    async def connect(self, name: str = "a") -> Peer:
        one = self.runners.named[name]
        await until(lambda: one.is_open)
        assert isinstance(one.source, Lines)
        return await Peer(one.source).connect()


@asynccontextmanager
async def running(**sources: Config) -> AsyncIterator[Fixture]:
    it = Fixture()
    it.apply(**sources)
    async with asyncio.TaskGroup() as tasks:
        flushing = tasks.create_task(it.router.flusher.run(), name="flusher")
        it.runners.start(tasks)
        yield it
        it.runners.stop()
        await it.runners.placed()
        await it.runners.finish()
        flushing.cancel()


ANY = Config(type="lines")


async def test_sources_run_side_by_side_and_say_how_they_are() -> None:
    async with running(a=ANY, b=ANY) as it:
        assert it.runners.not_ready() == [
            "source a: it is not open yet",
            "source b: it is not open yet",
        ]
        for name in ("a", "b"):
            peer = await it.connect(name)
            await peer.send(name.encode(), b"two")
            await peer.close()
        await until(lambda: len(it.sink.lines) == 4)
        assert it.runners.not_ready() == []
        assert it.value("source_taken_messages_total") == 1
        assert it.value("source_taken_entries_total", "b") == 2
        assert it.value("source_settled_messages_total") == 1
        assert it.value("source_up") == 1 and it.value("source_containers") == 1
        (first, second) = it.runners.now()
        assert (first.name, first.messages, first.entries, second.type) == ("a", 1, 2, "lines")
        assert all(not part.unaccounted for part in it.runners.parts())


async def test_one_that_cannot_be_opened_is_tried_again_and_does_not_hold_up_others() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        context = running(a=Config(type="lines", port=port), b=ANY)
        it = await context.__aenter__()
        await until(lambda: it.runners.named["a"].intake.problem)
        (line,) = (line for line in it.runners.not_ready() if "source a" in line)
        assert "in use" in line
        await (await it.connect("b")).close()
        assert it.value("source_up") == 0
    await (await it.connect("a")).close()
    assert it.runners.not_ready() == []
    assert (it.value("source_restarts_total") or 0) >= 1
    await context.__aexit__(None, None, None)


async def test_one_that_fails_while_it_runs_is_opened_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    whole, failures = (
        Lines.run,
        [Unavailable("the server is away"), ValueError("a bug at x://me:it@h")],
    )

    async def fail(self: Lines, intake: Any) -> None:
        if failures:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_raise(failures.pop(0)), name="fails")
        await whole(self, intake)

    monkeypatch.setattr(Lines, "run", fail)
    async with running(a=ANY) as it:
        source: Source = it.runners.named["a"].source
        assert isinstance(source, Lines)
        await until(lambda: source.opened == 3)
        peer = await it.connect()
        await peer.send(b"works")
        await until(lambda: it.sink.lines == [b"works"])
        await peer.close()
    assert "source a: the server is away; retrying" in caplog.text
    assert "a bug" in caplog.text and "back to normal" in caplog.text
    assert "me:it" not in caplog.text


async def _raise(error: Exception) -> None:
    raise error


async def test_one_that_cannot_be_opened_keeps_nobody_from_stopping() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        async with running(a=Config(type="lines", port=taken.getsockname()[1])) as it:
            await until(lambda: it.runners.named["a"].intake.problem)


async def test_a_change_goes_on_with_the_same_address_and_what_is_gone_is_forgotten() -> None:
    port = free_port()
    async with running(a=Free(type="lines", port=port, fields={}), b=ANY, c=ANY) as it:
        await (await it.connect("a")).close()
        staying = it.runners.named["b"]
        change = it.apply(a=Config(type="lines", port=port), b=ANY, d=ANY)
        await it.runners.complete_change(change, 5)
        assert it.runners.named["b"] is staying
        peer = await it.connect("a")
        assert it.runners.named["a"].source.port == port  # type: ignore[attr-defined]
        await peer.send(b"after")
        await until(lambda: it.sink.lines == [b"after"])
        await peer.close()
        await (await it.connect("d")).close()
        assert it.value("source_taken_messages_total", "c") is None
        assert it.value("source_taken_messages_total", "a") == 1


async def test_a_source_that_is_removed_answers_what_its_sinks_settle_in_time() -> None:
    async with running(a=ANY, b=ANY) as it:
        it.sink.settles = False
        peer, other = await it.connect("a"), await it.connect("b")
        await peer.send(b"in time")
        await other.send(b"never")
        await until(lambda: it.sink.held == 2)
        change = it.apply()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(it.runners.complete_change(change, 600.0), name="reload")
            await asyncio.sleep(0.1)
            await _settle(it.sink, b"in time")
            while not await peer.answered():
                pass
            pass_time(600.0)
        assert await peer.answered() == 1
        assert await other.answered() == 0
        assert list(it.runners) == []
        await peer.close()
        await other.close()


async def test_a_stop_in_the_middle_of_a_change_ends_all_of_them() -> None:
    async with running(a=ANY) as it:
        it.sink.settles = False
        peer = await it.connect("a")
        await peer.send(b"never")
        await until(lambda: it.sink.held == 1)
        change = it.apply(b=ANY)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await it.runners.complete_change(change, 30)
        await peer.close()


async def test_routes_that_are_changed_count_for_sources_too() -> None:
    async with running(a=ANY) as it:
        peer, other = await it.connect(), Sink("other")
        await peer.send(b"before")
        await until(lambda: it.sink.lines == [b"before"])
        route = Route("new", frozenset({"a"}), lambda container: True, [], [other])
        it.router.change([route], it.router._labels)
        it.runners.rebind()
        await peer.send(b"after")
        await until(lambda: other.lines == [b"after"])
        assert it.sink.lines == [b"before"]
        await peer.close()


async def _settle(sink: Sink, line: bytes) -> None:
    (envelope,) = (one for one in sink._owed if one.batch.lines == [line])
    sink._owed.remove(envelope)
    envelope.ack.settle()
    await asyncio.sleep(0.05)


class Free(Config, frozen=True, kw_only=True):
    fields: dict[str, Any]


async def test_a_value_of_another_type_that_is_equal_to_python_changes_a_source() -> None:
    async with running(a=Free(type="lines", fields={"x": 1})) as it:
        assert not it.runners.plan({"a": Free(type="lines", fields={"x": 1})}).added
        assert it.runners.plan({"a": Free(type="lines", fields={"x": True})}).added
