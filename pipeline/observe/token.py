"""The agent's token, which entries, figures and reloading need.

It is the file `token` in the state directory, made at the first start with mode 0600, unless
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
"""Characters that a token from the configuration has at least. A generated one has 43, from 256
random bits."""
LONGEST = 1024
FORM = "^[A-Za-z0-9._~+/=-]+$"
"""Characters that may follow `Bearer` (RFC 6750, section 2.1)."""

log = logging.getLogger(__name__)


def kept(folder: Path) -> Secret:
    """Returns the token of this state directory; makes one if there is none.

    One that others may have written is replaced, with a warning. One that others may have read was
    removed before (see `make_private`). Blocks. Raises `OSError`.
    """
    try:
        return read(folder, own=True)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno != errno.ELOOP:
            raise
        why = "it is a link" if isinstance(error, OSError) else error
        log.warning("%s is not used (%s), and a new token is made", folder / NAME, why)
    return _make(folder)


def read(folder: Path, *, own: bool = False) -> Secret:
    """Reads the token of this state directory. `own`: only from a file that nobody else can have
    written.

    Blocks. Raises `OSError` if it can't be read, and `ValueError` with what is wrong with it.
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
    """Makes a new token. The file exists completely or not at all."""
    token, file = _random(), folder / NAME
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


def _random() -> str:
    """Not with a `-` at its beginning: after `--token` that would be taken for an option."""
    while (token := secrets.token_urlsafe(32)).startswith("-"):
        pass
    return token
