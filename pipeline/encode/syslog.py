"""Batches as syslog messages: RFC 5424 or RFC 3164, framed for a stream or one per datagram.

- Facility `daemon`, as Docker's own syslog driver has it. Severity from the entry's level (see
  `level`), else `info` for stdout and events, `err` for stderr.
- HOSTNAME is the Engine's host, APP-NAME the Compose or Swarm service or else the container's name,
  PROCID the container's short id, the agent's process id, or nothing (`ProcId`), MSGID is not used.
  What they may not contain becomes `_`, or `?` beyond ASCII.
- TIMESTAMP with six digits of fraction, the most that RFC 5424 allows (nine corrupt what rsyslog
  stores); RFC 3164 has whole seconds of local time (`TZ`), and no year.
- MSG is MSG-ANY: the bytes as the container wrote them, valid UTF-8 or not, without a byte order
  mark. NUL becomes a space, since receivers written in C end there. With LF framing so do CR and
  LF. Octet counting and UDP keep them: syslog-ng stores them, rsyslog writes `#012` for LF unless
  `parser.escapeControlCharactersOnReceive` is off.
- A message over the size limit is cut at the end of a character, and counted.

A batch is one `%`: the header as a template, repeated, and the columns. Per million lines of 142
bytes, in batches of 280, that takes 0.10 s; `%` on each line takes 0.17 s, pieces in one list and
`join` 0.11 to 0.13 s (`benchmarks/bench_encode_syslog` has these ways and more).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Final, Literal, get_args

from pipeline import native
from pipeline.encode.level import UNKNOWN, severities
from pipeline.encode.local_time import LocalTime
from pipeline.model.batch import Batch
from pipeline.model.component import Payload
from pipeline.model.container import Container
from pipeline.model.datagrams import Ended, Run
from pipeline.model.dumps import dumps
from pipeline.model.encode_cache import Part
from pipeline.model.rendered import RENDERED

Standard = Literal["rfc5424", "rfc3164"]
Framing = Literal["octet-counting", "lf"]
ProcId = Literal["container", "pid", "-"]
Facility = Literal[
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news",
    "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert", "clock",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
]  # fmt: skip
FACILITIES: Final = get_args(Facility)
"""In the order of their numbers, RFC 5424, section 6.2.1."""

_BY_STREAM: Final = bytes([6, 6, 3]) + bytes(253)
"""Severity for each number in `Batch.streams`, as a table for `bytes.translate`."""

_PRINTABLE: Final = bytes(byte if 33 <= byte <= 126 else ord("_") for byte in range(256))
_TAG: Final = bytes(
    byte if chr(byte).isascii() and (chr(byte).isalnum() or byte in b"-._") else ord("_")
    for byte in range(256)
)
_SPACES: Final = bytes(ord(" ") if byte in b"\0\r\n" else byte for byte in range(256))
_NO_NUL: Final = b" " + bytes(range(1, 256))
_ESCAPED: Final = dict.fromkeys(range(32), " ") | str.maketrans(
    {"\\": r"\\", '"': r"\"", "]": r"\]"}
)

_COUNTS: Final = [b"%d " % number for number in range(8192)]
"""MSG-LEN and its space: a look-up costs a third of formatting the number."""


class _Header:
    """All that a container's messages share."""

    def __init__(
        self, before: bytes, after: bytes, facility: int, time_size: int, framing: Framing | None
    ) -> None:
        self._framing = framing
        prefixes = [b"<%d>%b" % (facility * 8 + severity, before) for severity in range(8)]
        self.prefixes, self.after, self.time_size = tuple(prefixes), after, time_size
        self.sizes = tuple([len(prefix) + time_size + len(after) for prefix in prefixes])
        """Bytes of the header for each severity, the space before the message included."""
        self.size = max(self.sizes)

    @cached_property
    def templates(self) -> Sequence[bytes]:
        """For `%`, one for each severity. Takes the octet count where there is one, the time, of
        which it uses `time_size` bytes, and the message."""
        count = b"%b" if self._framing == "octet-counting" else b""
        end = _end_of(self._framing)
        rest = b"%%.%db" % self.time_size + _literal(self.after) + b"%b" + end
        return tuple([count + _literal(prefix) + rest for prefix in self.prefixes])

    @property
    def weight(self) -> int:
        """Bytes that it takes in memory."""
        return 1000 + 10 * (self.size + 60)


