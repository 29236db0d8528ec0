"""The figures of `benchmarks.hub`: kept in results/hub.json, written to results/hub.md."""

from __future__ import annotations

from pathlib import Path

import msgspec

RESULTS = Path(__file__).parent / "results"
LARGE, SMALL = 500, 12
"""Lines of a message: of an agent with a flood, and of one whose containers write a little and that
gathers for some seconds."""


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent has put into the queue. CPU seconds are per million lines, user and system,
    here and below."""

    pace: float
    """Lines a second."""
    agent: float
    broker: float
    size: float
    """Bytes of a line in the queue."""


class Drained(msgspec.Struct, frozen=True, kw_only=True):
    """One hub, until the queue is empty."""

    what: str
    message: int
    """Lines of a message."""
    pace: float
    hub: float
    broker: float
    store: float | None
    peak_mib: float
    """Resident memory of the hub."""


class QueueFigures(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    """What the queue's servers call themselves."""
    machine: str
    lines: int
    line: float
    """Bytes of a line."""
    containers: int
    published: dict[int, Published]
    """By the lines of a message."""
    drained: list[Drained]

    def hub(self, what: str, message: int) -> Drained:
        """The row of that name. Raises `StopIteration` without one."""
        return next(row for row in self.drained if (row.what, row.message) == (what, message))


def load(file: Path = RESULTS / "hub.json") -> dict[str, QueueFigures]:
    """By the queue's name, `nats` or `kafka`."""
    return msgspec.json.decode(file.read_bytes(), type=dict[str, QueueFigures])


def save(figures: dict[str, QueueFigures], folder: Path = RESULTS) -> None:
    raw = msgspec.json.format(msgspec.json.encode(figures), indent=1)
    (folder / "hub.json").write_bytes(raw + b"\n")
    (folder / "hub.md").write_text(report(figures))


def report(figures: dict[str, QueueFigures]) -> str:
    """As Markdown."""
    out = ["# What one hub takes", ""]
    for queue, one in figures.items():
        out += [
            f"`python -m benchmarks.hub --queue {queue}`: {one.version}, {one.lines:,} lines of "
            f"{one.line:.0f} bytes, {one.containers} containers, queue and store on the same "
            f"{one.machine}",
            "",
            f"| | {' | '.join(f'messages of {size} lines' for size in one.published)} |",
            "|---|" + "---|" * len(one.published),
        ]
        columns = list(one.published.values())
        for what, values in (
            ("published, lines a second", [f"{it.pace:,.0f}" for it in columns]),
            ("CPU s of publishing, per million lines", [f"{it.agent:.2f}" for it in columns]),
            ("CPU s of the queue for it", [f"{it.broker:.2f}" for it in columns]),
            ("bytes of a line in the queue", [f"{it.size:.1f}" for it in columns]),
        ):
            out.append(f"| {what} | {' | '.join(values)} |")
        out += [
            "",
            "CPU seconds per million lines:",
            "",
            "| one hub | lines of a message | lines a second | hub | queue | store "
            "| peak MiB of the hub |",
            "|---|---|---|---|---|---|---|",
        ]
        for row in one.drained:
            store = "–" if row.store is None else f"{row.store:.2f}"
            out.append(
                f"| {row.what} | {row.message} | {row.pace:,.0f} | {row.hub:.2f} "
                f"| {row.broker:.2f} | {store} | {row.peak_mib:.0f} |"
            )
        out.append("")
    return "\n".join(out)
