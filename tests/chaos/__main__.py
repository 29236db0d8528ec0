"""`python -m tests.chaos --seed 1 --minutes 10`: 0 when nothing was lost and order held, else 1.

The same seed gives the same plan, which is printed with `--plan` and not run. A run that failed
leaves its folder, and says where.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from pipeline.model.errors import EngineError
from pipeline.testing.private_engine import why_not
from tests.chaos.course import Course, write_lost, write_plan
from tests.chaos.plan import Action, plan


def main() -> int:
    arguments = _arguments()
    lanes = set(arguments.without)
    actions = [a for a in plan(arguments.seed, arguments.minutes) if a.lane not in lanes]
    if arguments.plan:
        print("\n".join(map(str, actions)))
        return 0
    if reason := why_not():
        _say(f"chaos: {reason}")
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix=f"dockline-chaos-{arguments.seed}-"))
    write_plan(folder, actions)
    _say(f"{len(actions)} actions in {arguments.minutes:g} minutes; see {folder}/plan, …/course")
    good = False
    try:
        good = _run(folder, actions, arguments)
    except KeyboardInterrupt:
        _say("interrupted")
    except (EngineError, TimeoutError, RuntimeError) as error:
        _say(f"the run could not be finished: {error}")
    if good and not arguments.keep:
        shutil.rmtree(folder)
    else:
        _say(f"what there is to see is in {folder}")
    return 0 if good else 1


def _run(folder: Path, actions: list[Action], arguments: argparse.Namespace) -> bool:
    course = Course(folder, actions, _say, patience=arguments.patience, drop=arguments.drop)
    figures = course.run(arguments.seed, arguments.minutes)
    table = figures.table()
    (folder / "figures.md").write_text(table + "\n")
    print("\n" + table + "\n", flush=True)
    if not figures.good:
        write_lost(folder, figures)
        print("\n".join(["wrong:", *figures.wrong()]), flush=True)
    _say("nothing lost, in order" if figures.good else "NOT as it should be")
    return figures.good


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--plan", action="store_true", help="print the plan, and do nothing")
    parser.add_argument("--keep", action="store_true", help="leave the folder of a good run, too")
    parser.add_argument(
        "--patience", type=float, default=75.0, metavar="SECONDS",
        help="how long nothing may come, at the end, until what is missing counts as lost; the "
        "agent looks every 30 s for what it has missed (default: 75)",
    )  # fmt: skip
    parser.add_argument(
        "--without", action="append", default=[], metavar="LANE",
        help="leave out the faults of agent, engine, syslog, logstash or spooled",
    )  # fmt: skip
    parser.add_argument(
        "--drop", type=int, default=0, metavar="N",
        help="sabotage, to see the check fail: the logstash receiver forgets a line of every "
        "N windows",
    )  # fmt: skip
    return parser.parse_args()


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
