"""What the agent answers over HTTP, and who may ask.

Imported only where there is an `http.listen`: it brings aiohttp, which takes a third of the start.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pipeline.observe import token
from pipeline.observe.access import Gate
from pipeline.observe.admin import Admin
from pipeline.observe.server import parse_listen
from pipeline.observe.tap_stream import Tapping
from pipeline.runtime.access import certificate, trusted_proxy
from pipeline.runtime.reload_on_request import Reloading

if TYPE_CHECKING:
    from pipeline.runtime.agent import Agent
    from pipeline.runtime.page import Page

log = logging.getLogger(__name__)


class Endpoints:
    """The agent's HTTP endpoints."""

    def __init__(self, agent: Agent) -> None:
        """`agent`: still being made, with an `http.listen`. Its parts that `run` makes are looked
        up when they are needed."""
        http, metrics = agent.config.http, agent.metrics
        assert http.listen
        self._agent = agent
        self._gate = self._make_gate()
        self.reloading = Reloading(http.reload)
        self.page = self._make_page() if http.page else None
        self.admin = Admin(
            http.listen,
            self._gate,
            agent.exposition,
            agent.not_ready,
            agent.audit,
            Tapping(agent.tap, http.tap),
            agent.overview,
            self.reloading.handle,
            self.page.index if self.page is not None else None,
            self.page.routes if self.page is not None else (),
            lambda reason: metrics.http_ended.labels(reason).inc(),
            certificate(http),
        )

    def _make_page(self) -> Page:
        # Imported here: without a page, an agent starts with 1 MB less, and 30 ms earlier.
        from pipeline.runtime.page import Page

        return Page(self._agent)

    def _make_gate(self) -> Gate:
        """Makes the gate without the kept token, which `take_token` reads or makes."""
        http, metrics = self._agent.config.http, self._agent.metrics
        hosts = [*http.hosts, *([parse_listen(http.listen)[0]] if http.listen else [])]
        return Gate(
            http.token and http.token.strip(),
            hosts,
            metrics=http.metrics == "open",
            proxy=trusted_proxy(http),
            refused=lambda reason: metrics.http_refused.labels(reason).inc(),
        )

    def take_token(self) -> None:
        """Reads the token of the state directory, or makes one, if the configuration sets none.

        Without a token, everything that needs it is refused. Blocks.
        """
        if self._gate.token is not None:
            return
        why = "[state] directory cannot be used"
        if folder := self._agent.checkpoint.folder:
            try:
                self._gate.token = token.kept(folder)
                return
            except OSError as error:
                why = f"{folder / token.NAME}: {error.strerror}"
        log.warning(
            "no token can be kept (%s), so nobody can use /tap, /top, /audit and "
            "/-/reload: give the agent a folder that it can write to, or set http.token",
            why,
        )
