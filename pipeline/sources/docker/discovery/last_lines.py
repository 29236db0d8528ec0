"""The last lines of one container, for the event of its end.

Where a route takes its log, they are those that were read. Where none does, the Engine is asked
for them when the container ends. Of one that is removed as it ends (`docker run --rm`) there would
be no log by then, so the log of such a one is followed as long as it runs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from pipeline.model.batch import Batch

LONGEST = 1024
"""Bytes of a last line that are told."""
WHOLE_SECOND = b".000000000Z"
"""How a time ends that Podman has cut."""


class LastLines:
    """The last lines of one container that were read. Per batch, not per line."""

    __slots__ = ("_rows", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self._rows: deque[tuple[bytes, bytes]] = deque(maxlen=most)

    def note(self, batch: Batch) -> None:
        self.add(batch.times, batch.lines)

    def add(self, times: list[bytes], lines: list[bytes]) -> None:
        if most := self.most:
            self._rows.extend(zip(times[-most:], _cut(lines[-most:]), strict=True))

    def between(self, since: bytes, until: bytes) -> Iterator[bytes]:
        """Those of one run of the container, from the end of the one before it: the Engine tells of
        a start when the first lines may have been written already."""
        for time, line in self._rows:
            if (since[:19] if time.endswith(WHOLE_SECOND) else since) < time <= until:
                yield line


def _cut(lines: Iterable[bytes]) -> list[bytes]:
    return [line if len(line) <= LONGEST else line[:LONGEST] for line in lines]
