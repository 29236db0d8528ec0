"""Timestamps as Docker, Podman and other writers put them before a line, made one form.

The form is `2026-01-31T23:59:59.123456789Z` (RFC 3339, UTC, nanoseconds): 30 bytes, which compare
as they sort.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

NO_TIME = b""
"""Where a line has no timestamp, or one of year 1: the reader gives it its own clock's time."""

_TIMESTAMP = re.compile(
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?\d*(?:Z|([+-])(\d\d):(\d\d))"
)


def split_timestamp(payload: bytes) -> tuple[bytes, bytes]:
    """The timestamp in its one form and the text behind it; `NO_TIME` and all where there is none.

    Takes fewer than nine digits, none, and any offset from UTC.
    """
    found = _TIMESTAMP.match(payload)
    if found is None:
        return NO_TIME, payload
    text = payload[found.end() :]
    if text[:1] == b" ":
        text = text[1:]
    elif text not in (b"", b"\n"):
        return NO_TIME, payload
    seconds, fraction, sign, hours, minutes = found.groups()
    if sign:
        try:
            seconds = _to_utc(seconds, sign, int(hours), int(minutes))
        except (ValueError, OverflowError):
            return NO_TIME, text
    if seconds.startswith(b"0001-"):
        return NO_TIME, text
    return seconds + b"." + (fraction or b"").ljust(9, b"0") + b"Z", text


def _to_utc(seconds: bytes, sign: bytes, hours: int, minutes: int) -> bytes:
    offset = timedelta(hours=hours, minutes=minutes)
    local = datetime.fromisoformat(seconds.decode())
    utc = local - offset if sign == b"+" else local + offset
    return utc.isoformat().encode()


def timestamp(seconds: float) -> bytes:
    """The form for a number of seconds since the epoch."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f").encode() + b"000Z"


def from_nanoseconds(nanoseconds: int) -> bytes:
    """The form for a number of nanoseconds since the epoch."""
    seconds, rest = divmod(nanoseconds, 10**9)
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S").encode() + b".%09dZ" % rest


def nanoseconds(time: bytes) -> int:
    """Since the epoch."""
    return whole_seconds(time[:19]) * 10**9 + int(time[20:29])


def to_since(time: bytes) -> str:
    """The same moment as the Engine's `since` takes it: `seconds.nnnnnnnnn` since the epoch."""
    return f"{whole_seconds(time[:19])}.{time[20:29].decode()}"


def to_seconds(time: bytes) -> float:
    """Seconds since the epoch."""
    return whole_seconds(time[:19]) + int(time[20:29]) / 1e9


@lru_cache(1024)
def whole_seconds(time: bytes) -> int:
    """The same of the form's first 19 bytes. Remembered: most times are of few seconds."""
    return int(datetime.fromisoformat(time.decode()).replace(tzinfo=UTC).timestamp())


def all_seconds(times: Iterable[bytes]) -> list[float]:
    """As `to_seconds`, of many, most of them within few seconds: at two thirds of the cost."""
    found = []
    second, base = b"", 0
    for time in times:
        if time[:19] != second:
            second = time[:19]
            base = whole_seconds(second)
        found.append(base + int(time[20:29]) * 1e-9)
    return found


def all_nanoseconds(times: Iterable[bytes]) -> list[int]:
    """As `nanoseconds`, of many."""
    found = []
    second, base = b"", 0
    for time in times:
        if time[:19] != second:
            second = time[:19]
            base = whole_seconds(second) * 10**9
        found.append(base + int(time[20:29]))
    return found
