"""Finds the line and the text of each key in a TOML text, which `tomllib` does not report.

The scanner expects text that `tomllib` accepts. Other text is scanned as far as it is valid, which
is enough to find both places of a repeated key.

Reference: https://toml.io/en/v1.0.0
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

Path = tuple[str | int, ...]
"""Keys from the top of the file, and indices of arrays: `("routes", "shop", "stages", 0)`."""


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """One key and its value, as the user wrote them."""

    line: int
    """The line on which the key begins (for an element of an array, its value), from 1."""
    key: str
    """The key as written; for a table its header with brackets, for an array's element empty."""
    value: str
    """The value as written, with quotes and escapes; empty for the header of a table."""
    end: int = field(default=0, compare=False)
    """The offset in the text, in characters, of the end of the value or header."""
    file: str = field(default="", compare=False)
    """The name of the file that the text is from."""
    shown: str = field(default="", compare=False)
    """What to show of it instead of key and value, and without a line: the argument of a command
    that has the setting."""
    mark: tuple[int, int] = field(default=(0, 0), compare=False)
    """Start and end of the setting in `shown`."""
    implied: bool = field(default=False, compare=False)
    """Whether this is a table that only keys and headers inside it name: `a` in `a.b = 1`."""


def locate(text: str, file: str = "") -> dict[Path, KeyPlace]:
    """The place of every key, table and array element, by path.

    A table that only dotted keys or headers name (`a` in `a.b = 1`) has the place of its first
    child. Lines must end with LF. `file` is the name of the file that the text is from.
    """
    found = [(path, replace(place, file=file)) for path, place in scan(text)]
    places: dict[Path, KeyPlace] = {}
    for path, place in found:
        places.setdefault(path, place)
    for path, place in found:
        for length in range(1, len(path)):
            if path[:length] not in places:  # a child's value is not its own
                places[path[:length]] = replace(place, value="", implied=True)
    return places


def first_repeated(text: str) -> tuple[Path, KeyPlace, KeyPlace] | None:
    """The first key or table that is written twice: its path and both places; None if none is."""
    seen: dict[Path, KeyPlace] = {}
    for path, place in scan(text):
        if path in seen:
            return path, seen[path], place
        seen[path] = place
    return None


def scan(text: str) -> Iterator[tuple[Path, KeyPlace]]:
    """Every key, table header and array element, with its path, in the order of the text.

    What is inside a value comes before the value itself. Lines must end with LF. Stops without an
    error where the text is not TOML.
    """
    scanner = _Scanner(text)
    try:
        while scanner.statement():
            yield from scanner.found
            scanner.found.clear()
    except (_Lost, ValueError):  # ValueError: an escape that stands for no character
        yield from scanner.found


def last_statement(text: str) -> tuple[int, int]:
    """Where the last recognisable header or key begins, complete or not.

    Returns the line, counted from 1, and the column, counted from 0.
    """
    scanner = _Scanner(text)
    try:
        while scanner.statement():
            pass
    except (_Lost, ValueError):
        pass
    return scanner.line, scanner.begin - (text.rfind("\n", 0, scanner.begin) + 1)


def offset_within(value: str, index: int) -> int:
    """The offset of a string's character `index` in the string as written (`value`).

    Counts opening quotes and escapes: character 1 of `"\\ta"` is at offset 3.
    """
    opening = re.match(r"'''\n?|\"\"\"\n?|'|\"", value)
    if opening is None:
        return index
    start = opening.end()
    if value.startswith("'"):
        return start + index
    for piece in _CHARACTER.finditer(value, start):
        if not _LINE_CONTINUATION.fullmatch(piece[0]):
            if index == 0:
                return piece.start()
            index -= 1
    return len(value)


_CHARACTER = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[ \t]*\n\s*|.)|.", re.DOTALL)
_LINE_CONTINUATION = re.compile(r"\\[ \t]*\n\s*")

