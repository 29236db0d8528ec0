"""What the page sees of a running agent: its containers, buffers, sinks and sources."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pipeline.accounting.ledger import ContainerAccount
from pipeline.explain.reasons import not_followed
from pipeline.model.container import Container
from pipeline.model.container_state import State
from pipeline.model.errors import EngineError
from pipeline.model.samples import Samples
from pipeline.observe.choice import SHORTEST
from pipeline.observe.overview import SourceNow
from pipeline.observe.waiting import Waiting
from pipeline.page.sampling.agent_view import Facts, RouteShape
from pipeline.page.sampling.last_events import ContainerEvent, LastEvents
from pipeline.page.sampling.usage import Usage, Usages
from pipeline.sources.docker.discovery.watch import Event
from pipeline.sources.docker.lifecycle.states import Told
from pipeline.support.rate_limit import RateLimit
from pipeline.support.selector import Pause
from pipeline.topology.output import SinkNow

if TYPE_CHECKING:
    from pipeline.runtime.agent import Agent

log = logging.getLogger(__name__)

OWN: Final = "the agent runs in it, and never follows itself"
NOT_READ: Final = "it has not run since the agent began"
"""Why a container that is selected is not read."""
SHORT: Final = 12
"""Digits of an id that tell it from others, as `docker ps` shows it."""
SPARE: Final = 1_000
"""Containers whose facts may be kept for nothing."""
FEW: Final = 8
"""Containers whose facts are made before the clock is read again: a millisecond."""
TOGETHER: Final = 500
"""Containers in one answer of the Engine: decoding it takes three milliseconds."""


class RunningAgentView:
    """Implements `pipeline.page.sampling.agent_view.AgentView` for an agent."""

    def __init__(self, agent: Agent) -> None:
        """`agent`: still being made. Nothing is asked of it yet."""
        self._agent = agent
        self.metrics = agent.metrics
        self._usages = Usages(time.monotonic)
        self._states = agent.states
        self._last_events = LastEvents()
        self._bugs = RateLimit()
        self.generation = 0
        self._facts: dict[str, Facts] = {}
        self._routes: dict[str, RouteShape] = {}
        self.reloaded()

    # ---------------------------------------------------------------- what the agent tells

    def note(self, samples: Samples) -> None:
        """Takes a container's newest stats. Never raises."""
        with self._containing_bugs():
            self._usages.note(samples)

    def observe(self, event: Event, told: Told) -> None:
        """Takes an event of the Engine, and what it says. Never raises."""
        with self._containing_bugs():
            self._last_events.observe(event, told)

    @contextmanager
    def _containing_bugs(self) -> Iterator[None]:
        """A context whose errors are logged: a bug of the page must not end the agent."""
        try:
            yield
        except Exception:
            if count := self._bugs():
                log.exception("the page failed to take what the agent told it (%d times)", count)

    def forget(self, container_id: str) -> None:
        """Takes that a container was removed, or isn't followed any more."""
        self._usages.forget(container_id)
        self._facts.pop(container_id, None)

    def reloaded(self) -> None:
        """Takes that the configuration is another one."""
        self.generation += 1
        self._facts.clear()
        self._routes = {
            name: RouteShape([stage.name for stage in route.stages], route.sinks)
            for name, route in self._agent.config.routes.items()
        }

    # ------------------------------------------------------------------ what the page asks

    @property
    def watched(self) -> bool:
        """Whether somebody watches."""
        return self._usages.watched

    @watched.setter
    def watched(self, watched: bool) -> None:
        self._usages.watched = watched

    @property
    def by_host(self) -> bool:
        """Whether containers are grouped by their hosts: there is no Engine here."""
        return self._agent.engine is None

    @property
    def routes(self) -> dict[str, RouteShape]:
        """All routes of the configuration."""
        return self._routes

    async def all(self) -> list[Facts]:
        """The facts of every container: those of the Engine, followed or not, and those of other
        sources. Lets the event loop run every few milliseconds."""
        pause, found = Pause(), []
        for count, (container, followed) in enumerate(list(self._containers())):
            if not count % FEW:
                await pause()
            found.append(self._fact(container, followed=followed))
        if len(self._facts) > 2 * len(found) + SPARE:  # a hub sees any number over time
            seen = {facts.container.id for facts in found}
            self._facts = {key: facts for key, facts in self._facts.items() if key in seen}
        return found

    def _containers(self) -> Iterator[tuple[Container, bool]]:
        """Every container, and whether it is followed."""
        agent, seen = self._agent, set()
        if agent.engine is not None and agent.started:
            for key, followed in agent.source.followed.items():
                seen.add(key)
                yield followed.facts, True
            for key, container in self._states.listed.items():
                if key not in seen:
                    seen.add(key)
                    yield agent.source.facts_of_left(key) or container, False
        for runner in agent.runners.named.values():
            for container in runner.intake.feeds.containers():
                if container.id not in seen:
                    seen.add(container.id)
                    yield container, True

    def _fact(self, container: Container, *, followed: bool) -> Facts:
        known = self._facts.get(container.id)
        if known is not None and known.container is container and known.followed == followed:
            return known
        errors = self._agent.selection.labels.of(container).errors
        why = "" if followed else self._why_not(container)
        facts = self._facts[container.id] = Facts(container, followed, why, dict(errors))
        return facts

    def _why_not(self, container: Container) -> str:
        """Why a container of the Engine isn't followed."""
        agent = self._agent
        if agent.is_own(container):
            return OWN
        return "; ".join(not_followed(agent.selection, container, agent.conceal)) or NOT_READ

    def find(self, name: str) -> Facts | None:
        """The container with that name, or with an id that begins so (six digits or more)."""
        if known := self._with_id(name):
            return known
        by_id = None
        for one in self._containers():
            container, followed = one
            if container.name == name:
                return self._fact(container, followed=followed)
            if len(name) >= SHORTEST and container.id.startswith(name):
                by_id = by_id or one
        return self._fact(by_id[0], followed=by_id[1]) if by_id is not None else None

    def find_all(self, names: Sequence[str]) -> list[Facts]:
        """The containers with these names, ids, or first twelve digits of an id, in any order."""
        found = {name: facts for name in names if (facts := self._with_id(name))}
        if rest := set(names) - found.keys():
            for container, followed in self._containers():
                for name in (container.name, container.id[:SHORT]):
                    if name in rest:
                        found[name] = self._fact(container, followed=followed)
        return list(found.values())

    def _with_id(self, container_id: str) -> Facts | None:
        agent = self._agent
        if agent.engine is not None and agent.started:
            if (followed := agent.source.followed.get(container_id)) is not None:
                return self._fact(followed.facts, followed=True)
            if (container := self._states.listed.get(container_id)) is not None:
                return self._fact(container, followed=False)
        for runner in agent.runners.named.values():
            if (container := runner.intake.feeds.known(container_id)) is not None:
                return self._fact(container, followed=True)
        return None

    def account(self, container_id: str) -> ContainerAccount | None:
        """The container's account in the ledger, if it has one."""
        return self._agent.ledger.containers.get(container_id)

    def state(self, container_id: str) -> State:
        """What the Engine says about the container."""
        return self._states.of(container_id)

    def usage(self, container_id: str) -> Usage | None:
        """The figures of its stats, if there are any."""
        return self._usages.get(container_id)

    def events(self, container_id: str) -> Sequence[ContainerEvent]:
        """Its last events, and gaps in its log, oldest first."""
        events = self._last_events.of(container_id)
        agent = self._agent
        if agent.engine is not None and agent.started:
            followed = agent.source.followed.get(container_id)
            if followed is not None:
                gaps = followed.container.gaps
                events += [ContainerEvent(at, "gap", why) for at, why in gaps]
        return sorted(events, key=lambda one: one.time)

    async def waiting(self) -> Waiting:
        """What waits in the buffers. Lets the event loop run every few milliseconds."""
        outputs = self._agent.outputs
        return await Waiting.find(outputs.buffers(), outputs.spooled, Pause())

    def sinks(self) -> Sequence[SinkNow]:
        """The configured sinks' states."""
        return [output.now() for output in self._agent.outputs.named.values()]

    def sources(self) -> Sequence[SourceNow]:
        """The states of the configured sources other than Docker."""
        return self._agent.runners.now()

    def engine_problem(self) -> str:
        """Why the Engine doesn't answer; empty if it does."""
        return self._agent.engine_problem or ""

    def is_ready(self) -> bool:
        """Whether `/readyz` says that everything is."""
        return not self._agent.not_ready()

    async def refresh(self) -> bool:
        """Asks the Engine for all its containers, stopped ones included, in pieces. False if it
        doesn't answer."""
        engine = self._agent.engine
        if engine is None or self.engine_problem():
            return engine is None
        listed: dict[str, Container] = {}
        query = {"all": "1", "limit": str(TOGETHER)}
        try:
            while True:
                asked = time.time()
                items = await engine.get("/containers/json", **query)
                found = [self._states.learn(item, engine.host, asked) for item in items]
                new = {one.id: one for one in found if one is not None and one.id not in listed}
                listed |= new
                if len(items) < TOGETHER or not new:
                    break
                query["filters"] = json.dumps({"before": [next(reversed(new))]})
                await asyncio.sleep(0)
        except (EngineError, TypeError):
            return False  # what was known stays
        self._states.complete(listed)
        return True
