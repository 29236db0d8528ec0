"""Apache httpd: its access log (`common` and `combined`) and its error log."""

from __future__ import annotations

import re
from typing import Final

from pipeline.model.records import Fields
from pipeline.parsing import access

_ERROR: Final = re.compile(
    r"\[([A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?+ \d{4})\] "
    r"\[(?:(\w++):)?+(\w++)\] (?:\[pid (\d{1,18})(?::tid (\d{1,18}))?+\] )?+"
    r"(?:\[client ([^\]\s]+?)(?::(\d{1,5}))?\] )?+(.*)",
    re.ASCII | re.DOTALL,
)
"""https://httpd.apache.org/docs/2.4/logs.html#errorlog"""


def parse(lines: list[bytes]) -> list[Fields]:
    """The fields of each line of an access log or error log; none for other lines."""
    return [access.certain(line) or _error(line) for line in lines]


def _error(line: bytes) -> Fields:
    if not line.startswith(b"["):
        return {}
    found = _ERROR.match(line.decode("utf-8", "replace"))
    if found is None:
        return {}
    time, module, severity, pid, tid, client, port, text = found.groups()
    fields: Fields = {"timestamp": time, "severity": severity}
    for name, value in (("module", module), ("client", client)):
        if value is not None:
            fields[name] = value
    for name, value in (("pid", pid), ("tid", tid), ("port", port)):
        if value is not None:
            fields[name] = int(value)
    fields["msg"] = text.rstrip()
    return fields
