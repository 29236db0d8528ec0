"""A sink with its buffer and its dead letters: what is counted, settled and shown."""

from __future__ import annotations

import asyncio
import json
import logging
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from pipeline.accounting.acks import AckTracker
from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import Ledger
from pipeline.model.component import BufferConfig, Duration, RetryConfig, SinkContext, Size
from pipeline.model.metrics import Metrics
from pipeline.sinks.console import Config
from pipeline.sinks.syslog import Config as SyslogConfig
from pipeline.testing.builders import batch
from pipeline.testing.receivers import SyslogReceiver
from pipeline.topology.output import Output, OutputGauges
from pipeline.topology.tap import Choice, Tap
from tests.servers.ports import free_port
from tests.suite.waiting import until

ROOM = 2**16


class Made:
    """An outlet that nobody empties, and what is counted."""

    def __init__(self, policy: Any = "block", name: str = "out") -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.ledger = Ledger()
        self.tap = Tap()
        buffer = BufferConfig(memory=Size(ROOM), when_full=policy)
        self.output = Output(
            Config(type="console", buffer=buffer),
            SinkContext(name),
            self.metrics,
            self.ledger,
            tap=self.tap,
        )
        self.metrics.registry.register(OutputGauges([self.output]))
        self.moved: list[int] = []
        self.tracker: AckTracker[int] = AckTracker(self.moved.append)

    def envelope(self, number: int, size: int = 40_000) -> Envelope:
        return Envelope(batch("x" * size, start=number), ack=self.tracker.open(number))

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"dockline_{name}", {"sink": "out", **labels})


@pytest.fixture
def made() -> Made:
    return Made()


@pytest.fixture
def dropping() -> Made:
    return Made("drop_newest")


@pytest.fixture
def letters() -> Made:
    return Made(name="letters")


async def test_what_waits_in_the_buffer_and_what_waits_for_room_in_it_is_shown(made: Made) -> None:
    assert made.output.offer(made.envelope(1))
    task = asyncio.ensure_future(made.output.put(made.envelope(2)))  # noqa: TID251
    await asyncio.sleep(0)
    assert made.value("buffer_entries", kind="memory") == 1
    assert made.value("buffer_bytes", kind="memory") == 41_120
    assert made.value("buffer_limit_bytes", kind="memory") == ROOM
    assert made.value("blocked_entries") == 1
    task.cancel()


@pytest.mark.parametrize(("policy", "kept"), [("drop_newest", 1), ("drop_oldest", 2)])
def test_what_the_policy_drops_is_counted_and_settled(policy: str, kept: int) -> None:
    made = Made(policy)
    for number in (1, 2):
        assert made.output.offer(made.envelope(number))
    assert made.value("dropped_entries_total", reason=policy) == 1
    assert made.value("buffer_entries", kind="memory") == 1
    (left,) = made.output.buffer._waiting
    assert left.batch.sequences[0] == kept
    left.ack.settle()
    assert made.moved[-1] == 2
    assert len(made.tracker) == 0


