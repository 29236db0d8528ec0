"""Options that several commands have."""

from __future__ import annotations

import argparse


def add_agent(parser: argparse.ArgumentParser) -> None:
    """Adds `--url` and `--token`, for a command that asks a running agent.

    `pipeline.cli._agent.find_agent` takes what they give.
    """
    parser.add_argument(
        "--url",
        help="the address of the agent; by default that of http.listen in the configuration",
    )
    parser.add_argument(
        "--token",
        help="the agent's token; for an agent on this host it is read from the configuration or "
        "the state directory. DOCKLINE_TOKEN does the same, and is not in the list of processes",
    )


def add_addresses(parser: argparse.ArgumentParser) -> None:
    """Adds `ADDRESS…`, sinks that are used instead of those of a file, and `--print`.

    `pipeline.config.find` takes `args.addresses`; for `args.print` see `pipeline.cli._print`.
    """
    parser.add_argument(
        "addresses",
        metavar="ADDRESS",
        nargs="*",
        help="a sink in one line, such as papertrail://logs7.papertrailapp.com:12345 or "
        "'syslog+tls://logs.example.com?filter.name=web-*', instead of a file with sinks",
    )
    parser.add_argument(
        "--print",
        action="store_true",
        help="print the TOML that the addresses stand for, and end",
    )


def add_allow_python(parser: argparse.ArgumentParser) -> None:
    """Adds `--allow-python`, for a command that runs stages or reads a configuration with them.

    `args.python` is "allow" or "refuse", as `pipeline.config.read` takes it.
    """
    parser.add_argument(
        "--allow-python",
        dest="python",
        action="store_const",
        const="allow",
        default="refuse",
        help="allow stages that run Python code of yours (the stage `python`)",
    )
