"""`python -m tests.upgrade --from COMMIT`: 0 when an agent of that commit gave way to one of this
tree without a line lost or repeated, and `dockline check` finds as much as before; else 1. Prints a
table, and what is said in other words.

A run that failed leaves its folder, and says where.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline.testing.docker_client import BUSYBOX
from pipeline.testing.private_engine import PrivateEngine, why_not
from tests.upgrade.course import ALLOWED, SCRIPT, Outcome, change
from tests.upgrade.earlier import differences, unpack
from tests.upgrade.tally import good

MOST_SHOWN = 40
"""Lines of a difference that are printed."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.upgrade", description=__doc__)
    parser.add_argument("--from", dest="commit", required=True, metavar="COMMIT")
    commit = parser.parse_args().commit
    if reason := why_not():
        _say(f"upgrade: {reason}")
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="dockline-upgrade-"))
    try:
        wrong = _run(folder, commit)
    except (AssertionError, subprocess.CalledProcessError, KeyboardInterrupt) as error:
        wrong = [f"the run could not be finished: {error or 'interrupted'}"]
    for what in wrong:
        _say(f"WRONG: {what}")
    if wrong:
        _say(f"what there is to see is in {folder}")
        return 1
    shutil.rmtree(folder)
    _say("nothing lost, nothing repeated that should not be")
    return 0


def _run(folder: Path, commit: str) -> list[str]:
    """What is not as it should be."""
    earlier = folder / "earlier"
    _say(f"the agent of {commit} has {unpack(commit, earlier)}")
    outcomes = {}
    with PrivateEngine() as engine:
        engine.import_busybox(BUSYBOX, {"/bin/write": SCRIPT})
        for read in ("api", "file"):
            for end in (signal.SIGTERM, signal.SIGKILL):
                what = f"{read}-{end.name}"
                _say(what)
                outcomes[what] = change(engine, folder / what.lower(), earlier, read, end)
    return [*_lines(outcomes), *_same(earlier, list(outcomes.values()))]


def _lines(outcomes: dict[str, Outcome]) -> list[str]:
    """Prints what became of the lines; what is wrong with that."""
    wrong = []
    for course, outcome in outcomes.items():
        allowed = ALLOWED if course.endswith("KILL") else 0
        if course == next(iter(outcomes)):
            titles = ["course", "sink", *outcome.sinks["file"]]
            print("", f"| {' | '.join(titles)} |", "|---" * len(titles) + "|", sep="\n")
        for sink, figures in outcome.sinks.items():
            cells = [course, sink, *(f"{figure:,}" for figure in figures.values())]
            print(f"| {' | '.join(cells)} |")
            if not good(figures, allowed):
                wrong.append(f"{course}, {sink}: {figures}; {allowed} may be repeated")
        wrong += [f"{course}: {what}" for what in outcome.odd]
    again = ", ".join(f"{course} {it.read_again:,}" for course, it in outcomes.items())
    print(f"\nLines that were delivered already, and read again: {again}.")
    return wrong


def _same(earlier: Path, outcomes: list[Outcome]) -> list[str]:
    """Prints what differs from the earlier tree. Metrics, settings and words may; how many
    problems `check` finds, and its exit status, may not."""
    old = set().union(*(outcome.old_metrics for outcome in outcomes))
    new = set().union(*(outcome.new_metrics for outcome in outcomes))
    gone, added = (", ".join(sorted(names)) or "none" for names in (old - new, new - old))
    print(f"{len(old & new)} metrics have the same name; gone: {gone}; new: {added}.")
    found = dict(differences(earlier))
    for command, lines in found.items():
        print(f"`dockline {command}` differs:", *lines[:MOST_SHOWN], sep="\n")
    if not found:
        print("`dockline schema`, and `dockline check` for each file in config/, print the same.")
    return [f"`dockline {it}` differs" for it in found if it != "schema" and _differs(found[it])]


def _differs(lines: list[str]) -> bool:
    """Whether the lines of a difference are more than other words for the same."""
    gone, new = (sum(line.startswith(sign) for line in lines) for sign in ("-", "+"))
    return gone != new or any(line[1:].startswith("exit status") for line in lines)


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
