"""Which member of a consumer group reads which partition.

Members share by the cooperative protocol of
https://cwiki.apache.org/confluence/display/KAFKA/KIP-429: each says which partitions it has, and
the one that leads the group moves as few as it can. A partition that is to move is given to nobody
until the member that has it has finished with it and says so by joining again. All others are read
on meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from aiokafka.protocol.group import MemberAssignment  # type: ignore[import-untyped]
from aiokafka.protocol.struct import Struct  # type: ignore[import-untyped]
from aiokafka.protocol.types import (  # type: ignore[import-untyped]
    Array,
    Bytes,
    Int16,
    Int32,
    Schema,
    String,
)

from pipeline.model import plain

Partition = tuple[str, int]
"""A topic, and the number of one of its partitions."""

NAME: Final = "dockline-cooperative"
"""The protocol, as brokers know it. A group whose members have another one refuses us."""
MOST: Final = 100_000
"""Partitions of all topics that a group can share."""


class _Subscription(Struct):  # type: ignore[misc]
    """What a member says of itself. Version 1 of Kafka's `ConsumerProtocolSubscription`."""

    SCHEMA = Schema(
        ("version", Int16),
        ("topics", Array(String("utf-8"))),
        ("user_data", Bytes),
        ("owned", Array(("topic", String("utf-8")), ("partitions", Array(Int32)))),
    )


class _About(msgspec.Struct):
    """A member, in the data of its own that a subscription may have."""

    host: str = ""
    generation: int = -1


@dataclass(frozen=True)
class Member:
    """One process of the group, as it says itself."""

    id: str
    host: str = ""
    topics: Collection[str] = ()
    """Those that it reads."""
    owned: Collection[Partition] = ()
    """Those that it has; nobody else may read them yet."""
    generation: int = -1
    """Of the group, when it was given these."""


@dataclass(frozen=True)
class Assignment:
    """What a member was given."""

    partitions: frozenset[Partition]
    readers: Mapping[Partition, str]
    """The host of the member that has each partition of the group."""
    hosts: Sequence[str]
    """Of all members."""


def share_out(
    members: Sequence[Member], topics: Mapping[str, int]
) -> tuple[dict[str, set[Partition]], dict[Partition, str]]:
    """Shares the partitions of `topics` among members, as evenly as their subscriptions let it.

    Returns what each member has from now on, by its id, and the id of the member that has each
    partition: one that is to move still belongs to the member that it is taken from, and is given
    to nobody.
    """
    owners = _owners(members, topics)
    wanted: dict[str, set[Partition]] = {member.id: set() for member in members}
    for partition, owner in owners.items():
        wanted[owner].add(partition)
    by_topic = {
        topic: [member.id for member in members if topic in member.topics] for topic in topics
    }
    for topic, count in sorted(topics.items()):
        for number in range(count) if by_topic[topic] else ():
            if (topic, number) not in owners:
                poorest = min(by_topic[topic], key=lambda one: (len(wanted[one]), one))
                wanted[poorest].add((topic, number))
    _even_out(wanted, by_topic)
    given = {
        member: {one for one in those if owners.get(one, member) == member}
        for member, those in wanted.items()
    }
    readers = {one: member for member, those in given.items() for one in those}
    return given, {**owners, **readers}


def _owners(members: Iterable[Member], topics: Mapping[str, int]) -> dict[Partition, str]:
    """Who has which partition. Of two that say so, the one that heard from the group last."""
    owners: dict[Partition, str] = {}
    for member in sorted(members, key=lambda one: (-one.generation, one.id)):
        for topic, number in member.owned:
            if topic in member.topics and 0 <= number < topics.get(topic, 0):
                owners.setdefault((topic, number), member.id)
    return owners


def _even_out(wanted: dict[str, set[Partition]], by_topic: Mapping[str, Sequence[str]]) -> None:
    """Moves partitions from those who have more to those who have at least two less."""
    moved = True
    while moved:
        moved = False
        for rich in sorted(wanted, key=lambda one: (-len(wanted[one]), one)):
            for partition in sorted(wanted[rich], reverse=True):
                poor = min(by_topic[partition[0]], key=lambda one: (len(wanted[one]), one))
                if len(wanted[rich]) - len(wanted[poor]) < 2:
                    continue
                wanted[rich].remove(partition)
                wanted[poor].add(partition)
                moved = True
            if moved:
                break


def subscription(member: Member) -> bytes:
    """What a member says of itself, as bytes."""
    about = msgspec.json.encode(_About(member.host, member.generation))
    written: bytes = _Subscription(1, sorted(member.topics), about, _listed(member.owned)).encode()
    return written


def member_of(member_id: str, data: bytes) -> Member:
    """What another member says of itself. One whose words make no sense reads nothing."""
    try:
        it = _Subscription.decode(data)
        about = msgspec.json.decode(it.user_data or b"{}", type=_About)
        owned = [(topic, number) for topic, numbers in it.owned for number in numbers]
        return Member(member_id, about.host, set(it.topics), owned, about.generation)
    except Exception:  # aiokafka raises many types
        return Member(member_id)


def assignments(members: Sequence[Member], topics: Mapping[str, int]) -> list[tuple[str, bytes]]:
    """What each member is given, as bytes, by its id."""
    given, readers = share_out(members, topics)
    hosts = {member.id: member.host for member in members}
    known: dict[str, list[Partition]] = defaultdict(list)
    for partition, reader in readers.items():
        known[reader].append(partition)
    told = msgspec.json.encode([(hosts[one], _listed(known[one])) for one in sorted(hosts)])
    return [
        (member, MemberAssignment(1, _listed(those), told).encode())
        for member, those in given.items()
    ]


def assignment(data: bytes) -> Assignment:
    """What this member was given. Raises `ValueError`."""
    try:
        it = MemberAssignment.decode(data)
        partitions = frozenset((topic, one) for topic, those in it.assignment for one in those)
    except Exception as error:  # aiokafka raises many types
        raise ValueError(f"{error!r:.100}") from error
    readers: dict[Partition, str] = {}
    hosts = []
    try:
        told = msgspec.json.decode(
            it.user_data or b"[]", type=list[tuple[str, list[tuple[str, list[int]]]]]
        )
    except msgspec.DecodeError:
        told = []
    for name, listed in told:
        host = plain.name(name)
        hosts.append(host)
        for topic, numbers in listed:
            for number in numbers:
                readers[topic, number] = host
    return Assignment(partitions, readers, hosts)


def _listed(partitions: Iterable[Partition]) -> list[tuple[str, list[int]]]:
    found: dict[str, list[int]] = defaultdict(list)
    for topic, number in sorted(partitions):
        found[topic].append(number)
    return list(found.items())
