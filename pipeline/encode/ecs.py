"""Entries by the names of Elastic Common Schema: what a container's entries share, and which names
parsed fields may not have. For the encoders of objects, whatever they write them as."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final, Generic, TypeVar
from weakref import WeakKeyDictionary

from pipeline.encode.level import LEVELS, severities
from pipeline.model.batch import STREAM_NAMES, Batch
from pipeline.model.container import DOCKER, Container
from pipeline.model.records import Shape
from pipeline.model.rendered import RENDERED

ECS_VERSION = "8.17.0"

STREAMS: Final = len(STREAM_NAMES)

Form = TypeVar("Form")


def kinds_of(batch: Batch) -> bytes:
    """Per entry, a number for its stream and level together, 0 standing for no level."""
    levels = severities(batch)
    if levels is None:
        return batch.streams
    count, level, stream = len(levels), levels[0], batch.streams[0]
    if levels.count(level) == count and batch.streams.count(stream) == count:
        return bytes([(level + 1) % (len(LEVELS) + 1) * STREAMS + stream]) * count
    pairs = zip(levels, batch.streams, strict=True)
    return bytes([(level + 1) % (len(LEVELS) + 1) * STREAMS + stream for level, stream in pairs])


def shared_facts(container: Container, kind: int, flag: str, host: str) -> dict[str, Any]:
    """What is the same for all entries of a container that are of one kind and have one flag, or
    none. `host` is for a container that does not tell its own."""
    level, stream = divmod(kind, STREAMS)
    log = ({"level": LEVELS[level - 1]} if level else {}) | ({"flags": [flag]} if flag else {})
    shared: dict[str, Any] = {"stream": STREAM_NAMES[stream]} if stream else {}
    if log:
        shared["log"] = log
    shared["container"] = _container(container)
    if host := container.host or host:
        shared["host"] = {"name": host}
    if orchestrator := _orchestrator(container):
        shared["orchestrator"] = orchestrator
    return shared | {"ecs": {"version": ECS_VERSION}}


class Forms(Generic[Form]):
    """What the entries of a container have in common, by kind and flag, and by which columns their
    batch has: made once, and kept with all else that is (see `rendered`)."""

    def __init__(self, key: Hashable, size: Callable[[Form], int]) -> None:
        """`key` has all that they depend on beside those; `size` of one is in bytes."""
        self._key = key
        self._size = size

    def of(self, batch: Batch, make: Callable[[Batch, int, str], Form]) -> list[Form]:
        """The form of each entry; `make` is given a kind, and a flag or nothing."""
        known: dict[tuple[int, str], Form] = {}

        def form(kind: int, flag: str) -> Form:
            found = known.get((kind, flag))
            if found is None:
                found = known[kind, flag] = self._of(batch, make, kind, flag)
            return found

        kinds, flags = kinds_of(batch), batch.flags
        if flags is None:
            forms = {kind: form(kind, "") for kind in set(kinds)}
            return [forms[kind] for kind in kinds]
        pairs = zip(kinds, batch.sequences, strict=True)
        return [form(kind, flags.get(number, "")) for kind, number in pairs]

    def of_all(self, batch: Batch, make: Callable[[Batch, int, str], Form]) -> Form | None:
        """The form of all entries, where they are of one kind and none has a flag."""
        kinds = kinds_of(batch)
        if batch.flags is not None or kinds.count(kinds[0]) != len(kinds):
            return None
        return self._of(batch, make, kinds[0], "")

    def _of(
        self, batch: Batch, make: Callable[[Batch, int, str], Form], kind: int, flag: str
    ) -> Form:
        columns = batch.source, batch.bare, batch.parsed is None, batch.parts is None
        key = self._key, *columns, kind, flag
        return RENDERED.once(batch.container, key, lambda: make(batch, kind, flag), self._size)


def _container(container: Container) -> dict[str, Any]:
    facts: dict[str, Any] = {"id": container.id, "name": container.name}
    if container.module == DOCKER:
        facts["runtime"] = DOCKER
    if container.image:
        facts["image"] = image(container.image)
    if container.labels:
        # sorted, so that of `a.b` and `a_b` it is always the second that stays
        labels = sorted(container.labels.items())
        facts["labels"] = {name.replace(".", "_"): value for name, value in labels}
    return facts


def image(reference: str) -> dict[str, str]:
    """An image's reference in its parts: `name`, and `tag` where it has one. The name of
    `registry:5000/shop/api:1.4@sha256:…` is `registry:5000/shop/api`."""
    name = reference if reference.startswith("sha256:") else reference.partition("@")[0]
    front, colon, tag = name.rpartition(":")
    if not colon or "/" in tag or front == "sha256":
        return {"name": name}
    return {"name": front, "tag": tag}


def _orchestrator(container: Container) -> dict[str, Any]:
    """ECS `orchestrator.*`, for what Compose and Swarm start."""
    if not container.service and not container.project:
        return {}
    swarm = "com.docker.swarm.service.name" in container.labels
    facts: dict[str, Any] = {"type": "swarm" if swarm else "compose"}
    if container.project:
        facts["namespace"] = container.project
    if container.service:
        facts["resource"] = {"type": "service", "name": container.service}
    return facts


class Names:
    """Keeps parsed fields off the names that are ours. Remembers which names it has seen."""

    MOST = 10_000
    """Names remembered; hostile input makes up new ones for ever."""

    def __init__(self, reserved: frozenset[str]) -> None:
        self._reserved = reserved
        self._free: set[Any] = set()
        self._shapes: WeakKeyDictionary[Shape, bool] = WeakKeyDictionary()

    def are_free(self, shape: Shape) -> bool:
        """Whether none of the names of `shape` is reserved."""
        free = self._shapes.get(shape)
        if free is None:
            taken = {name for name in shape.names if name.partition(".")[0] in self._reserved}
            free = self._shapes[shape] = not taken
        return free

    def settle(self, fields: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The fields of each entry: the same list where no name is reserved, else with copies that
        have those of reserved names under `fields`."""
        new: set[Any] = set().union(*fields) - self._free
        if not new:
            return fields
        taken = {name for name in new if str(name).partition(".")[0] in self._reserved}
        if len(self._free) > self.MOST:
            self._free.clear()
        self._free |= new - taken
        if not taken:
            return fields
        return [entry if taken.isdisjoint(entry) else _moved(entry, taken) for entry in fields]


def _moved(entry: dict[str, Any], taken: set[Any]) -> dict[str, Any]:
    free = {name: value for name, value in entry.items() if name not in taken}
    return free | {"fields": {name: entry[name] for name in entry if name in taken}}
