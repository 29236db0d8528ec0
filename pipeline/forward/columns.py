"""Entries of the protocol as columns of one container each.

Whose an entry is, its record tells, in one of three ways:

- **dockline's own** has `event` and `container`: container, number, part, flags and fields are as
  they were. Labels, image and host stand in the option `dockline` of the chunk, exactly; a record
  that came through a third program has them still, its labels' names without their dots.
- **Docker's fluentd driver** writes `container_id`, `container_name`, `source` and `log`, and what
  its options `labels` and `env` choose, which become the container's labels. Lines that it has cut
  are put together again.
- **Any other**: its tag and host stand for a container. `message`, `log` or `msg` is the message,
  all else fields; where there is none of these, it has fields only.
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
"""Levels of nesting of a record, as many as JSON keeps; below, there is an ellipsis."""
ENTRY_COST, NODE_COST, VALUE_COST = 250, 100, 25
"""Bytes of memory that an entry, a list or an object in it, and each value of these, cost beside
their bytes."""
CONTAINER_COST, RUN_COST, LABEL_COST = 2500, 400, 120
"""Those of a container, with what is made of it until it is delivered, of each further run of its
entries, and of each label."""

MESSAGES: Final = ("message", "log", "msg")
"""Fields that are an entry's message, in this order."""
STREAMS: Final = {"stdout": 1, "stderr": 2}
LABELS: Final = {
    name.replace(".", "_"): name
    for name in (
        "com.docker.compose.project", "com.docker.compose.service",
        "com.docker.stack.namespace", "com.docker.swarm.service.name",
    )
}  # fmt: skip
"""Labels that mean something here, by what is left of them in a record."""

Facts = tuple[str, str, str, Mapping[str, str], str, str]
"""Id, name, image, labels, host and module."""

_ID: Final = re.compile(r"[0-9a-f]{64}")
_DRIVERS: Final = frozenset(
    ("container_id", "container_name", "source", "log", "partial_message", "partial_id",
     "partial_ordinal", "partial_last")
)  # fmt: skip
_PLAIN: Final = frozenset((str, int, float, bool, type(None)))
_TEXT: Final = frozenset((str,))


class ForwardColumns:
    """A run of entries of one container, of one kind."""

    __slots__ = (
        "bare", "facts", "fields", "flags", "lines", "parts", "sequences", "source", "streams",
        "times",
    )  # fmt: skip

    def __init__(self, facts: Facts, source: EntryKind, *, bare: bool) -> None:
        self.facts = facts
        self.source = source
        self.bare = bare
        self.lines: list[bytes] = []
        self.times: list[bytes] = []
        self.streams = bytearray()
        self.fields: list[Fields] = []
        self.sequences: list[int] = []
        """Empty where entries have no numbers of their own."""
        self.parts: list[int] = []
        self.flags: dict[int, str] = {}
        """By sequence, or by index where there is none."""

    def goes_on(self, source: EntryKind, module: str, *, bare: bool) -> bool:
        """Whether such an entry with a number of its own can be added."""
        return (
            self.source == source
            and self.bare == bare
            and self.facts[-1] == module
            and bool(self.sequences)
        )


class Rows:
    """Takes entries of one connection, and gives columns."""

    def __init__(self, host: str, partials: Partials, most: int) -> None:
        """`host`: of the client, for records that tell none. `most`: what may be added before it is
        taken, in bytes of memory."""
        self._host = host
        self._most = most
        self._partials = partials
        self._columns: list[ForwardColumns] = []
        self._current: dict[str, ForwardColumns] = {}
        """Those that are added to, by container."""
        self._seconds: dict[int, bytes] = {}
        self._facts: Mapping[Any, Any] = {}
        """What the option of the message says, by container."""
        self._exact: dict[str, tuple[str, str, str, Mapping[str, str], str]] = {}
        """What was made of that: labels stand for a container once, however often it changes."""
        self.cost = 0
        """Bytes of memory of what was added."""
        self.malformed = 0
        """What stood for an entry and was none."""
        self.too_large = 0
        """Entries of too many values, which are left out."""

    def add(self, tag: str, option: Mapping[Any, Any], entries: list[Any], size: int = 0) -> None:
        """Some entries of a message, of so many bytes. Raises `ProtocolError` where they are too
        many."""
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
        """All that was added since."""
        taken, self._columns, self._current = self._columns, [], {}
        self._seconds.clear()
        self._exact = {}
        self.cost = 0
        return taken

    # -- whose they are ------------------------------------------------------------------------

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
        """Without the module."""
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
        """Counts it, where it is."""
        is_it = len(fields) + nested(fields, MOST_VALUES) > MOST_VALUES
        self.too_large += is_it
        return is_it

    # -- where they go -------------------------------------------------------------------------

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
        """Those that are text, as many as a container may have; further ones are left out."""
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
        """The same value as JSON has it."""
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
