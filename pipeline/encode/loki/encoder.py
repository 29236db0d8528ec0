"""Batches as push requests of Loki: entries grouped by stream, each with structured metadata.

A stream is a set of labels, and Loki keeps an index of streams only: few labels, whose values
change rarely, and all else as structured metadata. Each entry has, where it is known:

| structured metadata | is                                                                |
|---------------------|-------------------------------------------------------------------|
| `container_id`      | 64 hexadecimal digits                                             |
| `stream`            | `stdout` or `stderr`                                              |
| `level`             | one of our eight words (see `level`)                              |
| `event_sequence`    | counts up per container; a gap is a loss                          |
| `event_part`        | which part it is of the entry that it was split from              |
| `event_dataset`     | `docker.events` or `docker.stats`, for what is no log             |
| `log_flags`         | `truncated`, for one that was cut                                 |

A name that is a label already is left out there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from weakref import WeakKeyDictionary

from pipeline.encode.ecs import STREAMS, kinds_of
from pipeline.encode.joined import joined
from pipeline.encode.level import LEVELS
from pipeline.encode.loki.wire import Entry, Labels, Rows, Wire
from pipeline.model.batch import STREAM_NAMES, Batch
from pipeline.model.container import Container
from pipeline.model.dumps import dumps
from pipeline.model.pieces import gathered
from pipeline.model.rendered import RENDERED
from pipeline.model.utf8 import utf8_lines

LONGEST_VALUE: Final = 2048
"""Bytes that a label's value may have; Loki's own default."""
NO_LABELS: Final[Labels] = (("job", "dockline"),)
"""The labels of entries that have none: Loki takes no stream without."""

Column = Callable[[Batch], list[str]]
"""A text for each entry, empty where it has none."""


@dataclass(frozen=True)
class StreamFields:
    """Labels or structured metadata, by name: what is the same for all entries of a container and
    source, and what may differ by entry."""

    constant: dict[str, Column] = field(default_factory=dict)
    """Those that are the same for all entries of a batch's container and source."""
    varying: dict[str, Column] = field(default_factory=dict)
    """Those that are not."""

    @property
    def names(self) -> frozenset[str]:
        """All names, of both kinds."""
        return frozenset((*self.constant, *self.varying))


