"""`SourceKit`: tests that every configured source must pass. A source's own test class inherits
them.

    class TestForward(SourceKit):
        complaint = "address is in use"
        rubbish = (b"\xc1", b"\xdf\xff\xff\xff\xff")

        @pytest.fixture
        def source(self): ...                # not open

        @pytest.fixture
        def connect(self, source): ...       # makes a `Peer` of it, once it is open

        @pytest.fixture
        def unusable(self): ...              # cannot be opened

Whether messages are understood is tested by the source's own tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import ClassVar, Protocol

import pytest

from pipeline.model.component import Source
from pipeline.model.errors import DocklineError, Unavailable
from pipeline.testing.intake_room import room, until
from pipeline.testing.leaks import unchanged

_PAUSES = (*[0.0] * 6, 0.001, 0.005, 0.02, 0.1)
"""Seconds after which an operation is cancelled. A zero means after some turns of the event
loop."""


class Peer(Protocol):
    """A client that sends to the source."""

    async def send(self, *lines: bytes) -> None:
        """Sends one message, without waiting for its answer. May wait if the source doesn't read.

        Its entries are of one container, the same for all messages.
        """

    async def send_rubbish(self, data: bytes) -> None:
        """Sends `data` as a message; on another connection if it would end this one."""

    async def answered(self) -> int:
        """How many messages the source has confirmed by now."""

    async def close(self) -> None: ...


Connect = Callable[[], Awaitable[Peer]]
"""Makes a peer of the source under test, which is open."""


class SourceKit:
    """Inherit from it in the test of a source. Define the fixtures `source`, `connect` and
    `unusable`, and the attributes below."""

    complaint: ClassVar[str]
    """A part of the error message for `unusable`."""
    answers: ClassVar[bool] = True
    """Whether the protocol has answers at all."""
    rubbish: ClassVar[Sequence[bytes]] = ()
    """Invalid messages. Each is refused and counted."""

    async def _has_answered(self, peer: Peer, count: int) -> None:
        if not self.answers:
            return

        async def all_are() -> bool:
            return await peer.answered() >= count

        await until(all_are)
        assert await peer.answered() == count

    async def _has_not_answered(self, peer: Peer, count: int = 0) -> None:
        """Checks that no more than `count` messages were answered, after a moment."""
        await asyncio.sleep(0.1)
        if self.answers:
            assert await peer.answered() <= count

    # -- answers -------------------------------------------------------------------------------

    async def test_a_message_is_answered_when_every_sink_has_it(
        self, source: Source, connect: Connect
    ) -> None:
        async with room(source, sinks=2) as one:
            first, second = one.sinks
            first.settles = second.settles = False
            peer = await connect()
            await peer.send(b"one", b"two")
            await until(lambda: first.held == second.held == 2)
            await self._has_not_answered(peer)
            first.settle()
            await self._has_not_answered(peer)
            second.settle()
            await self._has_answered(peer, 1)
            assert first.lines == second.lines == [b"one", b"two"]
            await peer.close()

    async def test_entries_of_a_container_are_numbered_and_stay_in_order(
        self, source: Source, connect: Connect
    ) -> None:
        async with room(source) as one:
            peer, (sink,) = await connect(), one.sinks
            for number in range(20):
                await peer.send(b"%d" % number, b"%d and a half" % number)
            await until(lambda: len(sink.lines) == 40)
            assert sink.lines[::2] == [b"%d" % number for number in range(20)]
            numbers = [number for batch in sink.batches for number in batch.sequences]
            assert numbers == sorted(set(numbers))
            assert len({batch.container for batch in sink.batches}) == 1
            await self._has_answered(peer, 20)
            assert one.intake.settled == one.intake.taken
            await peer.close()

    async def test_a_sink_that_is_stuck_stops_the_peer_and_nothing_is_answered(
        self, source: Source, connect: Connect
    ) -> None:
        limit, line = 1 << 16, b"x" * 1000
        async with room(source, limit=limit) as one:
            peer, (sink,) = await connect(), one.sinks
            sink.shut()

            async def send() -> None:
                for number in range(500):
                    await peer.send(b"%d " % number + line)

            sending = asyncio.create_task(send(), name="peer")  # noqa: TID251 - ended below
            await until(lambda: one.intake.taken)
            seen = -1
            while seen != one.intake.taken:  # until it takes no more
                seen = one.intake.taken
                await asyncio.sleep(0.2)
            assert one.intake.bytes <= limit + 2 * 2**20, "bounded by what one read can bring"
            await self._has_not_answered(peer)
            assert sink.lines == []
            sink.settle()
            await asyncio.wait([sending])
            await sending
            if self.answers:
                await until(lambda: len(sink.lines) == 500)
                assert sink.lines == [b"%d " % number + line for number in range(500)]
                await self._has_answered(peer, 500)
            await peer.close()

    async def test_a_stop_answers_what_is_settled_and_leaves_the_rest(
        self, source: Source, connect: Connect
    ) -> None:
        async with room(source) as one:
            peer, (sink,) = await connect(), one.sinks
            await peer.send(b"settled")
            await self._has_answered(peer, 1)
            await until(lambda: one.intake.settled == 1)
            sink.settles = False
            await peer.send(b"late")
            await peer.send(b"never")
            await until(lambda: sink.held == 2)
            one.intake.stop()
            await asyncio.sleep(0.05)
            if len(sink.settle_one()) == 1:
                await self._has_answered(peer, 2)
            await one.stop()
            await self._has_not_answered(peer, 2)
            await peer.close()

    async def test_a_peer_that_goes_away_leaves_what_it_has_sent(
        self, source: Source, connect: Connect
    ) -> None:
        async with room(source) as one:
            peer, (sink,) = await connect(), one.sinks
            sink.shut()
            await peer.send(b"left behind")
            await until(lambda: one.intake.taken == 1)
            await peer.close()
            await asyncio.sleep(0.05)
            sink.settle()
            await until(lambda: sink.lines == [b"left behind"])
            await until(lambda: one.intake.unsettled == 0)
            other = await connect()
            await other.send(b"another")
            await until(lambda: b"another" in sink.lines)
            await other.close()

    # -- bad peers -----------------------------------------------------------------------------

    async def test_rubbish_is_refused_and_counted_and_others_go_on(
        self, source: Source, connect: Connect
    ) -> None:
        async with room(source) as one:
            peer, (sink,) = await connect(), one.sinks
            for number, data in enumerate(self.rubbish, 1):
                await peer.send_rubbish(data)
                await until(lambda n=number: sum(one.intake.refused.values()) >= n)  # type: ignore[misc]
            good = await connect()
            await good.send(b"good")
            await until(lambda: b"good" in sink.lines)
            await good.close()
            await peer.close()
            assert not one.running.done()

    # -- opening, cancelling, closing ----------------------------------------------------------

    async def test_close_is_fine_without_open_and_more_than_once(self, source: Source) -> None:
        await source.close()
        await source.open()
        await source.close()
        await source.close()

    async def test_it_can_be_opened_again(self, source: Source, connect: Connect) -> None:
        for _ in range(2):
            async with room(source) as one:
                peer, (sink,) = await connect(), one.sinks
                await peer.send(b"works")
                await until(lambda s=sink: b"works" in s.lines)  # type: ignore[misc]
                await self._has_answered(peer, 1)
                await peer.close()

    @pytest.mark.fault(39)
    async def test_cancelling_leaks_nothing(self, source: Source, connect: Connect) -> None:
        async def run(*, cancel: float, turns: int) -> None:
            with suppress(asyncio.CancelledError, DocklineError):
                async with room(source) as one:
                    if cancel:
                        peer = await connect()
                        await peer.send(b"one")
                        await asyncio.sleep(cancel)
                        one.running.cancel()
                        await peer.close()
                    else:
                        for _ in range(turns):
                            await asyncio.sleep(0)
                        one.running.cancel()

        await run(cancel=0.1, turns=0)

        async def all_of_them() -> None:
            for turns, cancel in enumerate(_PAUSES):
                await run(cancel=cancel, turns=turns)

        await unchanged(all_of_them)

    async def test_what_cannot_be_opened_is_told_in_a_sentence(self, unusable: Source) -> None:
        async def fail() -> None:
            try:
                await unusable.open()
            except Unavailable as error:
                said = str(error)
            else:
                raise AssertionError("it should not have been opened")
            finally:
                await unusable.close()
            assert self.complaint in said
            assert "Errno" not in said and "Error" not in said and "\n" not in said

        await fail()
        await unchanged(fail)
