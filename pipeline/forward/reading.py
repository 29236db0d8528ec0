"""Decodes what a client sends: entries in one of four modes, heartbeats, and its handshake.

Only as much is decoded at a time as makes a few megabytes of objects: a single byte, an empty map,
becomes more than seventy bytes of memory. A large message is divided by the headers of its arrays,
and its entries are decoded some at a time.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

import msgpack  # type: ignore[import-untyped]

from pipeline.forward.chunks import shown
from pipeline.forward.framing import Framer, ProtocolError
from pipeline.model import plain

SMALL: Final = 2**16
"""Bytes that are decoded or decompressed at once."""
LARGEST_ENTRY: Final = 2 * 2**20
"""Most bytes of one entry."""
MOST_NESTED: Final = 20_000
"""Most lists and objects that are decoded at once; of a large entry, that is all of it. Two
million, in as many bytes, took 330 ms."""
MOST_VALUES: Final = 50_000
"""Most fields of one entry, with the values in them at any depth: stages look at each."""
LONGEST_TAG: Final = 4096
"""Most characters of a tag, which is used with each entry."""
MOST_MEMBERS: Final = 10_000
"""Most gzip members of a chunk: Fluentd appends one for each piece that it receives."""

_HEADS: Final = bytes(range(128, 256))
"""The first bytes of all lists and objects; none of them is ASCII."""
_ARRAY_OF_TWO: Final = b"\x92"
_EXCEEDS: Final = "exceeds max_"
"""Part of msgpack's error for an array or map that is too long."""
_EVENT_TIME: Final = Struct(">II").unpack
_SECOND: Final = 10**9
_LAST: Final = 2**33
"""Seconds since the epoch in the year 2242: many destinations do not accept later times."""

Entry = tuple[int, dict[str, Any]]
"""Nanoseconds since the epoch, and the record. Strings that are not UTF-8 have surrogates, as of
the error handler `surrogateescape`."""


TOO_LARGE: Final = object()
"""Takes the place of an entry that is too large to be decoded."""


class EventTime(int):
    """Nanoseconds since the epoch. The type tells them from a time in seconds."""


@dataclass(slots=True)
class ForwardMessage:
    """A client's message with entries, in any of the four modes."""

    tag: str
    entries: list[Any] | bytes
    """A list, each item of which should be `[time, record]`; or such items in MessagePack."""
    option: dict[Any, Any]
    """The options; empty if there are none."""
    compressed: Any = None
    """The compression of `entries`, if these are bytes: the option `compressed`."""
    size: int = 0
    """Bytes of the message, if `entries` is a list."""

    @property
    def chunk(self) -> str:
        """The chunk id to acknowledge; empty if the client did not request it."""
        asked = self.option.get("chunk")
        return asked if isinstance(asked, str) else ""


def messages(whole: bytes, ends: list[int]) -> Iterator[ForwardMessage]:
    """Decodes the messages in what `Framer.feed` returned, without heartbeats.

    Entries of large messages stay encoded. Raises `ProtocolError` at the first malformed message.
    """
    start = end = 0
    for end_of_this in ends:
        if end_of_this - end > SMALL or end_of_this - start > 2 * SMALL:
            yield from _small(whole[start:end])
            start = end
        if end_of_this - end > SMALL:
            yield _large(whole[end:end_of_this])
            start = end_of_this
        end = end_of_this
    yield from _small(whole[start:end])


def end_of_first(said: bytes) -> int:
    """The offset of the end of the first object, without decoding it; 0 if it is incomplete.

    Raises `ProtocolError` for what is not MessagePack.
    """
    unpacker = _unpacker(said)
    try:
        unpacker.skip()
    except msgpack.OutOfData:
        return 0
    except ValueError as error:
        raise ProtocolError("it is not MessagePack") from error
    return int(unpacker.tell())


def objects(whole: bytes) -> list[Any]:
    """Decodes complete objects; one with a list or map of over `MOST_VALUES` is `TOO_LARGE`.

    Raises `ProtocolError` for what is not valid MessagePack, or has more than `MOST_NESTED` lists
    and objects.
    """
    _check_nested(whole)
    try:
        return list(_unpacker(whole, most=MOST_VALUES))
    except (ValueError, TypeError):
        return list(_each(whole))


def _each(whole: bytes) -> Iterator[Any]:
    """Decodes complete objects one by one, since one of them cannot be decoded as usual."""
    skipping, start = _unpacker(whole), 0
    while start < len(whole):
        skipping.skip()
        end = skipping.tell()
        yield _object(whole[start:end])
        start = end


def _object(whole: bytes) -> Any:
    try:
        return _unpacker(whole, most=MOST_VALUES).unpack()
    except (ValueError, TypeError):
        pass
    try:
        return _unpacker(whole, any_key=True, most=MOST_VALUES).unpack()
    except (ValueError, TypeError) as error:  # such as a map with a list for a key
        if _EXCEEDS in str(error):
            return TOO_LARGE
        raise _meaningless(error) from error


