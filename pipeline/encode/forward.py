"""Batches as entries of the Fluent forward protocol: `[EventTime, record]` in MessagePack.

A record has the names that JSON has (see `json`), but for `@timestamp`: that is the EventTime.
Messages are strings of whatever bytes they were, as Docker's own fluentd driver sends them, so that
what is not UTF-8 is still itself at the other end.

What entries of a container share is rendered once. The columns are put around it by a loop in C, or
by one `%`: a template with all that the entries share, and the columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Any, Final, NamedTuple

import msgspec

from pipeline import native
from pipeline.encode.ecs import Forms, Names, shared_facts
from pipeline.model.batch import Batch
from pipeline.model.dumps import DEEPEST, dumps
from pipeline.model.dumps import fit as dumps_fit
from pipeline.model.records import RESERVED, Fields, Records
from pipeline.model.timestamps import whole_seconds

_EVENT_TIME: Final = b"\xd7\x00"
"""An extension of type 0 and eight bytes: seconds, then nanoseconds."""
_WORD, _LONG = Struct(">I"), Struct(">Q")
_LAST: Final = 2**32 - 1
"""Seconds since the epoch that an EventTime can say: until 2106."""


MOST_KINDS: Final = 256
"""Forms of the entries of a batch that the loop in C tells apart."""

_Members = tuple[int, bytes]
"""Members of a map: how many, and these one behind the other."""


class _Form(NamedTuple):
    """What entries share that are of one container, kind and flag."""

    rest: bytes
    """Behind the number of the entry."""
    members: int
    """Of the record, beside an entry's own fields."""
    template: bytes
    """For `%`."""


class ForwardEncoder:
    """Batches as entries of Fluent forward, for one destination."""

    def __init__(self, *, host: str = "") -> None:
        """`host` is that of containers that do not tell theirs."""
        self._host = host
        self._loops = native.loops
        self._forms = Forms[_Form](("forward", host), _size_of)
        self._names = Names(RESERVED)
        self._names_bare = Names(RESERVED - {"message"})

    def encode(self, batch: Batch) -> bytes:
        """The entries of a batch in order, each `[EventTime, record]` in MessagePack, one behind
        the other."""
        if not len(batch):
            return b""
        forms = self._forms.of(batch, self._render)
        fields = None if batch.parsed is None else self._fields(batch)
        return self._in_c(batch, forms, fields) or _formatted(batch, forms, fields)

    def _in_c(
        self, batch: Batch, forms: list[_Form], fields: list[_Members] | None
    ) -> bytes | None:
        """None where it has to be done in Python."""
        if self._loops is None or batch.parts is not None:
            return None
        rests, kinds = [forms[0].rest], bytes(len(forms))
        if not _are_alike(forms):
            different = {id(form): form.rest for form in forms}
            if len(different) > MOST_KINDS:
                return None
            places = {key: place for place, key in enumerate(different)}
            rests, kinds = list(different.values()), bytes([places[id(form)] for form in forms])
        more = None if fields is None else [own for _, own in fields]
        lines = None if batch.bare else batch.lines
        return self._loops.forward(
            tuple(rests), kinds, _sizes(forms, fields), batch.times, lines, batch.sequences, more
        )

    def _fields(self, batch: Batch) -> list[_Members]:
        """How many parsed fields each entry has, and these as members of its record."""
        names, records = self._names_bare if batch.bare else self._names, batch.parsed
        if type(records) is Records and names.are_free(records.shape):
            try:
                return [_members(record) for record in records]
            except _UNFIT:
                pass
        fields = names.settle(batch.fields or [])
        if all(type(name) is str for name in set().union(*fields)):
            return [_fit_members(entry) for entry in fields]
        return [_members(fit(entry)) for entry in fields]

    def _render(self, batch: Batch, kind: int, flag: str) -> _Form:
        shared = shared_facts(batch.container, kind, flag, self._host)
        rest = _pack("dataset") + _pack(batch.dataset) + _fit_members(shared)[1]
        members = len(shared) + 1 + (not batch.bare)
        size = members.to_bytes(4, "big") if batch.parsed is None else b"%b"
        message = b"" if batch.bare else _pack("message") + b"%b%b"
        own = b"" if batch.parsed is None else b"%b"
        start = b"\x92" + _EVENT_TIME + b"%b\xdf" + size
        template = start + message + _pack("event") + b"%b" + rest.replace(b"%", b"%%") + own
        return _Form(rest, members, template)


def _size_of(form: _Form) -> int:
    return len(form.rest) + len(form.template)


def _sizes(forms: list[_Form], fields: list[_Members] | None) -> bytes:
    """Four bytes for each entry: how many members its record has."""
    if fields is None:
        if _are_alike(forms):
            return _WORD.pack(forms[0].members) * len(forms)
        return b"".join([_WORD.pack(form.members) for form in forms])
    own = zip(forms, fields, strict=True)
    return b"".join([_WORD.pack(form.members + count) for form, (count, _) in own])


