"""What the C library keeps of memory that was freed, given back to the host.

glibc takes a large block that was freed for a sign that more of its size will be asked for, and
keeps such blocks between those in use. An agent whose sinks had been slow, or whose clients
had sent large messages, kept 56 of its 254 MiB so.

Reference: https://man7.org/linux/man-pages/man3/malloc_trim.3.html
"""

from __future__ import annotations

import asyncio
import ctypes
import resource
from pathlib import Path
from typing import Final

EVERY: Final = 10.0
"""Seconds between two looks at how much memory is resident."""
GROWN: Final = 16 << 20
"""Bytes that it has to have grown by since the last look after which something was given back."""

_STATM: Final = Path("/proc/self/statm")
_PAGE: Final = resource.getpagesize()


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
