"""Makes containers and batches for tests and benchmarks, and reads batches as rows.

For example:

    batch(b"one", "two", streams="out err", fields=[{"a": 1}, {}])
    entries(result)  # [Entry(message=b"one", …), Entry(message=b"two", …)]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.model.batch import STREAM_NAMES, Batch
from pipeline.model.container import Container

_STREAMS = {"none": 0, "out": 1, "err": 2}


class Entry(NamedTuple):
    """One entry of a batch, as a row."""

    message: bytes
    time: bytes
    stream: str
    sequence: int
    fields: dict[str, Any]
    """Empty if nothing was parsed."""
    part: int = 0


def container(
    name: str = "api-1",
    *,
    image: str = "shop/api:1.4",
    labels: Mapping[str, str] | None = None,
    host: str = "web-1",
    number: int = 1,
) -> Container:
    """A container whose id is `number` as 64 hexadecimal digits."""
    return Container(f"{number:064x}", name, image, labels or {}, host=host)


def batch(
    *lines: bytes | str,
    of: Container | None = None,
    fields: Sequence[Mapping[str, Any]] | None = None,
    streams: str = "",
    start: int = 0,
    **columns: Any,
) -> Batch:
    """A batch of these lines, with times a microsecond apart.

    `of`: the container. `streams`: `out`, `err` or `none` for each line, separated by spaces; all
    `out` by default. `start`: the first sequence number. `columns`: more arguments for `Batch`.
    """
    numbers = [_STREAMS[name] for name in streams.split()] or [1] * len(lines)
    return Batch(
        of or container(),
        [line.encode() if isinstance(line, str) else line for line in lines],
        [b"2026-01-31T23:59:59.%06d000Z" % number for number in range(len(lines))],
        bytes(numbers),
        range(start, start + len(lines)),
        fields=None if fields is None else [dict(entry) for entry in fields],
        **columns,
    )


def entries(batch: Batch | None) -> list[Entry]:
    """The rows of a batch; empty for None. Fails if the batch's columns differ in length."""
    if batch is None:
        return []
    streams = [STREAM_NAMES[number] for number in batch.streams]
    fields = [{} for _ in batch.lines] if batch.fields is None else batch.fields
    parts = [0] * len(batch.lines) if batch.parts is None else batch.parts
    rows = zip(batch.lines, batch.times, streams, batch.sequences, fields, parts, strict=True)
    return [Entry(*row) for row in rows]
