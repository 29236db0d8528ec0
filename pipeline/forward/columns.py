"""Groups the entries of messages by container, into columns.

The record of an entry determines its container in one of three ways:

- **From dockline**: it has `event` and `container`. Container, sequence, part, flags and fields are
  kept. Labels, image and host are in the option `dockline` of the chunk; a record that was relayed
  by another program has them too, but dots in the labels' names became underscores.
- **From Docker's fluentd driver**: it has `container_id`, `container_name`, `source` and `log`, and
  what the driver's options `labels` and `env` choose, which become the container's labels. Lines
  that the driver has cut are joined again.
- **From others**: the tag and the client's host take the place of a container. `message`, `log` or
  `msg` is the message, everything else fields; without any of these, the entry has only fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pipeline.forward.framing import ProtocolError
from pipeline.forward.partials import Partials
from pipeline.forward.reading import MOST_VALUES, TOO_LARGE, entry
from pipeline.model import plain
from pipeline.model.batch import STREAM_NAMES
from pipeline.model.container import DATASETS, DOCKER, LONGEST_NAME, EntryKind
from pipeline.model.dumps import dumps
from pipeline.model.label_limits import MOST_LABELS
from pipeline.model.records import RESERVED, Fields, nested
from pipeline.model.timestamps import from_nanoseconds

DEEPEST: Final = plain.DEEPEST
"""Levels of nesting that are kept of a record, as in JSON; deeper values become an ellipsis."""
ENTRY_COST, NODE_COST, VALUE_COST = 250, 100, 25
"""Bytes of memory, besides their content, of an entry, a list or object in it, and each value."""
CONTAINER_COST, RUN_COST, LABEL_COST = 2500, 400, 120
"""Bytes of memory of a container until its entries are delivered, of each further
`ForwardColumns` of it, and of each label."""

MESSAGES: Final = ("message", "log", "msg")
"""Fields that may be an entry's message; the first one present is."""
STREAMS: Final = {"stdout": 1, "stderr": 2}
"""The number of each stream in `Batch.streams`."""
LABELS: Final = {
    name.replace(".", "_"): name
    for name in (
        "com.docker.compose.project", "com.docker.compose.service",
        "com.docker.stack.namespace", "com.docker.swarm.service.name",
    )
}  # fmt: skip
"""Labels that dockline uses, by their names in a record, without dots."""

Facts = tuple[str, str, str, Mapping[str, str], str, str]
"""A container's id, name, image, labels, host and module (that of `event.dataset`)."""

_ID: Final = re.compile(r"[0-9a-f]{64}")
_DRIVERS: Final = frozenset(
    ("container_id", "container_name", "source", "log", "partial_message", "partial_id",
     "partial_ordinal", "partial_last")
)  # fmt: skip
_PLAIN: Final = frozenset((str, int, float, bool, type(None)))
_TEXT: Final = frozenset((str,))


class ForwardColumns:
    """Consecutive entries of one container and one source, as columns."""

    __slots__ = (
        "bare", "facts", "fields", "flags", "lines", "parts", "sequences", "source", "streams",
        "times",
    )  # fmt: skip

    def __init__(self, facts: Facts, source: EntryKind, *, bare: bool) -> None:
        """`bare`: the entries have no message; their lines are the fields as JSON."""
        self.facts = facts
        self.source = source
        self.bare = bare
        self.lines: list[bytes] = []
        self.times: list[bytes] = []
        self.streams = bytearray()
        self.fields: list[Fields] = []
        self.sequences: list[int] = []
        """Sequence numbers of the entries; empty if they have none."""
        self.parts: list[int] = []
        """Part number of each entry, as in `Batch.parts`; empty without sequence numbers."""
        self.flags: dict[int, str] = {}
        """Flag of an entry by its sequence, or by its index without sequence numbers."""

    def goes_on(self, source: EntryKind, module: str, *, bare: bool) -> bool:
        """Whether an entry like this, with a sequence number, can be added."""
        return (
            self.source == source
            and self.bare == bare
            and self.facts[-1] == module
            and bool(self.sequences)
        )


