"""UTC timestamps rendered in the local time zone, which is worked out once per second of log."""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterable

_KEPT = 4096
"""Seconds that are remembered before the table starts anew."""


class LocalTime:
    """The first 19 bytes of an entry's time (`2026-01-31T23:59:59`) in a format of `strftime`.

    The zone is the process's (`TZ`); a container has UTC where nothing else was set.
    """

    def __init__(self, pattern: str) -> None:
        """`pattern` is a format of `strftime`."""
        self._pattern = pattern
        self._seconds: dict[bytes, bytes] = {}

    def render(self, times: Iterable[bytes]) -> list[bytes]:
        """Each time (`2026-01-31T23:59:59.…Z`) to the second, in the format and in local time."""
        known = self._seconds
        if len(known) > _KEPT:
            known.clear()
        seconds = [moment[:19] for moment in times]
        for second in set(seconds):
            if second not in known:
                known[second] = self._render(second)
        return [known[second] for second in seconds]

    def _render(self, second: bytes) -> bytes:
        utc = time.strptime(second.decode("ascii"), "%Y-%m-%dT%H:%M:%S")
        return time.strftime(self._pattern, time.localtime(calendar.timegm(utc))).encode()
