"""The token that opens what is not for everybody: entries, figures, reloading.

It is the file `token` in the state folder, made at the first start with mode 0600, unless
`http.token` sets one. Whoever may read the file may ask the agent.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from pipeline.model.component import Secret
from pipeline.support.private_folder import FILE, TOKEN

NAME = TOKEN
SHORTEST = 16
"""Characters of one that the configuration sets. One that is made has 43, of 256 bits."""
LONGEST = 1024
FORM = "^[A-Za-z0-9._~+/=-]+$"
"""What can stand behind `Bearer` (RFC 6750, 2.1)."""

log = logging.getLogger(__name__)


def kept(folder: Path) -> Secret:
    """The token of this state folder, made where there is none. One that others may have put
    there is replaced, which is said; one that they may have read is not there any more, see
    `make_private`. Blocks. Raises `OSError`."""
    try:
        return read(folder, own=True)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno != errno.ELOOP:
            raise
        why = "it is a link" if isinstance(error, OSError) else error
        log.warning("%s is not used (%s), and another token is made", folder / NAME, why)
    return _make(folder)


def read(folder: Path, *, own: bool = False) -> Secret:
    """The token of this state folder. `own`: only from a file that nobody else can have written.

    Raises `OSError` where it cannot be read, and `ValueError` with what is wrong with it.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(folder / NAME, flags)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is not a file")
        if own and found.st_uid != os.geteuid():
            raise ValueError("it belongs to another user")
        text = file.read(LONGEST + 1).decode("ascii", "replace").strip()
    if not SHORTEST <= len(text) <= LONGEST or not re.fullmatch(FORM, text):
        raise ValueError("it holds no token")
    return Secret(text)


def _make(folder: Path) -> Secret:
    """A new one, which is there as a whole or not at all."""
    token, file = secrets.token_urlsafe(32), folder / NAME
    beside = file.with_suffix(".new")
    with suppress(FileNotFoundError):
        beside.unlink()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(beside, flags, FILE), "w") as new:
        new.write(f"{token}\n")
        new.flush()
        os.fsync(new.fileno())
    beside.rename(file)
    return Secret(token)
