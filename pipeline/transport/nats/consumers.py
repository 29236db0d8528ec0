"""Durable consumers of a JetStream: made, checked and removed.

Reference: https://docs.nats.io/nats-concepts/jetstream/consumers
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline.model.errors import Unavailable
from pipeline.transport.nats.errors import CONSUMER_NOT_FOUND, problem_of
from pipeline.transport.nats.jetstream import JetStream


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
    made: bool
    """Just now: it was not there."""


async def ensure(
    jetstream: JetStream, stream: str, name: str, subject: str, *, ack_wait: float, most: int
) -> Consumer:
    """Sees to it that there is a durable consumer of that name, with explicit acknowledgements; one
    that exists is not changed. `subject` is what it reads of the stream, with wildcards. A new one
    waits `ack_wait` seconds for an acknowledgement, and delivers `most` messages before it.

    Raises `Unavailable` where it is not there and cannot be made, or is of another kind."""
    answer = await jetstream.request(f"CONSUMER.INFO.{stream}.{name}")
    problem = problem_of(answer)
    missing = problem is not None and problem.err_code == CONSUMER_NOT_FOUND
    if missing:
        wanted = {
            "durable_name": name,
            "ack_policy": "explicit",
            "deliver_policy": "all",
            "replay_policy": "instant",
            "ack_wait": round(ack_wait * 10**9),
            "max_deliver": -1,
            "max_ack_pending": most,
            "filter_subject": subject,
        }
        request = {"stream_name": stream, "config": wanted}
        answer = await jetstream.request(f"CONSUMER.DURABLE.CREATE.{stream}.{name}", request)
        problem = problem_of(answer)
    if problem is not None:
        raise Unavailable(f"consumer {name} of stream {stream} cannot be had: {problem.said}")
    config = answer.get("config")
    if not isinstance(config, dict):
        raise Unavailable(f"consumer {name} of stream {stream} cannot be looked at")
    for key, value in (("ack_policy", "explicit"), ("filter_subject", subject)):
        if config.get(key, "") != value:
            raise Unavailable(
                f"consumer {name} of stream {stream} has {key} = {config.get(key, '')!r} and not "
                f"{value!r}; remove it, or set another durable"
            )
    if config.get("deliver_subject"):
        raise Unavailable(f"consumer {name} of stream {stream} is not one to pull from")
    waits = number(config, "ack_wait")
    return Consumer(
        waits / 10**9 if waits > 0 else ack_wait,
        number(answer, "num_ack_pending"),
        number(answer.get("delivered"), "stream_seq"),
        number(answer, "num_pending"),
        missing,
    )


async def remove(jetstream: JetStream, stream: str, name: str) -> None:
    """Removes the consumer of that name, where there is one. Raises `Unavailable`."""
    problem = problem_of(await jetstream.request(f"CONSUMER.DELETE.{stream}.{name}"))
    if problem is not None and problem.err_code != CONSUMER_NOT_FOUND:
        raise Unavailable(f"consumer {name} of stream {stream} cannot be removed: {problem.said}")


def number(answer: object, key: str) -> int:
    """The whole number that an answer of the API has under `key`; 0 where it has none."""
    value = answer.get(key) if isinstance(answer, dict) else None
    return value if type(value) is int else 0
