"""The folder of one run of the demo: its configuration and its state. It is gone afterwards."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAME = ".demo"
"""A short name beside the sources, so that commands to try are short."""


@contextmanager
def folder(root: Path = ROOT) -> Iterator[Path]:
    """`.demo`, or `.demo-2` and so on while others run. What a killed demo has left is removed.

    Raises `OSError`.
    """
    for number in count(1):
        path = root / (NAME if number == 1 else f"{NAME}-{number}")
        path.mkdir(mode=0o700, exist_ok=True)
        path.chmod(0o700)
        with (path / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if not (path / "lock").exists():  # its owner has just removed it
                continue
            shutil.rmtree(path / "state", ignore_errors=True)
            try:
                yield path
            finally:
                shutil.rmtree(path, ignore_errors=True)
            return
