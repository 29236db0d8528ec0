"""Puts the page together: its files, and each part of its API with what it asks of the agent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from aiohttp import web

from pipeline.explain.explainer import Explainer
from pipeline.explain.facts import Found
from pipeline.model.container import Container
from pipeline.observe.access import PAGE_FILES, Guard
from pipeline.observe.tap_stream import INSTEAD
from pipeline.page.assets import Assets
from pipeline.page.explaining import Explaining
from pipeline.page.figures import Figures
from pipeline.page.fleet import Fleet
from pipeline.page.graph import Graph
from pipeline.page.history import History
from pipeline.page.lines import Lines
from pipeline.page.reach import Reach
from pipeline.page.sampling.sampler import Sampler
from pipeline.runtime.agent_view import OWN, RunningAgentView
from pipeline.sources.docker.discovery.container import FollowedContainer

if TYPE_CHECKING:
    from pipeline.runtime.agent import Agent

_EXPLAIN = "run dockline explain where the agent runs (docker exec)"


class Page:
    """Everything that a browser may ask an agent for, beside what commands ask for."""

    def __init__(self, agent: Agent) -> None:
        """`agent`: still being made; its parts that `run` makes are looked up when they are
        needed."""
        self._agent = agent
        self._assets = Assets()
        self.view = RunningAgentView(agent)
        """What the agent tells, and the page asks."""
        self._sampler = Sampler(self.view)
        self._history = History(self.view)
        self._figures = Figures(self._sampler)
        self._entries = Guard("looking at entries", "http.tap", INSTEAD, agent.config.http.tap)
        self._graph = Graph(self._about, lambda: agent.config, self._entries, agent.conceal)
        self._lines = Lines(agent.engine, self._with_a_log, self._entries)
        self._reach = Reach(self._followed, lambda: agent.outputs.named)
        self._explaining = Explaining(
            Explainer(lambda: agent.written, self._found),
            Guard("running lines", "http.tap", _EXPLAIN, agent.config.http.tap),
        )
        self.index = self._assets.index
        """Answers browsers that ask for `/`."""
        self._fleet = Fleet(
            agent.ledger,
            lambda: list(agent.runners.named.values()),
            lambda: {name: output.config for name, output in agent.outputs.named.items()},
            agent.conceal,
        )

    @property
    def routes(self) -> Sequence[web.RouteDef]:
        """The routes of the page's files and of `/api/…`."""
        return [
            web.get(PAGE_FILES.replace("{name}", "{name:.+}"), self._assets.file),
            web.get("/api/graph", self._graph.handle, allow_head=False),
            web.get("/api/now", self._figures.now, allow_head=False),
            web.get("/api/containers", self._figures.containers, allow_head=False),
            web.get("/api/history", self._history.handle, allow_head=False),
            web.get("/api/fleet", self._fleet.handle, allow_head=False),
            web.get("/api/lines", self._lines.handle, allow_head=False),
            web.get("/api/reach", self._reach.handle, allow_head=False),
            *self._explaining.routes,
        ]

    async def run(self) -> None:
        """Keeps the figures of the last hour, and samples while somebody looks, until it is
        cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._history.run(), name="page history")
            tasks.create_task(self._sampler.run(), name="page sampler")

    def close(self) -> None:
        """Ends all streams."""
        self._figures.close()

    def _with_a_log(self, name: str) -> Container:
        return self._followed(name).facts

    def _followed(self, name: str) -> FollowedContainer:
        """The container of the Engine with that name, or with an id that begins so, if its log is
        followed. Raises `LookupError`, with a sentence."""
        facts = self.view.find(name)
        if facts is None:
            raise LookupError(f'there is no container "{name}", or not any more')
        known, agent = facts.container, self._agent
        if not facts.followed:
            raise LookupError(f"{known.name} is not followed: {facts.why}")
        followed = agent.source.followed.get(known.id) if agent.engine is not None else None
        if followed is None:
            raise LookupError(f"{known.name} has no log here: another source brings its entries")
        return followed.container

    def _found(self, name: str) -> Found | None:
        """The container with that name or id, for explanations."""
        facts = self.view.find(name)
        if facts is None:
            return None
        agent, container = self._agent, facts.container
        reasons = [OWN] if agent.is_own(container) else []
        state = self.view.state(container.id).state
        stopped = state not in ("", "running", "paused", "restarting")
        notes = ["it is not running; it is read from its next start on"] if stopped else []
        return Found(container, reasons, notes)

    @property
    def _is_of_a_fleet(self) -> bool:
        """Whether there is something to tell of other hosts, or of a hub that reads what this one
        publishes."""
        config = self._agent.config
        publishes = any(sink.publishes() is not None for sink in config.sinks.values())
        return bool(config.sources) or self._agent.engine is None or publishes

    def _about(self) -> dict[str, Any]:
        agent = self._agent
        return {
            "host": agent.host,
            "version": version("dockline"),
            "began": agent.began,
            "generation": self.view.generation,
            "stats_every": float(agent.config.stats.every or 0) if agent.engine else 0.0,
            "hub": self._is_of_a_fleet,
        }
