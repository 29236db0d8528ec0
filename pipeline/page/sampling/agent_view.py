"""What the page asks of the agent that runs it. The agent implements it, in
`pipeline.runtime.agent_view`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from pipeline.accounting.ledger import ContainerAccount
from pipeline.model.container import Container
from pipeline.model.container_state import State
from pipeline.model.metrics import Metrics
from pipeline.observe.overview import SourceNow
from pipeline.observe.waiting import Waiting
from pipeline.page.sampling.last_events import ContainerEvent
from pipeline.page.sampling.usage import Usage
from pipeline.topology.output import SinkNow


@dataclass(frozen=True)
class Facts:
    """What a row says that only a reload or a change of the container itself changes."""

    container: Container
    followed: bool
    why: str
    """Why it isn't followed; empty if it is."""
    label_errors: Mapping[str, str]


class RouteShape(msgspec.Struct, frozen=True):
    """What a route of the configuration is made of: names, in its order."""

    stages: Sequence[str]
    sinks: Sequence[str]


class Containers(Protocol):
    """All containers of an agent."""

    async def all(self) -> Sequence[Facts]:
        """The facts of each container that there is. The same object as long as nothing has
        changed."""

    def account(self, container_id: str) -> ContainerAccount | None:
        """The container's account in the ledger, if it has one."""

    def state(self, container_id: str) -> State:
        """What the Engine says about it."""

    def usage(self, container_id: str) -> Usage | None:
        """The figures of its stats, if there are any."""


class AgentView(Containers, Protocol):
    """A running agent, as far as the page shows it."""

    watched: bool
    """Set by the sampler: whether anybody watches."""

    metrics: Metrics

    @property
    def generation(self) -> int:
        """Counts reloads of the configuration."""

    @property
    def by_host(self) -> bool:
        """Whether containers are grouped by their hosts instead of by projects."""

    @property
    def routes(self) -> dict[str, RouteShape]:
        """All routes of the configuration."""

    async def waiting(self) -> Waiting:
        """What waits in the buffers."""

    def sinks(self) -> Sequence[SinkNow]: ...

    def sources(self) -> Sequence[SourceNow]: ...

    def engine_problem(self) -> str:
        """Why the Engine doesn't answer; empty if it does."""

    def is_ready(self) -> bool: ...

    def find(self, name: str) -> Facts | None:
        """The container with that name, or with an id that begins so (six digits or more)."""

    def find_all(self, names: Sequence[str]) -> list[Facts]:
        """The containers with these names, ids, or first twelve digits of an id, in any order."""

    def events(self, container_id: str) -> Sequence[ContainerEvent]:
        """Its last events, and gaps in its log, oldest first."""

    async def refresh(self) -> bool:
        """Asks the Engine for all its containers; False if it doesn't answer."""
