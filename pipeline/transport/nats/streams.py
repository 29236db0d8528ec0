"""Streams of a JetStream: looked at, made where there is none, compared with what is wanted.

Reference: https://docs.nats.io/nats-concepts/jetstream/streams
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec

from pipeline.model.component import Duration, Size
from pipeline.model.errors import ConfigError, Unavailable
from pipeline.transport.nats.errors import (
    NO_ANSWER,
    STREAM_NAME_IN_USE,
    STREAM_NOT_FOUND,
    problem_of,
)
from pipeline.transport.nats.jetstream import JetStream

log = logging.getLogger(__name__)

PARTITIONS: Final = "dockline.partitions"
"""What a stream has in its `metadata` of those who publish to it."""


class StreamConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The stream that keeps what is published. One that exists already is never changed."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = "DOCKLINE"
    """Its name."""
    create: bool = True
    """Make it where there is none, with what stands below; and where there is one, say in the log
    in what it differs. Without this it has to be there."""
    subjects: Annotated[list[str] | None, msgspec.Meta(examples=[["dockline.>"]])] = None
    """What it takes. By default all that begins as the sink's `subject` does before its first
    placeholder."""
    retention: Literal["workqueue", "limits", "interest"] = "workqueue"
    """`workqueue` keeps each message until its one reader has acknowledged it; `interest` until all
    that read it have, and drops what nobody reads; `limits` keeps it whoever has read it."""
    discard: Literal["new", "old"] = "new"
    """What a full stream does: `new` refuses messages, which then wait in the agents' buffers;
    `old` loses the oldest, read or not."""
    max_bytes: Size = Size(0)
    """Bytes after which it is full; 0 for what the server allows."""
    max_messages: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Messages after which it is full; 0 for any number."""
    max_age: Duration = Duration(0)
    """Age at which messages are removed, read or not; 0 for none."""
    replicas: Annotated[int, msgspec.Meta(ge=1, le=5)] = 1
    """Servers of a cluster that have each message: 3 outlive the loss of one."""
    storage: Literal["file", "memory"] = "file"
    """Where the servers keep it."""
    duplicate_window: Annotated[Duration, msgspec.Meta(gt=0)] = Duration(120)
    """How long a message that comes again is known by its `Nats-Msg-Id`, and not stored twice."""


def _checked(config: StreamConfig) -> StreamConfig:
    if config.max_age and config.duplicate_window > config.max_age:
        message = f"longer than max_age, {float(config.max_age):g} s, no message is known"
        raise ConfigError(message, path="stream.duplicate_window")
    return config


def partitions_of(config: Mapping[str, Any]) -> int | None:
    """Into how many partitions a stream is shared out, as the `metadata` of its `config` says; None
    where it does not."""
    metadata = config.get("metadata")
    found = metadata.get(PARTITIONS) if isinstance(metadata, Mapping) else None
    return int(found) if isinstance(found, str) and re.fullmatch(r"[0-9]{1,4}", found) else None


def _wanted(
    config: StreamConfig, subjects: Sequence[str], partitions: int | None = None
) -> dict[str, Any]:
    """As the API of JetStream has it; `subjects` where the configuration says none."""
    return {
        "metadata": {} if partitions is None else {PARTITIONS: str(partitions)},
        "name": config.name,
        "subjects": list(config.subjects or subjects),
        "retention": config.retention,
        "discard": config.discard,
        "max_bytes": int(config.max_bytes) or -1,
        "max_msgs": config.max_messages or -1,
        "max_age": round(config.max_age * 10**9),
        "num_replicas": config.replicas,
        "storage": config.storage,
        "duplicate_window": round(config.duplicate_window * 10**9),
    }


class StreamInfo(NamedTuple):
    """What the server says of a stream."""

    config: Mapping[str, Any]
    """As the API has it: `subjects`, `max_bytes`, `num_replicas`, `metadata` and so on."""
    state: Mapping[str, Any]
    """`last_seq` and so on."""


