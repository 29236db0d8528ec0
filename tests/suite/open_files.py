"""What this process has open, to see that it lets go of it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def open_files(folder: Path) -> list[str]:
    """Names of the files in a folder, each as often as it is open; `.` for the folder itself."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError, ValueError):  # that of the list itself; one elsewhere
            found.append(str(descriptor.readlink().relative_to(folder)))
    return sorted(found)
