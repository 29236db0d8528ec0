"""`SinkKit`: tests that every sink must pass. A sink's own test class inherits them.

    class TestSyslog(SinkKit):
        complaint = "refused the connection"

        @pytest.fixture
        def sink(self, receiver): ...        # not open; its destination takes everything

        @pytest.fixture
        def unreachable(self): ...           # its destination cannot be used

Whether the right data arrives is tested by the sink's own tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

from pipeline.model.batch import Batch
from pipeline.model.component import Payload, Sink
from pipeline.model.errors import SinkError, Unavailable
from pipeline.testing.builders import batch
from pipeline.testing.hostile import hostile
from pipeline.testing.leaks import no_garbage, unchanged

_PAUSES = (*[0.0] * 8, 0.001, 0.002, 0.005, 0.02, 0.1)
"""Seconds after which an operation is cancelled. The nth zero means after n turns of the event
loop."""


class SinkKit:
    """Inherit from it in the test of a sink. Define the fixtures `sink` and `unreachable`, and
    `complaint`."""

    complaint: ClassVar[str]
    """A part of the error message for `unreachable`."""
    leaves: ClassVar[frozenset[str]] = frozenset()
    """Names of our classes, of which a library leaves one for each connection to the garbage
    collector."""

    # -- encode --------------------------------------------------------------------------------

    def test_hostile_batches_are_encoded_or_refused_one_by_one(self, sink: Sink[Any]) -> None:
        payload = sink.encode(hostile())
        expected = sum(map(len, hostile()))
        assert payload.entries + len(payload.refused) == expected
        for refused, index, reason in payload.refused:
            assert 0 <= index < len(refused) and reason

    def test_encoding_is_pure(self, sink: Sink[Any]) -> None:
        batches = hostile()
        before = [_columns(one) for one in batches]
        first, second = sink.encode(batches), sink.encode(batches)
        assert [_columns(one) for one in batches] == before, "encode changed a batch"
        assert (first.entries, first.size) == (second.entries, second.size)

    def test_nothing_is_encoded_to_nothing(self, sink: Sink[Any]) -> None:
        for batches in ([], [batch()]):
            payload = sink.encode(batches)
            assert (payload.entries, payload.size, payload.refused) == (0, 0, [])

    # -- opening and closing -------------------------------------------------------------------

    async def test_close_is_fine_without_open_and_more_than_once(self, sink: Sink[Any]) -> None:
        await sink.close()
        await sink.open()
        await sink.close()
        await sink.close()

    async def test_opening_again_drops_what_was_open(self, sink: Sink[Any]) -> None:
        await sink.open()
        await unchanged(sink.open)
        await sink.send(sink.encode([batch("again")]))
        await sink.close()

    async def test_closing_lets_go_of_everything(self, sink: Sink[Any]) -> None:
        async def use() -> None:
            await sink.open()
            await sink.send(sink.encode([batch("once")]))
            await sink.close()

        await use()
        await unchanged(use)

    # -- sending -------------------------------------------------------------------------------

    async def test_the_same_payload_can_be_sent_again(self, sink: Sink[Any]) -> None:
        payload = sink.encode([batch("one", "two"), batch("three", streams="err")])
        await sink.open()
        await sink.send(payload)
        await sink.send(payload)
        await sink.open()
        await sink.send(payload)
        await sink.close()

    async def test_what_was_sent_or_could_not_be_is_let_go_at_once(
        self, sink: Sink[Any], unreachable: Sink[Any]
    ) -> None:
        async def send(to: Sink[Any]) -> None:
            with suppress(SinkError, OSError, ExceptionGroup):
                await to.open()
                for number in range(3):
                    await to.send(to.encode([batch(f"{number}")]))

        try:
            await send(sink)  # makes what is made only once
            with no_garbage(self.leaves):
                await send(sink)
            await send(unreachable)
            with no_garbage(self.leaves):
                await send(unreachable)
        finally:
            await sink.close()
            await unreachable.close()

    async def test_hostile_batches_can_be_sent(self, sink: Sink[Any]) -> None:
        await sink.open()
        await sink.send(sink.encode(hostile()))
        await sink.close()

    async def test_cancelling_open_leaks_nothing(self, sink: Sink[Any]) -> None:
        await self._opened_once(sink)

        async def cancel() -> None:
            for turn, pause in enumerate(_PAUSES):
                await _cancelled(sink.open, turn, pause)
            await sink.close()

        await unchanged(cancel)
        await self._opened_once(sink)

    async def test_cancelling_send_leaks_nothing(self, sink: Sink[Any]) -> None:
        payload = sink.encode([batch(*["x" * 1000] * 2000)])
        await self._opened_once(sink)

        async def cancel() -> None:
            for turn, pause in enumerate(_PAUSES):
                await sink.open()
                await _cancelled(partial(sink.send, payload), turn, pause)
            await sink.close()

        await unchanged(cancel)
        await self._opened_once(sink)

    @staticmethod
    async def _opened_once(sink: Sink[Any]) -> None:
        await sink.open()
        await sink.send(sink.encode([batch("works")]))
        await sink.close()

    # -- trouble -------------------------------------------------------------------------------

    async def test_what_cannot_be_reached_is_told_in_a_sentence(
        self, unreachable: Sink[Any]
    ) -> None:
        async def fail() -> None:
            problem = await _problem(unreachable)
            assert self.complaint in problem
            assert "Errno" not in problem and "Error" not in problem and "\n" not in problem

        await fail()
        await unchanged(fail)


async def _problem(sink: Sink[Any]) -> str:
    """The message of the `Unavailable` that `open` or `send` raises."""
    payload: Payload[Any] = sink.encode([batch("one"), batch("two")])
    try:
        await sink.open()
        for _ in range(3):  # over UDP, the failure of one datagram is reported for the next
            await sink.send(payload)
    except Unavailable as error:
        return str(error)
    finally:
        await sink.close()
    raise AssertionError("the destination was expected to be unreachable")


async def _cancelled(operation: Callable[[], Awaitable[None]], turns: int, pause: float) -> None:
    async def run() -> None:
        with suppress(SinkError):  # an open of an earlier round may have been cut short
            await operation()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(run(), name="to be cancelled")
        if pause:
            await asyncio.sleep(pause)
        else:
            for _ in range(turns):
                await asyncio.sleep(0)
        task.cancel()


def _columns(one: Batch) -> tuple[Any, ...]:
    columns = list(one.lines), list(one.times), one.streams, list(one.sequences)
    return *columns, None if one.fields is None else [list(entry) for entry in one.fields]
