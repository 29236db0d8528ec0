"""Prints the stream of entries that a running agent sends, line by line."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import msgspec

from pipeline.cli._agent import AgentClient
from pipeline.cli._terminal import colours
from pipeline.cli.tap.rows import Rows
from pipeline.support.plural import plural


@dataclass(frozen=True)
class Wanted:
    """Which entries to show: patterns of names, none for all, and what to search for."""

    routes: Sequence[str] = ()
    sinks: Sequence[str] = ()
    containers: Sequence[str] = ()
    dropped: bool = False
    search: Mapping[str, str] = field(default_factory=dict)
    """`match`, `regex`, `where` and `level`; empty ones are not asked."""

    @property
    def path(self) -> str:
        """The path and query of the request."""
        query = [("route", one) for one in self.routes]
        query += [("sink", one) for one in self.sinks]
        query += [("container", one) for one in self.containers]
        query += [(name, value) for name, value in self.search.items() if value]
        return "/tap?" + urlencode([*query, ("dropped", int(self.dropped))])


def tap(wanted: Wanted, agent: AgentClient, *, json: bool, limit: int | None) -> int:
    """Prints entries until interrupted, the agent ends the stream, or `limit` entries are printed.

    `json`: as the agent sends them. Returns the exit status, 0. Raises `DocklineError` when no
    agent answers, or the connection breaks.
    """
    with suppress(KeyboardInterrupt):  # the usual way to stop it
        _follow(wanted, agent, json, limit)
    return 0


def _follow(wanted: Wanted, agent: AgentClient, json: bool, limit: int | None) -> None:
    shown = 0
    show = Rows(sys.stdout)
    for line in agent.stream(wanted.path):
        try:
            found = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.MsgspecError:
            continue  # the last line, incomplete because the agent ended
        if "control" in found:
            _say(found, agent.address)
        if json and found.get("control") not in ("open", "idle"):
            sys.stdout.write(line.decode("utf-8", "replace"))
        elif "control" not in found:
            sys.stdout.write(show(found) + "\n")
        sys.stdout.flush()
        shown += "control" not in found
        if shown == limit:
            return
    print(f"dockline: the agent at {agent.address} has ended the stream", file=sys.stderr)


def _say(found: Mapping[str, Any], where: str) -> None:
    """Prints what the agent says about the stream, on standard error."""
    paint = colours(sys.stderr)
    text = ""
    if found["control"] == "sampled":
        text = f"sampled: 1 in {found['one_in']} ({found['shown']:,} of {found['of']:,} entries)"
    elif found["control"] == "lost":
        what = plural(found["entries"], "entry that was", "entries that were")
        text = f"lost: {found['entries']:,} {what} not read in time"
    elif found["control"] == "searched" and found["skipped"]:
        what = f"{found['skipped']:,} of {found['of']:,} entries"
        text = f"skipped: {what} were not searched, since that would have taken too much CPU"
    elif found["control"] == "open" and sys.stderr.isatty():
        text = f"showing entries of the agent at {where}; press Ctrl-C to stop"
    if text:
        print(paint("yellow", text), file=sys.stderr, flush=True)
