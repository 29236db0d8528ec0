"""`dockline run`: runs the agent."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING, Any

from pipeline.cli._options import add_addresses, add_allow_python

if TYPE_CHECKING:
    from pipeline.runtime.agent import Agent
    from pipeline.runtime.reload import Reloader


log = logging.getLogger(__name__)


def add(subparsers: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "run",
        help="follow all containers until stopped",
        description=(
            "Follows the containers of one Docker host, and sends their logs to the sinks of the "
            "configuration, or to those that are named here. SIGTERM and SIGINT deliver what has "
            "been read and stop; a second one stops at once. SIGHUP reads the configuration again. "
            "Exit status: 0 all that was read is delivered; 1 some of it is not, or the agent "
            "could not start; 2 bad configuration or usage."
        ),
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="read the configuration again when a file of it changes, as on SIGHUP",
    )
    parser.add_argument(
        "--log-level",
        default="info",
        choices=("debug", "info", "warning", "error"),
        help="how much the agent says of itself on standard error (default: info)",
    )
    add_allow_python(parser)
    add_addresses(parser)
    return parser


def main(args: argparse.Namespace) -> int:
    """0 when all that was read is delivered, 1 when something isn't. Raises `DocklineError`."""
    gc.disable()  # nothing imported and built now is garbage; the agent enables it again
    from pipeline.cli._own_log import OwnLog
    from pipeline.config import find, read
    from pipeline.runtime.agent import Agent
    from pipeline.runtime.reload import Reloader
    from pipeline.runtime.startup import announce
    from pipeline.support import allocator
    from pipeline.support.selector import CoalescingLoop

    own_log = OwnLog(args.log_level, sys.stderr)
    given = find(args.config, os.environ, args.addresses)
    reading = read(given, os.environ, python=args.python)
    if args.print:
        from pipeline.cli._print import print_toml

        return print_toml(given, reading)
    own_log.write_as(reading.config.agent.log)
    announce(given, reading.config.state.directory)
    for warning in reading.warnings:
        log.warning(warning.lines(reading.file)[0])
    _allow_all_descriptors()
    allocator.fix_limits(os.environ)
    agent = Agent(reading)
    reloader = Reloader(given, os.environ, agent.metrics, python=args.python, watch=args.watch)
    with asyncio.Runner(loop_factory=CoalescingLoop) as runner:
        complete = runner.run(_run(agent, reloader))
    gc.freeze()  # as the process ends, nobody needs to look for garbage in all that is there
    return 0 if complete else 1


def _allow_all_descriptors() -> None:
    """Raises the limit of open files to the maximum: each container needs one.

    Most systems start programs at 1024, for those that use select(2), and allow half a million.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError) as error:
        log.debug("the limit of open files stays as it is: %s", error)


async def _run(agent: Agent, reloader: Reloader) -> bool:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None

    def on_signal() -> None:
        if stop.is_set():
            task.cancel()  # the second signal: stop at once
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    loop.add_signal_handler(signal.SIGHUP, reloader.ask)
    try:
        return await agent.run(stop, reloader)
    except asyncio.CancelledError:
        return False
