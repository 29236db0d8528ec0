"""Prints the stream of entries that a running agent sends, line by line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import msgspec

from pipeline.cli._agent import AgentClient
from pipeline.cli._terminal import Colour, colours, printable
from pipeline.encode.local_time import LocalTime
from pipeline.model.records import RESERVED
from pipeline.support.plural import plural

Paint = Callable[[Colour, str], str]


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
    show = Rows()
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


class Rows:
    """Formats an entry for people, on one line."""

    def __init__(self) -> None:
        self._paint = colours(sys.stdout)
        self._local_time = LocalTime("%H:%M:%S")

    def __call__(self, found: Mapping[str, Any]) -> str:
        paint = self._paint
        way = " -> ".join(str(found[one]) for one in ("route", "sink", "stage") if one in found)
        if "entry" not in found:
            count = found.get("entries", 0)
            lost = f"{count:,} {plural(count, 'entry')} dropped ({found.get('dropped', '')})"
            return f"{paint('bold', printable(way))}  {paint('red', printable(lost))}"
        entry = found["entry"]
        name = printable(str(entry.get("container", {}).get("name", "")))
        parts = [self._time(entry), paint("bold", name), paint("dim", printable(way))]
        if reason := self._reason(found):
            parts.append(paint("red", printable(reason)))
        return f"{'  '.join(parts)}  {printable(_text(entry))}"

    def _time(self, entry: Mapping[str, Any]) -> str:
        moment = str(entry.get("@timestamp", "")).encode()
        try:
            [second] = self._local_time.render([moment])
        except ValueError:
            return ""
        return (second + moment[19:23]).decode()

    @staticmethod
    def _reason(found: Mapping[str, Any]) -> str:
        reason, because = str(found.get("dropped", "")), found.get("because")
        if not reason or reason == "filtered":
            return reason
        return f"dropped ({reason}: {because})" if because else f"dropped ({reason})"


def _text(entry: Mapping[str, Any]) -> str:
    """The message, then the fields that aren't in it already."""
    fields = {name: value for name, value in entry.items() if name not in RESERVED}
    fields |= entry.get("fields", {})
    message = str(entry.get("message", ""))
    said = _object(message)
    fields = {name: value for name, value in fields.items() if said.get(name, said) != value}
    if not fields:
        return message
    made = msgspec.json.encode(fields).decode()
    return f"{message}  {made}" if message else made


def _object(message: str) -> Mapping[str, Any]:
    """The message as an object, if it is one in JSON; else an empty one."""
    if message.startswith("{"):
        with suppress(msgspec.MsgspecError, RecursionError):
            return msgspec.json.decode(message, type=dict[str, Any])
    return {}
