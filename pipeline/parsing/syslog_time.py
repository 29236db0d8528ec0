"""Times of syslog messages: RFC 3339, or those of RFC 3164 without year and zone."""

from __future__ import annotations

import time
from datetime import datetime
from functools import lru_cache

from pipeline.model.timestamps import NO_TIME, from_nanoseconds, nanoseconds, split_timestamp


def moment(text: str, now: float) -> bytes:
    """A time in the form of `pipeline.model.timestamps`; `NO_TIME` if it is invalid.

    A time without a zone is local. One without a year is in the year in which it is nearest to
    `now`, in seconds since the epoch.
    """
    if text[:1].isdigit():
        found = split_timestamp(text.replace(",", ".").encode("ascii", "replace"))[0]
        return _possible(found if found != NO_TIME else _local(text, 0, 0))
    this = time.localtime(now)
    return _possible(_local(text, this.tm_year, this.tm_mon))


def _possible(found: bytes) -> bytes:
    """`found` if it is a date from 1970 to 2261, which destinations accept; else `NO_TIME`."""
    try:
        return found if 0 <= nanoseconds(found) < 2**63 else NO_TIME
    except ValueError:
        return NO_TIME


@lru_cache(4096)
def _local(text: str, year: int, month: int) -> bytes:
    """A local time. `year` and `month` are the current ones, or 0 if the text has a year."""
    seconds, _, fraction = text.replace(",", ".").partition(".")
    if not year:
        return _read(f"{seconds[:10]} {seconds[11:]}", "%Y-%m-%d %H:%M:%S", fraction)
    parts = seconds.split()
    if len(parts) == 4:  # with a year, as some routers write it
        return _read(" ".join(parts), "%b %d %Y %H:%M:%S", fraction)
    of = _read(f"{year} {' '.join(parts)}", "%Y %b %d %H:%M:%S", fraction)
    said = int(of[5:7]) if of else month
    if said - month > 6:  # December, in January
        year -= 1
    elif month - said > 6:
        year += 1
    return _read(f"{year} {' '.join(parts)}", "%Y %b %d %H:%M:%S", fraction)


def _read(text: str, pattern: str, fraction: str) -> bytes:
    try:
        seconds = int(datetime.strptime(text, pattern).timestamp())
        return from_nanoseconds(seconds * 10**9 + int(fraction[:9].ljust(9, "0")))
    except (ValueError, OverflowError, OSError):
        return NO_TIME
