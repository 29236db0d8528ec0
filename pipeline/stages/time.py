"""Replaces the time at which Docker received an entry with the time that the entry itself has.

    { time = "ts" }
    { time = { field = "http.time", format = "%d/%b/%Y:%H:%M:%S %z" } }
    { time = { regex = '^(\\S+ \\S+) ', zone = "Europe/Berlin" } }

Formats are:

- `auto`: `iso`, or a number of seconds, milliseconds, microseconds or nanoseconds since the epoch;
  its size tells which.
- `iso`: RFC 3339 and ISO 8601, such as `2026-01-31T23:59:59.123456789Z` or `2026-01-31 23:59:59,5`.
- `unix`, `unix_ms`, `unix_us`, `unix_ns`: a number since the epoch, as a number or as text.
- anything with `%`: a format of Python's `strptime`. Without a year, the time is in the year
  in which it is nearest to Docker's.

Digits beyond nanoseconds are cut off. An entry keeps Docker's time if its own cannot be read, is
not a valid date, or is before 1970 or after 2261, which many destinations do not accept. If a zone
has an hour twice, it is the first one.

Everything after this stage uses the new time: sinks, `throttle`, `dedupe`, and
`dockline_lag_seconds`, which is then the age of entries by their own time. Resuming after a restart
does not depend on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import msgspec

from pipeline.expression.paths import Path
from pipeline.expression.patterns import compile_pattern
from pipeline.model import component
from pipeline.model.batch import Batch
from pipeline.model.errors import ConfigError, at
from pipeline.model.records import MISSING, Records
from pipeline.model.timestamps import from_iso


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the time is, and its format."""

    field: Annotated[str | None, msgspec.Meta(examples=["ts"])] = None
    """The field with the time."""
    regex: Annotated[str | None, msgspec.Meta(examples=[r"^\[([^\]]+)\]"])] = None
    """Instead of a field: a regular expression that is searched in the message. The time is the
    group
    called `time`, else the first group, else the whole match."""
    format: Annotated[str, msgspec.Meta(examples=["unix_ms", "%d/%b/%Y:%H:%M:%S %z"])] = "auto"
    """`auto`, `iso`, `unix`, `unix_ms`, `unix_us`, `unix_ns`, or a text with `%`."""
    zone: Annotated[str, msgspec.Meta(examples=["Europe/Berlin"])] = "UTC"
    """The time zone of times that have none."""


Config = Annotated[
    str | Options, msgspec.Meta(examples=["ts", {"field": "ts", "format": "unix_ms"}])
]

Read = Callable[[Any, bytes], bytes | None]
"""From a value in an entry, and the entry's time so far, to its time; None if unreadable."""


class Stage(component.Stage):
    """Finds the values of all entries of a batch, then makes times of them."""

    def __init__(self, config: str | Options) -> None:
        options = config if isinstance(config, Options) else Options(field=config)
        if (options.field is None) == (options.regex is None):
            raise ConfigError("write where the time is: field = … or regex = …")
        self._key = "field" if isinstance(config, Options) else ""
        self._path = None if options.field is None else Path.parse(options.field)
        self._search = None if options.regex is None else _search(options.regex)
        self._read = _reader(options.format, _zone(options.zone))

    def __call__(self, batch: Batch) -> Batch | None:
        said = self._said(batch)
        if said is None:
            return batch
        read = self._read
        times = [
            time if value is MISSING else read(value, time) or time
            for value, time in zip(said, batch.times, strict=True)
        ]
        return batch if times == batch.times else batch.replace(times=times)

    def effect(self) -> component.Effect:
        path = self._path
        reads = [component.FieldUse(str(path.keys[0]), path.flat, self._key)] if path else []
        return component.Effect(reads, frozenset())

    def _said(self, batch: Batch) -> Iterable[Any] | None:
        if self._search is not None:
            search = self._search
            return [search(line.decode("utf-8", "replace")) for line in batch.lines]
        path, parsed = self._path, batch.parsed
        if path is None or parsed is None:
            return None
        if type(parsed) is Records and len(path.keys) == 1:
            return parsed.column(path.flat)
        return [path.get(fields) for fields in batch.fields or []]


def _search(text: str) -> Callable[[str], Any]:
    with at("regex"):
        pattern = compile_pattern(text)
    group: int = pattern.groups.get("time", 1 if re.compile(text).groups else 0)

    def search(message: str) -> Any:
        found = pattern.search(message)
        value = found[group] if found else None
        return MISSING if value is None else value

    return search


def _zone(name: str) -> tzinfo:
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        text = f'there is no time zone "{name}"; write it like "Europe/Berlin"'
        raise ConfigError(text, "zone") from None


def _reader(form: str, zone: tzinfo) -> Read:
    if form in _SCALES:
        return partial(_Seconds().number, _SCALES[form])
    if form == "iso":
        return _Iso(zone).text
    if form == "auto":
        return _Auto(zone)
    if "%" in form:
        return _Strptime(form, zone)
    known = ", ".join(("auto", "iso", *_SCALES))
    raise ConfigError(f'there is no format "{form}"; known: {known}, or a text with %', "format")


# ------------------------------------------------------------------------- since the epoch

_SCALES: Final = {"unix": 9, "unix_ms": 6, "unix_us": 3, "unix_ns": 0}
"""Digits of a nanosecond in one."""

_LAST: Final = 2**63 // 10**9
"""Seconds from which on nanoseconds don't fit into 64 bits."""

_NUMBER: Final = re.compile(r"\s*([0-9]{1,20})(?:\.([0-9]*))?\s*", re.ASCII)


