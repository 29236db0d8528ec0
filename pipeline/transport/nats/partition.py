"""One partition of a stream, read by this process for as long as it is to.

Messages of an ordered partition come to one process at a time, to whom the server has pinned the
consumer. What was delivered before that, to another or over another connection, comes first: it is
acknowledged by whoever has it, or the server delivers it again, which it does in no order (it looks
at each message's own time), and with new ones in between. So nothing of that is handed on until all
of it is here or acknowledged, see `_gather`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from pipeline.transport.nats.durables import Durables
from pipeline.transport.nats.pull import Delivered, Interrupted, Puller
from pipeline.transport.nats.unacknowledged import Unacknowledged

log = logging.getLogger(__name__)

PATIENCE: Final = 3.0
"""Multiple of `ack_wait` in which the server must have redelivered what nobody has any more."""
PAUSE: Final = 0.02
"""Seconds to wait after a pull without messages, which the server may answer at once."""
AGAIN: Final = 0.25
"""Seconds to wait before a consumer is looked at that could not be read on."""


class Partition:
    """Reads one partition. `run` is called once."""

    def __init__(
        self,
        number: int,
        durables: Durables,
        unacknowledged: Unacknowledged,
        place: Callable[[Delivered], Awaitable[None]],
        *,
        ordered: bool,
        batch: int,
        in_flight: int,
        size: Callable[[], int],
        claimed: Callable[[int], bool],
        pin: str = "",
    ) -> None:
        """`place` takes a message, in order, and returns when there is room for more. `batch`
        messages and `size()` bytes are requested at a time. At most about `in_flight` bytes are
        held while what came before is gathered. `claimed` tells whether another process, alive,
        says that it has messages of a partition. `pin` is what the server called this process
        over the connection before."""
        self.number = number
        self.wanted = True
        """Whether this process is to read it. What it has is finished if not, and the partition is
        released."""
        self.standing_by = True
        """Whether another process may be reading it."""
        self._durables = durables
        self._unacknowledged = unacknowledged
        self._place = place
        self._ordered = ordered
        self._batch = batch
        self._in_flight = in_flight
        self._size = size
        self._claimed = claimed
        self._reading = True
        """Whether messages that come are to be taken."""
        self._came = False
        """Whether a message has come since the consumer was looked at."""
        self._came_again = False
        """Whether one of the last pull was delivered before."""
        self._puller = Puller(
            durables.jetstream,
            durables.wanted(number).stream,
            durables.wanted(number).name,
            self._note,
            pinned=ordered,
        )
        self._puller.pin = pin

    @property
    def pin(self) -> str:
        """What the server calls this process, if the consumer is pinned to it."""
        return self._puller.pin

    @property
    def pending(self) -> int | None:
        """Messages that nobody was given yet, when the last message came; None if not known."""
        return self._puller.pending

    @property
    def expires(self) -> float:
        """Seconds that a pull waits for messages."""
        return self._puller.expires

    @expires.setter
    def expires(self, seconds: float) -> None:
        self._puller.expires = seconds

    async def run(self) -> None:
        """Reads until it is not wanted any more, and all that came is settled. Raises
        `Unavailable`."""
        await self._puller.open()
        while self.wanted:
            self._reading = True
            while self.wanted:
                try:
                    await self._read()
                except Interrupted as why:
                    self._durables.interrupted(str(why))
                    await self._give_back()
                    await asyncio.sleep(AGAIN)
            self._reading = False
            await self._give_back()
            await self._unacknowledged.none(self.number)
        self.standing_by = True
        await self.release()
        await self._puller.close()
        self._unacknowledged.forget_waiting(self.number)

    async def over(self) -> None:
        """Waits until the pull under way has ended."""
        await self._puller.over()

    async def release(self) -> None:
        """Has the server give the next messages to another process. Raises `Unavailable`."""
        if self._puller.pin:
            self._puller.pin = ""
            await self._durables.unpin(self.number)

    async def keep_pin(self, age: float) -> None:
        """Sees to it that the consumer stays pinned while nothing is requested, by saying so if
        the last pull was `age` seconds ago. Raises `Unavailable`."""
        await self._puller.keep_pin(age)

    # ------------------------------------------------------------------------------ reading

    async def _read(self) -> None:
        """Reads until it is not wanted any more. Raises `Interrupted` where the consumer is to be
        looked at anew."""
        consumer = await self._durables.within_the_stream(self.number)
        self._puller.pending = consumer.waiting
        if self._ordered:
            self.standing_by = consumer.pin not in ("", self._puller.pin)
            for old in await self._gather():
                await self._place(old)
        self.standing_by = False
        while self.wanted:
            brought = await self._pull(self._batch)
            if not brought and not self._puller.too_large:
                await asyncio.sleep(PAUSE)

    async def _pull(self, messages: int, into: list[Delivered] | None = None) -> int:
        """How many messages one pull brings, which are placed, or gathered."""
        # A message larger than a pull's limit in bytes needs a pull of one message, without limit.
        await self._puller.pull(1 if self._puller.too_large else messages, self._size())
        brought = 0
        while (delivered := await self._puller.next()) is not None:
            brought += 1
            if into is None:
                await self._place(delivered)
            else:
                into.append(delivered)
        return brought

    def _note(self, delivered: Delivered) -> bool:
        if not self._reading:  # too late: it comes again, to whoever reads then
            return False
        self._came = True
        self._came_again = self._came_again or delivered.attempts > 1
        return self._unacknowledged.came(delivered, self.number)

    async def _give_back(self) -> None:
        """Has the server deliver again what was not placed."""
        self._puller.drop()
        await self._unacknowledged.give_back(self.number)

    async def _gather(self) -> list[Delivered]:
        """The first messages since the consumer is pinned to us, in order: all that was delivered
        before and is not acknowledged, and new ones that came in between.

        Ends when the server waits for no acknowledgement but ours. While some are missing that
        are not due yet, one message is requested now and then, which may be a new one. Also ends
        when `in_flight` bytes have come, or when nothing happens for `PATIENCE` and no other
        process says that it has the rest.
        """
        found: list[Delivered] = []
        self._came = False
        await self._find(found)
        if not self.wanted:
            await self._give_back()
            return []
        return sorted(found, key=lambda one: one.sequence)

    async def _find(self, found: list[Delivered]) -> None:
        loop = asyncio.get_running_loop()
        since, missing, messages, pause = loop.time(), 0, 1, PAUSE
        while self.wanted and sum(len(one.body) for one in found) < self._in_flight:
            self._came_again = False
            await self._pull(messages, found)
            if not self._came:
                await self._stand_by()
                continue
            consumer = await self._durables.look(self.number)
            self._puller.pin = self._puller.pin or consumer.pin
            self.standing_by = False
            before, missing = missing, consumer.pending - self._unacknowledged.count(self.number)
            if missing <= 0:
                return
            if self._came_again:
                since, messages, pause = loop.time(), min(missing, self._batch), PAUSE
                continue
            if missing != before or self._claimed(self.number):
                since = loop.time()
            if loop.time() - since > PATIENCE * consumer.ack_wait:
                log.warning(
                    "%s: %d messages were delivered to nobody who is there, and do not come "
                    "again; reading on",
                    *(self._durables.wanted(self.number), missing),
                )
                return
            messages, pause = 1, min(2 * pause, consumer.ack_wait / 4)
            await asyncio.sleep(pause)

    async def _stand_by(self) -> None:
        """After a pull that brought nothing: looks whether another process still reads."""
        if self.standing_by:
            consumer = await self._durables.look(self.number)
            self.standing_by = consumer.pin not in ("", self._puller.pin)
            self._puller.pending = consumer.waiting
        await asyncio.sleep(PAUSE)
