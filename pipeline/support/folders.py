"""Folders whose names outlive a crash of the host."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Makes the folder, and those above it that are missing, so that a crash of the host leaves
    them there: `mkdir(2)` alone does not say that.

    `mode`: of the folder, less the umask; those above it get the usual one. Does nothing if it is
    there. Blocks. Raises `OSError`.
    """
    missing = []
    for one in (folder, *folder.parents):
        if one.exists():
            break
        missing.append(one)
    if not missing:
        return
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    for one in reversed(missing):
        with suppress(PermissionError):  # of a folder that may be written, and not read
            sync_folder(one.parent)


def sync_folder(folder: Path) -> None:
    """Makes the folder's list of files safe, with fsync. Blocks. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
