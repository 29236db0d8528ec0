"""Options that several commands have."""

from __future__ import annotations

import argparse


def add_agent(parser: argparse.ArgumentParser) -> None:
    """Adds `--url` and `--token`, for a command that asks a running agent.

    `pipeline.cli._agent.find_agent` takes what they give.
    """
    parser.add_argument(
        "--url",
        help="where the agent answers; without it, where the configuration says it listens",
    )
    parser.add_argument(
        "--token",
        help="what it asks for; of an agent on this host it is read from the configuration or the "
        "state directory. DOCKLINE_TOKEN is the same, and does not show in the list of processes",
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
