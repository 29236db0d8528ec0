"""What the C library keeps of memory that was freed, given back to the host.

glibc takes a large block that was freed for a sign that more of its size will be asked for: from
then on it cuts blocks of that size, up to 32 MiB, from its heaps, between small ones that stay. An
agent under attack used 50 MiB and had 257 resident. With a fixed limit, as here, it has 132: each
large block is pages of its own, which the host has back as soon as it is freed.

Reference: https://man7.org/linux/man-pages/man3/mallopt.3.html and malloc_trim.3.html
"""

from __future__ import annotations

import asyncio
import ctypes
import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Final

EVERY: Final = 10.0
"""Seconds between two looks at how much memory is resident."""
GROWN: Final = 16 << 20
"""Bytes that it has to have grown by since the last look after which something was given back."""

LARGE: Final = 1 << 20
"""Bytes from which on a block is pages of its own: a large payload, or a long list. The host takes
0.4 ms for each MiB of new pages, hence nothing smaller."""
SPARE: Final = 4 << 20
"""Bytes at the end of a heap that are kept for what is asked for next."""

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3

_STATM: Final = Path("/proc/self/statm")
_PAGE: Final = resource.getpagesize()


def fix_limits(environment: Mapping[str, str]) -> None:
    """Gives large blocks pages of their own from now on. Does nothing where the environment says
    which ones glibc is to give them, nor with another C library."""
    tunables = environment.get("GLIBC_TUNABLES", "")
    if "MALLOC_MMAP_THRESHOLD_" in environment or "malloc.mmap_threshold" in tunables:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE)
        mallopt(_M_TRIM_THRESHOLD, SPARE)


class Allocator:
    """Gives back what is free whenever the process has grown."""

    def __init__(self) -> None:
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        """None of another C library than glibc."""
        self._least = 0
        """Bytes that were resident after the last time."""

    async def run(self) -> None:
        """Until it is cancelled; does nothing where the C library has no such call."""
        while self._trim is not None:
            await asyncio.sleep(EVERY)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Gives back what is free, where it is worth it. In a thread: it takes milliseconds, for
        which whoever asks the C library for memory waits."""
        now = resident()
        if self._trim is not None and now - self._least > GROWN:
            self._trim(0)
            now = resident()
            self._least = now
        self._least = min(self._least, now)


def resident() -> int:
    """Bytes of this process that are in memory; 0 where that cannot be told."""
    try:
        return int(_STATM.read_text().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0
