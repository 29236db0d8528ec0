"""Keeps `state.directory` private to the agent's user. It tells which containers ran, contains
lines of their logs, and holds a token.

Files get mode 0600 and folders 0700, regardless of the umask. At each start, wider modes left by an
earlier version, a restored backup or an image are narrowed. A token with a wider mode may be known
to others, and is removed.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from pipeline.support.folders import make_folder

FOLDER, FILE = 0o700, 0o600
TOKEN = "token"
"""Name of the file with the HTTP endpoint's token."""

_OWN = re.compile(r"checkpoint\..+|journal\..+|lock|spools|token(?:\..+)?")
"""Names of what the agent creates in the folder."""
_VOLUME_DEFAULTS = frozenset(("lost+found",))
"""Names that a volume has from the beginning."""

log = logging.getLogger(__name__)


def make_private(folder: Path) -> None:
    """Creates the folder if there is none, and takes other users' permissions from it and from
    everything that the agent has created in it.

    A folder that is also used for something else, such as `/tmp`, keeps its mode. What cannot be
    changed is logged, in one message for all. Raises `OSError` if the folder doesn't exist and
    cannot be created. Blocks.
    """
    make_folder(folder, FOLDER)
    names = [path.name for path in folder.iterdir()]
    others = sorted(
        name for name in names if not _OWN.fullmatch(name) and name not in _VOLUME_DEFAULTS
    )
    if others and _is_wide(folder.stat()):
        log.warning(
            "%s can be accessed by other users; its mode is not changed because it also contains "
            "%s. Give dockline its own [state] directory",
            folder,
            others[0],
        )
    own = [name for name in names if _OWN.fullmatch(name)]
    if TOKEN in own:
        _remove_if_exposed(folder / TOKEN)
    _narrow([*([] if others else [folder]), *_inside(folder, own)], folder)


def _remove_if_exposed(token: Path) -> None:
    """Removes a token that others could read or have written. A new one is made later."""
    with suppress(OSError):  # then its mode is narrowed later, or the failure is logged
        if _is_wide(token.lstat()):
            token.unlink()
            log.warning("%s could be read by other users: it is replaced by a new token", token)


def _inside(folder: Path, names: Iterable[str]) -> Iterator[Path]:
    """Everything that the agent has created, folders before their content."""
    for name in names:
        path = folder / name
        yield path
        for inner, folders, files in os.walk(path):
            yield from (Path(inner, one) for one in (*folders, *files))


def _narrow(paths: Iterable[Path], folder: Path) -> None:
    failed: list[tuple[Path, OSError]] = []
    for path in paths:
        try:
            found = path.lstat()  # the agent makes no links, so their targets are left alone
            if _is_wide(found):
                path.chmod(stat.S_IMODE(found.st_mode) & (FOLDER if path.is_dir() else FILE))
        except FileNotFoundError:
            continue
        except OSError as error:
            failed.append((path, error))
    if failed:
        path, why = failed[0]
        log.warning(
            "%s can be read by other users, and its mode cannot be changed (%s%s): make the "
            "agent's user the owner of everything in %s",
            path,
            why.strerror,
            f", and {len(failed) - 1} more" if len(failed) > 1 else "",
            folder,
        )


def _is_wide(found: os.stat_result) -> bool:
    """Whether users other than the owner have any permission for a file or folder."""
    kind = found.st_mode
    return bool(kind & 0o077) and (stat.S_ISREG(kind) or stat.S_ISDIR(kind))