class _Known:
    """Remembers the last text and its second: consecutive lines are often of the same second."""

    MOST = 4096

    def __init__(self) -> None:
        self._known: dict[Any, Any] = {}

    def of(self, key: Any, work_out: Callable[[Any], Any]) -> Any:
        known = self._known
        try:
            return known[key]
        except KeyError:
            if len(known) >= self.MOST:
                known.clear()
            value = known[key] = work_out(key)
            return value


class _Seconds:
    """Makes times from numbers since the epoch."""

    def __init__(self) -> None:
        self._known = _Known()

    def number(self, scale: int | None, value: Any, time: bytes) -> bytes | None:
        """`scale`: as in `_SCALES`; None to choose by the size of each number."""
        if type(value) is float:
            value = int(value) if 1e15 <= value < 1e20 else repr(value)
        if type(value) is int:
            value = str(value) if 0 <= value < 10**20 else ""
        found = _NUMBER.fullmatch(value) if type(value) is str else None
        if found is None:
            return None
        whole, fraction = found[1], found[2] or ""
        if scale is None:
            scale = next(s for most, s in _SIZES if len(whole.lstrip("0")) <= most)
        nanoseconds = int(whole + fraction[:scale].ljust(scale, "0"))
        seconds, rest = divmod(nanoseconds, 10**9)
        if seconds >= _LAST:
            return None
        second: bytes = self._known.of(seconds, _second)
        return b"%b.%09dZ" % (second, rest)


_SIZES: Final = ((11, 9), (14, 6), (17, 3), (20, 0))
"""The most digits of a number in each scale. Eleven digits are the year 5138 in seconds, and 1973
in
milliseconds."""


def _second(seconds: int) -> bytes:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()


# --------------------------------------------------------------------------------- ISO 8601

_ISO: Final = re.compile(
    r"\s*([0-9]{4}-[0-9]{2}-[0-9]{2}[T t][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:[.,]([0-9]+))?"
    r"\s?(Z|z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?\s*",
    re.ASCII,
)


class _Iso:
    """Makes times from RFC 3339. Whole seconds are computed once, and fractions copied."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._known = _Known()

    def text(self, value: Any, time: bytes) -> bytes | None:
        found = _ISO.fullmatch(value) if type(value) is str and len(value) < 100 else None
        if found is None:
            return None
        whole, fraction, zone = found.groups()
        second: bytes | None = self._known.of((whole, zone), self._second)
        if second is None:
            return None
        if fraction is None:
            return second + b".000000000Z"
        return second + b"." + fraction[:9].ljust(9, "0").encode() + b"Z"

    def _second(self, key: tuple[str, str | None]) -> bytes | None:
        whole, zone = key
        if zone in ("Z", "z", "UTC", "GMT"):
            zone = "+00:00"
        try:
            moment = from_iso(f"{whole.upper()}{zone or ''}")
        except ValueError:
            return None
        return _in_utc(moment, self._zone)


class _Auto:
    """Tells numbers and dates apart by their first characters."""

    def __init__(self, zone: tzinfo) -> None:
        self._iso = _Iso(zone).text
        self._number = partial(_Seconds().number, None)

    def __call__(self, value: Any, time: bytes) -> bytes | None:
        return self._iso(value, time) or self._number(value, time)


def _in_utc(moment: datetime, zone: tzinfo) -> bytes | None:
    """The second of a time; None if it is out of bounds."""
    try:
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    if not 1970 <= moment.year <= 2261:
        return None
    return moment.strftime("%Y-%m-%dT%H:%M:%S").encode()


# --------------------------------------------------------------------------------- strptime

_DIRECTIVE: Final = re.compile(r"%(.)", re.DOTALL)


class _Strptime:
    """Makes times from texts in the user's own format."""

    def __init__(self, form: str, zone: tzinfo) -> None:
        found = set(_DIRECTIVE.findall(form))
        has_day = found & {"c", "x", "j", "s"} or (found & {"d"} and found & {"b", "B", "m"})
        if not has_day and not found >= {"G", "V", "u"}:
            raise ConfigError("the format has no day and month", "format")
        self._has_year = bool(found & {"Y", "y", "G", "c", "x"})
        self._form = form if self._has_year else f"%Y {form}"
        self._zone = zone
        self._known = _Known()
        try:
            datetime.strptime("", self._form)
        except ValueError as error:
            if "bad directive" in str(error) or "stray %" in str(error):
                raise ConfigError(f"the format cannot be read: {error}", "format") from None

    def __call__(self, value: Any, time: bytes) -> bytes | None:
        if type(value) is not str or len(value) > 200:
            return None
        near = b"" if self._has_year else time[:10]
        result: bytes | None = self._known.of((value, near), self._work_out)
        return result

    def _work_out(self, key: tuple[str, bytes]) -> bytes | None:
        text, near = key
        if not near:
            return self._time(self._parsed(text))
        day = datetime.fromisoformat(near.decode()).replace(tzinfo=UTC)
        years = (day.year, day.year - 1, day.year + 1)
        moments = filter(None, (self._parsed(f"{year} {text}") for year in years))
        return self._time(min(moments, key=lambda moment: abs(moment - day), default=None))

    def _parsed(self, text: str) -> datetime | None:
        try:
            moment = datetime.strptime(text, self._form)
            return moment if moment.tzinfo else moment.replace(tzinfo=self._zone)
        except (ValueError, OverflowError):
            return None

    def _time(self, moment: datetime | None) -> bytes | None:
        second = None if moment is None else _in_utc(moment, self._zone)
        if moment is None or second is None:
            return None
        return b"%b.%06d000Z" % (second, moment.microsecond)
