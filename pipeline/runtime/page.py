"""Puts the page together: its files, and each part of its API with what it asks of the agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aiohttp import web

from pipeline.observe.access import PAGE_FILES
from pipeline.page.assets import Assets

if TYPE_CHECKING:
    from pipeline.runtime.agent import Agent


class Page:
    """Everything that a browser may ask an agent for, beside what commands ask for."""

    def __init__(self, agent: Agent) -> None:
        """`agent`: still being made; its parts that `run` makes are looked up when they are
        needed."""
        self._agent = agent
        self._assets = Assets()
        self.index = self._assets.index
        """Answers browsers that ask for `/`."""

    @property
    def routes(self) -> Sequence[web.RouteDef]:
        """The routes of the page's files and of `/api/…`."""
        return [
            web.get(PAGE_FILES.replace("{name}", "{name:.+}"), self._assets.file),
        ]
