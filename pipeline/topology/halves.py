"""A batch that a stage has failed on, tried in halves until the entries are found that it fails on.

A half needs half of the memory, too, so that what was too much for a whole batch may do for its
entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pipeline.model import Stage
from pipeline.model.batch import Batch

MOST_TRIES: Final = 500
"""Pieces that are tried of one batch: it takes some 25 to find one entry in ten thousand. What is
left then is given up."""


def in_halves(stage: Stage, batch: Batch) -> Iterator[tuple[int, Batch | None, bool]]:
    """For each piece, in order: how many entries it has, what the stage has left of them, and
    whether it failed on them. Never raises an `Exception`."""
    tries = 0
    pieces = _halved(range(len(batch)))
    while pieces:
        piece = pieces.pop()
        if not piece:
            continue
        if tries >= MOST_TRIES:
            yield len(piece), None, True
            continue
        tries += 1
        try:
            left = stage(batch.pick(piece))
        except Exception:  # said already, of the whole batch
            if len(piece) > 1:
                pieces += _halved(piece)
            else:
                yield 1, None, True
            continue
        yield len(piece), left, False


def _halved(piece: range) -> list[range]:
    """The second half, then the first, which is taken first."""
    middle = len(piece) // 2
    return [piece[middle:], piece[:middle]]
