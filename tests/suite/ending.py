"""Tests end, and so does the process that ran them."""

from __future__ import annotations

import atexit
import faulthandler
import os
import signal
import sys
from contextlib import suppress
from multiprocessing import resource_tracker
from pathlib import Path

import pytest

from tests.suite.workers import is_worker

UNENDING = 60.0
"""Seconds that a process may take to end when its tests have."""


def pytest_configure() -> None:
    """A shell starts what runs in the background with SIGINT ignored, and the programs that tests
    start would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """A process that does not end, whose tests have all ended, shows where and ends. A worker waits
    for the other ones."""
    if not is_worker(config):
        faulthandler.dump_traceback_later(UNENDING, exit=True, file=sys.__stderr__)


@atexit.register
def end_resource_tracker() -> None:
    """The process that multiprocessing starts beside this one ends when nobody holds its pipe any
    more, and Python 3.13 waits for that without end. Whoever holds it yet is named: a test has left
    it behind."""
    tracker = resource_tracker._resource_tracker  # type: ignore[attr-defined]
    if tracker._pid is None or tracker._fd is None:
        return
    pipe = Path(f"/proc/self/fd/{tracker._fd}").readlink()
    for process in Path("/proc").glob("[0-9]*"):
        held, own = _held(process, pipe), int(process.name) == os.getpid()
        if held > own and int(process.name) != tracker._pid:
            command = (process / "cmdline").read_text(errors="replace").replace("\0", " ")
            print(f"process {process.name} holds {pipe} {held} times: {command}", file=sys.stderr)
    with suppress(ProcessLookupError):
        os.kill(tracker._pid, signal.SIGKILL)


def _held(process: Path, file: Path) -> int:
    """How often a process has it open."""
    count = 0
    with suppress(OSError):  # it has ended meanwhile
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                count += descriptor.readlink() == file
    return count
