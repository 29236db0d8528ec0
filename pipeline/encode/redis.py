"""Entries as XADD commands: https://redis.io/docs/latest/commands/xadd/"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.encode.ecs import Names, kinds_of, shared_facts
from pipeline.encode.identity import identities
from pipeline.encode.json import JsonEncoder
from pipeline.model.batch import Batch
from pipeline.model.container import Container
from pipeline.model.dumps import dumps
from pipeline.model.records import RESERVED
from pipeline.model.rendered import RENDERED
from pipeline.model.timestamps import nanoseconds
from pipeline.transport.redis.resp import text

_ID: Final = text(b"event.id")
_JSON: Final = text(b"json")


@dataclass(frozen=True, slots=True)
class Trimming:
    """How long a stream may be: so many entries, or so many seconds."""

    length: int | None
    age: float | None
    exact: bool

    def arguments(self, batch: Batch) -> list[bytes]:
        """The arguments of XADD that trim the stream. An age is reckoned from the time of the last
        entry."""
        how = b"=" if self.exact else b"~"
        if self.length is not None:
            return [b"MAXLEN", how, b"%d" % self.length]
        try:
            newest = nanoseconds(batch.times[-1]) // 1_000_000
        except ValueError:  # such as the 31st of February
            return []
        return [b"MINID", how, b"%d" % max(0, newest - int((self.age or 0) * 1000))]


class RedisEncoder:
    """Batches as XADD commands, for one destination."""

    def __init__(
        self,
        streams: Callable[[Batch], list[str]],
        *,
        flat: bool = False,
        trimming: Trimming | None = None,
        host: str = "",
    ) -> None:
        """`streams` names the stream of each entry of a batch. With `flat` each name of an entry is
        a field of its own; without it the entry is JSON in one field. `host` is that of containers
        that do not tell theirs."""
        self._streams = streams
        self._flat = flat
        self._trimming = trimming
        self._host = host
        self._json = JsonEncoder(host=host)
        self._names = Names(RESERVED)

    def encode(self, batches: Sequence[Batch]) -> list[bytes]:
        """One command for each entry, in order, as it is sent (RESP)."""
        commands: list[bytes] = []
        for batch in batches:
            if len(batch):
                commands += self._fields(batch) if self._flat else self._objects(batch)
        return commands

    def _begun(self, batch: Batch) -> tuple[int, list[bytes]]:
        """How many arguments each command begins with, and for each entry what these are: all up
        to the `*` that stands for its id."""
        streams = self._streams(batch)
        trim = self._trimming.arguments(batch) if self._trimming else []
        begun: dict[str, bytes] = {}
        for stream in dict.fromkeys(streams):
            key = stream.encode("utf-8", "replace")
            begun[stream] = b"".join(map(text, [b"XADD", key, *trim, b"*"]))
        return 3 + len(trim), [begun[stream] for stream in streams]

    def _objects(self, batch: Batch) -> list[bytes]:
        count, begun = self._begun(batch)
        events = self._json.encode([batch]).split(b"\n")[:-1]
        form = b"*%d\r\n%%b%b$%%d\r\n%%b\r\n%b$%%d\r\n%%b\r\n" % (count + 4, _ID, _JSON)
        return [
            form % (beginning, len(identity), identity, len(event), event)
            for beginning, identity, event in zip(begun, identities(batch), events, strict=True)
        ]

    def _fields(self, batch: Batch) -> list[bytes]:
        count, begun = self._begun(batch)
        fields = batch.fields  # asked for once: it may be made of records each time
        parsed = self._names.settle(fields) if fields else [{}] * len(batch)
        parts = bytes(len(batch)) if batch.parts is None else batch.parts
        flags, ids, kinds = batch.flags or {}, identities(batch), kinds_of(batch)
        dataset = batch.dataset.encode()
        commands = []
        rows = zip(batch.lines, batch.times, batch.sequences, parts, parsed, strict=True)
        for index, (line, time, sequence, part, entry) in enumerate(rows):
            facts, size = self._shared(batch.container, kinds[index], flags.get(sequence, ""))
            own = {"@timestamp": time, "event.dataset": dataset, "event.sequence": b"%d" % sequence}
            if not batch.bare:
                own["message"] = line
            if part:
                own["event.part"] = b"%d" % part
            own |= _flat(entry)
            head = b"*%d\r\n" % (count + 2 * (1 + len(own)) + size)
            commands.append(
                b"".join(
                    [head, begun[index], _ID, text(ids[index]), *map(_field, own.items()), facts]
                )
            )
        return commands

    def _shared(self, container: Container, kind: int, flag: str) -> tuple[bytes, int]:
        """What entries of a container share, and how many arguments that is."""
        key = "redis", self._host, kind, flag

        def make() -> tuple[bytes, int]:
            facts = _flat(_dotted(shared_facts(container, kind, flag, self._host)))
            return b"".join(map(_field, facts.items())), 2 * len(facts)

        return RENDERED.once(container, key, make, lambda known: len(known[0]))


def _field(pair: tuple[str, bytes]) -> bytes:
    return text(pair[0].encode("utf-8", "replace")) + text(pair[1])


def _flat(fields: Mapping[Any, Any]) -> dict[str, bytes]:
    """Each name with its value as text: lists and objects as JSON, null as nothing."""
    return {str(name): _text(value) for name, value in fields.items()}


def _text(value: Any) -> bytes:
    if type(value) is str:
        return value.encode("utf-8", "replace")
    return b"" if value is None else dumps(value)


def _dotted(facts: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Objects inside of objects as names with dots."""
    found: dict[str, Any] = {}
    for name, value in facts.items():
        if isinstance(value, Mapping):
            found |= _dotted(value, f"{before}{name}.")
        else:
            found[before + name] = value
    return found
