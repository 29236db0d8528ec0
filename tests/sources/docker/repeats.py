"""What dockerd gives twice of a log that it rotates while somebody follows it.

It lets followers in between two steps of a rotation, when the new file is there and its position is
not told yet: they read the file as if it were the one before, and once more from its beginning (in
moby's `daemon/logger/loggerutils`: `WriteLogEntry` of `logfile.go` and `Do` of `follow.go`).
What comes twice has the same time, to the nanosecond. Reading files is not concerned.
"""

from __future__ import annotations

from pipeline.testing.following import Following


def lines_once(following: Following, name: str) -> list[tuple[str, str, int]]:
    """Text, time and number of each line of a container, in the order in which they came, without
    those that the Engine gave a second time, and numbered as if those had not come at all. No two
    lines of the container may have the same text."""
    once: list[tuple[str, str, int]] = []
    seen: set[tuple[bytes, bytes]] = set()
    repeats = 0
    for batch in following.kept.batches:
        if batch.source != "logs" or batch.container.name != name:
            continue
        for line, time, sequence in zip(batch.lines, batch.times, batch.sequences, strict=True):
            if (line, time) in seen:
                repeats += 1
                continue
            seen.add((line, time))
            once.append((line.decode(), time.decode(), sequence - repeats))
    return once
