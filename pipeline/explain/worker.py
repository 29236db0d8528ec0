"""The process of one trial: `python -m pipeline.explain.worker`.

It reads a job (`pipeline.explain.job`) from its standard input and writes the answer to its
standard output, after `READY`. Exit status: 0 the answer is JSON, `REFUSED` it is a sentence. What
it may take is limited before anything else is imported, and what it may do before the job is read.
The stages that it runs are dockline's own, so these limits are for mistakes in them and for
expressions that are too much, not for hostile code.

Measured with CPython 3.11: a job of one line takes 0.28 s, 0.26 of them to start and to import
(with aiohttp, which nothing here needs, it would be 0.37), and 40 MiB of addresses, of which 32 are
in memory; 200 lines of 470 bytes through four stages take 0.1 s more.
"""

import os
import resource
import signal
import sys
from contextlib import suppress
from typing import Any, Final

MEMORY: Final = 256 << 20
"""Bytes of address space."""
READY: Final = b"\n"
"""Written when everything is imported and the job may come."""
LARGEST: Final = 4 << 20
"""Bytes of an answer."""
SECONDS: Final = 12
"""Seconds until it ends itself, in case the agent is killed meanwhile."""
CPU_SECONDS: Final = 4
"""Seconds of CPU that it may use, its start included."""
FILES: Final = 32
"""Files that may be open at once."""
REFUSED: Final = 3
"""Exit status if the answer is a sentence that says why there is none."""

TOO_MUCH_MEMORY: Final = (
    f"this needs more than {MEMORY >> 20} MiB of memory: take fewer lines, or look for a stage "
    "that makes texts much longer"
)
TOO_LARGE: Final = f"the answer has more than {LARGEST >> 20} MiB: take fewer or shorter lines"

_REFUSED_EVENTS: Final = (
    "socket.", "subprocess.", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn",
    "os.system", "os.kill", "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link",
    "os.symlink", "os.truncate", "os.chmod", "os.chown", "os.utime", "os.putenv", "shutil.",
    "ctypes.", "signal.", "pty.", "mmap.",
)  # fmt: skip
"""What nothing here has to do, by names of Python's audit events."""


def limit() -> None:
    """Limits what this process may take. It goes first where the host has no memory left."""
    os.nice(5)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write("1000")
    limits = {
        resource.RLIMIT_AS: MEMORY,
        resource.RLIMIT_CPU: CPU_SECONDS,
        resource.RLIMIT_NOFILE: FILES,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for which, most in limits.items():
        _, hard = resource.getrlimit(which)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (allowed, allowed))
    signal.alarm(SECONDS)


def _forbid(event: str, arguments: tuple[Any, ...]) -> None:
    """Python's audit hook: raises for everything that only a mistake can do."""
    if event == "open":
        _, mode, flags = arguments
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) or (mode and set(mode) & set("wax+")):
            raise PermissionError("no file may be written here")
    elif event.startswith(_REFUSED_EVENTS):
        raise PermissionError(f"{event} may not be used here")


def _run() -> tuple[int, bytes]:
    """The exit status and the answer."""
    from pipeline.explain.job import Job  # imported within the limits
    from pipeline.explain.trial import answer
    from pipeline.model.dumps import dumps
    from pipeline.model.errors import DocklineError

    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    sys.addaudithook(_forbid)
    try:
        said = dumps(answer(Job.decode(sys.stdin.buffer.read())))
    except DocklineError as error:
        return REFUSED, str(error).encode("utf-8", "replace")
    if len(said) > LARGEST:
        return REFUSED, TOO_LARGE.encode()
    return 0, said


def main() -> int:
    """Answers one job. Returns the exit status."""
    limit()
    try:
        status, said = _run()
    except MemoryError:
        status, said = REFUSED, TOO_MUCH_MEMORY.encode()
    except RecursionError:
        status, said = REFUSED, b"an entry is nested too deeply to be shown"
    sys.stdout.buffer.write(said)
    sys.stdout.buffer.flush()
    return status


if __name__ == "__main__":
    sys.exit(main())
