"""Reads fields out of the message, which itself stays as it is.

- `json`: a line that is one JSON object, as a whole.
- `logfmt`: `level=info msg="a text" cached`; a word without `=` is a field that is true. Values are
  text; in expressions text that spells a number compares as one.
- `auto`: JSON for a line that begins with `{`, logfmt for one that is nothing but pairs such as
  `key=value`, at least two of them.
- `{ regex = "…" }`: the named groups of a pattern that is looked for in the message, `^` and `$`
  being its ends. Groups that take no part in the match make no fields.

A line that cannot be parsed goes on without fields. Fields that an entry has already stay, but for
those that are read anew. Of bytes that are not UTF-8, each becomes U+FFFD in the fields. Whole
numbers keep all their digits; `NaN` is not JSON, and of two equal keys the last one counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

import msgspec

from pipeline import component
from pipeline.batch import Batch, Container
from pipeline.errors import ConfigError
from pipeline.expression.patterns import compile_pattern
from pipeline.records import NOT_JSON, Fields, RecordReader, Records

Parser = Callable[[list[bytes]], list[Fields]]
"""Fields of each line, empty where there are none. No two are the same object."""


class Pattern(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pattern of one's own."""

    regex: Annotated[
        str, msgspec.Meta(examples=[r"^(?P<ip>\S+) .* (?P<status>\d{3}) (?P<ms>\d+)$"])
    ]
    """A regular expression of Python's with named groups. One that some line could keep busy for
    ever is refused, such as `(a+)+`."""


Config = Annotated[
    Literal["json", "logfmt", "auto"] | Pattern,
    msgspec.Meta(examples=["json", {"regex": r"^(?P<level>\w+): (?P<text>.*)$"}]),
]


class Stage(component.Stage):
    """Gives each entry the fields that a parser finds in its line."""

    def __init__(self, config: str | Pattern) -> None:
        self._config = config
        self._parse = _regex(config.regex) if isinstance(config, Pattern) else _PARSERS[config]

    def bind(self, container: Container) -> component.Stage:
        if self._config in ("json", "auto"):
            auto = self._config == "auto"
            return _AsRecords(RecordReader(self._parse, _json_or_nothing, all_json=auto))
        return self

    def __call__(self, batch: Batch) -> Batch | None:
        return _with(batch, self._parse(batch.lines))


class _AsRecords(component.Stage):
    """Parses one container's JSON."""

    def __init__(self, reader: RecordReader) -> None:
        self._reader = reader

    def __call__(self, batch: Batch) -> Batch | None:
        return _with(batch, self._reader.read(batch.lines))


def _with(batch: Batch, parsed: Records | list[Fields]) -> Batch:
    if batch.parsed is None:
        nothing = type(parsed) is list and not any(parsed)
        return batch if nothing else batch.replace(parsed=parsed)
    added = parsed.dictionaries() if type(parsed) is Records else parsed
    for fields, new in zip(batch.fields or (), added, strict=True):
        fields.update(new)
    return batch


# ------------------------------------------------------------------------------------ JSON

_object: Final = msgspec.json.Decoder(dict[str, Any]).decode
"""Per line of 142 bytes 0.42 µs, where `orjson.loads` takes 0.50, and 0.44 for all lines joined to
one array; but then `[1` and `2]` have to be told from `[1,2]`, which costs what it saves (see
`benchmarks/bench_parse.py`). And it keeps the digits of integers beyond 64 bits."""

_BEFORE: Final = b" \t\r\n\xef\xbb\xbf"
"""White space, and the bytes of a byte order mark."""


def _json(lines: list[bytes]) -> list[Fields]:
    parsed: list[Fields] = []
    try:
        parsed.extend(map(_object, lines))
    except NOT_JSON:  # what came before is in the list
        parsed += [_json_or_nothing(line) for line in lines[len(parsed) :]]
    return parsed


def _json_or_nothing(line: bytes) -> Fields:
    line = line.lstrip(_BEFORE)
    if not line.startswith(b"{"):
        return {}
    try:
        return _object(line)
    except UnicodeDecodeError:
        return _json_or_nothing(line.decode("utf-8", "replace").encode())
    except NOT_JSON:
        return {}


# ---------------------------------------------------------------------------------- logfmt

_TOKEN: Final = re.compile(
    r"""([^\s="]++)(?:(=)(?:"((?:[^"\\]++|\\.)*+)"|((?:[^\s"=][^\s"]*+)?+)))?+(?!\S) | (\S++)""",
    re.VERBOSE | re.DOTALL,
)
"""Key, `=`, quoted value, plain value; or what fits nowhere. Possessive, so it never goes back."""

_KEY: Final = re.compile(r"[A-Za-z_@][\w.@/-]*")


def _logfmt(lines: list[bytes]) -> list[Fields]:
    return [_pairs(line) if line.find(b"=") > 0 else {} for line in lines]


def _pairs(line: bytes) -> Fields:
    """The fields of a line of which every word fits, at least one being a pair."""
    text = line.decode("utf-8", "replace")
    fields = _with_quotes(text) if '"' in text else _without_quotes(text)
    return {} if all(value is True for value in fields.values()) else fields


def _without_quotes(text: str) -> Fields:
    fields: Fields = {}
    for word in text.split():
        key, equals, value = word.partition("=")
        if not key or value.startswith("="):
            return {}
        fields[key] = value if equals else True
    return fields


def _with_quotes(text: str) -> Fields:
    fields: Fields = {}
    for key, equals, quoted, plain, other in _TOKEN.findall(text):
        if other:
            return {}
        value = plain or (_unescape(quoted) if "\\" in quoted else quoted)
        fields[key] = value if equals else True
    return fields


def _unescape(quoted: str) -> str:
    """As in JSON; where that fails, a backslash stands for the character after it."""
    try:
        return str(msgspec.json.decode(f'"{quoted}"'))
    except msgspec.DecodeError:
        return re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)


# ----------------------------------------------------------------------------------- auto


def _auto(lines: list[bytes]) -> list[Fields]:
    parsed = _json(lines)
    if all(parsed):
        return parsed
    pairs = zip(parsed, lines, strict=True)
    return [fields or (_convincing(line) if line.count(b"=") > 1 else {}) for fields, line in pairs]


def _convincing(line: bytes) -> Fields:
    """The fields of a line that is logfmt for certain, and not a text with some `=` in it."""
    if line.startswith(b"{"):
        return {}
    fields = _pairs(line)
    is_logfmt = len(fields) > 1 and True not in fields.values() and all(map(_KEY.fullmatch, fields))
    return fields if is_logfmt else {}


# ---------------------------------------------------------------------------------- regex


def _regex(text: str) -> Parser:
    try:
        pattern = compile_pattern(text)
    except ConfigError as error:
        raise ConfigError(error.message, "regex") from None
    if not pattern.groups:
        raise ConfigError('name what is to become fields, as in "(?P<status>\\d+)"', "regex")
    search = pattern.search

    def parse(lines: list[bytes]) -> list[Fields]:
        texts = [line.decode("utf-8", "replace") for line in lines]
        parsed = [found.groupdict() if (found := search(text)) else {} for text in texts]
        return [_present(fields) if None in fields.values() else fields for fields in parsed]

    return parse


def _present(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}


_PARSERS: Final[dict[str, Parser]] = {"json": _json, "logfmt": _logfmt, "auto": _auto}