_BLANK = re.compile(r"(?:[ \t\n]+|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_KEY = re.compile(r"""([A-Za-z0-9_-]+)|"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)'""")
_SCALAR = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\d{4}-\d\d-\d\d \d\d[^\s,\]}#]*"  # a date and a time: the only literal with a space
    r"|[^\s,\[\]{}#=]+",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b"}


class _Lost(Exception):
    """The text is not TOML from here on."""


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        """The line on which the newest statement begins."""
        self.begin = 0
        """The offset in the text at which it begins, in characters."""
        self.found: list[tuple[Path, KeyPlace]] = []
        self._line_ends = [end.start() for end in re.finditer("\n", text)]
        self._table: Path = ()
        self._last: dict[Path, int] = {}
        """The index of the newest element of each array of tables."""

    def statement(self) -> bool:
        """Reads one header or one key with its value; False at the end of the text."""
        self._skip(_BLANK)
        if self.at >= len(self.text):
            return False
        self.line, self.begin = self._line_of(self.at), self.at
        if self.text.startswith("[", self.at):
            self._header()
        else:
            self._pair(self._table)
        return True

    def _header(self) -> None:
        start = self.at
        many = self.text.startswith("[[", start)
        self.at += 2 if many else 1
        *parents, name = self._dotted_key()
        self._expect("]]" if many else "]")
        path: Path = ()
        for key in parents:
            path = self._newest((*path, key))
        path = (*path, name)
        if many:
            self._last[path] = self._last.get(path, -1) + 1
        self._table = self._newest(path)
        self._note(self._table, start, self.text[start : self.at], "")

    def _newest(self, path: Path) -> Path:
        """`path`, or the newest element of the array of tables that it names."""
        return (*path, self._last[path]) if path in self._last else path

    def _pair(self, table: Path) -> None:
        start = self.at
        path = (*table, *self._dotted_key())
        key = self.text[start : self.at].rstrip()
        self._expect("=")
        self._skip(_SPACE)
        self._note(path, start, key, self._value(path))

    def _dotted_key(self) -> tuple[str, ...]:
        parts = []
        while True:
            self._skip(_SPACE)
            bare, basic, literal = self._match(_KEY).groups()
            parts.append(bare or literal or _unescape(basic or ""))
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return tuple(parts)
            self.at += 1

    def _value(self, path: Path) -> str:
        """Reads one value, notes the keys and elements inside it, and returns its text."""
        start = self.at
        if self.text.startswith("[", start):
            self._array(path)
        elif self.text.startswith("{", start):
            self._inline_table(path)
        else:
            self._match(_SCALAR)
        return self.text[start : self.at]

    def _array(self, path: Path) -> None:
        index = 0
        while not self._closed("]"):
            start = self.at
            element = (*path, index)
            self._note(element, start, "", self._value(element))
            index += 1

    def _inline_table(self, path: Path) -> None:
        while not self._closed("}"):
            self._pair(path)

    def _closed(self, bracket: str) -> bool:
        """Skips an opening bracket or a comma, then `bracket`; whether that was there."""
        self._skip(_BLANK)
        if self.text.startswith(("[", "{", ","), self.at):
            self.at += 1
            self._skip(_BLANK)
        return self._passed(bracket)

    def _passed(self, mark: str) -> bool:
        found = self.text.startswith(mark, self.at)
        self.at += len(mark) if found else 0
        return found

    def _note(self, path: Path, start: int, key: str, value: str) -> None:
        self.found.append((path, KeyPlace(self._line_of(start), key, value, self.at)))

    def _line_of(self, position: int) -> int:
        return bisect_right(self._line_ends, position - 1) + 1

    def _skip(self, pattern: re.Pattern[str]) -> None:
        if found := pattern.match(self.text, self.at):
            self.at = found.end()

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise _Lost
        self.at = found.end()
        return found

    def _expect(self, mark: str) -> None:
        if not self._passed(mark):
            raise _Lost


def _unescape(written: str) -> str:
    def character(found: re.Match[str]) -> str:
        if code := found[1] or found[2]:
            return chr(int(code, 16))
        return _ESCAPED.get(found[3], found[3])

    return _ESCAPE.sub(character, written)
