"""One message that a source has taken, until it is settled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class PeerMessage:
    """See `component.Taken`."""

    __slots__ = (
        "_call", "_ended", "_has_room", "_is_placed", "_is_settled", "_parts", "_placing",
        "_waiting", "size",
    )  # fmt: skip

    def __init__(
        self,
        size: int,
        has_room: Callable[[], Awaitable[None]],
        ended: Callable[[PeerMessage], None],
    ) -> None:
        """`has_room` waits until more may be taken, `ended` is told when it is settled or given
        up. Born held once, by whoever hands out its parts."""
        self.size = size
        self._parts = 1
        self._placing = 0
        """Parts that wait for room."""
        self._is_settled: bool | None = None
        """None while that is open."""
        self._is_placed: asyncio.Event | None = None
        self._waiting: asyncio.Event | None = None
        """Those who wait for either, once somebody does."""
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
        if self._is_settled is None:
            self._is_settled = settled
            self._ended(self)
            if self._call is not None:
                self._call(settled)
            for waiting in (self._is_placed, self._waiting):
                if waiting is not None:
                    waiting.set()

    def when_settled(self, call: Callable[[bool], object]) -> None:
        if self._is_settled is None:
            self._call = call
        else:
            call(self._is_settled)

    def wait(self) -> None:
        """One of its parts waits for room."""
        self._placing += 1

    def place(self) -> None:
        """One of those has found it, or will not any more."""
        self._placing -= 1
        if not self._placing and self._is_placed is not None:
            self._is_placed.set()

    def done(self) -> bool:
        return self._is_settled is not None

    @property
    def is_settled(self) -> bool:
        """Whether it is, and was not given up."""
        return bool(self._is_settled)

    async def placed(self) -> None:
        if self._placing:
            self._is_placed = self._is_placed or asyncio.Event()
            await self._is_placed.wait()
        await self._has_room()

    async def settled(self) -> bool:
        if self._is_settled is None:
            self._waiting = self._waiting or asyncio.Event()
            await self._waiting.wait()
        return bool(self._is_settled)
