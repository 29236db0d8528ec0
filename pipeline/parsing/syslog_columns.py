"""Syslog messages as columns of one sender each: host and application."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.model.records import Fields
from pipeline.model.timestamps import NO_TIME, timestamp
from pipeline.parsing.syslog import parse
from pipeline.parsing.syslog_time import moment

KEPT: Final = ("facility", "severity", "appname", "procid", "msgid", "structured_data")
"""Fields of a message; what it says of time, host and itself stands elsewhere."""


BESIDE: Final = 1000
ELEMENT: Final = 400
PARAMETER: Final = 200
"""Bytes of memory that a message's fields, an element of structured data and a parameter take
beside their text: many times what they are in a message (measured with `sys.getsizeof` on
CPython 3.11)."""


@dataclass(slots=True)
class SyslogColumns:
    """Of one sender."""

    host: str
    app: str
    lines: list[bytes] = field(default_factory=list)
    times: list[bytes] = field(default_factory=list)
    fields: list[Fields] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    """Indexes of those that were too long."""
    weight: int = 0
    """Bytes of memory, near enough, of what stands in messages beside their text."""


def columns(
    messages: Sequence[bytes], peer: str, now: float, cut: Sequence[int] = ()
) -> list[SyslogColumns]:
    """`peer`: the sender's address, for messages that name no host; `now` in seconds since the
    epoch, for those that tell no time; `cut`: indexes of those that were."""
    found: dict[tuple[str, str], SyslogColumns] = {}
    for index, said in enumerate(messages):
        message = said.rstrip(b"\r\n\0")
        if not message:
            continue
        line, fields = _read(message)
        host, app = str(fields.get("hostname") or peer), str(fields.get("appname") or "")
        into = found.get((host, app))
        if into is None:
            into = found[host, app] = SyslogColumns(host, app)
        if index in cut:
            into.cut.append(len(into.lines))
        text = fields.get("timestamp")
        time = moment(text, now) if text else NO_TIME
        into.lines.append(line)
        into.times.append(time if time != NO_TIME else timestamp(now))
        into.weight += _weight(message, fields)
        into.fields.append({name: fields[name] for name in KEPT if name in fields})
    return list(found.values())


def _weight(message: bytes, fields: Fields) -> int:
    size = BESIDE + (len(message) if message.isascii() else 4 * len(message))
    for parameters in fields.get("structured_data", {}).values():
        size += ELEMENT + PARAMETER * len(parameters)
    return size


def _read(message: bytes) -> tuple[bytes, Fields]:
    """The message's own text, and what stands before it."""
    if _is_utf8(message):
        (fields,) = parse([message])
        text = fields.get("msg")
        return (message if text is None else text.encode("utf-8", "replace")), fields
    # Each byte as a character of its own, so that the text's are found again as they were.
    (fields,) = parse([message.decode("latin-1").encode()])
    text = fields.get("msg")
    line = message if text is None else text.encode("latin-1", "replace")
    return line, {name: _as_utf8(value) for name, value in fields.items()}


def _is_utf8(message: bytes) -> bool:
    try:
        message.decode()
    except UnicodeDecodeError:
        return False
    return True


def _as_utf8(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("latin-1", "replace").decode("utf-8", "replace")
    if isinstance(value, dict):
        return {_as_utf8(name): _as_utf8(one) for name, one in value.items()}
    return value
