"""logfmt: lines of pairs such as `level=info msg="a text" cached`."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from pipeline.model.records import Fields

_TOKEN: Final = re.compile(
    r"""([^\s="]++)(?:(=)(?:"((?:[^"\\]++|\\.)*+)"|((?:[^\s"=][^\s"]*+)?+)))?+(?!\S) | (\S++)""",
    re.VERBOSE | re.DOTALL,
)
"""Key, `=`, quoted value, plain value; or anything else. Possessive, so it never backtracks."""

_KEY: Final = re.compile(r"[A-Za-z_@][\w.@/-]*")


def parse(lines: list[bytes]) -> list[Fields]:
    """The fields of each line in logfmt with at least one pair; none for other lines."""
    return [_line(line) if line.find(b"=") > 0 else {} for line in lines]


def certain(line: bytes) -> Fields:
    """The fields of a line that is certainly logfmt, not just a text with some `=`; else none."""
    if line.count(b"=") < 2 or line.startswith(b"{"):
        return {}
    fields = _line(line)
    is_logfmt = len(fields) > 1 and True not in fields.values() and all(map(_KEY.fullmatch, fields))
    return fields if is_logfmt else {}


def pairs(text: str) -> Fields:
    """The fields of a text in logfmt; a word without `=` is a field that is true.

    None if any word of the text does not fit.
    """
    return _with_quotes(text) if '"' in text else _without_quotes(text)


def _line(line: bytes) -> Fields:
    """The fields of a line; none if a word does not fit, or if no word is a pair."""
    fields = pairs(line.decode("utf-8", "replace"))
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
        value = plain or (unescape(quoted) if "\\" in quoted else quoted)
        fields[key] = value if equals else True
    return fields


def unescape(quoted: str) -> str:
    """Resolves the escapes of a quoted text, given without its quotes, as in JSON.

    If they are not JSON's, every backslash is removed and the character after it is kept.
    """
    try:
        return str(msgspec.json.decode(f'"{quoted}"'))
    except msgspec.DecodeError:
        return re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
