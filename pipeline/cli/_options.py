"""What the commands have in common that ask an agent which runs."""

from __future__ import annotations

import argparse


def add_agent(parser: argparse.ArgumentParser) -> None:
    """The options that say which one."""
    parser.add_argument(
        "--url",
        help="where the agent answers; without it, where the configuration says it listens",
    )
    parser.add_argument(
        "--token",
        help="what it asks for; of an agent on this host it is read from the configuration or the "
        "state directory. DOCKLINE_TOKEN is the same, and does not show in the list of processes",
    )