def _formatted(batch: Batch, forms: list[_Form], fields: list[_Members] | None) -> bytes:
    columns: list[Sequence[Any]] = [event_times(batch.times)]
    if fields is not None:
        sizes = _sizes(forms, fields)
        columns.append([sizes[at : at + 4] for at in range(0, len(sizes), 4)])
    if not batch.bare:
        columns += [_heads(batch.lines), batch.lines]
    columns.append(_events(batch))
    if fields is not None:
        columns.append([members for _, members in fields])
    width = len(columns)
    arguments: list[Any] = [None] * (width * len(batch))
    for place, column in enumerate(columns):
        arguments[place::width] = column
    return _templates(forms) % tuple(arguments)


def _are_alike(forms: list[_Form]) -> bool:
    return forms.count(forms[0]) == len(forms)


def _templates(forms: list[_Form]) -> bytes:
    if _are_alike(forms):
        return forms[0].template * len(forms)
    return b"".join([form.template for form in forms])


# -- columns -----------------------------------------------------------------------------------


def event_times(times: list[bytes]) -> list[bytes]:
    """The eight bytes of an EventTime for each time: seconds since the epoch, then nanoseconds,
    both big-endian."""
    found = []
    second, base = b"", b""
    for time in times:
        if time[:19] != second:
            second = time[:19]
            whole = whole_seconds(second)
            base = _WORD.pack(min(max(whole, 0), _LAST))
        found.append(base + int(time[20:29]).to_bytes(4, "big"))
    return found


def _head(length: int) -> bytes:
    """What stands before a string of so many bytes."""
    if length < 32:
        return bytes([0xA0 | length])
    if length < 2**8:
        return bytes([0xD9, length])
    if length < 2**16:
        return b"\xda" + length.to_bytes(2, "big")
    return b"\xdb" + _WORD.pack(length)


_HEADS: Final = [_head(length) for length in range(8192)]


def _heads(lines: list[bytes]) -> list[bytes]:
    try:
        return [_HEADS[len(line)] for line in lines]
    except IndexError:
        return [_head(len(line)) for line in lines]


def _events(batch: Batch) -> list[bytes]:
    """`event` of each entry, but for its last member."""
    pack = _LONG.pack
    number = b"\x82" + _pack("sequence") + b"\xcf"
    if batch.parts is None:
        return [number + pack(sequence) for sequence in batch.sequences]
    part = b"\x83" + _pack("part") + b"\xce%b" + number[1:]
    return [
        part % _WORD.pack(part_of) + pack(sequence) if part_of else number + pack(sequence)
        for sequence, part_of in zip(batch.sequences, batch.parts, strict=True)
    ]


# -- values ------------------------------------------------------------------------------------

_pack: Final = msgspec.msgpack.Encoder().encode

_UNFIT: Final = (OverflowError, RecursionError, TypeError, ValueError)
"""What is raised for values that MessagePack does not have."""

_NO_HEADS: Final = bytes(
    byte for byte in range(256) if not (0x80 <= byte <= 0x9F or 0xDC <= byte <= 0xDF)
)
"""What no array and no map begins with."""


def _members(fields: Any) -> tuple[int, bytes]:
    """A map without its head: how many members it has, and these. Raises one of `_UNFIT`."""
    packed = _pack(fields)
    # a hundred levels have a hundred heads; counting what may be some is quicker than a look at all
    if len(packed.translate(None, _NO_HEADS)) >= DEEPEST and _is_deep(fields, DEEPEST):
        raise ValueError("it is nested too deep")
    if packed[0] < 0x90:
        return packed[0] & 15, packed[1:]
    size = 3 if packed[0] == 0xDE else 5
    return int.from_bytes(packed[1:size], "big"), packed[size:]


def _is_deep(value: Any, levels: int) -> bool:
    """Whether there are more levels of lists and objects. Ruby's MessagePack, and so Fluentd, takes
    128 of them and refuses all of a chunk that has more."""
    if isinstance(value, msgspec.Struct):
        value = [getattr(value, name) for name in value.__struct_fields__]
    elif isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return False
    return levels == 0 or any(_is_deep(one, levels - 1) for one in value)


def _fit_members(fields: Fields) -> tuple[int, bytes]:
    try:
        return _members(fields)
    except _UNFIT:
        return _members(fit(fields))


def fit(value: Any) -> Any:
    """Any value, made of what MessagePack has, as `dumps.fit` does it; an integer of more than 64
    bits becomes text."""
    return dumps_fit(value, _integer)


def _integer(value: int) -> int | str:
    return int(value) if -(2**63) <= value < 2**64 else dumps(value).decode()
