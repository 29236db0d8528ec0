"""`python -m tests.suite [--minutes 30] …`: pytest with these arguments, and an end to it.

A run that has not ended in its time, or is told to end by SIGTERM, is ended with the processes that
it waits for and the stacks of all that run tests; the code is then 124. Otherwise it is pytest's.
What the tests leave running is named, and ended.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time

from tests.suite.processes import (
    adopt_orphans,
    descendants,
    described,
    end,
    reap_orphans,
    show_stacks,
)

MINUTES = 30.0
TIMED_OUT = 124
"""As of timeout(1)."""
STACKS = 30.0
"""Seconds in which they are written, at the most."""


class Ended(Exception):
    """By a signal, or because its time is over."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    own, arguments = parser.parse_known_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a shell tells pytest too, which ends in order
    signal.signal(signal.SIGTERM, _end)
    adopt_orphans()
    begun = time.monotonic()
    # Else each worker, and each agent that a test starts, would compile all for itself.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "pytest", *arguments]
    with subprocess.Popen(command, env=environment) as pytest:
        try:
            while (code := pytest.poll()) is None:
                if time.monotonic() - begun > own.minutes * 60:
                    raise Ended
                reap_orphans(pytest.pid)
                time.sleep(0.05)
        except Ended:
            passed = (time.monotonic() - begun) / 60
            _say(f"the run is ended after {passed:.1f} minutes, while these run:")
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


def _end(*_: object) -> None:
    raise Ended


def _show() -> None:
    for process in descendants():
        _say(f"  {described(process)}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
