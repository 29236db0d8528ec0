"""Access logs in the common and combined formats of Apache and nginx.

https://httpd.apache.org/docs/2.4/logs.html#accesslog,
https://nginx.org/en/docs/http/ngx_http_log_module.html
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from pipeline.model.records import Fields
from pipeline.parsing import timing

_QUOTED: Final = r'"((?:[^"\\]++|\\.)*+)"'

_ACCESS: Final = re.compile(
    r"(\S++) (\S++) ([^\[]*?) \[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "
    rf"{_QUOTED} (\d{{3}}|-) (\d{{1,18}}|-)(?: {_QUOTED} {_QUOTED}(?: {_QUOTED})?+)?+(?=\s|\Z)",
    re.ASCII | re.DOTALL,
)
"""Client, identity, user, time, request, status, size; referer, agent; and, as in nginx's `main`,
`X-Forwarded-For`. `timing` reads what a longer format has behind these."""

_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip


def certain(line: bytes) -> Fields:
    """The fields of a line of an access log; none if the line is anything else."""
    if b'] "' not in line:
        return {}
    text = line.decode("utf-8", "replace")
    found = _ACCESS.match(text)
    if found is None:
        return {}
    client, identity, user, time, request, status, size, referer, agent, forwarded = found.groups()
    fields: Fields = {"client": client, "timestamp": _rfc3339(time)}
    if identity != "-":
        fields["identity"] = identity
    if user != "-":
        fields["user"] = user
    add_request(fields, request)
    if status != "-":
        fields["status"] = int(status)
    if size != "-":
        fields["size"] = int(size)
    if referer is not None and referer != "-":
        fields["referer"] = referer
    if agent is not None and agent != "-":
        fields["agent"] = agent
    if forwarded is not None and forwarded != "-":
        if timing.is_time(forwarded):
            timing.add(fields, text[found.start(10) - 2 :])
            return fields
        fields["forwarded_for"] = forwarded
    if found.end() != len(text):
        timing.add(fields, text[found.end() :])
    return fields


def add_request(fields: Fields, request: str) -> None:
    """Adds `method`, `path` and `protocol` of a request line, or `request` if it is malformed.

    A malformed one is, for example, the first bytes of a TLS client on a port without TLS. Adds
    nothing for `-`.
    """
    method, _, rest = request.partition(" ")
    path, _, protocol = rest.rpartition(" ")
    if path and protocol.startswith("HTTP/"):
        fields["method"], fields["path"], fields["protocol"] = method, path, protocol
    elif request not in ("-", ""):
        fields["request"] = request


@lru_cache(1024)
def _rfc3339(time: str) -> str:
    """A time such as `31/Jan/2026:23:59:59 +0000` in RFC 3339. Cached: lines share a second."""
    if time[3:6] not in _MONTHS:
        return time
    month = _MONTHS.index(time[3:6]) + 1
    zone = "Z" if time[21:] in ("+0000", "-0000") else f"{time[21:24]}:{time[24:]}"
    return f"{time[7:11]}-{month:02}-{time[:2]}T{time[12:20]}{zone}"
