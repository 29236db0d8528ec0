"""A consumer group, as one of its members: who reads which partition, and how far it was read.

The broker that is the group's coordinator knows both. Reference:
https://kafka.apache.org/protocol#The_Messages_JoinGroup
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from enum import Enum
from typing import Any, Final

from aiokafka import errors  # type: ignore[import-untyped]
from aiokafka.protocol.commit import (  # type: ignore[import-untyped]
    OffsetCommitRequest,
    OffsetFetchRequest,
)
from aiokafka.protocol.coordination import (  # type: ignore[import-untyped]
    FindCoordinatorRequest,
)
from aiokafka.protocol.group import (  # type: ignore[import-untyped]
    HeartbeatRequest,
    JoinGroupRequest,
    LeaveGroupRequest,
    SyncGroupRequest,
)

from pipeline.model.errors import Unavailable
from pipeline.transport.kafka.assignment import (
    NAME,
    Assignment,
    Member,
    Partition,
    assignment,
    assignments,
    member_of,
    subscription,
)
from pipeline.transport.kafka.cluster import Cluster, described

PATIENCE: Final = 10.0
"""Seconds for a group to have a coordinator again."""
AGAIN: Final = 0.2
"""Seconds before it is asked again."""

_LOADING: Final = errors.GroupLoadInProgressError.errno
_ELSEWHERE: Final = frozenset(
    {
        errors.GroupCoordinatorNotAvailableError.errno,
        errors.NotCoordinatorForGroupError.errno,
    }
)
_REBALANCING: Final = errors.RebalanceInProgressError.errno
_UNKNOWN_MEMBER: Final = errors.UnknownMemberIdError.errno
_OLD_GENERATION: Final = errors.IllegalGenerationError.errno
_OTHER_PROTOCOL: Final = errors.InconsistentGroupProtocolError.errno
_BAD_SESSION: Final = errors.InvalidSessionTimeoutError.errno
_ID_REQUIRED: Final = errors.MemberIdRequired.errno
_UNAUTHORIZED: Final = frozenset(
    {
        errors.GroupAuthorizationFailedError.errno,
        errors.TopicAuthorizationFailedError.errno,
    }
)
_NO_TOPIC: Final = errors.UnknownTopicOrPartitionError.errno


class Standing(Enum):
    """What the coordinator says of this member."""

    WELL = "well"
    REBALANCING = "rebalancing"
    """It is to join again, and keeps what it has until then."""
    OUT = "out"
    """It is no member any more: others may have been given what it had."""


class Group:
    """One process's membership. It outlasts connections: after `close` and `open` the member is the
    same, if that was within the session's timeout. All methods raise `Unavailable`."""

    def __init__(self, cluster: Cluster, name: str, host: str, *, session: float) -> None:
        """`cluster` has to be one of its own: an answer to a join may take as long as `session`,
        the seconds without a sign of life after which the coordinator takes a member for dead."""
        self._cluster = cluster
        self._name = name
        self._host = host
        self._session = int(session * 1000)
        self._coordinator: int | None = None
        self._member = ""
        self._generation = -1

    @property
    def joined(self) -> bool:
        """Whether this is a member, as far as it knows."""
        return self._generation >= 0

    async def open(self) -> None:
        """Finds the coordinator."""
        await self._cluster.open()
        await self._find()

    async def close(self) -> None:
        """Closes connections. Never raises."""
        await self._cluster.close()

    def forget(self) -> None:
        """Forgets the membership, as the group has forgotten it."""
        self._member, self._generation = "", -1

    # ---------------------------------------------------------------------------- coordinator

    async def _find(self) -> None:
        """Asks who coordinates the group: a cluster that is new makes its list first."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while True:
            answer = await self._cluster.ask(None, FindCoordinatorRequest(self._name, 0))
            code = answer.error_code
            if not code:
                self._cluster.learn(answer.coordinator_id, answer.host, answer.port)
                self._coordinator = answer.coordinator_id
                return
            self._authorized(code)
            if code not in _ELSEWHERE or asyncio.get_running_loop().time() > deadline:
                raise Unavailable(
                    f'no broker coordinates the group "{self._name}": {described(code)}'
                )
            await asyncio.sleep(AGAIN)

    async def _ask(self, request: Any, codes: Callable[[Any], Iterable[int]] | None = None) -> Any:
        """The coordinator's answer, whichever broker that is now."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while True:
            if self._coordinator is None:
                await self._find()
            answer = await self._cluster.ask(self._coordinator, request)
            found = set(codes(answer)) if codes is not None else {answer.error_code}
            for code in found:
                self._authorized(code)
            if found & _ELSEWHERE:
                self._coordinator = None
            elif _LOADING not in found:
                return answer
            if asyncio.get_running_loop().time() > deadline:
                code = min(found & {*_ELSEWHERE, _LOADING})
                raise Unavailable(f'the group "{self._name}" cannot be used: {described(code)}')
            await asyncio.sleep(AGAIN)

    def _authorized(self, code: int) -> None:
        if code in _UNAUTHORIZED:
            raise Unavailable(
                f'this user may not read as the group "{self._name}": {described(code)}; '
                "an ACL needs Read on the group, and Read and Describe on the topics"
            )

    # ----------------------------------------------------------------------------- membership

    async def join(
        self, topics: Mapping[str, int], owned: Collection[Partition]
    ) -> Assignment | None:
        """Joins the group, or says anew what this member has. None where the group has changed
        meanwhile, and it is to be tried again.

        `topics`: those to read, with the number of their partitions.
        """
        about = subscription(Member("", self._host, list(topics), owned, self._generation))
        request = JoinGroupRequest(
            self._name, self._session, self._session, self._member, None, "consumer",
            [(NAME, about)],
        )  # fmt: skip
        answer = await self._ask(request)
        if answer.error_code == _ID_REQUIRED:
            self._member = answer.member_id
            return None
        if answer.error_code:
            self._not_joined(answer.error_code)
            return None
        self._member, generation = answer.member_id, answer.generation_id
        mine: list[tuple[str, bytes]] = []
        if answer.leader_id == self._member:
            members = [member_of(one[0], one[-1]) for one in answer.members]
            mine = assignments(members, topics)
        request = SyncGroupRequest(self._name, generation, self._member, None, mine)
        synced = await self._ask(request)
        if synced.error_code:
            self._not_joined(synced.error_code)
            return None
        self._generation = generation
        try:
            return assignment(synced.member_assignment)
        except ValueError as error:
            raise Unavailable(
                f'the group "{self._name}" has shared out its partitions in a way that is not '
                f"understood: {error}"
            ) from error

    def _not_joined(self, code: int) -> None:
        if code in (_UNKNOWN_MEMBER, _OLD_GENERATION):
            self.forget()
        elif code == _OTHER_PROTOCOL:
            raise Unavailable(
                f'the group "{self._name}" has consumers of another kind; give the hubs a group of '
                "their own"
            )
        elif code == _BAD_SESSION:
            raise Unavailable(
                f"the broker does not take a session_timeout of {self._session / 1000:g} s; see "
                "its group.min.session.timeout.ms and group.max.session.timeout.ms"
            )
        elif code != _REBALANCING:
            raise Unavailable(f'the group "{self._name}" cannot be joined: {described(code)}')

    async def heartbeat(self) -> Standing:
        """Says that this member is alive."""
        request = HeartbeatRequest(self._name, self._generation, self._member)
        return self._standing((await self._ask(request)).error_code)

    def _standing(self, code: int) -> Standing:
        if not code:
            return Standing.WELL
        if code == _REBALANCING:
            return Standing.REBALANCING
        if code in (_UNKNOWN_MEMBER, _OLD_GENERATION):
            self.forget()
            return Standing.OUT
        raise Unavailable(f'the group "{self._name}" cannot be used: {described(code)}')

    async def leave(self) -> None:
        """Leaves the group, so that the others get what this member had at once."""
        if self.joined:
            await self._ask(LeaveGroupRequest(self._name, self._member))
        self.forget()

    # -------------------------------------------------------------------------------- offsets

    async def committed(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """How far the group has read partitions; those are left out that it has not read yet."""
        if not partitions:
            return {}
        asked: dict[str, list[int]] = defaultdict(list)
        for topic, number in sorted(partitions):
            asked[topic].append(number)

        def codes(answer: Any) -> Iterable[int]:
            told = [one[3] for _, those in answer.topics for one in those]
            return [*told, getattr(answer, "error_code", 0)]

        answer = await self._ask(OffsetFetchRequest(self._name, list(asked.items())), codes)
        found = {}
        for topic, those in answer.topics:
            for number, offset, _, code in those:
                if code and code != _NO_TOPIC:
                    raise Unavailable(
                        f'the group "{self._name}" does not say how far it has read "{topic}": '
                        f"{described(code)}"
                    )
                if offset >= 0:
                    found[topic, number] = offset
        return found

    async def commit(self, offsets: Mapping[Partition, int]) -> tuple[Standing, set[Partition]]:
        """Tells the group how far partitions were read. Returns the member's standing, and which of
        the offsets were noted."""
        told: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
        for (topic, number), offset in sorted(offsets.items()):
            told[topic].append((number, offset, ""))
        request = OffsetCommitRequest(
            self._name, self._generation, self._member, -1, list(told.items())
        )
        answer = await self._ask(
            request, lambda answer: [code for _, those in answer.topics for _, code in those]
        )
        noted, standing = set(), Standing.WELL
        for topic, those in answer.topics:
            for number, code in those:
                if not code:
                    noted.add((topic, number))
                elif code != _NO_TOPIC:
                    standing = self._standing(code)
        return standing, noted
