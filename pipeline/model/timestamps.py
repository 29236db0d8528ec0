"""Reads and writes timestamps, all in one form.

The form is `2026-01-31T23:59:59.123456789Z` (RFC 3339, UTC, nanoseconds): 30 bytes, and comparing
the bytes compares the times. Docker, Podman and other writers use other forms of RFC 3339, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

NO_TIME = b""
"""In place of a timestamp: the line has none, or one of year 1. The reader sets its own clock's
time."""

_TIMESTAMP = re.compile(
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?\d*(?:Z|([+-])(\d\d):(\d\d))"
)


def split_timestamp(payload: bytes) -> tuple[bytes, bytes]:
    """Splits a line into its timestamp, in the one form, and the text after it.

    Any number of fractional digits and any offset from UTC are understood. Returns `NO_TIME` and
    the whole line if there is no timestamp, and `NO_TIME` and the text for one of year 1 or out of
    range.
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


def from_iso(text: str) -> datetime:
    """As `datetime.fromisoformat`. Raises `ValueError` also for the hour 24, which Python takes for
    the next day's first from 3.14 on."""
    if text[11:13] == "24":
        raise ValueError("there is no hour 24")
    return datetime.fromisoformat(text)


def _to_utc(seconds: bytes, sign: bytes, hours: int, minutes: int) -> bytes:
    offset = timedelta(hours=hours, minutes=minutes)
    local = from_iso(seconds.decode())
    utc = local - offset if sign == b"+" else local + offset
    return utc.isoformat().encode()


def timestamp(seconds: float) -> bytes:
    """The timestamp for a number of seconds since the epoch."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f").encode() + b"000Z"


def from_nanoseconds(nanoseconds: int) -> bytes:
    """The timestamp for a number of nanoseconds since the epoch."""
    seconds, rest = divmod(nanoseconds, 10**9)
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S").encode() + b".%09dZ" % rest


def nanoseconds(time: bytes) -> int:
    """Nanoseconds since the epoch of a timestamp."""
    return whole_seconds(time[:19]) * 10**9 + int(time[20:29])


def to_since(time: bytes) -> str:
    """A timestamp as the Engine's parameter `since` has it: seconds since the epoch, with nine
    decimals."""
    return f"{whole_seconds(time[:19])}.{time[20:29].decode()}"


def to_seconds(time: bytes) -> float:
    """Seconds since the epoch of a timestamp."""
    return whole_seconds(time[:19]) + int(time[20:29]) / 1e9


@lru_cache(1024)
def whole_seconds(time: bytes) -> int:
    """Seconds since the epoch of a timestamp's first 19 bytes. Raises `ValueError` for a day or an
    hour that doesn't exist.

    Results are cached, since most times are of the same few seconds.
    """
    return int(from_iso(time.decode()).replace(tzinfo=UTC).timestamp())


def all_seconds(times: Iterable[bytes]) -> list[float]:
    """Seconds since the epoch of many timestamps, like `to_seconds`.

    Takes two thirds of the time if most are within a few seconds.
    """
    found = []
    second, base = b"", 0
    for time in times:
        if time[:19] != second:
            second = time[:19]
            base = whole_seconds(second)
        found.append(base + int(time[20:29]) * 1e-9)
    return found


def all_nanoseconds(times: Iterable[bytes]) -> list[int]:
    """Nanoseconds since the epoch of many timestamps, like `nanoseconds`. Fastest if most are
    within a few seconds."""
    found = []
    second, base = b"", 0
    for time in times:
        if time[:19] != second:
            second = time[:19]
            base = whole_seconds(second) * 10**9
        found.append(base + int(time[20:29]))
    return found
