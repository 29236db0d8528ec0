"""Batches of one container that follow each other, as one: encoders have a cost for each batch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Final

from pipeline.model.batch import Batch

MOST: Final = 1000
"""Entries of a batch that others are joined with: what they are encoded to is mostly below the
megabyte from which a block of memory costs more (see `support.allocator`)."""


def joined(batches: Sequence[Batch], most: int = MOST) -> list[Batch]:
    """The same entries in the same order, in fewer batches: neighbours of a container, source and
    route are joined up to `most` entries. Empty batches are left out.

    Batches with parsed fields stay as they are, and so do those with flags, parts or samples, and
    those that are encoded once for several sinks.
    """
    found: list[Batch] = []
    run: list[Batch] = []
    count = 0
    for batch in batches:
        if not len(batch):
            continue
        count += len(batch)
        if run and (count > most or not _is_alike(run[0], batch)):
            found.append(_one_of(run))
            run, count = [], len(batch)
        run.append(batch)
    if run:
        found.append(_one_of(run))
    return found


def _is_alike(first: Batch, other: Batch) -> bool:
    return (
        first.container is other.container
        and first.source == other.source
        and first.route == other.route
        and first.bare == other.bare
        and _is_plain(first)
        and _is_plain(other)
    )


def _is_plain(batch: Batch) -> bool:
    return (
        batch.parsed is None
        and batch.parts is None
        and batch.flags is None
        and batch.samples is None
        and batch.cache is None
    )


def _one_of(run: list[Batch]) -> Batch:
    if len(run) == 1:
        return run[0]
    lines: list[bytes] = []
    times: list[bytes] = []
    for batch in run:
        lines += batch.lines
        times += batch.times
    return run[0].replace(
        lines=lines,
        times=times,
        streams=b"".join([batch.streams for batch in run]),
        sequences=_numbers([batch.sequences for batch in run]),
    )


def _numbers(columns: Sequence[Sequence[int]]) -> Sequence[int]:
    """A range where all of them are ranges, each beginning where the one before it ends."""
    stop = columns[0][0]
    for column in columns:
        if type(column) is not range or column.step != 1 or column.start != stop:
            return list(chain.from_iterable(columns))
        stop = column.stop
    return range(columns[0][0], stop)
