"""Datagrams that are sent one after the other."""

from __future__ import annotations

from typing import NamedTuple

from pipeline import native


class Ended(NamedTuple):
    """Datagrams one behind the other, each ended by the same byte, which is in none of them and is
    not sent: the last byte of `data`. There is at least one datagram."""

    data: bytes


Run = Ended | list[bytes]
"""Datagrams in order."""


def longest(run: Run) -> int:
    """Bytes of the longest one."""
    if isinstance(run, Ended) and native.loops is not None:
        return native.loops.longest(run.data)
    return max(map(len, one_by_one(run)), default=0)


def size_of(run: Run, count: int) -> int:
    """Bytes of all its datagrams, of which there are `count` if they are `Ended`."""
    return len(run.data) - count if isinstance(run, Ended) else native.total(run)


def one_by_one(run: Run) -> list[bytes]:
    """Each datagram by itself."""
    return run.data[:-1].split(run.data[-1:]) if isinstance(run, Ended) else run
