"""`dockline audit`: whether everything that was read is where it should be."""

from __future__ import annotations

import argparse
import sys


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "audit",
        help="find what is missing or repeated in a store",
        description="With --verify, reads entries as JSON lines from a store and reports, "
        "container by container, which are missing and which came twice. Exit status: 0 nothing "
        "is missing or repeated; 1 something is; 2 there is nothing to verify, or it cannot be "
        "read.",
    )
    parser.add_argument(
        "--verify",
        metavar="FILE",
        nargs="*",
        help="files of JSON lines, gzipped or not; - or nothing is standard input",
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser


def main(args: argparse.Namespace) -> int:
    if args.verify is None:
        message = "dockline audit: say what to verify: --verify [FILE ...], or - for standard input"
        print(message, file=sys.stderr)
        return 2
    from pipeline.cli._verify import verify

    return verify(args.verify or ["-"], json=args.json)
