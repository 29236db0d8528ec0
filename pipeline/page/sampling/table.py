"""All containers of the agent, each with its row, and what they add up to."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from heapq import nlargest
from typing import Final

import msgspec

from pipeline.accounting.ledger import ContainerAccount
from pipeline.model.container_state import State
from pipeline.observe.waiting import Waiting
from pipeline.page.names import shown
from pipeline.page.sampling.agent_view import Containers, Facts
from pipeline.page.sampling.rows import Row
from pipeline.support.selector import Pause

TOGETHER: Final = 32
"""Containers that are updated before the clock is read again."""
MOST_PROJECTS: Final = 1000
"""Projects in each line of `/api/now` at most: containers and senders make up their names."""
GONE: Final = 20_000
"""Removed containers that are remembered, for viewers that haven't been told."""


class ProjectNow(msgspec.Struct):
    """The containers of one Compose project or Swarm stack; on a hub, of one host."""

    name: str
    """Empty for containers without one."""
    containers: int = 0
    lines_per_second: float | None = None
    """None at the first sample."""
    routes: list[str] = []
    """Names of the routes that take some of them."""
    host: bool = False
    """Whether the name is that of a host."""


class Table:
    """The rows of all containers. `update` brings them up to date."""

    def __init__(self, containers: Containers, version: int = 0) -> None:
        """`version`: number of the last sample of the table before this one."""
        self._containers = containers
        self.rows: dict[str, Row] = {}
        """By container id."""
        self.version = version
        """Number of the last sample, which may not be complete."""
        self.running = self.followed = 0
        self.flows: Counter[tuple[str, str]] = Counter()
        """Entries since the agent began that each route took (`(route, "taken")`) and that passed
        its stages (`"passed"`), removed containers included as far as they were seen."""
        self.lines = 0
        self.projects: Sequence[ProjectNow] = ()
        """Those with the most containers, by name."""
        self.other_projects = 0
        """Number of the others."""
        self.by_route: Counter[str] = Counter()
        """Number of containers that each route takes."""
        self._changed = True
        """Whether rows have changed since they were added up."""
        self._gone: deque[tuple[int, str]] = deque(maxlen=GONE)
        self._forgotten = version + 1
        """The first sample after which all removed containers are remembered."""

    async def update(self, waiting: Waiting, elapsed: float | None, *, by_host: bool) -> None:
        """Updates the rows of all containers that have changed.

        `elapsed`: seconds since the last sample; None at the first. `by_host`: groups them by their
        hosts. Lets the event loop run every few milliseconds. Calls must not overlap.
        """
        self.version += 1
        pause = Pause()
        for count, facts in enumerate(await self._containers.all()):
            if not count % TOGETHER:
                await pause()
            self._see(facts, waiting, elapsed)
        await pause()
        for row in [row for row in self.rows.values() if row.seen != self.version]:
            self._remove(row)
        if self._changed:
            await self._sum_up(pause, by_host=by_host)
            self._changed = False

    def _see(self, facts: Facts, waiting: Waiting, elapsed: float | None) -> None:
        key = facts.container.id
        row = self.rows.get(key)
        account, state = self._containers.account(key), self._containers.state(key)
        if (
            row is None
            or row.facts is not facts
            or row.account is not account
            or row.state is not state
        ):
            row = self._renewed(row, facts, account, state)
        row.seen = self.version
        usage = self._containers.usage(key)
        if row.is_quiet(usage):
            return
        self._changed, before = True, row.lines
        row.make(usage, waiting, elapsed, self.version)
        self.lines += row.lines - before
        self.flows.update(row.flows())

    def _renewed(
        self, old: Row | None, facts: Facts, account: ContainerAccount | None, state: State
    ) -> Row:
        """A row for other facts, another account or another state than the old row's."""
        row = self.rows[facts.container.id] = Row(facts, account, state)
        if old is not None:
            row.json, row.version, row.rate = old.json, old.version, old.rate
            if account is old.account:  # the counts of a new account begin at 0
                row.lines, row.taken, row.passed = old.lines, old.taken, old.passed
        return row

    def _remove(self, row: Row) -> None:
        key = row.facts.container.id
        del self.rows[key]
        self._changed = True
        if len(self._gone) == GONE:
            self._forgotten = self._gone[0][0]
        self._gone.append((self.version, key))

    async def _sum_up(self, pause: Pause, *, by_host: bool) -> None:
        running = followed = 0
        projects: dict[str, ProjectNow] = {}
        routes: dict[str, dict[str, None]] = {}
        by_route: Counter[str] = Counter()
        for count, row in enumerate(list(self.rows.values())):
            if not count % TOGETHER:
                await pause()
            name = shown(row.facts.container.host) if by_host else row.project
            project = projects.get(name)
            if project is None:
                project = projects[name] = ProjectNow(name, host=by_host)
                routes[name] = {}
            project.containers += 1
            if row.rate is not None:
                project.lines_per_second = (project.lines_per_second or 0.0) + row.rate
            for route in row.routes:
                by_route[route] += 1
                routes[name][route] = None
            running += row.state.state in ("running", "paused")
            followed += row.facts.followed
        for name, project in projects.items():
            project.routes = list(routes[name])
            if project.lines_per_second is not None:
                project.lines_per_second = round(project.lines_per_second, 1)
        self.running, self.followed, self.by_route = running, followed, by_route
        most = nlargest(MOST_PROJECTS, projects.values(), key=lambda one: one.containers)
        self.projects = sorted(most, key=lambda one: (not one.name, one.name))
        self.other_projects = len(projects) - len(most)

    def gone_since(self, version: int) -> list[str] | None:
        """The ids of containers that were removed after that sample, and aren't there again.

        None if that isn't known any more.
        """
        if version < self._forgotten:
            return None
        return [key for when, key in self._gone if when > version and key not in self.rows]

    async def changed_since(
        self, version: int, chosen: Callable[[Row], bool], pause: Callable[[], Awaitable[None]]
    ) -> list[bytes]:
        """The rows that changed after that sample, as JSON; only those for which `chosen` is true.

        `pause` lets the event loop run. A row that changes meanwhile may be the newer one.
        """
        found = []
        for count, row in enumerate(list(self.rows.values())):
            if not count % TOGETHER:
                await pause()
            if row.version > version and chosen(row):
                found.append(row.json)
        return found
