"""Agents that tests of the page make up, with real accounts and states."""

from __future__ import annotations

import time
from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from pipeline.accounting.ledger import ContainerAccount, Ledger, add
from pipeline.model.container_state import State
from pipeline.model.metrics import Metrics
from pipeline.observe.overview import SourceNow
from pipeline.observe.waiting import Waiting
from pipeline.page.sampling.agent_view import Facts, RouteShape
from pipeline.page.sampling.last_events import ContainerEvent
from pipeline.page.sampling.usage import Usage
from pipeline.sources.docker.lifecycle.states import States
from pipeline.testing.builders import container
from pipeline.topology.output import SinkNow


class FakeContainers:
    """Containers of a test, with real accounts and states."""

    def __init__(self, count: int) -> None:
        self.facts = [
            Facts(
                container(f"c{n}", number=n, labels={"com.docker.compose.project": f"p{n % 2}"}),
                followed=True, why="", label_errors={},
            )
            for n in range(count)
        ]  # fmt: skip
        self.ledger, self.states = Ledger(), States()
        for one in self.facts:
            self.ledger.container(one.container.id, one.container.name)

    async def all(self) -> list[Facts]:
        return list(self.facts)

    def account(self, container_id: str) -> ContainerAccount | None:
        return self.ledger.containers.get(container_id)

    def state(self, container_id: str) -> State:
        return self.states.of(container_id)

    def usage(self, container_id: str) -> Usage | None:
        return None

    def read(self, number: int, lines: int, *, filtered: int = 0) -> None:
        """Reads lines of a container, all of which go to a sink that has them at once."""
        account = self.ledger.containers[self.facts[number].container.id]
        add(account.read, "logs", lines)
        route = account.route("logs", "all")
        route.bound = True
        route.taken += lines
        if filtered:
            add(route.filtered, "keep", filtered)
        sink = route.sink("out")
        sink.routed += lines - filtered
        sink.delivered += lines - filtered


class FakeAgent(FakeContainers):
    """An `AgentView`: an agent without sinks, sources and routes."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.metrics = Metrics(CollectorRegistry())
        self.watched = False
        self.generation = 1
        self.by_host = False
        self.routes: dict[str, RouteShape] = {}
        self.fails = 0
        """How many samples fail."""

    async def waiting(self) -> Waiting:
        return Waiting({}, (), {}, time.time())

    def sinks(self) -> Sequence[SinkNow]:
        if self.fails:
            self.fails -= 1
            raise RuntimeError("a bug")
        return []

    def sources(self) -> Sequence[SourceNow]:
        return []

    def engine_problem(self) -> str:
        return ""

    def is_ready(self) -> bool:
        return True

    def find(self, name: str) -> Facts | None:
        return next(iter(self.find_all([name])), None)

    def find_all(self, names: Sequence[str]) -> list[Facts]:
        return [one for one in self.facts if {one.container.name, one.container.id} & {*names}]

    def events(self, container_id: str) -> Sequence[ContainerEvent]:
        return []

    async def refresh(self) -> bool:
        return True
