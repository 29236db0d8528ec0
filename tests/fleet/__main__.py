"""`python -m tests.fleet --queue nats`: 0 when every line came, in order, else 1. Prints tables.

A run that failed leaves its folder, and says where.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from pipeline.testing.private_engine import why_not as why_no_engine
from tests.fleet import results
from tests.fleet.course import run
from tests.fleet.queues import QUEUES, why_not


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fleet", description=__doc__)
    parser.add_argument("--queue", choices=sorted(QUEUES), default="nats")
    parser.add_argument(
        "--servers", type=int, choices=[1, 3], default=1,
        help="of NATS; of three, the one that leads the stream is killed (default: 1)",
    )  # fmt: skip
    parser.add_argument("--lines", type=int, default=2_000_000)
    parser.add_argument(
        "--burst", type=int, default=300, metavar="LINES",
        help="that each container writes every tenth of a second (default: 300)",
    )  # fmt: skip
    parser.add_argument(
        "--patience", type=float, default=120.0, metavar="SECONDS",
        help="how long nothing may come until what is missing counts as lost (default: 120)",
    )  # fmt: skip
    parser.add_argument("--write", action="store_true", help="to benchmarks/results, when good")
    parser.add_argument("--keep", action="store_true", help="leave the folder of a good run, too")
    arguments = parser.parse_args()
    if reason := why_not(arguments.queue) or why_no_engine():
        _say(f"fleet: {reason}")
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="dockline-fleet-"))
    _say(f"what there is to see is in {folder}")
    good = False
    try:
        outcome = run(
            folder, QUEUES[arguments.queue](folder, arguments.servers), arguments.lines,
            burst=arguments.burst, patience=arguments.patience, say=_say,
        )  # fmt: skip
        good = outcome.good
        print(f"\n{outcome.table()}\n")
        if good and arguments.write:
            results.save(_name(arguments), outcome, arguments.burst)
        odd = "; ".join(outcome.odd())
        _say("every line is there" if good else f"not as it should be: {odd}; see {folder}")
    except (TimeoutError, KeyboardInterrupt) as error:
        _say(f"{error or 'interrupted'}; see {folder}")
    finally:
        if good and not arguments.keep:
            shutil.rmtree(folder)
    return 0 if good else 1


def _name(arguments: argparse.Namespace) -> str:
    """Of the run, in the results."""
    return arguments.queue + (f" SERVERS={arguments.servers}" if arguments.servers > 1 else "")


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
