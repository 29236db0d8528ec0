"""Which entries Loki has not taken, out of what it says when it answers 400.

It takes all others of the request. Of those that are too old, or too far behind their stream, it
names ten at the most, but also the oldest time that it would have taken; of those that are too
long, the length. So all can be found at once:

    entry with timestamp 2026-01-31 23:59:59.5 +0000 UTC ignored, reason: 'entry too far behind,
    entry timestamp is: 2026-01-31T23:59:59Z, oldest acceptable timestamp is: 2026-02-01T…Z',
    user 'fake', total ignored: 1 out of 7 for stream: {container_name="api-1"}

    2 errors like: entry for stream '{…}' has timestamp too old: 2026-01-31T23:59:59Z, oldest
    acceptable timestamp is: 2026-02-01T00:00:00Z; 1 errors like: Max entry size '262144' bytes
    exceeded for stream '{…}' while adding an entry with length '300000' bytes

As in `pkg/ingester/stream.go`, `pkg/chunkenc/interface.go` and `pkg/validation/validate.go`. The
second form is the distributor's, which says so only when all others are stored; in `Push` of
`pkg/distributor/distributor.go`. The first is an ingester's, and tells nothing of other ingesters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from pipeline.encode.loki.wire import Entry, Labels, quoted
from pipeline.model.timestamps import NO_TIME, split_timestamp

_OLDEST: Final = r"oldest acceptable timestamp is: ([0-9T:.Z+-]+)"
_TOO_OLD: Final = re.compile(r"has timestamp too old: [^,]*, " + _OLDEST)
_BEHIND: Final = re.compile(r"too far behind[^']*?" + _OLDEST)
_NAMED: Final = re.compile(
    r"entry with timestamp (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?) \+0000 UTC ignored, "
    r"reason: '([^']*)'"
)
_STREAM: Final = re.compile(r"total ignored: \d+ out of \d+ for stream: (\{.*\})")
_ERRORS: Final = re.compile(r"(?<!\d)(\d+) errors like: ")
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*(?:"|$)', re.DOTALL)
"""Values of labels, in which anything may stand."""
_TOO_LONG: Final = re.compile(r"max entry size '(\d+)' bytes exceeded", re.IGNORECASE)


def blamed(said: str, entries: Sequence[Entry]) -> dict[int, str]:
    """Why entries of a request were not taken, by their index in it, out of what Loki answers with
    400; empty where the answer is not understood."""
    reasons: dict[int, str] = {}
    without_labels = _QUOTED.sub('""', said)
    if oldest := _time(_TOO_OLD, without_labels):
        reasons |= _before(oldest, range(len(entries)), entries, "its time is too old")
    if found := _TOO_LONG.search(without_labels):
        most = int(found[1])
        reason = f"Loki takes lines of at most {most} bytes"
        reasons |= {i: reason for i, entry in enumerate(entries) if entry.length > most}
    if stream := _STREAM.search(said):
        reasons |= _of_stream(said, stream[1], entries)
    return reasons


def are_others_stored(said: str, reasons: Mapping[int, str]) -> bool:
    """Whether Loki has stored all entries but those that `blamed` has found in its answer: it has
    counted as many errors, and none of them is an ingester's."""
    if _STREAM.search(said):
        return False
    counts = [int(count) for count in _ERRORS.findall(_QUOTED.sub('""', said))]
    return sum(counts or [1]) == len(reasons)


def _of_stream(said: str, stream: str, entries: Sequence[Entry]) -> dict[int, str]:
    """Loki may have added labels of its own to the stream."""
    of_stream = [i for i, entry in enumerate(entries) if _is_in(entry.labels, stream)]
    named = {_normal(f"{day}T{time}Z"): why for day, time, why in _NAMED.findall(said)}
    reasons = {i: named[entries[i].time] for i in of_stream if entries[i].time in named}
    if oldest := _time(_BEHIND, said):
        reasons |= _before(oldest, of_stream, entries, "it is too far behind its stream")
    return reasons


def _before(
    oldest: bytes, indexes: Sequence[int], entries: Sequence[Entry], why: str
) -> dict[int, str]:
    reason = f"{why}: Loki takes nothing from before {oldest.decode()}"
    return {i: reason for i in indexes if entries[i].time < oldest}


def _is_in(labels: Labels, stream: str) -> bool:
    return all(f'{name}="{quoted(value)}"' in stream for name, value in labels)


def _time(pattern: re.Pattern[str], said: str) -> bytes:
    """The latest that is found."""
    return max((_normal(time) for time in pattern.findall(said)), default=NO_TIME)


def _normal(time: str) -> bytes:
    return split_timestamp(time.encode())[0]