class LokiEncoder:
    """Batches as push requests, for one destination."""

    def __init__(
        self,
        wire: Wire,
        labels: StreamFields,
        metadata: StreamFields | None,
        *,
        lines: Callable[[Batch], list[bytes]] | None = None,
        most_streams: int = 100,
        host: str = "",
        overflows: Callable[[Container], object] = lambda container: None,
    ) -> None:
        """`metadata` comes beside that of the table above; without it, there is none at all.
        `lines` gives what stands for each entry, by default its message; `host` is for containers
        that do not tell theirs. What would be more than `most_streams` streams of a container is
        told to `overflows`, once a container; labels that vary are metadata from then on."""
        self._wire = wire
        self._labels = labels
        self._metadata = metadata
        self._lines = lines or messages
        self._most_streams = most_streams
        self._host = host
        self._overflows = overflows
        self._key = object()
        self._of_containers: WeakKeyDictionary[Container, dict[str, _Known]] = WeakKeyDictionary()
        self._hosts: WeakKeyDictionary[Container, Container] = WeakKeyDictionary()

    def encode(self, batches: Sequence[Batch]) -> bytes:
        """One request with all entries: those of a stream together, in their order."""
        return b"".join(self.pieces(batches))

    def pieces(self, batches: Sequence[Batch]) -> list[bytes]:
        """The same in pieces."""
        streams: dict[Labels, list[bytes]] = {}
        for batch in joined(batches):
            if (whole := self._together(batch)) is not None:
                streams.setdefault(self._known(self._hosted(batch)).labels, []).append(whole)
                continue
            labels, entries = self._encode(batch)
            if isinstance(labels, list):
                for one, entry in zip(labels, entries, strict=True):
                    streams.setdefault(one, []).append(entry)
            else:
                streams.setdefault(labels, []).extend(entries)
        return gathered(self._wire.request(streams))

    def entries(self, batches: Sequence[Batch]) -> list[Entry]:
        """The entries of `batches`, in order, each with the labels of its stream: to send some of
        them again, or to find those that Loki has not taken."""
        found: list[Entry] = []
        for batch in batches:
            if not len(batch):
                continue
            labels, encoded = self._encode(batch)
            lengths = map(len, utf8_lines(self._lines(batch)))
            of_each = labels if isinstance(labels, list) else [labels] * len(batch)
            found += map(Entry, of_each, batch.times, lengths, encoded)
        return found

    def request(self, entries: Iterable[Entry]) -> bytes:
        """A push request of entries that `entries` has given."""
        streams: dict[Labels, list[bytes]] = {}
        for entry in entries:
            streams.setdefault(entry.labels, []).append(entry.encoded)
        return b"".join(self._wire.request(streams))

    def _encode(self, batch: Batch) -> tuple[Labels | list[Labels], list[bytes]]:
        """Entries, and the stream of all or of each."""
        batch = self._hosted(batch)
        known = self._known(batch)
        labels: Labels | list[Labels] = known.labels
        metadata = self._all_metadata(batch)
        if self._labels.varying:
            labels, further = self._varying(batch, known)
            metadata = [one + more for one, more in zip(metadata, further, strict=True)]
        return labels, self._wire.entries(batch.times, utf8_lines(self._lines(batch)), metadata)

    def _together(self, batch: Batch) -> bytes | None:
        """All entries of a batch in one piece, where the wire can and they are of one stream."""
        if self._labels.varying or batch.parts is not None or batch.flags:
            return None
        batch = self._hosted(batch)
        times, lines, numbers = batch.times, self._lines(batch), batch.sequences
        if self._metadata is None:
            kinds = bytes(len(batch))
            return self._wire.together(Rows(times, lines, numbers, "", kinds, (b"",), None))
        taken = self._taken(self._metadata)
        kinds = kinds_of(batch)
        facts = {kind: self._fact(batch, self._metadata, taken, kind, "") for kind in set(kinds)}
        choices = tuple([facts.get(kind, b"") for kind in range(max(facts) + 1)])
        more = None
        if self._metadata.varying:
            more = self._varying_metadata(batch, self._metadata, [b""] * len(batch))
        name = "" if "event_sequence" in taken else "event_sequence"
        return self._wire.together(Rows(times, lines, numbers, name, kinds, choices, more))

    # -- what is the same for a container ----------------------------------------------------

    def _hosted(self, batch: Batch) -> Batch:
        """The same batch, of a container that tells its host."""
        container = batch.container
        if container.host or not self._host:
            return batch
        hosted = self._hosts.get(container)
        if hosted is None:
            hosted = self._hosts[container] = replace(container, host=self._host)
        return batch.replace(container=hosted)

    def _known(self, batch: Batch) -> _Known:
        of_sources = self._of_containers.get(batch.container)
        if of_sources is None:
            of_sources = self._of_containers[batch.container] = {}
        known = of_sources.get(batch.source)
        if known is None:
            labels = _pairs(self._labels.constant, batch)
            fit = tuple((name, value) for name, value in labels if _is_short(value))
            known = of_sources[batch.source] = _Known(fit or NO_LABELS)
        return known

    # -- structured metadata -------------------------------------------------------------------

    def _all_metadata(self, batch: Batch) -> list[bytes]:
        if self._metadata is None:
            return [b""] * len(batch)
        wire, taken = self._wire, self._taken(self._metadata)
        metadata = self._facts(batch, self._metadata, taken)
        if "event_sequence" not in taken:
            numbers = wire.numbers("event_sequence", batch.sequences)
            metadata = [one + number for one, number in zip(metadata, numbers, strict=True)]
        if batch.parts is not None and "event_part" not in taken:
            numbers = wire.numbers("event_part", batch.parts)
            parts = zip(metadata, numbers, batch.parts, strict=True)
            metadata = [one + number if part else one for one, number, part in parts]
        return self._varying_metadata(batch, self._metadata, metadata)

    def _taken(self, metadata: StreamFields) -> frozenset[str]:
        """Names that are not ours to give."""
        return self._labels.names | metadata.names

    def _varying_metadata(
        self, batch: Batch, metadata: StreamFields, found: list[bytes]
    ) -> list[bytes]:
        """`found` with the metadata behind it that is not the same for all entries."""
        pairs = self._wire.pairs
        for name, column in metadata.varying.items():
            texts = zip(found, column(batch), strict=True)
            found = [one + pairs([(name, text)]) if text else one for one, text in texts]
        return found

    def _facts(self, batch: Batch, metadata: StreamFields, taken: frozenset[str]) -> list[bytes]:
        """What is the same for all entries of one kind."""
        kinds, flags = kinds_of(batch), batch.flags or {}
        if not flags and kinds.count(kinds[0]) == len(kinds):
            return [self._fact(batch, metadata, taken, kinds[0], "")] * len(kinds)
        each = [
            (kind, flags.get(sequence, ""))
            for kind, sequence in zip(kinds, batch.sequences, strict=True)
        ]
        facts = {one: self._fact(batch, metadata, taken, *one) for one in set(each)}
        return [facts[one] for one in each]

    def _fact(
        self, batch: Batch, metadata: StreamFields, taken: frozenset[str], kind: int, flag: str
    ) -> bytes:
        key = self._key, batch.source, kind, flag

        def make() -> bytes:
            constant = _pairs(self._labels.constant, batch)
            constant = [(name, value) for name, value in constant if not _is_short(value)]
            constant += _pairs(metadata.constant, batch)
            level, stream = divmod(kind, STREAMS)
            values = {
                "container_id": batch.container.id,
                "stream": STREAM_NAMES[stream],
                "level": LEVELS[level - 1] if level else "",
                "event_dataset": "" if batch.dataset == "docker.logs" else batch.dataset,
                "log_flags": flag,
            }
            pairs = [(name, value) for name, value in values.items() if value and name not in taken]
            return self._wire.pairs([*constant, *pairs])

        return RENDERED.once(batch.container, key, make, len)

    # -- labels that vary from entry to entry ----------------------------------------------------

    def _varying(self, batch: Batch, known: _Known) -> tuple[list[Labels], list[bytes]]:
        """The stream of each entry; and as metadata what would have made too many streams."""
        names = tuple(self._labels.varying)
        columns = [column(batch) for column in self._labels.varying.values()]
        labels: list[Labels] = []
        further: list[bytes] = []
        streams: dict[tuple[str, ...], tuple[Labels, bytes]] = {}
        for values in zip(*columns, strict=True):
            stream = streams.get(values)
            if stream is None:
                stream = streams[values] = self._stream(batch.container, known, names, values)
            labels.append(stream[0])
            further.append(stream[1])
        return labels, further

    def _stream(
        self, container: Container, known: _Known, names: Sequence[str], values: tuple[str, ...]
    ) -> tuple[Labels, bytes]:
        pairs = [(name, value) for name, value in zip(names, values, strict=True) if value]
        if not all(_is_short(value) for _, value in pairs):
            return known.labels, self._instead(pairs)
        if hash(values) not in known.streams:
            if len(known.streams) >= self._most_streams:
                if not known.overflown:
                    known.overflown = True
                    self._overflows(container)
                return known.labels, self._instead(pairs)
            known.streams.add(hash(values))
        if not pairs:
            return known.labels, b""
        return (*(() if known.labels is NO_LABELS else known.labels), *pairs), b""

    def _instead(self, pairs: list[tuple[str, str]]) -> bytes:
        return self._wire.pairs(pairs) if self._metadata is not None else b""


@dataclass(slots=True)
class _Known:
    """What has to be known of one container and source."""

    labels: Labels
    """Those that do not vary."""
    streams: set[int] = field(default_factory=set)
    """Hashes of the values of the labels that vary: a container may choose a hundred values of 2 KB
    each."""
    overflown: bool = False


def _pairs(columns: dict[str, Column], batch: Batch) -> list[tuple[str, str]]:
    found = [(name, column(batch)[0]) for name, column in columns.items()]
    return [(name, value) for name, value in found if value]


def _is_short(value: str) -> bool:
    return (
        len(value) <= LONGEST_VALUE // 4 or len(value.encode("utf-8", "replace")) <= LONGEST_VALUE
    )


def messages(batch: Batch) -> list[bytes]:
    """The message of each entry; of a batch whose messages were removed, its fields as JSON."""
    if not batch.bare:
        return batch.lines
    fields: list[dict[str, Any]] = batch.fields or [{}] * len(batch)
    return [dumps(entry) for entry in fields]
