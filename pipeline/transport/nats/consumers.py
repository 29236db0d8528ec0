"""Durable consumers of a JetStream: made, checked, changed and removed.

A consumer that keeps order is pinned (NATS 2.11): of all that pull from it, the server gives
messages to one, until that one has not pulled for `PIN` times `ack_wait`, or is unpinned.

Reference: https://docs.nats.io/nats-concepts/jetstream/consumers
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from pipeline.model.errors import Unavailable
from pipeline.transport.nats.errors import CONSUMER_NOT_FOUND, problem_of
from pipeline.transport.nats.jetstream import JetStream

PIN: Final = 2.0
"""Multiple of `ack_wait` after which a consumer is pinned to another reader, if the one that it is
pinned to does not pull. By then all that was delivered to it is due to be delivered again."""
GROUP: Final = "hubs"
"""Name of the one priority group of a pinned consumer, the same in each pull."""
_PINNED: Final = "pinned_client"
_PRIORITY: Final = "priority_groups", "priority_policy", "priority_timeout"


class Consumer(NamedTuple):
    """What the server says of a consumer."""

    ack_wait: float
    """Seconds that it waits for an acknowledgement."""
    pending: int
    """Messages that somebody has, and has not acknowledged."""
    delivered: int
    """Place in the stream of the last one that was delivered for the first time."""
    waiting: int
    """Messages that it has delivered to nobody yet."""
    pin: str
    """Whom it is pinned to; empty if to nobody."""
    made: bool
    """Just now: it was not there."""


class Wanted(NamedTuple):
    """A durable consumer, with explicit acknowledgements, that is to be pulled from."""

    stream: str
    name: str
    subject: str
    """What it reads of the stream, with wildcards."""
    pinned: bool
    """Whether one reader at a time gets messages."""
    ack_wait: float
    """Seconds that a new one waits for an acknowledgement."""
    most: int
    """Messages that a new one delivers before an acknowledgement."""

    def __str__(self) -> str:
        return f"consumer {self.name} of stream {self.stream}"


async def ensure(jetstream: JetStream, wanted: Wanted) -> Consumer:
    """Sees to it that a consumer is there. One that is not pinned as wanted is changed; its place
    in the stream, and what is not acknowledged, stay.

    Raises `Unavailable` if it is not there and cannot be made, or is of another kind."""
    answer = await jetstream.request(f"CONSUMER.INFO.{wanted.stream}.{wanted.name}")
    problem = problem_of(answer)
    missing = problem is not None and problem.err_code == CONSUMER_NOT_FOUND
    if missing:
        answer = await _write(jetstream, wanted, _new(wanted), "")
        problem = problem_of(answer)
    if problem is not None:
        raise Unavailable(f"{wanted} cannot be had: {problem.said}")
    _check(wanted, config := _config(wanted, answer))
    if (config.get("priority_policy") == _PINNED) != wanted.pinned:
        if not wanted.pinned:  # or 2.15.1 gives nobody anything until the pin has run out
            await unpin(jetstream, wanted)
        answer = await _write(jetstream, wanted, _changed(wanted, config), "update")
        if (problem := problem_of(answer)) is not None:
            raise Unavailable(
                f"{wanted} cannot be changed: {problem.said}; stop the hubs when they have read "
                "everything, and remove it"
            )
        config = _config(wanted, answer)
    if wanted.pinned and config.get("priority_policy") != _PINNED:
        raise Unavailable(
            f"{wanted} is on a server that cannot pin it: this needs NATS 2.11; update all servers "
            "of the cluster, or set ordered = false"
        )
    if wanted.pinned and config.get("priority_groups") != [GROUP]:
        raise Unavailable(
            f"{wanted} has priority_groups = {config.get('priority_groups')!r} and not "
            f"{[GROUP]!r}; remove it, or set another durable"
        )
    waits = number(config, "ack_wait")
    return Consumer(
        waits / 10**9 if waits > 0 else wanted.ack_wait,
        number(answer, "num_ack_pending"),
        number(answer.get("delivered"), "stream_seq"),
        number(answer, "num_pending"),
        _pin(answer),
        missing,
    )


async def remove(jetstream: JetStream, wanted: Wanted) -> None:
    """Removes a consumer, if it is there. Raises `Unavailable`."""
    problem = problem_of(await jetstream.request(f"CONSUMER.DELETE.{wanted.stream}.{wanted.name}"))
    if problem is not None and problem.err_code != CONSUMER_NOT_FOUND:
        raise Unavailable(f"{wanted} cannot be removed: {problem.said}")


async def unpin(jetstream: JetStream, wanted: Wanted) -> None:
    """Has the server pin a consumer to another that pulls from it. One that is gone is no error.
    Raises `Unavailable`."""
    await jetstream.request(f"CONSUMER.UNPIN.{wanted.stream}.{wanted.name}", {"group": GROUP})


async def _write(
    jetstream: JetStream, wanted: Wanted, config: Mapping[str, Any], action: str
) -> dict[str, Any]:
    """Makes a consumer, or changes it, where `action` is `update`."""
    request = {"stream_name": wanted.stream, "config": config, "action": action}
    api = f"CONSUMER.DURABLE.CREATE.{wanted.stream}.{wanted.name}"
    return await jetstream.request(api, request)


def _new(wanted: Wanted) -> dict[str, Any]:
    config = {
        "durable_name": wanted.name,
        "ack_policy": "explicit",
        "deliver_policy": "all",
        "replay_policy": "instant",
        "ack_wait": round(wanted.ack_wait * 10**9),
        "max_deliver": -1,
        "max_ack_pending": wanted.most,
        "filter_subject": wanted.subject,
    }
    return _changed(wanted, config) if wanted.pinned else config


def _changed(wanted: Wanted, config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration that is pinned or not, and the same in all else."""
    changed = {key: value for key, value in config.items() if key not in _PRIORITY}
    if wanted.pinned:
        changed["priority_groups"] = [GROUP]
        changed["priority_policy"] = _PINNED
        changed["priority_timeout"] = round(PIN * number(config, "ack_wait"))
    return changed


def _config(wanted: Wanted, answer: Mapping[str, Any]) -> dict[str, Any]:
    config = answer.get("config")
    if not isinstance(config, dict):
        raise Unavailable(f"{wanted} cannot be looked at")
    return config


def _check(wanted: Wanted, config: Mapping[str, Any]) -> None:
    for key, value in (("ack_policy", "explicit"), ("filter_subject", wanted.subject)):
        if config.get(key, "") != value:
            raise Unavailable(
                f"{wanted} has {key} = {config.get(key, '')!r} and not {value!r}; remove it, or "
                "set another durable"
            )
    if config.get("deliver_subject"):
        raise Unavailable(f"{wanted} is not one to pull from")


def _pin(answer: Mapping[str, Any]) -> str:
    groups = answer.get("priority_groups")
    first = groups[0] if isinstance(groups, list) and groups else None
    pin = first.get("pinned_client_id") if isinstance(first, dict) else None
    return pin if isinstance(pin, str) else ""


def number(answer: object, key: str) -> int:
    """The whole number that an answer of the API has under `key`; 0 where it has none."""
    value = answer.get(key) if isinstance(answer, dict) else None
    return value if type(value) is int else 0
