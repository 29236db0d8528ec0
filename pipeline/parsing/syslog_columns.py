"""Groups syslog messages by sender, into the columns of a batch for each host and application."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.model.records import Fields
from pipeline.model.timestamps import NO_TIME, timestamp
from pipeline.parsing.syslog import parse
from pipeline.parsing.syslog_time import moment

KEPT: Final = ("facility", "severity", "appname", "procid", "msgid", "structured_data")
"""Fields of a message that an entry keeps; its time, host and text are elsewhere in the entry."""


BESIDE: Final = 1000
ELEMENT: Final = 400
PARAMETER: Final = 200
"""Bytes of memory that a message's fields, an element of structured data and a parameter take
besides their text (measured with `sys.getsizeof` on CPython 3.11)."""


@dataclass(slots=True)
class SyslogColumns:
    """The messages of one sender as columns: `lines`, `times` and `fields` have one item each."""

    host: str
    """The host in the messages, or else the sender's address."""
    app: str
    """The application; empty if the messages have none."""
    lines: list[bytes] = field(default_factory=list)
    """The texts of the messages, without their headers."""
    times: list[bytes] = field(default_factory=list)
    """The times of the messages, in the form of `pipeline.model.timestamps`."""
    fields: list[Fields] = field(default_factory=list)
    """The fields of the messages, of those in `KEPT`."""
    cut: list[int] = field(default_factory=list)
    """Indexes of the messages that were cut."""
    weight: int = 0
    """About how many bytes of memory the messages take besides their lines."""


def columns(
    messages: Sequence[bytes], peer: str, now: float, cut: Sequence[int] = ()
) -> list[SyslogColumns]:
    """Groups messages by host and application, in the order of each one's first message.

    `peer` is the sender's address, for messages without a host; `now` is in seconds since the
    epoch, for messages without a time; `cut` has the indexes of messages that were cut. Empty
    messages are left out.
    """
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
    """The text of a message, with its bytes, and all its fields."""
    if _is_utf8(message):
        (fields,) = parse([message])
        text = fields.get("msg")
        return (message if text is None else text.encode("utf-8", "replace")), fields
    # Decode each byte as one character, so that the text can be encoded to the same bytes again.
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
