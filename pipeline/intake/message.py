"""One message that a source has taken, until it is settled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Message:
    """See `component.Taken`."""

    __slots__ = ("_call", "_ended", "_has_room", "_outcome", "_parts", "_placing", "size")

    def __init__(
        self, size: int, has_room: Callable[[], Awaitable[None]], ended: Callable[[Message], None]
    ) -> None:
        """`has_room` waits until more may be taken, `ended` is told when it is settled or given
        up. Born held once, by whoever hands out its parts."""
        self.size = size
        self._parts = 1
        self._placing: list[asyncio.Task[None]] = []
        self._outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._has_room = has_room
        self._ended = ended
        self._call: Callable[[bool], object] | None = None

    def hold(self) -> None:
        """One more part of it is on its way."""
        self._parts += 1

    def settle(self) -> None:
        """One of the parts has arrived wherever it was to."""
        self._parts -= 1
        if not self._parts:
            self._end(settled=True)

    def give_up(self) -> None:
        """It will not be settled in this process."""
        self._end(settled=False)

    def _end(self, *, settled: bool) -> None:
        if not self._outcome.done():
            self._outcome.set_result(settled)
            self._ended(self)
            if self._call is not None:
                self._call(settled)

    def when_settled(self, call: Callable[[bool], object]) -> None:
        if self._outcome.done():
            call(self._outcome.result())
        else:
            self._call = call

    def wait_for(self, placing: asyncio.Task[None]) -> None:
        """A task that waits for room for some of it."""
        self._placing.append(placing)

    def done(self) -> bool:
        return self._outcome.done()

    @property
    def is_settled(self) -> bool:
        """Whether it is, and was not given up."""
        return self._outcome.done() and self._outcome.result()

    async def placed(self) -> None:
        if self._placing:
            await asyncio.wait(self._placing)
            self._placing.clear()
        await self._has_room()

    async def settled(self) -> bool:
        if not self._outcome.done():
            await asyncio.wait([self._outcome])
        return self._outcome.result()
