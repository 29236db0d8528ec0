"""`dockline explain`: shows what routes do with a container and its lines, and why."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from pipeline.cli._options import add_allow_python

if TYPE_CHECKING:
    from pipeline.model.container import Container


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "explain",
        help="show which routes take a container, and what they do to its lines",
        description="Shows whether a container is followed, which routes take it and why the "
        "others do not; with --line, what each stage does with a line, and which sinks get it. The "
        "container is one of the Engine's; or describe one with --name, --image and --label. "
        "--label and --line may be repeated. Nothing is sent anywhere. Exit status: 0 it is "
        "explained; 1 there is no such container, or no Engine; 2 bad configuration or usage.",
    )
    parser.add_argument("container", metavar="CONTAINER", nargs="?", help="its name or id")
    parser.add_argument("--name", metavar="N", help="describe a container by its name")
    parser.add_argument("--image", metavar="I", help="... by the image it was started from")
    parser.add_argument(
        "--label", metavar="K=V", action="append", default=[], help="... by one of its labels"
    )
    parser.add_argument(
        "--line", metavar="TEXT", action="append", default=[], help="a line that it writes"
    )
    parser.add_argument(
        "--stream",
        choices=("stdout", "stderr"),
        default="stdout",
        help="where it writes the lines (default: stdout)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    add_allow_python(parser)
    return parser


def main(args: argparse.Namespace) -> int:
    described = args.name is not None or args.image is not None or bool(args.label)
    if described == (args.container is not None):
        return _usage(
            "name a container of the Engine, or describe one with --name, --image and --label"
            + (", not both" if described else "")
        )
    from pipeline.cli.explain.container import ask
    from pipeline.cli.explain.text import print_json, print_text
    from pipeline.config import find, read
    from pipeline.explain.dry_run import Line
    from pipeline.explain.facts import Found, explained

    reading = read(find(args.config, os.environ), os.environ, python=args.python)
    found = Found(_described(args)) if described else ask(args.container, reading, os.environ)
    lines = [Line(os.fsencode(text), args.stream) for text in args.line]
    facts = explained(reading, found, lines)
    if args.json:
        print_json(facts)
    else:
        print_text(facts)
    return 0


def _described(args: argparse.Namespace) -> Container:
    from pipeline.model.container import Container

    pairs = (label.partition("=") for label in args.label)
    labels = {name: value for name, _, value in pairs}
    return Container("0" * 64, (args.name or "described").lstrip("/"), args.image or "", labels)


def _usage(message: str) -> int:
    from pipeline.cli._terminal import colours

    print(f"{colours(sys.stderr)('red', 'dockline explain:')} {message}", file=sys.stderr)
    return 2
