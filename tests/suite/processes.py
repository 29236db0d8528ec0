"""The processes below this one: named, shown with their stacks, ended."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

STACKS_SIGNAL = signal.SIGUSR1
_SET_CHILD_SUBREAPER = 36
"""https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html"""


def pytest_configure() -> None:
    """Whoever runs tests writes the stacks of its threads when it is asked to."""
    stderr = os.fdopen(os.dup(2), "w")
    faulthandler.register(STACKS_SIGNAL, stderr, all_threads=True)


def adopt_orphans() -> None:
    """From now on what is left behind by those below becomes a child of this process."""
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_orphans(own: int) -> None:
    """Lets go of adopted ones that have ended. Until then they can be found, and a dockerd would
    wait for a containerd that has long been killed. `own` is left to its parent."""
    with suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid == own:
                return
            os.waitpid(ended.si_pid, 0)


def descendants() -> list[int]:
    """Those that run, the oldest first."""
    parents = {int(one.name): _parent(one) for one in Path("/proc").glob("[0-9]*")}
    below = {os.getpid()}
    for _ in range(len(parents)):
        more = {pid for pid, parent in parents.items() if parent in below} - below
        if not more:
            break
        below |= more
    return sorted(below - {os.getpid()})


def described(pid: int) -> str:
    """Number, state, age in seconds, where it waits in the kernel, and its command."""
    process = Path(f"/proc/{pid}")
    try:
        state, *fields = _stat(process)
        ticks = os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[18]) / ticks
        command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        waits = (process / "wchan").read_text() or "-"
    except OSError:
        return f"{pid} has ended"
    return f"{pid} {state} {age:.0f} s {waits} {command[:300]}"


def show_stacks(pytest_pid: int, seconds: float) -> None:
    """Asks pytest and its workers for the stacks of their threads, one after another, since they
    write a word at a time; and waits until all are written, for so long at the most."""
    deadline = time.monotonic() + seconds
    for pid in descendants():
        if pid == pytest_pid or (_parent(Path(f"/proc/{pid}")) == pytest_pid and _catches(pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, STACKS_SIGNAL)
            while _writes(pid) and time.monotonic() < deadline:
                time.sleep(0.05)


def end(processes: Callable[[], Iterable[int]]) -> None:
    """Kills them, and what they have started meanwhile."""
    for _ in range(600):
        found = list(processes())
        if not found:
            return
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _parent(process: Path) -> int:
    """0 where it has ended."""
    try:
        state, parent, *_ = _stat(process)
    except OSError:
        return 0
    return 0 if state == "Z" else int(parent)


def _catches(pid: int) -> bool:
    """Whether the signal would not end it."""
    return _has(pid, "SigCgt")


def _writes(pid: int) -> bool:
    """Whether it has the signal before it, or is at it: that keeps a further one out."""
    try:
        marked = any(_has(pid, mask) for mask in ("SigPnd", "ShdPnd", "SigBlk"))
    except OSError:
        return False
    return marked and _parent(Path(f"/proc/{pid}")) != 0  # it has not ended


def _has(pid: int, mask: str) -> bool:
    """Whether the signal is in a mask of its first thread: see proc_pid_status(5)."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = next(line.split()[1] for line in status.splitlines() if line.startswith(f"{mask}:"))
    return bool(int(found, 16) >> (STACKS_SIGNAL - 1) & 1)


def _stat(process: Path) -> list[str]:
    """From the state on: see proc_pid_stat(5)."""
    return (process / "stat").read_text().rpartition(")")[2].split()
