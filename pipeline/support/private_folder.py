"""The folder of `state.directory` is for the agent's own user: what is in it tells which containers
ran, has lines of their logs, and holds a token.

Files are made with mode 0600 and folders with 0700, whatever the umask says. What an earlier
version, a restored backup or an image has left wider is narrowed at each start. A token that was
wider is one that others may know, and is removed.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

FOLDER, FILE = 0o700, 0o600
TOKEN = "token"
"""The file in which `token` keeps it."""

_OWN = re.compile(r"checkpoint\..+|journal\..+|lock|spools|token(?:\..+)?")
"""What the agent makes there."""
_NOBODYS = frozenset(("lost+found",))
"""What a volume has by itself."""

log = logging.getLogger(__name__)


def make_private(folder: Path) -> None:
    """Makes the folder where there is none, and takes away what others may do with it and with what
    the agent has made in it. What cannot be narrowed is said, once for all of it.

    A folder that is also used for something else, such as `/tmp`, stays as it is, and only what is
    the agent's in it is narrowed. Raises `OSError` where there is no folder and none can be made.
    Blocks.
    """
    folder.mkdir(mode=FOLDER, parents=True, exist_ok=True)
    names = [path.name for path in folder.iterdir()]
    others = sorted(name for name in names if not _OWN.fullmatch(name) and name not in _NOBODYS)
    if others and _is_wide(folder.stat()):
        log.warning(
            "%s is open to other users, and stays so because of what else is in it (%s): give "
            "dockline a [state] directory of its own",
            folder,
            others[0],
        )
    own = [name for name in names if _OWN.fullmatch(name)]
    if TOKEN in own:
        _forget_if_known(folder / TOKEN)
    _narrow([*([] if others else [folder]), *_inside(folder, own)], folder)


def _forget_if_known(token: Path) -> None:
    """Removes a token that others could read, or have written: another one is made."""
    with suppress(OSError):  # then it is narrowed, or that is said
        if _is_wide(token.lstat()):
            token.unlink()
            log.warning("%s could be read by other users, and another token is made", token)


def _inside(folder: Path, names: Iterable[str]) -> Iterator[Path]:
    """Everything that is the agent's, folders before what is in them."""
    for name in names:
        path = folder / name
        yield path
        for inner, folders, files in os.walk(path):
            yield from (Path(inner, one) for one in (*folders, *files))


def _narrow(paths: Iterable[Path], folder: Path) -> None:
    failed: list[tuple[Path, OSError]] = []
    for path in paths:
        try:
            found = path.lstat()  # a link is nothing that the agent makes: what it leads to stays
            if _is_wide(found):
                path.chmod(stat.S_IMODE(found.st_mode) & (FOLDER if path.is_dir() else FILE))
        except FileNotFoundError:
            continue
        except OSError as error:
            failed.append((path, error))
    if failed:
        path, why = failed[0]
        log.warning(
            "%s can be read by other users, and that cannot be changed (%s%s): let the agent's "
            "user own all of %s",
            path,
            why.strerror,
            f", and {len(failed) - 1} more" if len(failed) > 1 else "",
            folder,
        )


def _is_wide(found: os.stat_result) -> bool:
    """Whether users other than its owner may do anything with a file or folder."""
    kind = found.st_mode
    return bool(kind & 0o077) and (stat.S_ISREG(kind) or stat.S_ISDIR(kind))
