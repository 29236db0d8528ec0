"""How long requests took, from what nginx's usual log formats have behind the combined format.

https://nginx.org/en/docs/http/ngx_http_upstream_module.html#variables,
https://github.com/kubernetes/ingress-nginx/blob/main/docs/user-guide/nginx-configuration/log-format.md
"""

from __future__ import annotations

import re
from typing import Final

from pipeline.model.records import Fields

MOST: Final = 1024
"""Characters that are looked at."""

_TIME: Final = r"\d{1,9}\.\d{3}"
_TIMES: Final = rf"(?:{_TIME}|-)(?:(?:, | : )(?:{_TIME}|-))*+"
"""The times of several servers, one after the other; `-` for one that did not answer."""

_IS_TIME: Final = re.compile(_TIME, re.ASCII)
_IS_TIMES: Final = re.compile(_TIMES, re.ASCII)
_EACH: Final = re.compile(_TIME, re.ASCII)

_PART: Final = re.compile(
    rf'\s++(?:(\w{{1,40}}+)=)?+(?:"((?:[^"\\]++|\\.)*+)"|({_TIMES})|(\S++))(?=\s|\Z)',
    re.ASCII | re.DOTALL,
)
"""One part of a format: a name, if it has one; and a quoted text, times, or a word."""

_NAMES: Final = {
    "rt": "request_time",
    "request_time": "request_time",
    "uct": "upstream_connect_time",
    "upstream_connect_time": "upstream_connect_time",
    "uht": "upstream_header_time",
    "upstream_header_time": "upstream_header_time",
    "urt": "upstream_response_time",
    "ut": "upstream_response_time",
    "upstream_response_time": "upstream_response_time",
}
_IN_ORDER: Final = ("request_time", "upstream_response_time")
"""What the first parts are where they have no names."""

_LIST: Final = r"(?:, | : )"
_INGRESS: Final = re.compile(
    rf" (\d{{1,18}}|-) ({_TIME}|-) \[([^\]\s]*+)\](?: \[([^\]\s]*+)\])?+"
    rf" ([^\s,]++(?:{_LIST}[^\s,]++)*+)"
    rf" ((?:\d{{1,18}}|-)(?:{_LIST}(?:\d{{1,18}}|-))*+) ({_TIMES})"
    rf" ((?:\d{{3}}|-)(?:{_LIST}(?:\d{{3}}|-))*+)(?: (\S++))?+(?=\s|\Z)",
    re.ASCII,
)
"""`upstreaminfo`, the format of ingress-nginx: length and time of the request, name of the upstream
and of the alternative one, addresses, lengths, times and statuses of its servers, request id."""
_INGRESS_NAMES: Final = (
    "request_length", "request_time", "proxy_upstream_name", "proxy_alternative_upstream_name",
    "upstream_addr", "upstream_response_length", "upstream_response_time", "upstream_status",
    "req_id",
)  # fmt: skip
_INGRESS_TIMES: Final = frozenset(("request_time", "upstream_response_time"))
_INGRESS_NUMBERS: Final = frozenset((
    "request_length", "upstream_response_length", "upstream_status",
))  # fmt: skip
"""Of several servers, the last one's counts: it has answered."""


def is_time(text: str) -> bool:
    """Whether the text is a time as nginx writes it: seconds with three decimals."""
    return _IS_TIME.fullmatch(text) is not None


def add(fields: Fields, rest: str) -> None:
    """Adds the times in `rest`, which follows the combined format, in seconds.

    Several times of upstream servers are added up: they were asked one after the other. Adds
    nothing for `-`, and for what is neither named (`rt=`, `urt=` …) nor in the usual order.
    """
    rest = rest[:MOST]
    if (found := _INGRESS.match(rest)) is not None:
        _add_ingress(fields, found)
        return
    end = number = 0
    while (part := _PART.match(rest, end)) is not None:
        end = part.end()
        name, quoted, times, _ = part.groups()
        key = _NAMES.get(name) if name else None
        if name is None and number < len(_IN_ORDER):
            key = _IN_ORDER[number]
        said = quoted if times is None else times
        if said is None or _IS_TIMES.fullmatch(said) is None:
            key, number = None, len(_IN_ORDER)
        number += 1
        if key is not None:
            _add_times(fields, key, said or "")


def _add_times(fields: Fields, name: str, text: str) -> None:
    if " " not in text:
        if text != "-":
            fields.setdefault(name, float(text))
    elif times := _EACH.findall(text):
        fields.setdefault(name, round(sum(map(float, times)), 3))


def _add_ingress(fields: Fields, found: re.Match[str]) -> None:
    for name, text in zip(_INGRESS_NAMES, found.groups(), strict=True):
        if text is None or text in ("-", ""):
            continue
        if name in _INGRESS_TIMES:
            _add_times(fields, name, text)
        elif name in _INGRESS_NUMBERS:
            last = text.rpartition(" ")[2]
            if last != "-":
                fields[name] = int(last)
        else:
            fields[name] = text
