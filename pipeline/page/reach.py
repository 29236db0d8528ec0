"""`GET /api/reach?container=ID&sequence=N`: how far each sink is, as seen from one entry.

What is not known is never called settled. A sink that has a spool may have an entry there that is
settled at its source, but not delivered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

from aiohttp import web

from pipeline.accounting.ledger import SinkAccount
from pipeline.accounting.offsets import SinkOffset
from pipeline.observe.query import Query
from pipeline.page.answers import answer, refused
from pipeline.sources.docker.discovery.container import FollowedContainer
from pipeline.support.selector import Pause
from pipeline.topology.lane import Lane, LaneEnd
from pipeline.topology.output import Output

LARGEST: Final = 2**63
AT_ONCE: Final = 2000
"""Batches of a buffer that are looked at before the event loop gets a turn."""

State = Literal["settled", "waiting", "ahead", "unread", "on disk", "before"]
"""`settled`: the sink is done with the entry and all before it: it has them, or a stage or a policy
dropped them. `ahead`: it is done with the entry, and not with all before it: the entry was dropped,
or delivered sooner than they are.
`waiting`: it is in the sink's buffer, on its way there, or held back by a stage. `unread`: the
entry wasn't read yet. `on disk`: it is settled at its source, and it, or older ones, may still be
in the sink's spool. `before`: it was read before this run of the agent, or before its log led to
this sink."""

Find = Callable[[str], FollowedContainer]
"""Finds a container of the Engine that is followed, by its name or the beginning of its id. Raises
`LookupError`, with a sentence, if there is none."""


class Reach:
    """Handles requests for `/api/reach`."""

    def __init__(self, find: Find, outputs: Callable[[], Mapping[str, Output]]) -> None:
        """`outputs` returns those of all configured sinks, by name."""
        self._find = find
        self._outputs = outputs

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answers as JSON; or with 400 or 404, and a sentence."""
        query = Query(request, single=("container", "sequence"))
        try:
            sequence = _sequence(query.one("sequence"))
            container = self._find(query.one("container"))
        except ValueError as error:
            return refused(400, str(error))
        except LookupError as error:
            return refused(404, str(error.args[0]))
        sinks = [
            await self._sink(container, sequence, lane, lane_end, output)
            for lane, lane_end in _ends(container)
            if (output := self._outputs().get(lane_end.output.name)) is not None
        ]
        return answer(
            {
                "container": container.facts.id,
                "sequence": sequence,
                "read": container.sequence,
                "sinks": [sink for sink in sinks if sink is not None],
            }
        )

    async def _sink(
        self,
        container: FollowedContainer,
        sequence: int,
        lane: Lane,
        lane_end: LaneEnd,
        output: Output,
    ) -> dict[str, Any] | None:
        account = lane_end.account
        memory = await _in_memory(output, account, sequence)
        waiting = memory.entries
        offset = container.offsets.get(lane.way, output.name)
        if offset is None:  # the lanes were bound anew meanwhile
            return None
        settled = _settled(container, offset)
        if output.spool is not None:
            waiting += output.spool.disk.accounts[account]
        now = output.now()
        return {
            "route": lane.route.name,
            "way": lane.way,
            "sink": output.name,
            "settled": settled,
            "state": _state(container, offset, settled, sequence, output, account, memory),
            "problem": now.problem,
            "lag": now.lag,
            "waiting": waiting + container.logs.waiting.get(account, 0),
            "dropped": dict(account.dropped),
        }


def _sequence(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 20 and int(text) < LARGEST:
        return int(text)
    raise ValueError("sequence= is the number of an entry, its event.sequence")


def _ends(container: FollowedContainer) -> Iterator[tuple[Lane, LaneEnd]]:
    """The ends of all lanes of the container's log."""
    lanes = [lane for root in container.logs for lane in root.with_feeds()]
    return iter([(lane, lane_end) for lane in lanes for lane_end in lane.lane_ends])


def _settled(container: FollowedContainer, offset: SinkOffset) -> int:
    """The last entry up to which the sink is done with everything.

    The offset doesn't tell that after a doubt about numbers (`Offsets.doubt`), or after a restart,
    until something was settled. It is all that was read if nothing is open anywhere.
    """
    if len(offset) or container.busy or any(lane.holds for lane in container.logs):
        return offset.reached
    return max(offset.reached, container.sequence)


def _state(
    container: FollowedContainer,
    offset: SinkOffset,
    settled: int,
    sequence: int,
    output: Output,
    account: SinkAccount,
    memory: _InMemory,
) -> State:
    """What is known of the entry."""
    oldest = memory.oldest
    if sequence > max(container.sequence, settled):
        return "unread"
    if sequence > settled:
        on_its_way = container.busy or any(lane.holds for lane in container.logs)
        if memory.has_it or on_its_way or output.spool is not None:
            return "waiting"
        return "ahead"
    if sequence <= max(container.resumed, offset.began):
        return "before"
    if output.spool is None:
        return "settled"
    disk = output.spool.disk
    if sequence <= offset.known and disk.carried:
        return "on disk"
    if oldest is not None and oldest <= settled:  # older than all that is only on disk
        return "on disk" if sequence >= oldest else "settled"
    return "on disk" if disk.accounts[account] else "settled"


class _InMemory(NamedTuple):
    """What a sink's memory has of one account."""

    oldest: int | None
    """The first entry; None if there is none."""
    entries: int
    has_it: bool
    """Whether the entry that is asked for is among them."""


async def _in_memory(output: Output, account: SinkAccount, sequence: int) -> _InMemory:
    """Looks through a sink's memory."""
    pause, oldest, count, has_it = Pause(), None, 0, False
    for number, envelope in enumerate(output.buffer.envelopes(), 1):
        if envelope.account is account:
            count += envelope.entries
            has_it = has_it or sequence in envelope.batch.sequences
            first = envelope.batch.sequences[0]
            oldest = first if oldest is None else min(oldest, first)
        if number % AT_ONCE == 0:
            await pause()
    return _InMemory(oldest, count, has_it)
