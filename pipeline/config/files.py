"""Finds the files of a configuration, and reads their texts.

Everything here ends in bounded time and memory, whatever stands in the place of a file: a pipe that
nobody writes into, links in a circle, a folder of any size.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipeline.config.locate import KeyPlace
from pipeline.config.problems import ConfigErrors, Problem
from pipeline.support.unreadable import user

DEFAULT_FILE = Path("/etc/dockline/dockline.toml")
"""The file that is read where neither `-c` nor `$DOCKLINE_CONFIG` names one, if it exists."""
VARIABLE: Final = "DOCKLINE_CONFIG"
"""The environment variable that names a file or folder if `-c` doesn't."""
COMMAND_LINE = "command line"
"""What messages call the addresses of sinks that are given instead of a file."""
NO_FILE = "built-in defaults"
"""What messages call the configuration if there is no file."""
LARGEST_FILE = 4 * 2**20
"""Bytes of a configuration at most, all files together; a larger file is a mistake, such as a log
file."""
MOST_FILES = 1000
"""Files of a folder at most."""
MOST_ENTRIES = 20_000
"""What a folder may have in it, files of other kinds included."""
PATIENCE = 10.0
"""Seconds to wait for what comes out of a pipe."""

SUFFIX: Final = ".toml"


class _Unfit(ValueError):
    """A file or folder is not fit to be a configuration. The message is for the user."""


Names = str | Sequence[str] | None
"""The values of `-c`: a file or folder, several, or none."""


@dataclass(frozen=True)
class Given:
    """What a configuration is read from. Without any file: the built-in defaults."""

    files: tuple[Path, ...] = ()
    """Files, and folders, which stand for the `*.toml` in them. They are read in this order."""
    addresses: tuple[str, ...] = field(default=(), repr=False)
    """Addresses of sinks, which may have secrets in them."""
    unused: Path | None = None
    """The file in a usual place that is not read because there are addresses."""

    @property
    def name(self) -> str:
        """What messages call the configuration as a whole."""
        names = [*map(str, self.files), *([COMMAND_LINE] if self.addresses else [])]
        return ", ".join(names) or NO_FILE


@dataclass(frozen=True)
class Text:
    """The text of one file, or one that was made."""

    file: str
    """The file's name, for messages."""
    text: str = field(repr=False)
    """What is in it, with LF between lines and without a byte order mark."""
    places: Mapping[tuple[str | int, ...], KeyPlace] | None = field(default=None, repr=False)
    """The place of each key, for a text that was made; None to find them in the text."""
    problems: Sequence[Problem] = ()
    """What is wrong with that which the text was made of."""
    warnings: Sequence[Problem] = ()
    """What is valid in it, and probably a mistake."""


def find(given: Names, environ: Mapping[str, str], addresses: Sequence[str] = ()) -> Given:
    """What the configuration is read from.

    It is `given` (the values of `-c`), else `$DOCKLINE_CONFIG`, else `DEFAULT_FILE` if that exists.
    With `addresses` of sinks, it is those and what `given` names.
    """
    names = [given] if isinstance(given, str) else list(given or ())
    if names:
        return Given(tuple(map(Path, names)), tuple(addresses))
    usual: Path | None = DEFAULT_FILE if DEFAULT_FILE.exists() else None
    if environ.get(VARIABLE):
        usual = Path(environ[VARIABLE])
    if addresses:
        return Given((), tuple(addresses), usual)
    return Given((usual,) if usual is not None else ())


def read_texts(given: Given) -> list[Text]:
    """The texts of all files, in the order in which they are read.

    Raises `ConfigErrors`, with everything that is wrong, if one cannot be read, is too large or not
    UTF-8, and if files or folders are given and there is nothing to read.
    """
    found: list[Text] = []
    problems: list[Problem] = []
    seen: dict[tuple[int, int], Path] = {}
    for one in given.files:
        try:
            paths = members(one)
        except (OSError, ValueError) as error:
            problems.append(Problem(_unreadable(error, one, named=True), file=str(one)))
            continue
        for path in paths:
            size = sum(len(text.text) for text in found)
            try:
                found.append(_text(path, one, LARGEST_FILE - size, seen))
            except ConfigErrors as errors:
                problems += errors.problems
    if given.files and not found and not problems:
        hint = "put one there, or name a file with -c"
        message = f"no {SUFFIX} file is in this folder"
        problems.append(Problem(message, hint=hint, file=str(given.files[0])))
    if problems:
        raise ConfigErrors(given.name, problems)
    return found


