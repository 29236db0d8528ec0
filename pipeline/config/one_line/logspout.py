"""What Logspout's own schemes and options are here, for those who come from it."""

from __future__ import annotations

from typing import Final

_OF_LINES: Final = "write syslog+{0}://…, logstash+{0}:// for JSON lines, or gelf+{0}://…"

_SCHEMES: Final[dict[str, str]] = {
    "raw": "write logstash+tcp://… for JSON lines, or syslog+tcp://…",
    "tcp": _OF_LINES.format("tcp"),
    "tls": "write syslog+tls://…, or logstash+tls://… for JSON lines",
    "udp": _OF_LINES.format("udp"),
    "fluentd": "write forward://…",
    "fluentd-tcp": "write forward+tcp://…",
    "fluentd-tls": "write forward+tls://…",
    "loggly": "write https://… with the address of its HTTP input",
}
_OPTIONS: Final[dict[str, str]] = {
    "append_tag": "the tag is the service or the container's name; a stage `set` adds a field",
    "structured_data": "write structured_data.ID.NAME=VALUE, with an ID such as site@32473",
}


def scheme_hint(scheme: str) -> str:
    """What to write for a scheme of Logspout that is not one here; empty for any other."""
    first = scheme.partition("+")[0]
    if first == "multiline":
        return "leave out multiline+, and add ?join=indent for lines that begin with white space"
    return _SCHEMES.get(scheme) or _SCHEMES.get(first, "")


def option_hint(key: str) -> str:
    """What to write for an option of Logspout that is not one here; empty for any other."""
    return _OPTIONS.get(key, "")


UDP: Final = ("syslog", "gelf")
"""Schemes that Logspout sends over UDP."""


def udp_warning(scheme: str) -> tuple[str, str] | None:
    """A warning and a hint for a scheme that is UDP for Logspout, and TCP here; None for others."""
    if scheme not in UDP:
        return None
    hint = f"write {scheme}+tcp:// or {scheme}+udp:// to say which is meant"
    return f"{scheme}:// sends over TCP; for Logspout it was UDP", hint
