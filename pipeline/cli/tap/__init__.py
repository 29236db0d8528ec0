"""`dockline tap`: shows live entries of a running agent, delivered or dropped."""

from __future__ import annotations

import argparse

from pipeline.cli._options import add_agent


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "tap",
        help="show live entries of the running agent, or those that it drops and why",
        description="Shows the entries that go to the sinks of the running agent, after the "
        "stages; with --dropped, those that a stage filters, or that a sink drops by its policy or "
        "because they were refused. It does not slow the agent down: of more than 1,000 entries a "
        "second it shows a sample, and says so on standard error; entries that it does not read in "
        "time are missing here only. Names are patterns as in a shell, and options with a name may "
        "be repeated. The agent searches all entries, not the sample. Exit status: 0 what was "
        "asked for is shown; 1 no agent answers; 2 bad configuration or usage.",
    )
    for what, metavar, words in (
        ("route", "R", "entries of this route"),
        ("sink", "S", "entries for this sink"),
        ("container", "C", "entries of this container, by its name or the first digits of its id"),
    ):
        parser.add_argument(f"--{what}", metavar=metavar, action="append", default=[], help=words)
    parser.add_argument(
        "--dropped",
        action="store_true",
        help="show entries that are filtered or dropped instead, and why",
    )
    for what, metavar, words in (
        ("match", "TEXT", "entries with this text in the message; capitals count if it has any"),
        ("regex", "PATTERN", "entries in whose message this regular expression is found"),
        (
            "where",
            "EXPRESSION",
            "entries for which this expression is true, as in the stage keep: 'status >= 500'",
        ),
        ("level", "LEVEL", "entries of at least this level, such as warning"),
    ):
        parser.add_argument(f"--{what}", metavar=metavar, default="", help=words)
    parser.add_argument("--limit", metavar="N", type=_positive, help="stop after N entries")
    add_agent(parser)
    parser.add_argument(
        "--json",
        action="store_true",
        help="print JSON lines, as the agent sends them, for programs",
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def main(args: argparse.Namespace) -> int:
    """0 when it is interrupted, the limit is reached, or the agent stops."""
    from pipeline.cli._agent import find_agent
    from pipeline.cli.tap.stream import Wanted, tap

    search = {name: getattr(args, name) for name in ("match", "regex", "where", "level")}
    wanted = Wanted(args.route, args.sink, args.container, args.dropped, search)
    agent = find_agent(args.url, args.token, args.config)
    return tap(wanted, agent, json=args.json, limit=args.limit)