def _end_of(framing: Framing | None) -> bytes:
    """What stands behind a message; behind a datagram, what is in none."""
    return {"octet-counting": b"", "lf": b"\n", None: b"\0"}[framing]


def _literal(text: bytes) -> bytes:
    return text.replace(b"%", b"%%")


def structured_data(elements: Mapping[str, Mapping[str, str]]) -> str:
    """STRUCTURED-DATA of RFC 5424, section 6.3: parameters by name, by SD-ID.

    Names are taken as they are. In values the three characters that need it are escaped, and
    control characters become spaces.
    """

    rendered = []
    for name, parameters in elements.items():
        pairs = [f' {key}="{value.translate(_ESCAPED)}"' for key, value in parameters.items()]
        rendered.append(f"[{name}{''.join(pairs)}]")
    return "".join(rendered)


class SyslogEncoder:
    """Batches as syslog messages, for one destination: framed for a stream, or a datagram each."""

    def __init__(
        self,
        *,
        standard: Standard = "rfc5424",
        framing: Framing | None = "octet-counting",
        facility: Facility = "daemon",
        proc_id: ProcId = "container",
        structured_data: str = "",
        max_message: int = 8096,
        host: str = "",
    ) -> None:
        """`framing` is for `stream`, and None for datagrams. `max_message` bounds a message in
        bytes, header included; what is longer is cut, and counted in `Payload.truncated`.
        `structured_data` is rendered already (see the function of that name), and of no use for RFC
        3164. `host` is that of containers that do not tell theirs."""
        self._loops = native.loops
        self._standard = standard
        self._framing = framing
        self._facility = FACILITIES.index(facility)
        self._proc_id = {"container": None, "pid": str(os.getpid()), "-": ""}[proc_id]
        """None is the container's."""
        self._structured_data = structured_data.encode("utf-8", "replace") or b"-"
        self._max_message = max_message
        self._host = host
        of_options = standard, framing, facility, proc_id, structured_data, max_message, host
        self._encoding = "syslog", *of_options
        self._key = "syslog header", *of_options
        self._local_time = LocalTime("%b %e %H:%M:%S") if standard == "rfc3164" else None

    def stream(self, batches: Sequence[Batch]) -> Payload[bytes]:
        """All messages in order and framed, one behind the other."""
        parts, truncated = self._parts(batches)
        data = b"".join(parts)
        return Payload(data, sum(map(len, batches)), len(data), truncated)

    def datagrams(self, batches: Sequence[Batch]) -> Payload[list[Run]]:
        """All messages in order, one for each datagram."""
        parts, truncated = self._parts(batches)
        entries = sum(map(len, batches))
        runs: list[Run] = list(map(Ended, parts))
        return Payload(runs, entries, sum(map(len, parts)) - entries, truncated)

    def _parts(self, batches: Sequence[Batch]) -> tuple[list[bytes], int]:
        """The messages of each batch, and how many of all had to be cut."""
        parts, truncated = [], 0
        for batch in filter(len, batches):
            part, cut = batch.encoded_once(self._encoding, self._part)
            parts.append(part)
            truncated += cut
        return parts, truncated

    def _part(self, batch: Batch) -> Part:
        if self._loops is not None and (data := self._in_c(self._loops, batch)) is not None:
            return data, 0
        frame = _octet_counted if self._framing == "octet-counting" else _ended
        header, lines, lengths, cut = self._prepare(batch)
        return frame(header, self._severities(batch), self._times(batch), lines, lengths), cut

    def _in_c(self, loops: native.Loops, batch: Batch) -> bytes | None:
        """None where a message has to be cut."""
        header = self._header(batch.container)
        return loops.syslog(
            header.prefixes,
            header.after,
            header.time_size,
            self._severities(batch),
            self._times(batch),
            _messages(batch),
            max(0, self._max_message - header.size),
            _end_of(self._framing),
        )

    # -- columns ---------------------------------------------------------------------------

    def _severities(self, batch: Batch) -> bytes:
        by_stream = batch.streams.translate(_BY_STREAM)
        found = severities(batch)
        if found is None:
            return by_stream
        pairs = zip(found, by_stream, strict=True)
        return bytes([known if known != UNKNOWN else default for known, default in pairs])

    def _times(self, batch: Batch) -> list[bytes]:
        return self._local_time.render(batch.times) if self._local_time else batch.times

    def _prepare(self, batch: Batch) -> tuple[_Header, list[bytes], list[int], int]:
        """The header, the messages as they may be sent with their lengths, and how many of them
        had to be cut."""
        header = self._header(batch.container)
        lines = self._without_control(_messages(batch))
        lengths = list(map(len, lines))
        room = max(0, self._max_message - header.size)
        if max(lengths) <= room:
            return header, lines, lengths, 0
        cut = sum(length > room for length in lengths)
        lines = [_shorten(line, room) if len(line) > room else line for line in lines]
        return header, lines, list(map(len, lines)), cut

    def _header(self, container: Container) -> _Header:
        return RENDERED.once(
            container, self._key, lambda: self._render(container), lambda header: header.weight
        )

    def _without_control(self, lines: list[bytes]) -> list[bytes]:
        joined = b"".join(lines)
        if self._framing == "lf":
            if b"\n" in joined or b"\r" in joined or b"\0" in joined:
                return [line.translate(_SPACES) for line in lines]
        elif b"\0" in joined:
            return [line.translate(_NO_NUL) for line in lines]
        return lines

    def _render(self, container: Container) -> _Header:
        host = _name(container.host or self._host, 255)
        app = container.service or container.name
        proc_id = container.short_id if self._proc_id is None else self._proc_id
        if self._standard == "rfc3164":
            tag = _name(app, 32, _TAG)
            if self._proc_id != "":
                tag += b"[%b]" % _name(proc_id, 32, _TAG)
            return _Header(b"", b" %b %b: " % (host, tag), self._facility, 15, self._framing)
        fields = host, _name(app, 48), _name(proc_id, 128), self._structured_data
        return _Header(b"1 ", b"Z %b %b %b - %b " % fields, self._facility, 26, self._framing)