def test_what_is_dropped_is_said_and_not_with_every_batch(
    dropping: Made, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(4):  # the first has room
        dropping.output.offer(dropping.envelope(number))
    assert caplog.messages == ["sink out: entries dropped: 1 (drop_newest)"]
    dropping.output._drops._silent_until = 0
    dropping.output.offer(dropping.envelope(4))
    assert caplog.messages[1:] == ["sink out: entries dropped: 3 (drop_newest)"]


async def test_who_looks_sees_what_the_policy_drops_what_a_disk_loses_and_dead_letters(
    dropping: Made, letters: Made
) -> None:
    made = dropping
    lost, passed = made.tap.open(Choice(dropped=True)), letters.tap.open(Choice(sinks=["letters"]))
    for number in (1, 2):
        made.output.offer(made.envelope(number))
    made.output._lose(9, "damaged")
    first, second = map(json.loads, lost.read().splitlines())
    assert (first["dropped"], first["entry"]["event"]["sequence"]) == ("drop_newest", 2)
    assert (second["dropped"], second["entries"]) == ("damaged", 9)
    made.output.dead_letter = letters.output
    await made.output._bury(Envelope(batch("a")), "too old")
    [letter] = map(json.loads, passed.read().splitlines())
    assert letter["entry"]["dead_letter"] == {"sink": "out", "reason": "too old"}


async def test_a_dead_letter_holds_the_entry_until_it_is_delivered_there(
    made: Made, letters: Made
) -> None:
    made.output.dead_letter = letters.output
    refused = made.envelope(1)
    assert await made.output._bury(refused, "too old")
    refused.ack.settle()
    assert made.moved == []
    (letter,) = letters.output.buffer._waiting
    assert letter.batch.fields == [{"dead_letter": {"sink": "out", "reason": "too old"}}]
    letter.ack.settle()
    assert made.moved == [1]


async def test_a_dead_letter_without_room_in_time_is_refused_and_settled(
    made: Made, letters: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.topology.output.PATIENCE", 0.01)
    made.output.dead_letter = letters.output
    assert letters.output.offer(letters.envelope(0))
    refused = made.envelope(1)
    assert not await made.output._bury(refused, "too old")
    refused.ack.settle()
    assert made.moved == [1]


def test_no_name_of_a_sink_leads_its_spool_out_of_the_state_directory(tmp_path: Path) -> None:
    buffer = BufferConfig(disk=Size(2**20))
    config = Config(type="console", buffer=buffer)
    output = Output(
        config, SinkContext("../../x"), Metrics(CollectorRegistry()), Ledger(), tmp_path
    )
    assert output.spool is not None
    assert output.spool.disk.folder.resolve().parent == (tmp_path / "spools").resolve()


async def test_after_one_dead_letter_has_waited_in_vain_no_other_waits_until_there_is_room(
    made: Made, letters: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.output.dead_letter = letters.output
    assert letters.output.offer(letters.envelope(0))
    monkeypatch.setattr("pipeline.topology.output.PATIENCE", 0.01)
    assert not await made.output._bury(made.envelope(1), "too old")
    monkeypatch.setattr("pipeline.topology.output.PATIENCE", 1000.0)
    assert not await made.output._bury(made.envelope(2), "too old")
    (taken,) = await letters.output.buffer.take(1, 1, 0)
    letters.output.buffer.release(taken)
    assert await made.output._bury(made.envelope(3), "too old")
    assert letters.output._letters_wait


async def test_a_dead_letter_that_waits_for_room_when_all_ends_is_on_nobodys_account(
    made: Made, letters: Made
) -> None:
    made.output.dead_letter = letters.output
    assert letters.output.offer(letters.envelope(0))
    container_account = made.ledger.container("1", "api")
    refused = Envelope(batch("x" * 40_000), container_account.route("logs", "r").sink("out"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await made.output._bury(refused, "too old")
    assert [account.open for account in container_account.accounts] == [0, 0]


def at(port: int) -> SyslogConfig:
    """A sink whose destination is there."""
    retry = RetryConfig(initial=Duration(0.01), max=Duration(0.01))
    return SyslogConfig(type="syslog", address=f"tcp://127.0.0.1:{port}", retry=retry)


@pytest.mark.parametrize("there", [True, False])
async def test_who_takes_over_from_a_sink_in_trouble_delivers_on_whatever_trouble_he_has(
    there: bool,
) -> None:
    make = partial(Output, at(1), SinkContext("out"), Metrics(CollectorRegistry()), Ledger())
    output = await asyncio.to_thread(make)

    async def replace(port: int) -> None:
        successor = await asyncio.to_thread(output.successor, at(port))
        await output.replace(at(port), successor, patience=0.3)
        await asyncio.sleep(0.3)

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(output.run(), name="out")
        output.offer(Envelope(batch("one")))
        while not output.delivery.problem:
            await asyncio.sleep(0.01)
        with SyslogReceiver() as receiver:
            if not there:
                await replace(2)
                assert not running.done()
            await replace(receiver.port)
            output.offer(Envelope(batch("two")))
            output.buffer.close()
            async with asyncio.timeout(60):
                await running
    assert output.buffer.entries == 0


async def test_an_outage_tells_what_waited_and_what_the_policy_has_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "pipeline")
    port, made = free_port(), await asyncio.to_thread(Made)
    buffer = BufferConfig(memory=Size(ROOM), when_full="drop_newest")
    config = msgspec.structs.replace(at(port), buffer=buffer)
    make = partial(Output, config, SinkContext("out"), made.metrics, made.ledger)
    output = await asyncio.to_thread(make)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(output.run(), name="out")
        assert output.offer(made.envelope(1))
        await until(lambda: output.delivery.problem)
        assert output.offer(made.envelope(2))  # the policy drops it
        server = await asyncio.start_server(_swallow, "127.0.0.1", port)
        async with server:
            await until(lambda: output.delivery.problem is None)
            output.buffer.close()
    [back] = [one for one in caplog.messages if "back to normal" in one]
    assert back.endswith(": 1 entry waited and is sent now, 1 was dropped (drop_newest)")


async def _swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass
    writer.close()
