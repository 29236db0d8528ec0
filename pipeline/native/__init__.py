"""The hottest loops in C, where the package was built with a compiler.

Each stands beside a loop in Python that does the same, and that is the reference: it runs where the
extension was not built, where `DOCKLINE_NATIVE=0` is set, and for all that is not of the common
shape. Both pass the same tests. `docs/decisions/0008-native-loops.md` says why they are there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

INTERFACE = 3
"""Of the extension that this version of the package knows how to use: what lies about from another
is not used."""

Column = list[bytes] | Sequence[int] | tuple[bytes, bytes]
"""A cell for each row, or a run of pieces and what stands between them."""


class Loops(Protocol):
    """What the extension has. Nothing in it raises for what the bytes are."""

    def rows(
        self, block: bytes | memoryview, longest: int, tty: bool, /
    ) -> tuple[list[bytes], list[bytes], bytearray] | None:
        """Lines, times and streams of rows of a json-file, the last of which ends where `block`
        does. None where any is not one whole line of up to `longest` bytes, as dockerd writes it.
        `tty`: without the carriage return at their end."""

    def frames(
        self, data: bytes, longest: int, /
    ) -> tuple[list[bytes], list[bytes], bytearray, int]:
        """Lines, times and streams of the frames at the beginning of `data` that are whole lines
        of up to `longest` bytes, and where the first that is not one begins."""

    def syslog(
        self,
        prefixes: tuple[bytes, ...],
        after: bytes,
        time_size: int,
        severities: bytes,
        times: list[bytes],
        lines: list[bytes],
        room: int,
        counted: bool,
        /,
    ) -> bytes | None:
        """Messages, framed: the prefix for its severity, `time_size` bytes of its time, `after`,
        and its line without control characters. None where a line is longer than `room`.
        `counted`: octets are counted; else each ends with LF."""

    def interleave(
        self, literals: tuple[bytes, ...], columns: tuple[Column, ...], count: int, /
    ) -> bytes | None:
        """So many rows: the first literal, the first column's cell, the second literal, and so on
        to the last literal. Before an empty piece, a comma at a literal's end is left out. None
        where there are no columns, or they have fewer or more than `count` cells, or a number is
        below 0 or large."""

    def select(self, columns: tuple[Any, ...], keep: Sequence[Any], /) -> tuple[Any, ...] | None:
        """The cells of each column where `keep` is True: of a list or a range a list, of bytes
        bytes; of None None. None for anything else in `columns`, and where `keep` is no list of
        True and False, of their length."""

    def total(self, items: list[bytes], /) -> int:
        """The bytes of all."""

    def newest(self, times: list[bytes], /) -> int:
        """Where the first of the greatest is."""


def total(items: list[bytes]) -> int:
    """The bytes of all."""
    return sum(map(len, items)) if loops is None else loops.total(items)


def newest(times: list[bytes]) -> int:
    """Where the first of the greatest is, of one or more."""
    return times.index(max(times)) if loops is None else loops.newest(times)


def select(columns: tuple[Any, ...], keep: Sequence[Any]) -> tuple[Any, ...] | None:
    """See `Loops.select`; None where there is no extension, too."""
    return None if loops is None else loops.select(columns, keep)


def _load() -> tuple[Loops | None, str]:
    if os.environ.get("DOCKLINE_NATIVE") == "0":
        return None, "loops in Python, as DOCKLINE_NATIVE says"
    try:
        built: Any = import_module("pipeline.native._loops")
    except ImportError:
        return None, "loops in Python: there is no extension"
    if built.INTERFACE != INTERFACE:
        return None, "loops in Python: the extension is of another version"
    return built, "loops in C"


loops, described = _load()
"""The extension, or None where the loops in Python run; and that in words. Decoders and encoders
bind it when they are made; tests put either there before."""
