"""Runs one job at a time in a process of its own, which is ended after two seconds.

These begin when the process has been started: on a busy host that may take longer than the job.
"""

from __future__ import annotations

import asyncio
import os
import signal
import site
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from pipeline.explain.worker import LARGEST, READY, REFUSED, TOO_LARGE
from pipeline.model.errors import DocklineError

SECONDS: Final = 2.0
"""How long a job may take."""
START_SECONDS: Final = 8.0
"""How long the start of its process may take: 0.25 s where nothing else runs."""

BUSY: Final = "other lines are being run at this moment: ask again in two seconds"
SLOW: Final = (
    f"this took longer than {SECONDS:g} seconds and was ended: take fewer or shorter lines, or "
    "leave out the stages that are slow"
)

NOT_STARTED: Final = "the process that runs the lines did not start: this host is too busy"

_OPTIONS: Final = ("-s", "-P", "-B", "-X", "utf8", "-m")
"""No module of a user or of the working directory, and no compiled module written."""
_PASSED_ON: Final = ("PATH", "TZ", "LD_LIBRARY_PATH", "DOCKLINE_NATIVE")
"""Variables that the process needs as they are. It gets no others, which may be secrets."""


class Process:
    """Runs jobs, one at a time. A second one is refused."""

    def __init__(
        self, module: str = "pipeline.explain.worker", environ: Mapping[str, str] = os.environ
    ) -> None:
        """`module`: what runs them. `environ`: where the few variables come from that it needs."""
        self._command = [sys.executable, *_OPTIONS, module]
        self.environment = {name: environ[name] for name in _PASSED_ON if name in environ}
        """What the process finds in its environment."""
        ours = str(Path(__file__).parents[2])
        if ours not in site.getsitepackages():
            self.environment["PYTHONPATH"] = ours
        self.busy = False
        """Whether a job is being run."""

    async def run(self, job: bytes) -> bytes:
        """The answer to a job, as the JSON of one object.

        When it is cancelled, the process has ended before it returns. Raises `DocklineError`, with
        a sentence for a user, if there is no answer: it is refused, too slow, or too much.
        """
        if self.busy:
            raise DocklineError(BUSY)
        self.busy = True
        try:
            return await self._run(job)
        finally:
            self.busy = False

    async def _run(self, job: bytes) -> bytes:
        process = await self._start()
        try:
            await _ready(process)
            async with asyncio.timeout(SECONDS):
                said = await _exchange(process, job)
                return _judged(said, await process.wait())
        except TimeoutError:
            raise DocklineError(SLOW) from None
        finally:
            await _end(process)

    async def _start(self) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=self.environment,
                cwd="/",
                start_new_session=True,
                limit=LARGEST,  # asyncio goes on reading until then, and so sees the end
            )
        except OSError as error:
            raise DocklineError(f"no process can be started: {error.strerror}") from error


async def _ready(process: asyncio.subprocess.Process) -> None:
    """Waits until the process has been started. Raises `DocklineError` if it does not come up."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            said = await process.stdout.read(len(READY))
            if said != READY:
                _judged(said, await process.wait())
    except TimeoutError:
        raise DocklineError(NOT_STARTED) from None


async def _exchange(process: asyncio.subprocess.Process, job: bytes) -> bytes:
    """Gives the process its job. Returns what it says, up to one byte too much."""
    assert process.stdin is not None and process.stdout is not None
    with suppress(ConnectionError):  # it has ended; its status says why
        process.stdin.write(job)
        await process.stdin.drain()
        process.stdin.close()
    said = bytearray()
    while len(said) <= LARGEST and (part := await process.stdout.read(1 << 16)):
        said += part
    if len(said) > LARGEST:
        raise DocklineError(TOO_LARGE)
    return bytes(said)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kills the process with all of its group, and closes its pipes."""
    assert process.stdin is not None and process.stdout is not None
    if process.returncode is None or not process.stdout.at_eof():  # then its group is there
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.stdin.close()
    while await process.stdout.read(1 << 16):
        pass  # what it has said before; asyncio closes the pipe at its end
    await process.wait()
    with suppress(ConnectionError):
        await process.stdin.wait_closed()  # then asyncio has let go of the process, too


def _judged(said: bytes, status: int) -> bytes:
    """The answer of a process that ended with this status. Raises `DocklineError` without one."""
    if status == REFUSED:
        raise DocklineError(said.decode("utf-8", "replace"))
    if status in (-signal.SIGALRM, -signal.SIGXCPU):
        raise DocklineError(SLOW)
    if status != 0 or not said.startswith(b"{"):
        raise DocklineError(f"the process that runs the lines failed (status {status})")
    return said
