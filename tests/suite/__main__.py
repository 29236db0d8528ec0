"""`python -m tests.suite [--minutes 30] …`: pytest with these arguments, and an end to it.

A run that has not ended in its time is ended, with the processes that it waits for and the stacks
of all that run tests; the code is then 124. Otherwise it is pytest's. What the tests leave running
is named, and ended.
"""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.suite.processes import adopt_orphans, descendants, described, end, show_stacks

MINUTES = 30.0
TIMED_OUT = 124
"""As of timeout(1)."""
STACKS = 5.0
"""Seconds in which they are written."""


def main(arguments: list[str]) -> int:
    minutes = MINUTES
    if arguments[:1] == ["--minutes"]:
        minutes, arguments = float(arguments[1]), arguments[2:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a shell tells pytest too, which ends in order
    adopt_orphans()
    with subprocess.Popen([sys.executable, "-m", "pytest", *arguments]) as pytest:
        try:
            code = pytest.wait(minutes * 60)
        except subprocess.TimeoutExpired:
            _say(f"the run has not ended in {minutes:g} minutes; it is ended, while these run:")
            _show()
            show_stacks(pytest.pid, STACKS)
            code = TIMED_OUT
        else:
            if descendants():
                _say("these were left behind by the tests, and are ended:")
                _show()
        finally:
            end(descendants)
    return code


def _show() -> None:
    for process in descendants():
        _say(f"  {described(process)}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
