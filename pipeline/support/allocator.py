"""Returns freed memory to the host, with glibc's allocator.

When a large block is freed, glibc expects more of that size: from then on it takes blocks of up to
that size (at most 32 MiB) from its heaps, between small ones that stay. An agent under attack used
50 MiB and had 257 MiB resident. With the fixed limit set here it has 132: each large block has its
own pages, which the host gets back as soon as the block is freed.

See mallopt(3), https://man7.org/linux/man-pages/man3/mallopt.3.html, and malloc_trim(3).
"""

from __future__ import annotations

import asyncio
import ctypes
import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Final

EVERY: Final = 10.0
"""Seconds between two checks of the resident memory."""
GROWN: Final = 16 << 20
"""Bytes by which it must have grown since memory was last returned, before that is done again."""

LARGE: Final = 2 << 20
"""Blocks of this many bytes or more get their own pages: a large payload, or a long list. The host
takes 0.4 ms for each MiB of new pages, so smaller blocks don't: payloads are mostly of 1 MiB, and
with pages of their own an agent takes 5 to 10 % more CPU."""
SPARE: Final = 8 << 20
"""Bytes that are kept at the end of a heap for what is allocated next."""

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3

_STATM: Final = Path("/proc/self/statm")
_PAGE: Final = resource.getpagesize()


def fix_limits(environment: Mapping[str, str]) -> None:
    """Gives large blocks their own pages from now on, for the whole process.

    `environment`: the process's. Does nothing if it sets glibc's limit (`MALLOC_MMAP_THRESHOLD_` or
    `GLIBC_TUNABLES`), or with another C library.
    """
    tunables = environment.get("GLIBC_TUNABLES", "")
    if "MALLOC_MMAP_THRESHOLD_" in environment or "malloc.mmap_threshold" in tunables:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE)
        mallopt(_M_TRIM_THRESHOLD, SPARE)


class Allocator:
    """Returns free memory to the host whenever the process has grown."""

    def __init__(self) -> None:
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        """None if the C library is not glibc."""
        self._least = 0
        """The least that was resident since memory was last returned, in bytes."""

    async def run(self) -> None:
        """Checks every `EVERY` seconds until it is cancelled. Returns at once if the C library is
        not glibc."""
        while self._trim is not None:
            await asyncio.sleep(EVERY)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Returns free memory if the process has grown by more than `GROWN`.

        Call it in a thread: it takes milliseconds, during which every allocation waits.
        """
        now = resident()
        if self._trim is not None and now - self._least > GROWN:
            self._trim(0)
            now = resident()
            self._least = now
        self._least = min(self._least, now)


def resident() -> int:
    """Resident memory of this process in bytes; 0 if it is not known."""
    try:
        return int(_STATM.read_text().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0
