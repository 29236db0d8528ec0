"""Reads fields out of the message, which itself stays as it is.

- `json`: a line that is one JSON object, as a whole.
- `logfmt`: `level=info msg="a text" cached`; a word without `=` is a field that is true. Values are
  text; in expressions text that spells a number compares as one.
- `nginx`, `apache`: access logs in the common and the combined format: `client`, `user`,
  `identity`, `timestamp` (RFC 3339), `method`, `path`, `protocol`, `status`, `size`, `referer`,
  `agent`, `forwarded_for`; `request` instead of the three where it is no request. Behind these,
  the times of nginx, in seconds: `request_time`, `upstream_response_time`,
  `upstream_connect_time`, `upstream_header_time`, with their names (`rt=$request_time
  urt="$upstream_response_time"`) or as `$request_time $upstream_response_time`. Those of several
  servers, `0.001, 0.002`, are added up. And the default format of ingress-nginx:
  `request_length`, `upstream_addr`, `upstream_status`, `proxy_upstream_name`, `req_id` and more.
  What else a longer format has stays in the message. And their error logs: `timestamp`, `severity`,
  `pid`, `tid`, `client`, `msg`; of nginx also `cid`, `server`, `upstream`, `http_host` and the
  request; of Apache also `module` and `port`.
- `syslog`: RFC 5424 and RFC 3164, as a program writes it to its output or a daemon to a file:
  `facility`, `severity`, `timestamp`, `hostname`, `appname`, `procid`, `msgid`, `version`, `msg`,
  and `structured_data`, an object for each element.
- `klog`: what Kubernetes and glog write, `I0131 23:59:59.000000 1 file.go:10] text`: `level`
  (`info`, `warning`, `error`, `fatal`), `timestamp`, `id` (of the thread), `file`, `line`, `msg`,
  and the pairs of a structured message.
- `auto`: JSON for a line that begins with `{`; klog, syslog with its priority and time, and access
  logs, which cannot be mistaken; logfmt for a line that is nothing but pairs such as `key=value`,
  at least two of them.
- `{ regex = "…" }`: the named groups of a pattern that is searched in the message, `^` and `$`
  being its ends. Groups that take no part in the match make no fields.

A line that cannot be parsed goes on without fields; so does a line of more than 64 KiB with more
than 20,000 values in its JSON, or with 10,000 `=` if it is not JSON. Fields that an entry has
already stay, unless the parser finds a field of the same name. In fields, each byte that is not
UTF-8 becomes U+FFFD. Whole numbers keep all their digits; `NaN` is not JSON; of two equal keys the
last one counts. A `-` for a value that is missing makes no field; a time without year or zone stays
as it is written. Names are those of Vector, except `msg` and `http_host`, since `message` and
`host` are taken. Elastic Common Schema has others, which `rename` gives:
`{ rename = { client = "source.address", status = "http.response.status_code" } }`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, Literal

import msgspec

from pipeline.expression.patterns import compile_pattern
from pipeline.model import component
from pipeline.model.batch import Batch, text_size
from pipeline.model.container import Container
from pipeline.model.records import Fields, RecordReader, Records
from pipeline.parsing import apache, json, klog, logfmt, nginx, regex, syslog
from pipeline.parsing.access_records import AccessReader
from pipeline.parsing.auto import FIRST_OF_OTHERS, Auto

Parser = Callable[[list[bytes]], list[Fields]]
"""The fields of each line, empty if it has none. Each has a dictionary of its own."""


class Pattern(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pattern of your own."""

    regex: Annotated[
        str, msgspec.Meta(examples=[r"^(?P<ip>\S+) .* (?P<status>\d{3}) (?P<ms>\d+)$"])
    ]
    """A regular expression of Python's with named groups. A pattern that could take endless time
    for
    some line is refused, such as `(a+)+`."""


Format = Literal["json", "logfmt", "nginx", "apache", "syslog", "klog", "auto"]

Config = Annotated[
    Format | Pattern,
    msgspec.Meta(examples=["json", "auto", {"regex": r"^(?P<level>\w+): (?P<text>.*)$"}]),
]

MOST_PAIRS: Final = 10_000
"""`=` signs of a long line that isn't JSON: each pair takes up to two."""

_PARSERS: Final[dict[str, Parser]] = {
    "json": json.parse,
    "logfmt": logfmt.parse,
    "nginx": nginx.parse,
    "apache": apache.parse,
    "syslog": syslog.parse,
    "klog": klog.parse,
}


class Stage(component.Stage):
    """Adds the fields that a parser finds in the line of each entry."""

    def __init__(self, config: Format | Pattern) -> None:
        self._config = config
        self._parse = _parser(config)

    def bind(self, container: Container) -> component.Stage:
        if self._config == "auto":
            return _Auto()
        if self._config == "json":
            return _AsRecords(RecordReader(json.parse, json.parse_one, all_json=False), True)
        if self._config in ("nginx", "apache"):
            parse = _PARSERS[self._config]
            return _AsRecords(AccessReader(lambda lines, left: parse([lines[n] for n in left])))
        return self

    def __call__(self, batch: Batch) -> Batch | None:
        lines = batch.lines if isinstance(self._config, Pattern) else _light(batch.lines)
        return _with(batch, self._parse(lines))

    def effect(self) -> component.Effect:
        makes = None
        if isinstance(self._config, Pattern):
            makes = frozenset(compile_pattern(self._config.regex).groups)
        spoils = {"join": "lines are parsed one by one, and what is joined to one of them is not"}
        return component.Effect(makes=makes, part="parse", spoils=spoils)


class _AsRecords(component.Stage):
    """Parses the lines of one container, most of which are in one format."""

    def __init__(self, reader: RecordReader | AccessReader, literal: bool = False) -> None:
        """`literal`: whether all that is in its records is in the messages (`Batch.literal`)."""
        self._reader = reader
        self._literal = literal

    def __call__(self, batch: Batch) -> Batch | None:
        parsed = self._reader.read(_light(batch.lines))
        if batch.parsed is None and type(parsed) is Records:
            return batch.replace(parsed=parsed, literal=self._literal)
        return _with(batch, parsed)


class _Auto(component.Stage):
    """Parses the lines of one container in the format that was the last one."""

    def __init__(self) -> None:
        auto = Auto()
        self._auto = auto
        self._json = _AsRecords(RecordReader(auto.parse, json.parse_one, all_json=True), True)
        self._access = _AsRecords(AccessReader(auto.parse_among_access, FIRST_OF_OTHERS))

    def __call__(self, batch: Batch) -> Batch | None:
        return (self._access if self._auto.expects_access(batch.lines) else self._json)(batch)


def _light(lines: list[bytes]) -> list[bytes]:
    """The lines, with empty ones in place of those that would take too long to parse."""
    if text_size(lines) <= json.LONG:
        return lines
    return [b"" if len(line) > json.LONG and _is_heavy(line) else line for line in lines]


def _is_heavy(line: bytes) -> bool:
    if line.count(b"=") > MOST_PAIRS and not json.may_be(line):
        return True
    return json.is_heavy(line)


def _parser(config: Format | Pattern) -> Parser:
    if isinstance(config, Pattern):
        return regex.parser(config.regex)
    return Auto().parse if config == "auto" else _PARSERS[config]


def _with(batch: Batch, parsed: Records | list[Fields]) -> Batch:
    if batch.parsed is None:
        nothing = type(parsed) is list and not any(parsed)
        return batch if nothing else batch.replace(parsed=parsed)
    added = parsed.dictionaries() if type(parsed) is Records else parsed
    for fields, new in zip(batch.fields or (), added, strict=True):
        fields.update(new)
    return batch
