"""Messages of a queue as entries again: those of a dockline (see `encode.messages`), and others.

What comes here was written by anybody. Whatever it is, there are entries in it, or a `ValueError`
that says what it is not; sizes are bounded before anything is made of them.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

import msgspec

from pipeline.batch import STREAM_NAMES, Batch, Container, Source
from pipeline.buffer.columns import Columns
from pipeline.encode.ecs import RESERVED
from pipeline.records import NOT_JSON
from pipeline.timestamps import from_nanoseconds, split_timestamp

LARGEST: Final = 64 << 20
"""Bytes that a message may have, and that it may be decompressed to."""

_SORTS: Final = frozenset(get_args(Source))
_TIMES: Final = re.compile(rb"(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z)*")
_WIDTH: Final = 30
_STREAMS: Final = {name: number for number, name in enumerate(STREAM_NAMES)}


class Received:
    """Reads messages. Containers of the same facts are the same object while they are in use."""

    def __init__(self) -> None:
        self._columns = Columns()
        self._containers: dict[str, Container] = {}

    def columns(self, body: bytes, plain: int, entries: int) -> list[Batch]:
        """`columns/1`: `plain` and `entries` are what its headers say."""
        if not 0 < plain <= LARGEST or len(body) > LARGEST:
            raise ValueError(f"larger than {LARGEST >> 20} MiB")
        if len(body) != plain:
            body = _decompressed(body, plain)
        try:
            batches = self._columns.decode(body, plain)
        except Exception as error:  # msgpack's are many
            raise ValueError(f"no columns: {error!r:.100}") from error
        if sum(map(len, batches)) != entries:
            raise ValueError("it has not as many entries as it says")
        for batch in batches:
            if not _is_one(batch):
                raise ValueError("its columns are not those of a batch")
        return [batch for batch in batches if len(batch)]

    def json(self, body: bytes) -> Batch:
        """`json/1`: one entry."""
        try:
            entry = msgspec.json.decode(body, type=dict[str, Any])
        except NOT_JSON as error:
            raise ValueError(f"no JSON: {error!s:.100}") from error
        event, container = _table(entry, "event"), _table(entry, "container")
        time, rest = split_timestamp(str(entry.get("@timestamp")).encode())
        sequence, part = event.get("sequence"), event.get("part")
        dataset = str(event.get("dataset", "")).rpartition(".")[2]
        if not time or rest or type(sequence) is not int or not container.get("id"):
            raise ValueError("no entry of a dockline")
        flags = _table(entry, "log").get("flags")
        message = entry.get("message")
        fields = {name: value for name, value in entry.items() if name not in RESERVED}
        fields.update(_table(entry, "fields"))
        return Batch(
            self._container(container, entry),
            [_text(message)],
            [time],
            bytes([_STREAMS.get(str(entry.get("stream", "")), 0)]),
            [sequence],
            parts=[part] if type(part) is int else None,
            source=dataset if dataset in _SORTS else "logs",  # type: ignore[arg-type]
            fields=[fields] if fields else None,
            bare=message is None,
            flags={sequence: str(flags[0])} if isinstance(flags, list) and flags else None,
        )

    def _container(self, container: Mapping[str, Any], entry: Mapping[str, Any]) -> Container:
        image, labels = _table(container, "image"), _table(container, "labels")
        tag = f":{image['tag']}" if image.get("tag") else ""
        return Container(
            _id(str(container["id"])),
            str(container.get("name", "")),
            f"{image.get('name', '')}{tag}",
            {str(name): str(value) for name, value in labels.items()},
            str(_table(entry, "host").get("name", "")),
        )

    def foreign(self, body: bytes, stream: str, subject: str, time: int, sequence: int) -> Batch:
        """Anything else is one entry; `time` is when the stream got it, in nanoseconds, and
        `sequence` its place there."""
        if len(body) > LARGEST:
            raise ValueError(f"larger than {LARGEST >> 20} MiB")
        container = Container(_id(f"nats:{stream}:{subject}"), subject, "")
        line = body.removesuffix(b"\n").removesuffix(b"\r")
        return Batch(container, [line], [from_nanoseconds(time)], b"\0", [sequence])


def _decompressed(body: bytes, plain: int) -> bytes:
    """No more than was said, whatever is in it."""
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(body, plain + 1)
    except zlib.error as error:
        raise ValueError(f"not compressed as it says: {error}") from error
    if len(data) != plain or not stream.eof:
        raise ValueError("it has not the length that it says")
    return data


def _is_one(batch: Batch) -> bool:
    """Whether its columns are what lanes, stages and encoders rely on."""
    try:
        return _has_columns(batch)
    except (TypeError, ValueError, LookupError, AttributeError):
        return False


def _has_columns(batch: Batch) -> bool:
    it = batch.container
    texts = (it.id, it.name, it.image, it.host, batch.route)
    labels = it.labels
    count = len(batch)
    parsed = batch.fields
    numbers = batch.sequences
    return bool(
        all(type(text) is str for text in texts)
        and re.fullmatch("[0-9a-f]{64}", it.id)
        and type(labels) is dict
        and all(type(k) is str and type(v) is str for k, v in labels.items())
        and batch.source in _SORTS
        and all(type(line) is bytes for line in batch.lines)
        and all(type(time) is bytes and len(time) == _WIDTH for time in batch.times)
        and len(batch.times) == count
        and _TIMES.fullmatch(b"".join(batch.times))
        and type(batch.streams) is bytes
        and len(batch.streams) == count
        and max(batch.streams, default=0) < len(STREAM_NAMES)
        and _are_numbers(numbers, count)
        and (batch.parts is None or _are_numbers(batch.parts, count))
        and (parsed is None or (len(parsed) == count and all(map(_is_fields, parsed))))
        and (batch.flags is None or _are_flags(batch.flags))
    )


def _are_numbers(numbers: Sequence[Any], count: int) -> bool:
    if isinstance(numbers, range):
        return len(numbers) == count and (not count or numbers[0] >= 0 <= numbers[-1])
    return len(numbers) == count and all(type(one) is int and one >= 0 for one in numbers)


def _is_fields(fields: Any) -> bool:
    """What is in them is as odd as users' lines are; all that has to do with fields expects it."""
    return type(fields) is dict


def _are_flags(flags: Any) -> bool:
    return type(flags) is dict and all(
        type(number) is int and type(flag) is str for number, flag in flags.items()
    )


def _table(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _text(message: Any) -> bytes:
    if message is None:
        return b""
    text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
    return text.encode("utf-8", "surrogatepass")


def _id(container_id: str) -> str:
    """That of a container, or one that stands for whatever it is."""
    if re.fullmatch("[0-9a-f]{64}", container_id):
        return container_id
    return hashlib.sha256(container_id.encode("utf-8", "surrogatepass")).hexdigest()
