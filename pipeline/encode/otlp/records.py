"""What becomes of an entry in a log record: its severity, its trace, and names of attributes.

A severity is a number of OpenTelemetry's with the word that goes with it:

| level here  | number | level here | number |
|-------------|--------|------------|--------|
| `emergency` | 21     | `warning`  | 13     |
| `alert`     | 19     | `notice`   | 10     |
| `critical`  | 18     | `info`     | 9      |
| `error`     | 17     | `debug`    | 5      |

The numbers are those that its specification gives for syslog's severities. An entry that calls
itself `fatal` is 21 and `fatal` all the same, and one of the level `trace` is 1 and `trace`.

https://opentelemetry.io/docs/specs/otel/logs/data-model-appendix/
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any, Final, Literal

from pipeline.encode.level import KEYS, LEVELS, UNKNOWN, severities, severity_of
from pipeline.encode.otlp.values import short
from pipeline.model.batch import Batch
from pipeline.model.dumps import dumps
from pipeline.model.records import Records
from pipeline.model.timestamps import all_nanoseconds

Fields = dict[str, Any]

Body = Literal["message", "fields"]
"""What is the body of a log record: the message, with the parsed fields as attributes; or the map
of parsed fields, with the message as the attribute `log.record.original`."""

SEVERITIES: Final = (
    *zip((21, 19, 18, 17, 13, 10, 9, 5), LEVELS, strict=True),
    (0, ""),
    (21, "fatal"),
    (1, "trace"),
)
"""Number and word for each severity of `level`, for `UNKNOWN`, and for two that it has no own
name for."""

FATAL: Final = UNKNOWN + 1
TRACE: Final = UNKNOWN + 2
_CRITICAL, _DEBUG = LEVELS.index("critical"), LEVELS.index("debug")
_NAMED: Final = (
    dict.fromkeys(("fatal", "ftl", "f", "60"), FATAL)
    | dict.fromkeys(("trace", "trce", "10"), TRACE)
)  # fmt: skip
"""What an entry calls itself, in lower case."""

TRACE_IDS: Final = ("trace_id", "traceId", "traceid", "trace.id")
SPAN_IDS: Final = ("span_id", "spanId", "spanid", "span.id")
"""Fields that are asked, in this order."""
IDS: Final = frozenset(TRACE_IDS + SPAN_IDS)
_TRACE_ID: Final = re.compile(r"(?!0{32})[0-9a-fA-F]{32}").fullmatch
_SPAN_ID: Final = re.compile(r"(?!0{16})[0-9a-fA-F]{16}").fullmatch

RESERVED: Final = frozenset(
    ("log.iostream", "event.sequence", "event.part", "log.flags", "log.record.original", "fields")
)
"""Names of attributes that are ours; a parsed field of such a name is kept under `fields`."""


MOST_FIELDS: Final = 1000
"""Parsed fields of an entry that are attributes; further ones are kept together under `fields`."""


def times(batch: Batch) -> list[int]:
    """The time of each entry, in nanoseconds since the epoch; 0, which stands for none, where it is
    before 1970 or after 2262."""
    found = all_nanoseconds(batch.times)
    if found and (min(found) < 0 or max(found) >= 2**63):
        return [time if 0 <= time < 2**63 else 0 for time in found]
    return found


def severities_of(batch: Batch) -> bytes:
    """An index into `SEVERITIES` for each entry."""
    found = severities(batch)
    if found is None:
        return bytes([UNKNOWN]) * len(batch)
    if _CRITICAL not in found and _DEBUG not in found:
        return found
    parsed = batch.parsed
    rows = parsed.only((*KEYS, "log")) if type(parsed) is Records else batch.fields or []
    return bytes(
        [
            _named(row, severity) if severity in (_CRITICAL, _DEBUG) else severity
            for severity, row in zip(found, rows, strict=True)
        ]
    )


def _named(entry: Fields, severity: int) -> int:
    level = entry.get("level")
    if not isinstance(level, str | int | float) or severity_of(level) == UNKNOWN:
        level = _telling(entry)
    return _NAMED.get(str(level).strip().lower(), severity)


def _telling(entry: Fields) -> Any:
    """The value that the level was read from."""
    log = entry.get("log")
    nested = log.get("level") if isinstance(log, dict) else None
    values = (*map(entry.get, KEYS), nested)
    return next((value for value in values if severity_of(value) != UNKNOWN), None)


Traced = tuple[str, str]
"""The names of the fields that an entry's trace and its span were read from; empty for none."""


def traced(rows: Iterable[Fields]) -> list[Traced]:
    """Which fields of each entry have its trace and its span. They are no attributes any more."""
    return [(_first(row, TRACE_IDS, _TRACE_ID), _first(row, SPAN_IDS, _SPAN_ID)) for row in rows]


def _first(row: Fields, names: Iterable[str], valid: Any) -> str:
    """The first of these fields that is a valid id."""
    for name in names:
        value = row.get(name)
        if type(value) is str and valid(value):
            return name
    return ""


def tells_of_traces(names: Collection[Any]) -> bool:
    """Whether entries that have fields of these names may tell of a trace or a span."""
    return not IDS.isdisjoint(names)


def body(row: Fields) -> Fields | str:
    """All parsed fields of an entry as its body; their JSON text where they are too many."""
    if len(row) > MOST_FIELDS:
        return dumps(row).decode()
    return {name: short(value) for name, value in row.items()}


def attributes(row: Fields, known: Traced = ("", "")) -> Fields:
    """The parsed fields of an entry that are attributes, with those of taken names moved, and those
    that are too many."""
    if len(row) > MOST_FIELDS:
        kept = attributes(dict(islice(row.items(), MOST_FIELDS)), known)
        more = islice(row.items(), MOST_FIELDS, None)
        return kept | {"fields": kept.get("fields", {}) | dict(more)}
    if RESERVED.isdisjoint(row) and not any(known):
        return row
    found = {
        name: value
        for name, value in row.items()
        if name not in RESERVED and (not name or name not in known)
    }
    if moved := {name: row[name] for name in row if name in RESERVED}:
        found["fields"] = moved
    return found
