"""`dockline audit`: prints the ledger of a running agent, one equation for each route and sink."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import msgspec

from pipeline.accounting.audit import AuditReport, ContainerPart, RoutePart, SinkPart
from pipeline.cli._agent import AgentClient
from pipeline.cli._terminal import colours
from pipeline.model.errors import DocklineError
from pipeline.support.plural import plural


def audit(agent: AgentClient, *, json: bool) -> int:
    """Prints the agent's ledger, as text or as the JSON that the agent sends.

    Returns the exit status: 0 if it balances, 1 if not. Raises `DocklineError` when no agent
    answers, or something else answers.
    """
    body = agent.get("/audit")
    try:
        report = msgspec.json.decode(body, type=AuditReport)
    except msgspec.MsgspecError as error:
        raise DocklineError(f"that is not the answer of dockline: {error}") from error
    if json:
        sys.stdout.write(msgspec.json.format(body).decode() + "\n")
    else:
        _print(report)
    return 0 if report.balanced else 1


def _print(report: AuditReport) -> None:
    paint = colours(sys.stdout)
    for container in report.containers:
        if not container.routes:
            read = sum(container.read.values())
            them = f"{plural(read, 'entry')} read, and no route takes {plural(read, 'it', 'them')}"
            print(f"{container.name}: {read:,} {them}")
        for route in container.routes:
            for line in _lines(container, route):
                wrong = "UNACCOUNTED" in line
                print(paint("red", line) if wrong else line)
    for sink, entries in report.carried.items():
        left = plural(entries, "entry of an earlier run is", "entries of an earlier run are")
        print(f"sink {sink}: {entries:,} {left} on disk")
    for source in report.sources:
        went = [(source.settled, "settled"), (source.given_up, "left to be sent again")]
        went += [(source.open, "on their way"), (source.unaccounted, "UNACCOUNTED")]
        taken = [(source.taken, plural(source.taken, "message taken", "messages taken"))]
        line = f"source {source.source}: {_sum(taken)} = {_sum(went)}"
        print(paint("red", line) if source.unaccounted else line)
        for reason, refused in source.refused.items():
            noun = plural(refused, "message")
            print(f"source {source.source}: {refused:,} {noun} refused ({reason})")
    count = len(report.containers)
    about = f"{count} {plural(count, 'container')}"
    if report.balanced:
        print(f"{paint('green', 'balanced')}: {about}, every entry is accounted for")
    else:
        print(paint("red", f"NOT BALANCED: {about}, and entries that nobody can account for"))


def _lines(container: ContainerPart, route: RoutePart) -> Iterator[str]:
    source = "" if route.source == "logs" else f" ({route.source})"
    way = f"{container.name}{source}, {route.route or 'unknown route'}"
    read = "from other routes" if route.fed else "read"
    taken = [(route.taken, read)]
    taken += [(count, f"made by {stage}") for stage, count in route.made.items()]
    for name, handed in route.handed.items():
        went = [(count, f"filtered by {stage}") for stage, count in route.filtered.items()]
        went += [(route.held, "held back"), (handed, "handed on")]
        went += [(route.unaccounted, "UNACCOUNTED before it")] if route.unaccounted else []
        yield f"{way} -> route {name}: {_sum(taken)} = {_sum(went)}"
    for sink in route.sinks:
        own = sink.routed or not (sink.letters or sink.carried)
        came = list(taken) if own else []
        came += [(sink.letters, "dead letters"), (sink.carried, "from the spool")]
        went = [(count, f"filtered by {stage}") for stage, count in route.filtered.items()]
        went.append((route.held, "held back"))
        went = (went if own else []) + _went(sink)
        if route.unaccounted and own:
            went.append((route.unaccounted, "UNACCOUNTED before the sink"))
        if sink.unaccounted:
            went.append((sink.unaccounted, "UNACCOUNTED"))
        yield f"{way} -> {sink.sink}: {_sum(came)} = {_sum(went)}"


def _went(sink: SinkPart) -> list[tuple[int, str]]:
    dropped = [(count, f"dropped ({reason})") for reason, count in sink.dropped.items()]
    return [
        (sink.delivered, "delivered"),
        (sink.known, "known from before"),
        *dropped,
        (sink.dead_lettered, "dead-lettered"),
        (sink.left, "left on its disk"),
        (sink.buffered, "buffered"),
    ]


def _sum(terms: list[tuple[int, str]]) -> str:
    shown = [f"{count:,} {what}" for count, what in terms if count]
    return " + ".join(shown) or f"0 {terms[0][1] if terms else ''}".strip()
