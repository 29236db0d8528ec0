"""What waits in the sinks' buffers: how much of each container, and since when."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import islice
from typing import Final

from pipeline.accounting.ledger import ContainerAccount, SinkAccount
from pipeline.model.timestamps import to_seconds
from pipeline.observe.overview import Holding

LOOK: Final = 2_000
"""Batches of each buffer in which each container's oldest entry is looked for: a quarter of a
millisecond."""


class Waiting:
    """One look into the buffers, at `now`."""

    def __init__(
        self, buffers: Mapping[str, Holding], spooled: Collection[SinkAccount], now: float
    ) -> None:
        """`buffers`: by sink. `spooled`: accounts with entries on disk. `now`: seconds since the
        epoch."""
        self._buffers = buffers
        self._spooled = spooled
        self._now = now
        self._oldest: dict[str, bytes] = {}
        for buffer in buffers.values():
            for envelope in islice(buffer.envelopes(), LOOK):
                batch = envelope.batch
                moment, container = batch.times[0], batch.container.id
                if moment < self._oldest.setdefault(container, moment):
                    self._oldest[container] = moment

    def of(self, account: ContainerAccount) -> tuple[int, int, float]:
        """Entries dropped, entries that aren't delivered (once per sink), and the age in seconds of
        the oldest of these. If that is on disk or far back in a long buffer, the sink's oldest
        entry counts instead."""
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
        lag = round(max(0.0, self._now - to_seconds(min(moments))), 1) if moments else 0.0
        return dropped, waiting, lag
