"""Entries that came one by one, as batches: what follows costs as much for a batch as for an
entry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pipeline.model.batch import Batch


def joined(entries: Iterable[Batch]) -> list[Batch]:
    """The same entries in fewer batches, those of each container in the same order. Only containers
    that are the same object are the same."""
    groups: list[list[Batch]] = []
    latest: dict[int, list[Batch]] = {}
    for batch in entries:
        group = latest.get(id(batch.container))
        if group is not None and _go_together(group[-1], batch):
            group.append(batch)
        else:
            latest[id(batch.container)] = group = [batch]
            groups.append(group)
    return [_one(group) for group in groups]


def _go_together(one: Batch, other: Batch) -> bool:
    return (
        one.source == other.source
        and one.bare == other.bare
        and one.parts is other.parts is None
        and (one.fields is None) == (other.fields is None)
        and one.samples is other.samples is None
        and one.sequences[-1] < other.sequences[0]
    )


def _one(group: list[Batch]) -> Batch:
    first = group[0]
    if len(group) == 1:
        return first
    fields: list[Any] | None = None
    if first.fields is not None:
        fields = [one for batch in group for one in batch.fields or ()]
    flags = {number: flag for batch in group for number, flag in (batch.flags or {}).items()}
    return Batch(
        first.container,
        [line for batch in group for line in batch.lines],
        [time for batch in group for time in batch.times],
        b"".join([batch.streams for batch in group]),
        [number for batch in group for number in batch.sequences],
        source=first.source,
        fields=fields,
        bare=first.bare,
        flags=flags or None,
    )
