"""The last lines of a container, for the event of its end.

Where a route takes the container's log, they are the last lines that were read. Where none does,
the Engine is asked for them when the container ends. A container that is removed as it ends
(`docker run --rm`) would have no log by then, so its log is followed as long as it runs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from pipeline.model.batch import Batch

LONGEST = 1024
"""Bytes to which a last line is cut."""
WHOLE_SECOND = b".000000000Z"
"""End of a timestamp that Podman has cut to a second."""


class LastLines:
    """Keeps the last lines of a container. The work is done once per batch, not per line."""

    __slots__ = ("_rows", "most")

    def __init__(self, most: int) -> None:
        """`most` is how many lines to keep; 0 for none."""
        self.most = most
        self._rows: deque[tuple[bytes, bytes]] = deque(maxlen=most)

    def note(self, batch: Batch) -> None:
        """Adds the lines of a batch."""
        self.add(batch.times, batch.lines)

    def add(self, times: list[bytes], lines: list[bytes]) -> None:
        """Adds lines with their times, as in `Batch.times`. Both lists are equally long."""
        if most := self.most:
            self._rows.extend(zip(times[-most:], _cut(lines[-most:]), strict=True))

    def between(self, since: bytes, until: bytes) -> Iterator[bytes]:
        """The lines of one run of the container: later than `since` (the end of the previous run)
        and not later than `until`. Times as in `Batch.times`.

        The start of the run would not do as a limit: the Engine tells it when the first lines may
        have been written already.
        """
        for time, line in self._rows:
            if (since[:19] if time.endswith(WHOLE_SECOND) else since) < time <= until:
                yield line


def _cut(lines: Iterable[bytes]) -> list[bytes]:
    return [line if len(line) <= LONGEST else line[:LONGEST] for line in lines]
