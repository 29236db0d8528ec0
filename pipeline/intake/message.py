"""A message that a source has taken, until it is settled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class PeerMessage:
    """Implements `pipeline.model.source.Taken`: a message and its parts, one per batch.

    It is settled when all parts are, or is given up.
    """

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
        """`size`: bytes. `has_room` waits until more may be taken. `ended` is called once, when the
        message is settled or given up. It is held once for the caller, who hands out its parts and
        then settles it."""
        self.size = size
        self._parts = 1
        self._placing = 0
        """Parts that wait for room in buffers."""
        self._is_settled: bool | None = None
        """True when settled, False when given up, None before that."""
        self._is_placed: asyncio.Event | None = None
        self._waiting: asyncio.Event | None = None
        """Set for those who wait for each of the two; made when somebody first does."""
        self._has_room = has_room
        self._ended = ended
        self._call: Callable[[bool], object] | None = None

    def hold(self) -> None:
        """Counts one more part that has to be settled."""
        self._parts += 1

    def settle(self) -> None:
        """Settles one part; the message is settled with the last."""
        self._parts -= 1
        if not self._parts:
            self._end(settled=True)

    def give_up(self) -> None:
        """Ends the message without settling it: it won't be acknowledged by this process."""
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
        """Calls `call(settled)` when the message is settled (True) or given up (False), at once if
        it is already."""
        if self._is_settled is None:
            self._call = call
        else:
            call(self._is_settled)

    def wait(self) -> None:
        """Counts a part that waits for room in buffers."""
        self._placing += 1

    def place(self) -> None:
        """Counts that such a part is in the buffers, or was cancelled."""
        self._placing -= 1
        if not self._placing and self._is_placed is not None:
            self._is_placed.set()

    def done(self) -> bool:
        """Whether it is settled or given up."""
        return self._is_settled is not None

    @property
    def is_settled(self) -> bool:
        """Whether it is settled, not given up."""
        return bool(self._is_settled)

    async def placed(self) -> None:
        """Waits until the message is in the sinks' buffers and more may be taken."""
        if self._placing:
            self._is_placed = self._is_placed or asyncio.Event()
            await self._is_placed.wait()
        await self._has_room()

    async def settled(self) -> bool:
        """Waits until it is settled (True) or given up (False)."""
        if self._is_settled is None:
            self._waiting = self._waiting or asyncio.Event()
            await self._waiting.wait()
        return bool(self._is_settled)
