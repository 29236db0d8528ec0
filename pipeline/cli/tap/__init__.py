"""`dockline tap`: entries of a running agent, as they pass or are dropped."""

from __future__ import annotations

import argparse

from pipeline.cli._options import add_agent


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "tap",
        help="look at live entries of the running agent, or at what it drops and why",
        description="Shows the entries that go to the sinks of the running agent, after the "
        "stages; with --dropped, those that are filtered by a stage, or lost by a sink's policy "
        "or to a refusal. It slows nothing down: of more than 1,000 entries a second it shows one "
        "in so many, and says so on standard error, and what is not read in time is lost to it "
        "alone. Names are patterns as in a shell, and each option may be repeated. Exit status: 0 "
        "what was asked for is shown; 1 no agent answers; 2 bad configuration or usage.",
    )
    for what, metavar, words in (
        ("route", "R", "entries of this route"),
        ("sink", "S", "entries for this sink"),
        ("container", "C", "entries of this container, by its name or the first digits of its id"),
    ):
        parser.add_argument(f"--{what}", metavar=metavar, action="append", default=[], help=words)
    parser.add_argument(
        "--dropped", action="store_true", help="what is filtered or lost instead, and why"
    )
    parser.add_argument("--limit", metavar="N", type=_positive, help="end after so many entries")
    add_agent(parser)
    parser.add_argument(
        "--json", action="store_true", help="JSON lines, as the agent sends them, for programs"
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def main(args: argparse.Namespace) -> int:
    """0 when it has shown what was asked for, was interrupted, or the agent has stopped."""
    from pipeline.cli._agent import find_agent
    from pipeline.cli.tap.stream import Wanted, tap

    wanted = Wanted(args.route, args.sink, args.container, args.dropped)
    agent = find_agent(args.url, args.token, args.config)
    return tap(wanted, agent, json=args.json, limit=args.limit)