def _messages(batch: Batch) -> list[bytes]:
    """What stands behind each header."""
    if batch.bare:
        return [dumps(fields) for fields in batch.fields or [{}] * len(batch)]
    return batch.lines


def _name(text: str, longest: int, allowed: bytes = _PRINTABLE) -> bytes:
    """A header field: printable ASCII without spaces, `-` when there is nothing to say."""
    return text.encode("ascii", "replace").translate(allowed)[:longest] or b"-"


# -- framing: one `%` for a batch --------------------------------------------------------------


def _octet_counted(
    header: _Header,
    severities: bytes,
    times: list[bytes],
    lines: list[bytes],
    lengths: list[int],
) -> bytes:
    """RFC 6587, section 3.4.1: `LEN SP MSG`, the length in octets."""
    arguments = [b""] * (3 * len(lines))
    arguments[0::3] = _counts(header.sizes, severities, lengths)
    arguments[1::3] = times
    arguments[2::3] = lines
    return _for_each(severities, header.templates) % tuple(arguments)


def _ended(
    header: _Header,
    severities: bytes,
    times: list[bytes],
    lines: list[bytes],
    lengths: list[int],
) -> bytes:
    """RFC 6587, section 3.4.2: each message ends with LF; or, as a datagram, with NUL."""
    columns = chain.from_iterable(zip(times, lines, strict=True))
    return _for_each(severities, header.templates) % tuple(columns)


def _for_each(severities: bytes, templates: Sequence[bytes]) -> bytes:
    """The template of each entry, one after the other."""
    first = severities[0]
    if severities.count(first) == len(severities):
        return templates[first] * len(severities)
    return b"".join([templates[severity] for severity in severities])


def _counts(sizes: Sequence[int], severities: bytes, lengths: list[int]) -> list[bytes]:
    """MSG-LEN of each message, of a header's size for its severity and its own length."""
    first = severities[0]
    try:
        if severities.count(first) == len(severities):
            size, counts = sizes[first], _COUNTS
            return [counts[size + length] for length in lengths]
        pairs = zip(severities, lengths, strict=True)
        return [_COUNTS[sizes[severity] + length] for severity, length in pairs]
    except IndexError:  # a message beyond the table
        pairs = zip(severities, lengths, strict=True)
        return [b"%d " % (sizes[severity] + length) for severity, length in pairs]


def _shorten(line: bytes, room: int) -> bytes:
    """At most `room` bytes of a longer line, without a part of a UTF-8 character at the end."""
    end = room
    while end > max(0, room - 4) and line[end] & 0xC0 == 0x80:
        end -= 1
    return line[:end] if line[end] & 0xC0 != 0x80 else line[:room]