async def stream_info(jetstream: JetStream, name: str) -> StreamInfo | None:
    """What the server says of a stream; None where there is none of that name. Raises
    `Unavailable`."""
    answer = await jetstream.request(f"STREAM.INFO.{name}")
    config, state, problem = answer.get("config"), answer.get("state"), problem_of(answer)
    if isinstance(config, dict) and problem is None:
        return StreamInfo(config, state if isinstance(state, dict) else {})
    if problem is not None and problem.err_code == STREAM_NOT_FOUND:
        return None
    raise Unavailable(f"stream {name} cannot be looked at: {(problem or NO_ANSWER).said}")


async def create_stream(jetstream: JetStream, config: Mapping[str, Any]) -> bool:
    """Makes a stream, with its `name` and whatever else the API takes. False where somebody else
    has made it meanwhile. Raises `Unavailable`."""
    name = config["name"]
    answer = await jetstream.request(f"STREAM.CREATE.{name}", config)
    problem = problem_of(answer)
    if problem is None and isinstance(answer.get("config"), dict):
        return True
    if problem is not None and problem.err_code == STREAM_NAME_IN_USE:
        return False
    raise Unavailable(f"stream {name} cannot be made: {(problem or NO_ANSWER).said}")


class Streams:
    """Sees to it that a stream is there, and says once in what it is not as configured."""

    def __init__(
        self, config: StreamConfig, subjects: Sequence[str], partitions: int | None = None
    ) -> None:
        """`subjects` are those that the stream takes where `config` says none; `partitions` is how
        many they are shared out into, which the stream keeps for readers. Raises `ConfigError`."""
        self._config = _checked(config)
        self._partitions = partitions
        self._wanted = _wanted(config, subjects, partitions)
        self._said = ""

    async def ensure(self, jetstream: JetStream) -> None:
        """Makes the stream where there is none. Raises `Unavailable` where it cannot be made, or
        does not take the subjects."""
        name = self._config.name
        found = await stream_info(jetstream, name)
        if found is None and self._config.create:
            if await create_stream(jetstream, self._wanted):
                log.info("stream %s is made: %s", name, ", ".join(self._wanted["subjects"]))
            found = await stream_info(jetstream, name)
        if found is None:
            raise Unavailable(f"there is no stream {name}; make it, or set stream.create = true")
        self._compare(found.config)

    def _compare(self, found: Mapping[str, Any]) -> None:
        name, subjects = self._config.name, found.get("subjects")
        takes = list(map(str, subjects)) if isinstance(subjects, list) else []
        for subject in self._wanted["subjects"]:
            if not any(covers(one, subject) for one in takes):
                raise Unavailable(
                    f"stream {name} does not take {subject}, but {', '.join(takes)}; "
                    "add it there, or set stream.name or subject"
                )
        if not self._config.create:
            return
        differences = [
            f"{key} {found.get(key)} instead of {value}"
            for key, value in self._wanted.items()
            if key not in ("subjects", "metadata") and found.get(key, value) != value
        ]
        if self._partitions and (theirs := partitions_of(found)) not in (None, self._partitions):
            differences.append(f"partitions {theirs} instead of {self._partitions}")
        said = ", ".join(differences)
        if said and said != self._said:
            log.warning("stream %s is left as it is, with %s", name, said)
        self._said = said


def covers(takes: str, subject: str) -> bool:
    """Whether all that `subject` stands for is among what `takes` stands for; both may have the
    wildcards `*`, one token, and `>`, all tokens from there on."""
    ours, theirs = subject.split("."), takes.split(".")
    for place, token in enumerate(theirs):
        if token == ">":
            return len(ours) > place
        if place >= len(ours) or ours[place] == ">":
            return False
        if token not in ("*", ours[place]):
            return False
    return len(ours) == len(theirs)