class Rows:
    """Collects the entries of one connection as columns."""

    def __init__(self, host: str, partials: Partials, most: int) -> None:
        """`host` is the client's, for records without one.

        `most` is how many bytes of memory entries may cost between two calls of `take`.
        """
        self._host = host
        self._most = most
        self._partials = partials
        self._columns: list[ForwardColumns] = []
        self._current: dict[str, ForwardColumns] = {}
        """The columns that entries are added to, by container id."""
        self._seconds: dict[int, bytes] = {}
        """Formatted times by second, up to the fraction."""
        self._facts: Mapping[Any, Any] = {}
        """The option `dockline` of the current message, by container id."""
        self._exact: dict[str, tuple[str, str, str, Mapping[str, str], str]] = {}
        """Facts made of that option, by container id, so that labels are decoded only once."""
        self.cost = 0
        """Bytes of memory of the entries since the last `take`."""
        self.malformed = 0
        """Number of entries that were malformed, and left out."""
        self.too_large = 0
        """Number of entries with too many values, which were left out."""

    def add(self, tag: str, option: Mapping[Any, Any], entries: list[Any], size: int = 0) -> None:
        """Adds entries of a message, decoded by `reading.entries`; `size` is their bytes.

        Raises `ProtocolError` if all entries since the last `take` cost too much memory.
        """
        ours = option.get("dockline")
        if ours is not self._facts:
            self._facts, self._exact = ours if isinstance(ours, dict) else {}, {}
        self._count(ENTRY_COST * len(entries) + size)
        for said in entries:
            if said is TOO_LARGE:
                self.too_large += 1
            elif (one := entry(said)) is None:
                self.malformed += 1
            else:
                self._add(tag, *one)

    def take(self) -> list[ForwardColumns]:
        """All columns since the last call, in order."""
        taken, self._columns, self._current = self._columns, [], {}
        self._seconds.clear()
        self._exact = {}
        self.cost = 0
        return taken

    # -- the container of an entry ---------------------------------------------------------------

    def _add(self, tag: str, time: int, record: dict[Any, Any]) -> None:
        event, container = record.get("event"), record.get("container")
        if type(event) is dict and type(container) is dict and self._is_ours(event, container):
            self._add_ours(time, record, event, container)
        elif _is_drivers(record):
            self._add_drivers(time, record)
        else:
            self._add_other(tag, time, record)

    def _add_ours(self, time: int, record: Fields, event: Fields, container: Fields) -> None:
        identity, message = container["id"], record.get("message")
        (module, source), bare = DATASETS[event["dataset"]], type(message) is not str
        fields: Fields = {}
        if not record.keys() <= RESERVED:
            fields = {name: value for name, value in record.items() if name not in RESERVED}
        own = record.get("fields")
        if type(own) is dict:
            fields |= own
        if self._is_too_large(fields):
            return
        into = self._current.get(identity)
        if into is None or not into.goes_on(source, module, bare=bare):
            facts = *self._facts_of(identity, record, container), module
            into = self._new(identity, facts, source, bare)
        into.sequences.append(event["sequence"])
        part = event.get("part", 0)
        into.parts.append(part if type(part) is int and 0 < part < 2**31 else 0)
        log = record.get("log")
        flags = log.get("flags") if type(log) is dict else None
        if type(flags) is list and flags and flags[0] in plain.FLAGS:
            into.flags[event["sequence"]] = flags[0]
        self._put(into, time, message, STREAMS.get(_text(record.get("stream")), 0), fields)

    def _facts_of(
        self, identity: str, record: Fields, container: Fields
    ) -> tuple[str, str, str, Mapping[str, str], str]:
        """The facts of a container except its module."""
        if known := self._exact.get(identity):
            return known
        exact = self._facts.get(identity)
        if isinstance(exact, list) and len(exact) == 4:
            name, image, labels, host = exact
            own = identity, _text(name), _text(image), self._labels(labels), _text(host)
            self._exact[identity] = own
            return own
        image, host = _dict(container.get("image")), _dict(record.get("host"))
        reference = _text(image.get("name"))
        if tag := _text(image.get("tag")):
            reference += f":{tag}"
        said = self._labels(container.get("labels"))
        labels = {LABELS.get(name, name): value for name, value in said.items()}
        return identity, _text(container.get("name")), reference, labels, _text(host.get("name"))

    def _add_drivers(self, time: int, record: Fields) -> None:
        identity = record["container_id"]
        stream = STREAMS.get(_text(record.get("source")), 0)
        if "partial_message" in record:
            whole = self._partials.add(identity, stream, time, record)
            if whole is None:
                return
            time, record["log"], cut = whole
        else:
            cut = False
        into = self._current.get(identity)
        if into is None or into.sequences:
            labels = self._labels({name: v for name, v in record.items() if name not in _DRIVERS})
            name = _text(record.get("container_name")).removeprefix("/")
            facts = identity, name, "", labels, self._host, DOCKER
            into = self._new(identity, facts, "logs", bare=False)
        if cut:
            into.flags[len(into.lines)] = "truncated"
        self._put(into, time, record["log"], stream, {})

    def _add_other(self, tag: str, time: int, record: dict[Any, Any]) -> None:
        if self._is_too_large(record):
            return
        identity, message = f"{tag}\0{self._host}", None
        for name in MESSAGES:
            if type(record.get(name)) in (str, bytes):
                message = record.pop(name)
                break
        bare = message is None
        if bare and not _TEXT.issuperset(map(type, record)):  # some clients have bytes for keys
            self._add(tag, time, {plain.key(name): value for name, value in record.items()})
            return
        into = self._current.get(identity)
        if into is None or into.bare != bare:
            facts: Facts = identity, tag, "", {}, self._host, "forward"
            into = self._new(identity, facts, "logs", bare=bare)
        stream = STREAMS.get(_text(record.get("stream")), 0)
        if stream:
            del record["stream"]
        self._put(into, time, message, stream, record)

    def _is_ours(self, event: Fields, container: Fields) -> bool:
        identity, sequence, dataset = (
            container.get("id"),
            event.get("sequence"),
            event.get("dataset"),
        )
        return (
            type(dataset) is str
            and dataset in DATASETS
            and type(sequence) is int
            and 0 <= sequence < 2**62
            and type(identity) is str
            and (identity in self._current or _ID.fullmatch(identity) is not None)
        )

    def _is_too_large(self, fields: Fields) -> bool:
        """Whether an entry has too many values; counts it then."""
        is_it = len(fields) + nested(fields, MOST_VALUES) > MOST_VALUES
        self.too_large += is_it
        return is_it

    # -- adding to columns -----------------------------------------------------------------------

    def _new(self, identity: str, facts: Facts, source: EntryKind, bare: bool) -> ForwardColumns:
        self._count(RUN_COST if identity in self._current else CONTAINER_COST)
        own, name, image, labels, host, module = facts
        name, image, host = name[:LONGEST_NAME], image[:LONGEST_NAME], host[:LONGEST_NAME]
        facts = own, name, image, labels, host, module
        into = self._current[identity] = ForwardColumns(facts, source, bare=bare)
        self._columns.append(into)
        return into

    def _put(
        self, into: ForwardColumns, time: int, message: Any, stream: int, fields: Fields
    ) -> None:
        flat = _PLAIN.issuperset(map(type, fields.values()))
        if fields and not (flat and plain.is_json(fields)):
            fields = {
                plain.key(name): self._plain(value, DEEPEST) for name, value in fields.items()
            }
        if into.bare:
            line = dumps(fields)
        elif type(message) is str:
            line = message.encode("utf-8", "surrogateescape")
        else:
            line = message
        seconds, nanoseconds = divmod(time, 10**9)
        second = self._seconds.get(seconds)
        if second is None:
            second = self._seconds[seconds] = from_nanoseconds(seconds * 10**9)[:20]
        into.lines.append(line)
        into.times.append(b"%b%09dZ" % (second, nanoseconds))
        into.streams.append(stream)
        into.fields.append(fields)
        self._count(VALUE_COST * len(fields) + (len(line) if into.bare else 0))

    def _labels(self, value: Any) -> dict[str, str]:
        """The labels that are text, up to the limit of a container; further ones are left out."""
        kept, size = dict[str, str](), 0
        for key, said in _dict(value).items():
            if type(said) in (str, bytes):
                name, text = plain.key(key), _text(said)
                size += len(name) + len(text)
                if size > MOST_LABELS:
                    break
                kept[name] = text
        self._count(LABEL_COST * len(kept) + size)
        return kept

    def _count(self, cost: int) -> None:
        self.cost += cost
        if self.cost > self._most:
            message = f"entries would take more than {self._most} bytes of memory"
            raise ProtocolError(message, "too_large")

    def _plain(self, value: Any, levels: int) -> Any:
        """The value in JSON's types, down to so many levels."""
        kind = type(value)
        if kind is not dict and kind is not list:
            if kind not in _PLAIN:
                self._count(NODE_COST)
            return plain.fit(value, 0)
        if not levels:
            return plain.ELIDED
        self._count(NODE_COST + VALUE_COST * len(value))
        if kind is dict:
            return {plain.key(key): self._plain(item, levels - 1) for key, item in value.items()}
        return [self._plain(item, levels - 1) for item in value]


def _is_drivers(record: Fields) -> bool:
    identity = record.get("container_id")
    return (
        type(record.get("log")) in (str, bytes)
        and type(identity) is str
        and _ID.fullmatch(identity) is not None
    )


def _dict(value: Any) -> dict[Any, Any]:
    return value if type(value) is dict else {}


def _text(value: Any) -> str:
    return plain.text(value) if type(value) in (str, bytes) else ""


assert STREAM_NAMES[1:] == tuple(STREAMS)
