"""`dockline top`: shows what a running agent does, live."""

from __future__ import annotations

import argparse

from pipeline.cli._options import add_agent


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "top",
        help="watch containers and the running agent: CPU, rates, lag, buffers and drops",
        description="Shows, and keeps up to date, what the running agent reads of each "
        "container, what its routes filter, and what its sinks deliver, buffer, retry and drop. "
        "Of each container it shows state, health, CPU, memory, network and restarts, too. Keys: ? "
        "shows all keys and what the columns mean; q quits; Tab goes to the next table; < and > "
        "choose the column to sort by, c sorts by CPU, m by memory, r reverses the order; the "
        "arrow and page keys scroll; / shows only containers that have the typed words in their "
        "names, images, projects or states. If standard output is no terminal, or with --once, it "
        "prints one snapshot and ends. Exit status: 0 it was shown; 1 no agent answers; 2 bad "
        "configuration or usage.",
    )
    parser.add_argument("--once", action="store_true", help="print one snapshot")
    parser.add_argument(
        "--every",
        metavar="SECONDS",
        type=_seconds,
        default=2.0,
        help="how often the agent is asked (default: 2; a snapshot takes that long, or 1)",
    )
    add_agent(parser)
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError("must be from 0.1 to 3600")
    return seconds


def main(args: argparse.Namespace) -> int:
    """0. Raises `DocklineError` when no agent answers at first.

    An agent that goes away later is waited for.
    """
    from pipeline.cli._agent import find_agent
    from pipeline.cli.top.watch import top

    return top(find_agent(args.url, args.token, args.config), every=args.every, once=args.once)
