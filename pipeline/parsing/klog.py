"""klog and glog, the formats of Kubernetes: `I0131 23:59:59.000000 1 file.go:10] text`.

https://github.com/kubernetes/klog (`formatHeader`); structured messages,
`"Pod updated" pod="kube-system/dns"`: https://github.com/kubernetes/community, `logging.md`.
"""

from __future__ import annotations

import re
from typing import Final

from pipeline.model.records import Fields
from pipeline.parsing import logfmt

_HEADER: Final = re.compile(
    rb"([IWEF])((?:\d{4})?\d{4} \d\d:\d\d:\d\d\.\d{6}) ++(\d{1,18}) ([^\s:\]]++):(\d{1,9})\] ?(.*)",
    re.DOTALL,
)
_QUOTED: Final = re.compile(r'"((?:[^"\\]++|\\.)*+)"(?: (.*))?+\Z', re.DOTALL)

_LEVELS: Final = {b"I": "info", b"W": "warning", b"E": "error", b"F": "fatal"}


def parse(lines: list[bytes]) -> list[Fields]:
    """The fields of each line in klog's format; none for other lines."""
    return [certain(line) for line in lines]


def certain(line: bytes) -> Fields:
    """The fields of a line in klog's format; none if the line is anything else."""
    if line[:1] not in _LEVELS or not line[1:5].isdigit():
        return {}
    found = _HEADER.match(line)
    if found is None:
        return {}
    level, time, thread, file, number, rest = found.groups()
    text = rest.decode("utf-8", "replace").rstrip()
    fields: Fields = {}
    if text.startswith('"') and (structured := _QUOTED.match(text)):
        fields = logfmt.pairs(structured[2] or "")
        if True not in fields.values() and (fields or not structured[2]):
            quoted = structured[1]
            text = logfmt.unescape(quoted) if "\\" in quoted else quoted
        else:
            fields = {}
    fields["level"] = _LEVELS[level]
    fields["timestamp"] = time.decode()
    fields["id"] = int(thread)
    fields["file"] = file.decode("utf-8", "replace")
    fields["line"] = int(number)
    fields["msg"] = text
    return fields
