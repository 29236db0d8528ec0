"""Batches as messages in `columns/1`, for whichever queue: each message holds what a payload has of
one container, source and route.

Headers say what it is: `Dockline-Format`, `Dockline-Size`, the length before compression, and
`Dockline-Entries`, their number; a reader needs all three. `Dockline-Container`, `Dockline-Host`
and `Dockline-Image` are for people.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from pipeline.model.batch import Batch

CHUNK: Final = 512 * 1024
"""Bytes of memory that are joined to one message; a single batch may have more."""

LARGEST: Final = 32 << 20
"""Bytes of columns before compression that a reader takes."""

FORMAT: Final = "columns/1"

Piece = tuple[Batch, int, int]
"""Entries of a batch: from the first index up to the second."""
Pack = Callable[[Sequence[Batch]], tuple[bytes, int]]
"""Batches of one container as bytes, with their length before compression."""


class Packed(NamedTuple):
    """A message."""

    batches: Sequence[Batch]
    """Just those entries that are in it."""
    body: bytes
    plain: int
    """Bytes before compression."""
    headers: dict[str, str]


def grouped(pieces: Iterable[tuple[Piece, str]]) -> list[tuple[list[Piece], str]]:
    """What is for the same destination, and of the same container, source and route, in groups of
    about `CHUNK` bytes; all entries of a container in order."""
    groups: dict[tuple[int, str, str, str], tuple[list[Piece], int]] = {}
    done: list[tuple[list[Piece], str]] = []
    for piece, destination in pieces:
        batch, start, stop = piece
        key = id(batch.container), batch.source, batch.route, destination
        members, size = groups.get(key, ([], 0))
        if size >= CHUNK:
            done.append((members, destination))
            members, size = [], 0
        members.append(piece)
        groups[key] = members, size + batch.size * (stop - start) // len(batch)
    return done + [(members, key[-1]) for key, (members, _) in groups.items()]


def packed(pieces: Sequence[Piece], pack: Pack, host: str) -> Packed:
    """Entries of one container as a message. `host` is that of containers that do not tell
    theirs."""
    batches = [_cut(piece) for piece in pieces]
    body, plain = pack(batches)
    container = batches[0].container
    headers = {
        "Dockline-Format": FORMAT,
        "Dockline-Size": str(plain),
        "Dockline-Entries": str(sum(map(len, batches))),
        "Dockline-Container": header(container.name),
        "Dockline-Host": header(container.host or host),
        "Dockline-Image": header(container.image),
    }
    return Packed(batches, body, plain, headers)


def halves(pieces: Sequence[Piece]) -> tuple[list[Piece], list[Piece]] | None:
    """The first half of the entries, and the others; None where there is only one entry."""
    middle = sum(stop - start for _, start, stop in pieces) // 2
    if not middle:
        return None
    first: list[Piece] = []
    second: list[Piece] = []
    for batch, start, stop in pieces:
        cut = min(start + middle, stop)
        middle -= cut - start
        if cut > start:
            first.append((batch, start, cut))
        if stop > cut:
            second.append((batch, cut, stop))
    return first, second


def _cut(piece: Piece) -> Batch:
    batch, start, stop = piece
    return batch if stop - start == len(batch) else batch.pick(range(start, stop))


UNPRINTABLE: Final = re.compile(r"[^!-~ ]")


def header(value: str) -> str:
    """Printable ASCII, and not endless."""
    return UNPRINTABLE.sub("?", value[:256])