def _check_nested(whole: bytes) -> None:
    """Raises `ProtocolError` for more lists and objects than may be decoded at once."""
    if len(whole) <= MOST_NESTED or len(whole) - len(whole.translate(None, _HEADS)) <= MOST_NESTED:
        return  # too few bytes can begin one
    for any_key in (False, True):
        try:
            _count(whole, any_key=any_key)
        except (ValueError, TypeError) as error:
            if _EXCEEDS in str(error):
                return  # `objects` will not decode it
            if any_key:
                raise _meaningless(error) from error
        else:
            return


def _count(whole: bytes, *, any_key: bool) -> None:
    """Counts lists and objects without keeping them. `any_key` is as for `_unpacker`.

    Raises `ProtocolError` for more than `MOST_NESTED`, and msgpack's errors.
    """
    left = MOST_NESTED

    def one(value: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            message = f"an entry has more than {MOST_NESTED:,} lists and objects"
            raise ProtocolError(message, "too_large")

    unpacker = msgpack.Unpacker(
        list_hook=one,
        ext_hook=_extension,
        timestamp=2,
        max_buffer_size=0,
        raw=True,
        **_lengths(MOST_VALUES),
        **_maps(one, any_key=any_key),
    )
    unpacker.feed(whole)
    for _ in unpacker:
        pass


def _unpacker(whole: bytes, *, any_key: bool = False, most: int | None = None) -> Any:
    """An unpacker for these bytes.

    `most` limits the members of a list or map, since msgpack allocates room for all in advance.
    Keys must be str or bin. With `any_key`, which is slower, they may be numbers and become text: a
    map of chosen numbers could take time quadratic in their count.
    """
    unpacker = msgpack.Unpacker(
        unicode_errors="surrogateescape",
        ext_hook=_extension,
        timestamp=2,
        max_buffer_size=0,
        **_lengths(most),
        **_maps(_map if any_key else None, any_key=any_key),
    )
    unpacker.feed(whole)
    return unpacker


def _maps(hook: Callable[[Any], Any] | None, *, any_key: bool) -> dict[str, Any]:
    """Options of an unpacker for maps. With `any_key` the hook gets pairs, otherwise a dict."""
    if any_key:
        return {"strict_map_key": False, "object_pairs_hook": hook}
    return {"strict_map_key": True, "object_hook": hook}


def _lengths(most: int | None) -> dict[str, int]:
    return {} if most is None else {"max_array_len": most, "max_map_len": most}


def _map(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    if any(type(key) in (list, dict) for key, _ in pairs):
        raise ValueError("a key is a list or a map")
    return {plain.key(key): value for key, value in pairs}


def _meaningless(error: Exception) -> ProtocolError:
    return ProtocolError(f"it is not valid MessagePack: {str(error)[:200]}")


def _extension(code: int, data: bytes) -> Any:
    if code == 0 and len(data) == 8:
        seconds, nanoseconds = _EVENT_TIME(data)
        return EventTime(seconds * _SECOND + nanoseconds)
    return None


# -- modes -------------------------------------------------------------------------------------


def _small(whole: bytes, *, any_key: bool = False) -> Iterator[ForwardMessage]:
    """Decodes small messages, yielding each before the next one, which may be malformed."""
    unpacker, start = _unpacker(whole, any_key=any_key), 0
    while True:
        try:
            said = next(unpacker, None)
        except (ValueError, TypeError) as error:
            if any_key:
                raise _meaningless(error) from error
            yield from _small(whole[start:], any_key=True)
            return
        end = unpacker.tell()
        if end == start:
            return
        if said is not None:
            one = _message(said)
            one.size = end - start
            yield one
        start = end


def _message(said: Any) -> ForwardMessage:
    if not isinstance(said, list) or not 2 <= len(said) <= 4:
        raise ProtocolError(f"expected a message, got {shown(said)}")
    tag, entries, *rest = said
    if isinstance(entries, (list, bytes, str)):
        return _made(tag, entries, rest)
    if not rest:
        raise ProtocolError("a message has a time and no record")
    return _made(tag, [[entries, rest[0]]], rest[1:])


def _made(tag: Any, entries: Any, rest: list[Any]) -> ForwardMessage:
    if isinstance(tag, bytes):
        tag = tag.decode("utf-8", "replace")
    if not isinstance(tag, str):
        raise ProtocolError(f"expected a tag, got {shown(tag)}")
    if len(tag) > LONGEST_TAG:
        raise ProtocolError(f"a tag is longer than {LONGEST_TAG} characters", "too_large")
    option = rest[0] if rest else None
    if option is not None and not isinstance(option, dict):
        raise ProtocolError(f"expected options, got {shown(option)}")
    option = option or {}
    if isinstance(entries, list):
        return ForwardMessage(tag, entries, option)
    if isinstance(entries, str):  # the raw bytes of older MessagePack
        entries = entries.encode("utf-8", "surrogateescape")
    return ForwardMessage(tag, entries, option, option.get("compressed"))


def _large(whole: bytes) -> ForwardMessage:
    """A large message, whose entries stay encoded."""
    unpacker = _unpacker(whole)
    try:
        parts = unpacker.read_array_header()
        if not 2 <= parts <= 4 or not _is_raw(whole[unpacker.tell()]):
            raise ProtocolError(f"expected a message, got a large array of {parts}")
        tag, first = unpacker.unpack(), whole[unpacker.tell()]
        if _is_raw(first):
            entries = unpacker.unpack()
        elif _is_array(first):
            entries = _inside(whole, unpacker)
        elif parts == 2:
            raise ProtocolError("a message has a time and no record")
        elif len(whole) > LARGEST_ENTRY:
            raise ProtocolError(f"an entry is longer than {LARGEST_ENTRY} bytes", "too_large")
        else:
            entries = _pair(whole, unpacker)
    except ValueError as error:
        raise ProtocolError("expected a message, got something else that is large") from error
    rest = whole[unpacker.tell() :]
    if len(rest) > SMALL:
        raise ProtocolError(f"options are longer than {SMALL} bytes", "too_large")
    one = _made(tag, entries, objects(rest))
    if not _is_raw(first):
        one.compressed = None
    return one


def _pair(whole: bytes, unpacker: Any) -> bytes:
    """A time and a record, encoded as one entry."""
    start = unpacker.tell()
    unpacker.skip()
    unpacker.skip()
    return _ARRAY_OF_TWO + whole[start : unpacker.tell()]


def _inside(whole: bytes, unpacker: Any) -> bytes:
    """The encoded elements of an array."""
    count = unpacker.read_array_header()
    start = unpacker.tell()
    for _ in range(count):
        unpacker.skip()
    return whole[start : unpacker.tell()]


def _is_raw(head: int) -> bool:
    return 0xA0 <= head <= 0xBF or 0xC4 <= head <= 0xC6 or 0xD9 <= head <= 0xDB


def _is_array(head: int) -> bool:
    return 0x90 <= head <= 0x9F or 0xDC <= head <= 0xDD


# -- entries -----------------------------------------------------------------------------------


def entries(one: ForwardMessage, most: int) -> Iterator[tuple[list[Any], int]]:
    """The decoded entries of a message, some at a time, and how many bytes these had.

    Each may be malformed or `TOO_LARGE`: check it with `entry`. `most` limits the decompressed
    bytes. Raises `ProtocolError` for what cannot be decoded, or exceeds a limit.
    """
    if isinstance(one.entries, list):
        yield one.entries, one.size
        return
    framer = Framer(LARGEST_ENTRY)
    for piece in _unpacked(one.entries, one.compressed, most):
        whole, ends = framer.feed(piece)
        if len(whole) > 2 * SMALL and len(ends) > 1:  # a large entry, followed by small ones
            yield objects(whole[: ends[0]]), ends[0]
            whole = whole[ends[0] :]
        if whole:
            yield objects(whole), len(whole)
    if framer.pending:
        raise ProtocolError("the last entry of a chunk is cut short")


def _unpacked(packed: bytes, compressed: Any, most: int) -> Iterator[bytes]:
    """The decompressed bytes, in small pieces."""
    if compressed in (None, "text"):
        return (packed[start : start + SMALL] for start in range(0, len(packed), SMALL))
    if compressed != "gzip":
        raise ProtocolError(f"chunks may be compressed with gzip, not with {shown(compressed)}")
    return _gunzipped(packed, most)


def _gunzipped(packed: bytes, most: int) -> Iterator[bytes]:
    """The decompressed bytes of one gzip member or more, in small pieces."""
    total, members, member = 0, 0, None
    for start in range(0, len(packed), SMALL):
        rest = packed[start : start + SMALL]
        while rest:
            if member is None:
                member, members = zlib.decompressobj(wbits=31), members + 1
            piece = _decompressed(member, rest)
            total += len(piece)
            if total > most or members > MOST_MEMBERS:
                raise ProtocolError(f"a chunk has more than {most} bytes unpacked", "too_large")
            if piece:
                yield piece
            rest = member.unconsumed_tail
            if member.eof:
                rest, member = member.unused_data, None
    if member is not None:
        raise ProtocolError("the gzip of a chunk is cut short")


def _decompressed(member: Any, packed: bytes) -> bytes:
    try:
        return bytes(member.decompress(packed, SMALL))
    except zlib.error as error:
        raise ProtocolError("a chunk is not valid gzip") from error


def entry(said: Any) -> Entry | None:
    """The time and record of a decoded entry, `[time, record]`; None if it is malformed."""
    if not isinstance(said, list) or len(said) != 2:
        return None
    time, record = said
    if type(record) is not dict:
        return None
    if type(time) is EventTime:
        return time, record
    if isinstance(time, list) and time:  # Fluent Bit's [time, metadata], version 1.5
        time = time[0]
    if isinstance(time, EventTime):
        return time, record
    if isinstance(time, (int, float)) and not isinstance(time, bool) and 0 <= time < _LAST:
        return int(time * _SECOND), record
    return None
