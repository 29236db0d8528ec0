"""Keeps the figures of the last hour, and answers `GET /api/history` with them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from aiohttp import web

from pipeline.observe.query import Query
from pipeline.page.answers import answer, refused, sent
from pipeline.page.sampling.agent_view import AgentView, Facts
from pipeline.page.sampling.counts import Counts, Rates, resident
from pipeline.page.sampling.last_events import ContainerEvent
from pipeline.page.sampling.rings import EVERY, FIGURES, OF_HOST, Ring, Rings
from pipeline.page.sampling.table import TOGETHER
from pipeline.support.selector import Pause, SharedPause

log = logging.getLogger(__name__)

MOST: Final = 200
"""Containers in one answer at most."""
MOST_AT_ONCE: Final = 16
"""Answers that are being made or read at once: one has up to 2 MB, and the connection of a client
that reads slowly makes no room for others."""


class History:
    """The rings, and the task that fills them."""

    def __init__(self, agent: AgentView) -> None:
        self.rings = Rings()
        self._agent = agent
        self._before: Counts | None = None
        self._under_way = 0

    @cached_property
    def _pause(self) -> Pause:
        """Shared by all who ask: together they hold the event loop no longer than one would."""
        return SharedPause()

    async def run(self) -> None:
        """Reads all figures every `EVERY` seconds, until it is cancelled."""
        while True:
            try:
                await self.read()
            except Exception:  # a bug here must not end the agent
                log.exception("reading figures for the page failed")
            await asyncio.sleep(EVERY)

    async def read(self) -> None:
        """Takes one reading of each container, and of the host."""
        agent, now = self._agent, time.time()
        clock, before = time.monotonic(), self._before
        elapsed = clock - before.clock if before is not None else None
        containers = await agent.all()
        waiting, pause = await agent.waiting(), Pause()
        number = self.rings.begin(len(containers))
        lines, longest = 0, 0.0
        for count, facts in enumerate(containers):
            if not count % TOGETHER:
                await pause()
            key = facts.container.id
            if (ring := self.rings.ring(key)) is None:
                continue
            account = agent.account(key)
            read = account.read.get("logs", 0) if account is not None else 0
            lag = waiting.of(account).lag if account is not None and account.open else 0.0
            earlier = ring.lines if read >= ring.lines else 0  # else its account is a new one
            grown = read - earlier if ring.filled else 0
            rate = grown / elapsed if elapsed and ring.filled else None
            ring.lines = read
            ring.put(number, (*self._used(key), rate, lag))
            lines, longest = lines + grown, max(longest, lag)
        self.rings.keep(frozenset(facts.container.id for facts in containers))
        memory = await asyncio.to_thread(resident)
        counts = Counts(agent.metrics, {}, (before.of("lines") if before else 0) + lines, clock)
        rates = Rates(counts, before)
        self.rings.host.put(
            number,
            (
                rates.of("lines"), rates.of("delivered"), rates.of("dropped"),
                rates.of("cpu", digits=4), memory, longest,
            ),
        )  # fmt: skip
        self.rings.finish(number, now)
        self._before = counts

    def _used(self, container_id: str) -> Sequence[float | None]:
        usage = self._agent.usage(container_id)
        if usage is None or self._agent.state(container_id).state in ("exited", "dead"):
            return (None,) * 5
        disk = [one for one in (usage.read, usage.write) if one is not None]
        return usage.cpu, usage.memory, usage.receive, usage.transmit, sum(disk) if disk else None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answers with the readings of the containers that the query names, or of the host."""
        query = Query(request, several=("container", "figure"))
        wanted, names = query.several("figure"), query.several("container")
        if unknown := set(wanted) - set(FIGURES):
            return refused(400, f'there is no figure "{min(unknown)}"')
        if len(names) > MOST:
            return refused(400, f"at most {MOST} containers can be asked for at once")
        ids = [one.container.id for one in self._found(names)]
        if len(names) == 1 and not ids:
            return refused(404, f'there is no container "{names[0]}"')
        if self._under_way >= MOST_AT_ONCE:
            return refused(503, "others ask for this already: ask again soon")
        self._under_way += 1
        try:
            return await sent(request, answer(await self._readings(names, ids, wanted)))
        finally:
            self._under_way -= 1

    async def _readings(
        self, names: Sequence[str], ids: Sequence[str], wanted: Sequence[str]
    ) -> dict[str, Any]:
        facts: dict[str, Any] = {"every": EVERY, "end": self.rings.end}
        number = self.rings.number  # of the last reading at `end`: another one may come meanwhile
        if not names:
            facts["host"] = self._series(self.rings.host, number, OF_HOST)
        facts["containers"] = found = {}
        for key in ids:
            await self._pause()
            if (ring := self.rings.by_id.get(key)) is not None:
                found[key] = self._series(ring, number, FIGURES, wanted)
        if len(ids) == 1:
            facts["events"] = {ids[0]: [_event(one) for one in self._agent.events(ids[0])]}
        return facts

    def _found(self, names: Sequence[str]) -> Sequence[Facts]:
        """Of one container, the id may be cut short. Looking for many so would take too long."""
        if len(names) != 1:
            return self._agent.find_all(names)
        one = self._agent.find(names[0])
        return [one] if one is not None else []

    def _series(
        self, ring: Ring, number: int, figures: Sequence[str], wanted: Sequence[str] = ()
    ) -> Mapping[str, Sequence[float | None]]:
        return {
            figure: ring.series(number, place)
            for place, figure in enumerate(figures)
            if not wanted or figure in wanted
        }


def _event(event: ContainerEvent) -> dict[str, Any]:
    return {"time": event.time, "action": event.action, "text": event.text}
