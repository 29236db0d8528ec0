"""A copy of the tree, in which one mutant after the other is tested."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PATIENCE = 10.0
"""Seconds for which tests that are ended may clean up."""


class Run(NamedTuple):
    """One run of some tests."""

    passed: bool
    ended: bool
    """By the time limit."""
    by: str
    """The first test that failed, where one did."""
    seconds: float
    output: str


class Stopped(Exception):
    """The run of the tests was ended by somebody else."""


class Checkout:
    """The files that git has or would have, and the C extension, in a folder of its own. The tree
    it is copied from is never written to."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mutants-"))
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False
        try:
            _copy(self.folder / "tree")
        except BaseException:
            self.remove()
            raise

    def __enter__(self) -> Checkout:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.remove()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self) -> None:
        """Of any thread: ends what runs, and whatever would run next."""
        self._stopped = True
        if (process := self._process) is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    @contextmanager
    def having(self, path: str, source: bytes) -> Iterator[None]:
        """With that in the place of what a file has."""
        file = self.folder / "tree" / path
        before = file.read_bytes()
        file.write_bytes(source)
        try:
            yield
        finally:
            file.write_bytes(before)

    def run(self, tests: Sequence[str], limit: float | None = None) -> Run:
        """Runs tests until one fails, or `limit` seconds are over. As in CI: what is skipped counts
        as failed, and Hypothesis tries the same examples each time. Raises `Stopped`."""
        command = [
            sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=line",
            "--hypothesis-profile=no shrinking", f"--basetemp={self.folder / 'tmp'}", *tests,
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": str(self.folder / "tree"), "CI": "true"}
        began = time.monotonic()
        self._process = process = subprocess.Popen(
            command,
            cwd=self.folder / "tree",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        ended = False
        try:
            if self._stopped:
                raise Stopped
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            ended = True
            output = _end(process)
        except BaseException:
            _end(process)
            raise
        finally:
            self._process = None
        if self._stopped:
            raise Stopped
        by = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
        passed = process.returncode == 0 and not ended
        return Run(passed, ended, by[1] if by else "", time.monotonic() - began, output)


def _copy(tree: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    built = [str(path.relative_to(ROOT)) for path in ROOT.glob("pipeline/native/*.so")]
    for name in [*filter(None, listed.stdout.split("\0")), *built]:
        if (ROOT / name).is_file():  # it may be deleted, or a folder's link
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    # Mutants follow each other within a second, often with the same size: a compiled file is told
    # from an old one by what it was made of, not by its time.
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash",
         str(tree / "pipeline")],
        check=True,
    )  # fmt: skip


def _end(process: subprocess.Popen[str]) -> str:
    """Ends tests and whatever they have started; what they said."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    try:
        return process.communicate(timeout=PATIENCE)[0]
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0]
