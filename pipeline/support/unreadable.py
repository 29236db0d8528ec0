"""Says why a file cannot be read, and by whom."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Callable
from pathlib import Path


def why_unreadable(name: str) -> str:
    """Why this process cannot read the file, as the rest of a sentence; empty if it can.

    `there is no such file`, for example, or `user "dockline" (10001) may not read it: …`.
    """
    path = Path(name)
    try:
        state = path.stat()
    except FileNotFoundError:
        return _missing(path)
    except NotADirectoryError:
        return f"{_above(path, Path.is_file)} is a file, not a folder"
    except PermissionError:
        folder = _above(path, _is_closed)
        return f"user {user()} may not look into {folder}: {_owned(folder)}"
    except OSError as error:
        return f"{error.strerror}"
    if stat.S_ISDIR(state.st_mode):
        return "it is a folder; name the file in it"
    if not os.access(path, os.R_OK, effective_ids=True):
        return f"user {user()} may not read it: {_owned(path)}"
    return "" if state.st_size or not stat.S_ISREG(state.st_mode) else "it is empty"


def user() -> str:
    """The user that this process runs as, by name and number: `"nobody" (65534)`."""
    return _user(os.geteuid())


def _user(number: int) -> str:
    try:
        return f'"{pwd.getpwuid(number).pw_name}" ({number})'
    except KeyError:
        return str(number)


def _missing(path: Path) -> str:
    if not path.is_absolute():
        return f"there is no such file in {Path.cwd()}"
    if path.is_symlink():
        return f"it is a link to {path.readlink()}, which is not there"
    if path.parent.exists():
        return "there is no such file"
    return f"there is no folder {path.parent}"


def _owned(path: Path) -> str:
    """Whose it is, and its mode: `it belongs to user "root" (0) and has mode 0600`."""
    state = path.stat()
    mode = stat.S_IMODE(state.st_mode)
    return f"it belongs to user {_user(state.st_uid)} and has mode {mode:04o}"


def _is_closed(folder: Path) -> bool:
    try:
        return not os.access(folder, os.X_OK, effective_ids=True) and folder.is_dir()
    except PermissionError:
        return False


def _above(path: Path, is_it: Callable[[Path], bool]) -> Path:
    """The folder above `path`, the highest first, for which `is_it` is true; else its parent."""
    return next((one for one in reversed(path.parents) if is_it(one)), path.parent)
