"""What waits in the sinks' buffers: how much of each container, and since when."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice
from typing import Final, NamedTuple, Protocol

from pipeline.accounting.envelope import Envelope
from pipeline.accounting.ledger import ContainerAccount, SinkAccount
from pipeline.model.timestamps import to_seconds
from pipeline.support.selector import Pause

MOST: Final = 10_000
"""Batches of each buffer in which each container's oldest entry is looked for."""
TOGETHER: Final = 1000
"""Batches that are looked at between two pauses: 0.3 ms."""


class Holding(Protocol):
    """A sink's buffer, as far as this needs it (see `pipeline.buffer.MemoryBuffer`)."""

    def envelopes(self) -> Iterable[Envelope]: ...

    def oldest(self) -> bytes | None: ...


class Undelivered(NamedTuple):
    """What sinks have not delivered of one container."""

    dropped: int = 0
    """Entries dropped at any sink."""
    waiting: int = 0
    """Entries not delivered yet, counted once per sink."""
    lag: float = 0.0
    """Age in seconds of the oldest of those that wait. If it is on disk or far back in a long
    buffer, the sink's oldest entry counts instead."""


class Waiting:
    """What was found in the buffers."""

    def __init__(
        self,
        buffers: Mapping[str, Holding],
        spooled: Collection[SinkAccount],
        oldest: Mapping[str, bytes],
        now: float,
    ) -> None:
        """`buffers`: by sink. `spooled`: accounts with entries on disk. `oldest`: the time of the
        oldest entry in any buffer, by container id, as in `Batch.times`. `now`: seconds since the
        epoch."""
        self._buffers = buffers
        self._spooled = spooled
        self._oldest = oldest
        self._now = now

    @classmethod
    async def find(
        cls,
        buffers: Mapping[str, Holding],
        spooled: Callable[[], Collection[SinkAccount]],
        pause: Pause,
    ) -> Waiting:
        """Looks into all buffers; lets the event loop run every few milliseconds.

        `spooled` returns the accounts with entries on disk.
        """
        oldest: dict[str, bytes] = {}
        for buffer in buffers.values():
            envelopes = list(islice(buffer.envelopes(), MOST))
            for start in range(0, len(envelopes), TOGETHER):
                for envelope in envelopes[start : start + TOGETHER]:
                    batch = envelope.batch
                    moment, container = batch.times[0], batch.container.id
                    if moment < oldest.setdefault(container, moment):
                        oldest[container] = moment
                await pause()
        return cls(buffers, spooled(), oldest, time.time())

    def of(self, account: ContainerAccount) -> Undelivered:
        """What waits of one container."""
        dropped = waiting = 0
        moment = self._oldest.get(account.id)
        moments = [moment] if moment else []
        for sink_account in account.accounts:
            if sink_account.dropped:
                dropped += sum(sink_account.dropped.values())
            if left := sink_account.open:
                waiting += left
                buffer = self._buffers.get(sink_account.sink)
                if buffer is not None and (moment is None or sink_account in self._spooled):
                    moments += filter(None, [buffer.oldest()])
        lag = round(max(0.0, self._now - to_seconds(min(moments))), 3) if moments else 0.0
        return Undelivered(dropped, waiting, lag)
