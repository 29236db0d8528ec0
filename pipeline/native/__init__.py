"""The hottest loops in C, if the package was built with a C compiler.

For each there is a loop in Python that does the same, which is the reference. It runs if the
extension was not built, if `DOCKLINE_NATIVE=0` is set, and for data that the C loop doesn't handle.
Both pass the same tests. `docs/decisions/0008-native-loops.md` says why they exist.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

INTERFACE = 10
"""Version of the extension's interface. An extension with another version, left over from another
build, is not used."""

Column = (
    list[bytes]
    | Sequence[int]
    | tuple[list[bytes]]
    | tuple[bytes, bytes]
    | tuple[bytes, tuple[bytes, ...]]
)
"""One cell for each row: a list of bytes; numbers, as a list or a range; a tuple of one list of
texts, which are written as the inside of JSON strings; a pair of all cells joined by a separator,
and that separator; or a pair of an index for each row, and the cells that it chooses among."""


class Loops(Protocol):
    """The functions of the C extension. None of them raises for any content of the bytes."""

    def rows(
        self, block: bytes | memoryview, longest: int, tty: bool, /
    ) -> tuple[list[bytes], list[bytes], bytearray] | None:
        """Decodes rows of a json-file log. Returns lines, times and streams, as in `Batch`.

        `block`: whole rows. `longest`: limit for a line, in bytes. `tty`: whether to remove the
        carriage return at the end of lines. Returns None if any row is not a whole line of at most
        `longest` bytes in exactly the form that dockerd writes.
        """

    def frames(
        self, data: bytes, longest: int, /
    ) -> tuple[list[bytes], list[bytes], bytearray, int]:
        """Decodes frames of the Engine's log stream. Returns lines, times and streams as in
        `Batch`, and the offset of the first frame that was not decoded.

        It decodes frames from the beginning of `data` for as long as each is a whole line of at
        most `longest` bytes.
        """

    def syslog(
        self,
        prefixes: tuple[bytes, ...],
        after: bytes,
        time_size: int,
        severities: bytes,
        times: list[bytes],
        lines: list[bytes],
        room: int,
        end: bytes,
        /,
    ) -> bytes | None:
        """Encodes syslog messages (RFC 5424) with their framing (RFC 6587), or as datagrams.

        A message is the item of `prefixes` for its severity, `time_size` bytes of its time,
        `after`, and its line without NUL. `severities`: an index into `prefixes` for each line.
        `end`: the byte at the end of each message, before which LF and CR are replaced if it is LF;
        or nothing, for octet counting. Returns None if a line is longer than `room` bytes.
        """

    def interleave(
        self, literals: tuple[bytes, ...], columns: tuple[Column, ...], count: int, /
    ) -> bytes | None:
        """Joins literals and columns to `count` rows: first literal, first column's cell, second
        literal, and so on to the last literal.

        Before an empty cell, a comma at the end of the literal is left out. Returns None if there
        are no columns, if they have more or fewer than `count` cells, or if a number is negative or
        too large.
        """

    def otlp(
        self,
        starts: tuple[bytes, ...],
        kinds: bytes,
        times: list[bytes],
        name: bytes,
        numbers: Sequence[int],
        lines: list[bytes] | None,
        more: list[bytes] | None,
        /,
    ) -> bytes | None:
        """Encodes log records of OTLP, each as a field of its `ScopeLogs`.

        A record is the item of `starts` for its kind, with the key of a time at its end; the time;
        the attribute `name` (the field of a `KeyValue`) with its number; its line as the body; and
        `more`. `kinds`: an index into `starts` for each record. Returns None for columns of
        different lengths, and for times and numbers that are none.
        """

    def loki(
        self,
        facts: tuple[bytes, ...],
        kinds: bytes,
        times: list[bytes],
        lines: list[bytes],
        name: bytes,
        numbers: Sequence[int],
        more: list[bytes] | None,
        /,
    ) -> bytes | None:
        """Encodes entries of Loki in protobuf, each as a field of its stream.

        An entry is its time, its line, the item of `facts` for its kind, its number as structured
        metadata `name` (the field of a `LabelPair`, or nothing for no number), and `more`. `kinds`:
        an index into `facts` for each entry. Returns None for columns of different lengths, for
        times before 1970, and for times and numbers that are none.
        """

    def forward(
        self,
        rests: tuple[bytes, ...],
        kinds: bytes,
        members: bytes,
        times: list[bytes],
        lines: list[bytes] | None,
        numbers: Sequence[int],
        more: list[bytes] | None,
        /,
    ) -> bytes | None:
        """Encodes entries of the Fluent forward protocol, one behind the other.

        An entry is its time and its record: a map of as many members as four bytes of `members`
        say, with its line as `message`; `event` with its number; the item of `rests` for its kind,
        which begins with the last member of `event`; and `more`. `kinds`: an index into `rests` for
        each entry. Returns None for columns of different lengths, and for times and numbers that
        are none.
        """

    def select(self, columns: tuple[Any, ...], keep: Sequence[Any], /) -> tuple[Any, ...] | None:
        """For each column, the cells for which `keep` is True: bytes from bytes, None from None,
        and a list from a list or a range.

        Returns None for any other column, and if `keep` is not a list of True and False with the
        columns' length.
        """

    def total(self, items: list[bytes], /) -> int:
        """The sum of the lengths, in bytes."""

    def newest(self, times: list[bytes], /) -> int:
        """The index of the first greatest item."""

    def epochs(self, times: list[bytes], pointed: bool, /) -> bytes | None:
        """Seconds since the epoch of each timestamp, with nine digits behind the point, joined by
        LF; without the point (`pointed`) they are nanoseconds. Returns None if any of them is not a
        moment since 1970 in the form of `Batch.times`, or, for nanoseconds, is of 1970's first
        second."""

    def packed(
        self, fronts: list[bytes], tails: Sequence[tuple[bytes, bytes, bytes]], longest: int, /
    ) -> list[bytes] | None:
        """Each front and the tail behind it as gzip; see `encode/packed`. Empty where that would
        have more than `longest` bytes, or the front more than 65,535. Returns None if there are not
        as many tails as fronts, or any of them is of another form."""

    def counted(
        self, literals: tuple[bytes, ...], columns: tuple[Any, ...], texts: bytes, count: int, /
    ) -> tuple[bytes, list[int]] | None:
        """Joins literals and columns to rows: first literal, first column's cell, second literal,
        and so on to the last literal. Returns them, and where each ends.

        `columns`: lists of bytes and numbers, ranges, or bytes in which each cell ends with LF.
        `texts`: for each column 1 if its cells are written as RESP writes a text, else 0. Returns
        None if a column has more or fewer than `count` cells, or another type, or if a number is
        negative or too large.
        """

    def datagrams(
        self, fd: int, run: list[bytes] | bytes, start: int, most: int, /
    ) -> tuple[int, int, int] | None:
        """Sends at most so many datagrams over a connected socket, without waiting.

        `run`: a list of them, or one behind the other, each ended by the last byte of all. `start`:
        the index in the list, or the offset in the bytes, of the first to be sent. Returns that of
        the first that was not, how many were, and 0, or why the kernel has not taken the next one,
        as an `errno`. Returns None if one of a list is not bytes.
        """

    def longest(self, run: bytes, /) -> int:
        """Bytes of the longest of datagrams that each end with the last byte of all."""

    def single(self, lines: list[bytes], /) -> bool:
        """Whether each of them is one line and not blank."""

    def ends(self, data: bytes, count: int, /) -> list[int] | None:
        """Where each of `count` lines ends, behind its LF. Returns None if there are more or fewer,
        or something stands behind the last."""

    def published(
        self,
        subject: bytes,
        token: int,
        head: bytes,
        times: list[bytes],
        numbers: Sequence[int],
        parts: bytes | None,
        data: bytes,
        ends: list[int],
        start: int,
        stop: int,
        /,
    ) -> bytes | None:
        """Lines of `data`, from `start` up to but not including `stop`, as messages that are
        published to NATS (`HPUB`).

        `subject`: the subject, a space, and the reply subject without the number at its end, which
        is `token` for the first message. `head`: the headers up to the middle of the last, which
        goes on with time, number, part and CRC. `ends`: as of `ends`. Returns None for columns of
        different lengths, and for numbers and ends that are none.
        """

    def acknowledged(
        self, data: bytearray, subject: bytes, sid: int, /
    ) -> tuple[int, list[tuple[bytes, int, int]]]:
        """Reads acknowledgements of JetStream from the beginning of `data` on: where they end, and
        for each run of ascending numbers the stream, the first, and the one behind the last.

        `subject`: their subject without the number at its end. `sid`: of the subscription. It ends
        before the first byte of anything else, and of one that is not whole.
        """

    def occurrences(self, lines: list[bytes], wanted: bytes, /) -> int:
        """How many bytes of all lines are one of those in `wanted`, which are at most four."""

    def mentions(self, text: bytes, words: tuple[bytes, ...], /) -> bool:
        """Whether any of the words, which are in lower case, occurs in the text; ASCII letters of
        either case are the same."""

    def cards(self, text: bytes, /) -> bool:
        """Whether the text may have the number of a payment card; False only if it has none. Its
        twin is in `stages/_redaction_kinds`."""

    def openings(self, lines: list[bytes], table: bytes, text: bytes, /) -> bytes:
        """What each line begins with: 2 if it is `text` and then anything but white space; else
        what `table` has for the first byte, 0 or 1; 1 for an empty line. Its twin is in
        `stages/_traces`."""

    def groups(
        self, lines: list[bytes], belongs: bytes, end: int, /
    ) -> tuple[list[bytes], list[int]]:
        """Lines that belong together, up to the line `end`, as one text each with LF between them,
        and the index of the first line of each. `belongs`: for each line 1 if it belongs to the
        one before. Lines before the first that belongs to none are left out. Its twin is in
        `stages/join`."""

    def levels(
        self,
        lines: list[bytes],
        words: tuple[bytes, ...],
        severities: bytes,
        uses: bytes,
        traces: tuple[bytes, ...],
        /,
    ) -> bytes:
        """The severity that each message tells: 8 if it tells none, 9 if the twin has to be asked
        (`parsing.level.LevelInText`), since the message has an escape or may be a stack trace.

        `words`: in lower case, of letters, digits and underscores, each with its severity and use:
        0 for the value of a key, 1 for one that may stand in brackets, too; 2 for one that may also
        stand before a colon, 3 for one that may stand by itself. `traces`: how a message begins
        that is a stack trace.
        """

    def access(
        self, lines: list[bytes], places: bytes, width: int, missing: Any, others: bytes, /
    ) -> tuple[list[Any], list[int]]:
        """Reads lines of an access log: a tuple of `width` values for each, and the indexes of
        those that were not read, which have None instead.

        `places`: for each of `NAMES` in `parsing/access_records` the index of its value in the
        tuple, or 255 where a line with that value is not to be read. `missing`: the value where
        there is none. `others`: a line that begins with one of these bytes is not read, nor is one
        in a rare form.
        """


def total(items: list[bytes]) -> int:
    """The sum of the lengths, in bytes."""
    return sum(map(len, items)) if loops is None else loops.total(items)


def newest(times: list[bytes]) -> int:
    """The index of the first greatest timestamp. There must be at least one."""
    return times.index(max(times)) if loops is None else loops.newest(times)


def select(columns: tuple[Any, ...], keep: Sequence[Any]) -> tuple[Any, ...] | None:
    """For each column, the cells for which `keep` is True; see `Loops.select`. None if there is no
    extension."""
    return None if loops is None else loops.select(columns, keep)


def single(lines: list[bytes]) -> bool:
    """Whether each of them is one line and not blank."""
    if loops is not None:
        return loops.single(lines)
    return not (b"\n" in b"".join(lines) or b"" in lines or any(map(bytes.isspace, lines)))


def occurrences(lines: list[bytes], wanted: bytes) -> int:
    """How many bytes of all lines are one of those in `wanted`, which are at most four."""
    if loops is not None:
        return loops.occurrences(lines, wanted)
    try:
        return _count(b"".join(lines), wanted)
    except MemoryError:  # a batch has a size, however little there is
        return sum([_count(line, wanted) for line in lines])


def _count(text: bytes, wanted: bytes) -> int:
    return sum(map(text.count, wanted))


def mentions(text: bytes, words: tuple[bytes, ...]) -> bool:
    """Whether any of the words, which are in lower case, occurs in the text; ASCII letters of
    either case are the same."""
    if loops is not None:
        return loops.mentions(text, words)
    small = text.lower()
    return any(word in small for word in words)


def _load() -> tuple[Loops | None, str, str | None]:
    if os.environ.get("DOCKLINE_NATIVE") == "0":
        return None, "loops in Python, since DOCKLINE_NATIVE=0 is set", None
    try:
        built: Any = import_module("pipeline.native._loops")
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError)
        problem = _why_absent(Path(__file__).parent) if absent else f"it does not load: {error}"
    else:
        if built.INTERFACE == INTERFACE:
            return built, "loops in C", None
        problem = "the C extension is of another version"
    return None, f"loops in Python: {problem}", problem


def _why_absent(folder: Path) -> str:
    """Why there is no extension for this Python, as `hatch_build.py` has written it down."""
    with suppress(OSError):
        return (folder / "not_built.txt").read_text().strip()
    others = sorted(path.name.split(".", 1)[1] for path in folder.glob("_loops.*.so"))
    if others:
        return f"the C extension is for another Python ({', '.join(others)})"
    return "there is no C extension"


loops, described, problem = _load()
"""`loops`: the extension, or None if the loops in Python run. `described`: the same in words, for
messages. `problem`: why there is no extension, if nobody chose that when the agent was started.

Decoders and encoders bind `loops` when they are constructed, so tests replace it before that.
"""
