"""Syslog messages: RFC 5424, and RFC 3164 with its common variations."""

from __future__ import annotations

import re
from typing import Final

from pipeline.model.records import Fields

_PRIORITY: Final = re.compile(r"<(0|[1-9]\d{0,2})>", re.ASCII)

_RFC5424: Final = re.compile(
    r"([1-9]\d{0,2}) (-|\d{4}-\d\d-\d\dT\S{1,40}) (\S{1,255}) (\S{1,48}) (\S{1,128}) (\S{1,32}) "
    r'(-|(?:\[[^\s=\]"]{1,32}(?: [^\s=\]"]{1,32}="(?:[^"\\\]]++|\\.)*+")*+\])++)(?: (.*))?+\Z',
    re.ASCII | re.DOTALL,
)
"""What follows the priority: version, time, host, application, process id, message id, structured
data and message."""

_ELEMENT: Final = re.compile(r'\[([^\s=\]"]++)((?:[^"\]]++|"(?:[^"\\]++|\\.)*+")*+)\]', re.DOTALL)
_PARAMETER: Final = re.compile(r' ([^\s=\]"]++)="((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_ESCAPED: Final = re.compile(r'\\(["\\\]])')

_TIME: Final = (
    r"[A-Z][a-z]{2} [ \d]\d (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d{1,9})?"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
)
_RFC3164: Final = re.compile(
    rf"({_TIME}):? (?:([\w.:-]{{0,254}}[\w.-]) )?"
    r"(?:([^\s:\[\]]{1,48})(?:\[([^\]\s]{1,128})\])?:(?:\s|\Z))?(.*)",
    re.ASCII | re.DOTALL,
)
"""Time, host, tag, process id and message. Programs on a local socket leave out the host; rsyslog
writes the time as in RFC 3339."""

_UNTIMED: Final = re.compile(
    r"([^\s:\[\]]{1,48})(?:\[([^\]\s]{1,128})\])?: ?(.*)", re.ASCII | re.DOTALL
)

_FACILITIES: Final = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clockd",
    *(f"local{number}" for number in range(8)),
)  # fmt: skip
_SEVERITIES: Final = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")


def parse(lines: list[bytes]) -> list[Fields]:
    """The fields of each line that is a syslog message; none for other lines.

    Also accepts messages without a priority, or without a time.
    """
    return [certain(line) or _loose(line) for line in lines]


def certain(line: bytes) -> Fields:
    """The fields of a message with priority and time, `<34>1 2026-…` or `<34>Oct 11 …`, or none."""
    if not line.startswith(b"<"):
        return {}
    text = line.decode("utf-8", "replace")
    fields, at = _priority(text)
    if not at:
        return {}
    if found := _RFC5424.match(text, at):
        _add_rfc5424(found, fields)
    elif found := _RFC3164.match(text, at):
        _add_rfc3164(found, fields)
    else:
        return {}
    return fields


def _loose(line: bytes) -> Fields:
    """The fields of a message without priority, as in the files of syslog daemons, or without time.

    The latter are written by the kernel, and by programs that follow `sd-daemon(3)`.
    """
    text = line.decode("utf-8", "replace")
    fields, at = _priority(text)
    if at:
        untimed = _UNTIMED.match(text, at)
        tag, process, message = untimed.groups() if untimed else (None, None, text[at:])
        _add(fields, appname=tag, procid=process)
        fields["msg"] = message.rstrip()
    elif (found := _RFC3164.match(text)) and found[3] is not None:
        _add_rfc3164(found, fields)
    return fields


def _priority(text: str) -> tuple[Fields, int]:
    """Facility and severity, and the offset behind the priority; 0 if there is none."""
    found = _PRIORITY.match(text)
    if found is None or (number := int(found[1])) > 191:
        return {}, 0
    facility, severity = divmod(number, 8)
    fields = {"facility": _FACILITIES[facility], "severity": _SEVERITIES[severity]}
    return fields, found.end()


def _add_rfc5424(found: re.Match[str], fields: Fields) -> None:
    version, time, host, application, process, message_id, data, message = found.groups()
    fields["version"] = int(version)
    _add(fields, time, host, application, process, message_id)
    if data != "-":
        fields["structured_data"] = _structured(data)
    if message is not None:
        fields["msg"] = message.removeprefix("\ufeff").rstrip()


def _add_rfc3164(found: re.Match[str], fields: Fields) -> None:
    time, host, tag, process, message = found.groups()
    _add(fields, time, host, tag, process)
    fields["msg"] = message.rstrip()


def _add(
    fields: Fields,
    timestamp: str | None = None,
    hostname: str | None = None,
    appname: str | None = None,
    procid: str | None = None,
    msgid: str | None = None,
) -> None:
    """Adds the values that are present, not `-`; a numeric process id as a number."""
    said = (
        ("timestamp", timestamp), ("hostname", hostname), ("appname", appname),
        ("procid", procid), ("msgid", msgid),
    )  # fmt: skip
    for name, value in said:
        if value is not None and value != "-":
            fields[name] = value
    if procid is not None and procid.isascii() and procid.isdigit() and len(procid) < 19:
        fields["procid"] = int(procid)


def _structured(data: str) -> dict[str, dict[str, str]]:
    return {
        name: {
            key: _ESCAPED.sub(r"\1", value) if "\\" in value else value
            for key, value in _PARAMETER.findall(parameters)
        }
        for name, parameters in _ELEMENT.findall(data)
    }
