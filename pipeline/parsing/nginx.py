"""nginx: its access log (`combined`, and `main` of the official image) and its error log."""

from __future__ import annotations

import re
from typing import Final

from pipeline.model.records import Fields
from pipeline.parsing import access

_ERROR: Final = re.compile(
    r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(\w++)\] (\d{1,18})#(\d{1,18}): (?:\*(\d{1,18}) )?+(.*)",
    re.ASCII | re.DOTALL,
)
_CONTEXT: Final = re.compile(
    r", client: ([^\s,]++)(?:, server: ([^,]*+))?+"
    + "".join(
        rf'(?:, {name}: "([^"]*+)")?+'
        for name in ("request", "subrequest", "upstream", "host", "referrer")
    )
    + r"\s*+\Z"
)
"""The end of a message about a request, as `ngx_http_log_error` writes it."""

_CONTEXT_NAMES: Final = (
    "client", "server", "request", "subrequest", "upstream", "http_host", "referer",
)  # fmt: skip


def parse(lines: list[bytes]) -> list[Fields]:
    """The fields of each line of an access log or error log; none for other lines."""
    return [access.certain(line) or _error(line) for line in lines]


def _error(line: bytes) -> Fields:
    if line[4:5] != b"/":
        return {}
    found = _ERROR.match(line.decode("utf-8", "replace"))
    if found is None:
        return {}
    time, severity, pid, tid, connection, text = found.groups()
    fields: Fields = {"timestamp": time, "severity": severity, "pid": int(pid), "tid": int(tid)}
    if connection is not None:
        fields["cid"] = int(connection)
    context = _CONTEXT.search(text)
    fields["msg"] = text.rstrip() if context is None else text[: context.start()]
    if context is not None:
        for name, value in zip(_CONTEXT_NAMES, context.groups(), strict=True):
            if value and name != "request":
                fields[name] = value
        access.add_request(fields, context[3] or "")
    return fields
