"""`dockline page`: prints the address of a running agent's page, and opens a browser."""

from __future__ import annotations

import argparse

from pipeline.cli._options import add_agent


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "page",
        help="print the address of the running agent's page, and open a browser",
        description="Prints the address of the page of the running agent, with the token that it "
        "needs, and nothing else, on standard output. Opens a browser too, on a desktop where "
        "standard output is a terminal, not as root and not in a container. Whoever has the "
        "address sees what the page shows; browsers send nobody what stands behind its #. "
        "Exit status: 0 it is printed; 1 no agent answers, or it has no page; 2 bad configuration "
        "or usage.",
    )
    parser.add_argument("--no-open", action="store_true", help="open no browser")
    add_agent(parser)
    return parser


def main(args: argparse.Namespace) -> int:
    from pipeline.cli._agent import find_agent
    from pipeline.cli.page.address import check, notes, with_token
    from pipeline.cli.page.browser import has_browser, show
    from pipeline.cli.page.place import Place

    agent = find_agent(args.url, args.token, args.config)
    place = Place.here()
    check(agent)
    address = with_token(agent, place)
    print(address, flush=True)
    notes(agent, place)
    if not args.no_open and has_browser(place):
        show(address)
    return 0
