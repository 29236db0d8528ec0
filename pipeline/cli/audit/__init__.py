"""`dockline audit`: checks the ledger of a running agent, or the entries in a store."""

from __future__ import annotations

import argparse

from pipeline.cli._options import add_agent


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "audit",
        help="show what became of every entry, or find entries that a store misses or has twice",
        description="Shows the ledger of the running agent: for each container, route and sink, "
        "read = delivered + filtered + dropped + buffered. Exit status: 0 it balances; 1 it does "
        "not, or no agent answers. With --verify, reads entries as JSON lines from a store "
        "instead, and reports, container by container, which are missing and which came twice: 0 "
        "nothing is missing or repeated; 1 something is; 2 there is nothing to verify, or it "
        "cannot be read.",
    )
    parser.add_argument(
        "--verify",
        metavar="FILE",
        nargs="*",
        help="files of JSON lines, gzipped or not (default: -, standard input)",
    )
    add_agent(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    return parser


def main(args: argparse.Namespace) -> int:
    if args.verify is None:
        from pipeline.cli._agent import find_agent
        from pipeline.cli.audit.ledger import audit

        return audit(find_agent(args.url, args.token, args.config), json=args.json)
    from pipeline.cli.audit.store import verify

    return verify(args.verify or ["-"], json=args.json)
