"""The messages of a stream that were delivered to us and are not acknowledged."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator

from pipeline.model.component import Taken
from pipeline.transport.nats.connection import NatsConnection
from pipeline.transport.nats.pull import ACK, NAK, PROGRESS, TERM, Delivered


class Pending:
    """A message that was delivered, and is not acknowledged."""

    __slots__ = ("delivered", "outcome", "partition", "taken")

    def __init__(self, delivered: Delivered, partition: int) -> None:
        self.delivered = delivered
        """As it was delivered last."""
        self.partition = partition
        self.taken: Taken | None = None
        self.outcome: bool | None = None
        """Whether it is settled; None while that is open."""


class Unacknowledged:
    """The messages that one process has. They are known over reconnections: one that comes again is
    not taken again."""

    def __init__(self, nats: NatsConnection) -> None:
        self._nats = nats
        self._all: dict[int, Pending] = {}
        """By place in the stream."""
        self._to_say: list[tuple[int, str, bytes]] = []
        """Answers that are to be sent: of which message, where, what."""
        self._news = asyncio.Event()
        self._counts: Counter[int] = Counter()
        """How many there are of each partition that has any."""
        self._none: dict[int, asyncio.Event] = {}

    def __iter__(self) -> Iterator[Pending]:
        yield from list(self._all.values())

    def count(self, partition: int) -> int:
        """How many there are of a partition."""
        return self._counts[partition]

    @property
    def partitions(self) -> Collection[int]:
        """Those of which there are any."""
        return self._counts.keys()

    async def none(self, partition: int) -> None:
        """Waits until all that came of a partition is acknowledged or forgotten."""
        while partition in self._counts:
            await self._none.setdefault(partition, asyncio.Event()).wait()

    def came(self, delivered: Delivered, partition: int) -> bool:
        """Notes that a message was delivered. Whether it is new, and to be taken."""
        known = self._all.get(delivered.sequence)
        if known is None or known.delivered.time != delivered.time:  # that of another stream
            self._remove(delivered.sequence)
            self._all[delivered.sequence] = Pending(delivered, partition)
            self._counts[partition] += 1
            return True
        known.delivered = delivered
        if known.outcome:  # its acknowledgement was lost
            self._say(known, ACK)
        return False

    def of(self, delivered: Delivered) -> Pending | None:
        """What is known of a message; None where it was acknowledged or forgotten meanwhile."""
        one = self._all.get(delivered.sequence)
        return one if one is not None and one.delivered.time == delivered.time else None

    def take(self, one: Pending, taken: Taken) -> None:
        """Notes that a message is on its way to the sinks; it is acknowledged when `taken` is
        settled."""
        one.taken = taken
        one.delivered.body = b""

        def settled(outcome: bool) -> None:
            one.outcome = outcome
            if outcome:
                self._say(one, ACK)

        taken.when_settled(settled)

    def end(self, one: Pending) -> None:
        """Has the server not deliver a message again, as it makes no sense."""
        one.outcome = True
        self._say(one, TERM)

    def forget_waiting(self, partition: int | None = None) -> None:
        """Forgets the messages that were not taken, of one partition or of all: they are taken when
        they come again, here or elsewhere."""
        for place, one in list(self._all.items()):
            if one.taken is None and partition in (None, one.partition):
                self._remove(place)

    async def give_back(self, partition: int) -> None:
        """Has the server deliver again, in order, the messages of a partition that were not taken,
        and forgets them. Raises `Unavailable`."""
        waiting = [
            place
            for place, one in self._all.items()
            if one.taken is None and one.outcome is None and one.partition == partition
        ]
        for place in sorted(waiting):
            await self._return(place)

    async def _return(self, place: int) -> None:
        if (one := self._all.get(place)) is not None:
            self._remove(place)
            await self._nats.publish(one.delivered.reply, NAK)

    def _remove(self, place: int) -> None:
        one = self._all.pop(place, None)
        if one is None:
            return
        self._counts[one.partition] -= 1
        if not self._counts[one.partition]:
            del self._counts[one.partition]
            if (none := self._none.pop(one.partition, None)) is not None:
                none.set()

    # ------------------------------------------------------------------------------ answers

    def reconnected(self) -> None:
        """What was to be said over the connection before is said over this one."""
        self._to_say.clear()
        for one in self:
            if one.outcome:
                self._say(one, ACK)

    async def answer(self) -> None:
        """Sends what is to be said, until it is cancelled. An acknowledgement that is lost on the
        way is repeated when the message comes again. Raises `Unavailable`."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self._say_all()

    async def keep(self, every: float) -> None:
        """Tells the server that what it waits for is worked on, until it is cancelled. Raises
        `Unavailable`."""
        while True:
            await asyncio.sleep(every)
            for one in self:
                if one.outcome is None:
                    await self._nats.publish(one.delivered.reply, PROGRESS)

    async def finish(self) -> None:
        """Waits until all that was taken is settled or given up, and says so. The rest is given
        back, in order, so that it comes again in order. Raises `Unavailable`."""
        for one in self:
            if one.taken is not None:
                await one.taken.settled()
        await self._say_all()
        for place in sorted(self._all):
            await self._return(place)

    def _say(self, one: Pending, answer: bytes) -> None:
        self._to_say.append((one.delivered.sequence, one.delivered.reply, answer))
        self._news.set()

    async def _say_all(self) -> None:
        to_say, self._to_say = self._to_say, []
        for place, reply, answer in to_say:
            await self._nats.publish(reply, answer)
            self._remove(place)