def members(path: Path) -> list[Path]:
    """The files that a file or folder stands for: itself, or the `*.toml` in it, sorted by name.

    Hidden files are left out, and folders in the folder are not read. Raises `OSError`, and
    `ValueError` for a folder with too much in it.
    """
    if not _is_folder(path):
        return [path]
    names = []
    with os.scandir(path) as entries:
        for count, entry in enumerate(entries, 1):
            if count > MOST_ENTRIES:
                raise _Unfit(f"this folder has more than {MOST_ENTRIES:,} files; {_MEANT}")
            if entry.name.endswith(SUFFIX) and not entry.name.startswith("."):
                names.append(entry.name)
    if len(names) > MOST_FILES:
        raise _Unfit(f"this folder has more than {MOST_FILES:,} {SUFFIX} files; {_MEANT}")
    return [path / name for name in sorted(names)]


def _is_folder(path: Path) -> bool:
    """Whether it is a folder, or a link to one. Raises nothing."""
    return os.path.isdir(path)  # noqa: PTH112 - `Path.is_dir` raises `PermissionError`


_MEANT = "is this the configuration?"

Signature = tuple[tuple[str, int, int, int, int], ...]


def signature(given: Given) -> Signature | None:
    """Identifies what is in all files: name, device, inode, size and time of modification of each.

    None if one of the files or folders that are given is missing.
    """
    try:
        return tuple(_signed(path, one) for one in given.files for path in members(one))
    except (OSError, ValueError):
        return None


def _signed(path: Path, given: Path) -> tuple[str, int, int, int, int]:
    """Raises `OSError` for a file that is given; in a folder, a link may lead nowhere."""
    try:
        found = path.stat()
    except OSError:
        if path == given:
            raise
        return str(path), 0, 0, 0, 0
    return str(path), found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def normalized(text: str) -> str:
    """The text without what Windows editors add: CRLF, and a byte order mark."""
    return text.replace("\r\n", "\n").removeprefix("\ufeff")


def _text(path: Path, given: Path, most: int, seen: dict[tuple[int, int], Path]) -> Text:
    """The text of the file `path`, which is `given` or in that folder, of at most `most` bytes.

    `seen` has the files read before. Raises `ConfigErrors`.
    """
    named = path == given
    try:
        data = _data(path, named, most, seen)
    except (OSError, ValueError) as error:
        problem = Problem(_unreadable(error, path, named=named), file=str(path))
        raise ConfigErrors(str(path), [problem]) from None
    try:
        return Text(str(path), normalized(data.decode()))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = "not UTF-8 text; save the file as UTF-8"
        raise ConfigErrors(str(path), [Problem(message, line=line, file=str(path))]) from None


def _data(path: Path, named: bool, most: int, seen: dict[tuple[int, int], Path]) -> bytes:
    """The bytes of a file; of a pipe or a device only if the user `named` it.

    Raises `OSError` and `ValueError`.
    """
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(opened)
        if stat.S_ISREG(found.st_mode):
            if before := seen.get(key := (found.st_dev, found.st_ino)):
                raise _Unfit(f"this is the same file as {before}, which is read already")
            seen[key] = path
        elif not named and not stat.S_ISDIR(found.st_mode):
            raise _Unfit("this is not a file; remove it from the folder")
        data = b""
        for piece in _pieces(opened):
            data += piece
            if len(data) > most:
                more = "" if most == LARGEST_FILE else ", with what is read before it"
                raise _Unfit(f"larger than {LARGEST_FILE // 2**20} MiB{more}; {_MEANT}")
    finally:
        os.close(opened)
    if stat.S_ISFIFO(found.st_mode) and not data:
        raise _Unfit("nothing came out of this pipe; a pipe can be read only once")
    return data


def _pieces(opened: int) -> Iterator[bytes]:
    """What is in a file, or comes out of a pipe or a device, up to its end.

    Raises `OSError`, and `ValueError` if a pipe doesn't end.
    """
    poll = select.poll()
    poll.register(opened, select.POLLIN)
    end = time.monotonic() + PATIENCE
    while True:
        left = end - time.monotonic()
        if left <= 0 or not poll.poll(1000 * left):
            raise _Unfit(f"this pipe has not ended within {PATIENCE:g} seconds")
        if not (piece := os.read(opened, 2**18)):
            return
        yield piece


def _unreadable(error: Exception, path: Path, *, named: bool) -> str:
    if isinstance(error, _Unfit):
        return str(error)
    if isinstance(error, FileNotFoundError):
        if path.is_symlink():
            return "this link leads nowhere"
        if named:
            return "there is no such file; name another with -c, or set DOCKLINE_CONFIG"
        return "it was removed while the folder was read; try again"
    if isinstance(error, IsADirectoryError):
        return "this is a folder; only files in a folder are read"
    if isinstance(error, PermissionError):
        return f"user {user()} may not read this {'folder' if _is_folder(path) else 'file'}"
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "this link leads in a circle"
    if not isinstance(error, OSError):  # ValueError: a zero byte in the name
        return "no file has such a name"
    return f"this file cannot be read: {error.strerror}"
