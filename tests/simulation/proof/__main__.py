"""`python -m tests.simulation.proof`: 0 when the simulation finds every bug.

Each is put into a copy of the tree, in which seeds are run until one is judged wrong that is right
without the bug. What is edited meanwhile counts for nothing.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time

from tests.simulation.proof.bugs import all_bugs
from tests.simulation.proof.report import table
from tests.simulation.proof.search import Outcome, searched


def main() -> int:
    arguments = _arguments()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    bugs = all_bugs()
    if unknown := set(arguments.only or ()) - {bug.name for bug in bugs}:
        _say(f"there is no bug called {', '.join(sorted(unknown))}")
        return 2
    if arguments.only:
        bugs = [bug for bug in bugs if bug.name in arguments.only]
    found: dict[str, Outcome] = {}
    try:
        for outcome in searched(bugs, arguments.first, arguments.seeds, arguments.processes, _say):
            found[outcome.bug.name] = outcome
    except KeyboardInterrupt:
        _say("interrupted")
    outcomes = [found[bug.name] for bug in bugs if bug.name in found]
    print("\n" + table(outcomes), flush=True)
    return 0 if len(outcomes) == len(bugs) and all(one.seed for one in outcomes) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.proof", description=__doc__)
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="that bug alone; may be repeated"
    )
    parser.add_argument("--first", type=int, default=1, help="the first seed (default: 1)")
    parser.add_argument("--seeds", type=int, default=1000, help="for each bug (default: 1000)")
    parser.add_argument("--processes", type=int, default=2, help="at a time (default: 2)")
    return parser.parse_args()


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
