"""The hosts that configured sources bring containers of, with the lines of each.

Rates come from two looks, the second of which somebody asked for: nothing runs in between.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from heapq import nlargest
from typing import Final

import msgspec

from pipeline.accounting.ledger import Ledger
from pipeline.intake.feed import Feed
from pipeline.intake.runner import SourceRunner
from pipeline.page.names import shown
from pipeline.support.selector import Pause

MOST: Final = 1000
"""Hosts in an answer, which is 120 kB then: those with the most lines."""
OLD: Final = 60.0
"""Seconds after which a look is too old to compute a rate from: it would say little of now."""


class Host(msgspec.Struct):
    """A host, and what is known of its containers that are in use."""

    name: str
    """Empty for containers whose sender names no host."""
    containers: int = 0
    lines: int | None = 0
    """Lines of these containers since this process started. None if one of them has no account of
    its own in the ledger."""
    lines_per_second: float | None = None
    """None if it isn't known: there was no look before, or all containers are new."""
    last: float = 0.0
    """When its last entry came, in seconds since the epoch."""
    sources: list[str] = []
    """Names of the sources that bring it."""


class Hosts:
    """Looks at all containers that sources bring. Not for two tasks at once."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._before: Mapping[str, int] = {}
        """Lines by container id at the look before."""
        self._looked = float("-inf")

    async def look(self, runners: Collection[SourceRunner]) -> tuple[list[Host], int]:
        """Returns up to `MOST` hosts, sorted by name, and the number of the others.

        It lets the event loop run every few milliseconds.
        """
        now = asyncio.get_running_loop().time()
        look = _Look(self._ledger, self._before, now - self._looked)
        pause = Pause()
        for runner in runners:
            for feed in runner.intake.feeds.all():
                await pause()
                look.add(feed, runner.name)
        self._before, self._looked = look.lines, now
        await pause()
        hosts = list(look.hosts.values())
        shown = nlargest(MOST, hosts, key=_lines) if len(hosts) > MOST else hosts
        await pause()
        return sorted(shown, key=_name), len(hosts) - len(shown)


class _Look:
    """One look at all containers."""

    def __init__(self, ledger: Ledger, before: Mapping[str, int], since: float) -> None:
        """`before`: lines by container id, `since` seconds ago."""
        self.hosts: dict[str, Host] = {}
        self.lines: dict[str, int] = {}
        """Lines by container id."""
        self._accounts = ledger.containers
        self._before = before if 0 < since <= OLD else {}
        self._since = since
        self._seen: set[str] = set()
        self._offset = time.time() - asyncio.get_running_loop().time()

    def add(self, feed: Feed, source: str) -> None:
        """Adds a container that `source` brings. One that several bring counts once."""
        name, container_id = shown(feed.container.host), feed.container.id
        host = self.hosts.get(name)
        if host is None:
            host = self.hosts[name] = Host(name)
        if source not in host.sources:
            host.sources.append(source)
        host.last = max(host.last, round(feed.used + self._offset, 3))
        if container_id not in self._seen:
            self._seen.add(container_id)
            host.containers += 1
            self._count(host, container_id)

    def _count(self, host: Host, container_id: str) -> None:
        account = self._accounts.get(container_id)
        if account is None:
            host.lines = host.lines_per_second = None
        elif host.lines is not None:
            lines = self.lines[container_id] = account.read.get("logs", 0)
            host.lines += lines
            if (before := self._before.get(container_id)) is not None:
                new = lines - before if lines >= before else lines  # else its account is a new one
                host.lines_per_second = (host.lines_per_second or 0.0) + new / self._since


def _lines(host: Host) -> int:
    return host.lines or 0


def _name(host: Host) -> str:
    return host.name
