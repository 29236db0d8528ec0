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
