"""A disk: what a process reads of it, and what a crash of the host leaves of it.

A write is in the page cache at once, and on the disk only with `fsync`. A crash keeps of what was
written since then whatever it likes: any of the writes, or a part of one, and of the changes to a
folder those up to some moment. That is what POSIX allows and more than any one file system does.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from random import Random

from tests.simulation.world.process import error

SECTOR = 512
"""Bytes of a write that are kept together, or not at all."""


class File:
    """What a name of a folder stands for, if it is no folder."""

    __slots__ = (
        "changed", "data", "durable", "links", "lock", "mode", "number", "pending", "watchers",
    )  # fmt: skip

    def __init__(self, number: int, mode: int) -> None:
        self.number = number
        self.mode = mode
        self.data = bytearray()
        self.durable: bytes | None = b""
        """What is on the disk; None if it is the same as `data`."""
        self.pending: list[tuple[int, bytes | None]] = []
        """Writes since the last fsync: where, and what; None for a truncation."""
        self.links = 0
        self.lock: object = None
        self.changed = 0
        self.watchers: list[tuple[object, int]] = []

    def write(self, offset: int, data: bytes) -> None:
        if len(self.data) < offset:
            self.data.extend(bytes(offset - len(self.data)))
        self.data[offset : offset + len(data)] = data
        self.pending.append((offset, data))

    def truncate(self, size: int) -> None:
        if size < len(self.data):
            del self.data[size:]
        else:
            self.data.extend(bytes(size - len(self.data)))
        self.pending.append((size, None))

    def sync(self) -> None:
        if self.pending:
            self.durable = bytes(self.data)
            self.pending.clear()

    def crash(self, chance: Random) -> None:
        """Leaves what a crash of the host does."""
        if not self.pending:
            return
        self.data = bytearray(self.durable or b"")
        kept = chance.choice((0.0, 0.5, 0.9, 1.0))
        for offset, data in self.pending:
            if chance.random() >= kept:
                continue
            if data is None:
                self._resize(offset)
                continue
            written = data
            if chance.random() < 0.2:  # torn: the rest of it was never written
                written = data[: chance.randrange(len(data) + 1) // SECTOR * SECTOR]
            if len(self.data) < offset:
                self._resize(offset)  # a hole, where an earlier write is lost
            self.data[offset : offset + len(written)] = written
        self.durable = bytes(self.data)
        self.pending.clear()

    def _resize(self, size: int) -> None:
        del self.data[size:]
        self.data.extend(bytes(size - len(self.data)))


class Folder:
    """A folder: names, and the changes to them that are not on the disk yet."""

    __slots__ = ("changed", "durable", "lock", "mode", "names", "number", "pending")

    def __init__(self, number: int, mode: int) -> None:
        self.number = number
        self.mode = mode
        self.names: dict[str, File | Folder] = {}
        self.pending: list[dict[str, File | Folder]] = []
        """What the folder was, before each change since the last fsync."""
        self.changed = 0
        self.lock: object = None

    def set(self, name: str, what: File | Folder | None) -> None:
        self.pending.append(dict(self.names))
        if what is None:
            del self.names[name]
        else:
            self.names[name] = what

    def sync(self) -> None:
        self.pending.clear()

    def crash(self, chance: Random) -> None:
        if self.pending and chance.random() < 0.7:
            self.names = self.pending[chance.randrange(len(self.pending))]
        self.pending.clear()


class Disk:
    """A tree of folders and files, of limited size."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._number = 1
        self.root = Folder(1, 0o755)
        self.size: int | None = None
        """Bytes that all files may have together; None for as many as they like."""
        self.failing: int = 0
        """The errno that every write gives at the moment; 0 for none."""
        self.stalls_until = 0
        """Until when writes and fsyncs do not return."""

    def number(self) -> int:
        self._number += 1
        return self._number

    # ------------------------------------------------------------------------------------ names

    def parent(self, path: str) -> tuple[Folder, str]:
        """The folder that a name is in, and the name. Raises `OSError`."""
        *folders, name = [part for part in path.split("/") if part and part != "."]
        at: File | Folder = self.root
        for part in folders:
            if not isinstance(at, Folder):
                raise error(errno.ENOTDIR, path)
            if part not in at.names:
                raise error(errno.ENOENT, path)
            at = at.names[part]
        if not isinstance(at, Folder):
            raise error(errno.ENOTDIR, path)
        return at, name

    def find(self, path: str) -> File | Folder:
        """Raises `OSError` if there is no such file or folder."""
        if not path.strip("/"):
            return self.root
        folder, name = self.parent(path)
        if name not in folder.names:
            raise error(errno.ENOENT, path)
        return folder.names[name]

    def make(self, path: str, mode: int = 0o600) -> File:
        """Makes an empty file, in the place of one that is there."""
        folder, name = self.parent(path)
        file = File(self.number(), mode)
        file.links = 1
        folder.set(name, file)
        return file

    def make_folder(self, path: str, mode: int = 0o755) -> Folder:
        folder, name = self.parent(path)
        if name in folder.names:
            raise error(errno.EEXIST, path)
        made = Folder(self.number(), mode)
        folder.set(name, made)
        return made

    def unlink(self, path: str) -> None:
        folder, name = self.parent(path)
        there = folder.names.get(name)
        if there is None:
            raise error(errno.ENOENT, path)
        if isinstance(there, Folder):
            raise error(errno.EISDIR, path)
        folder.set(name, None)
        there.links -= 1

    def rmdir(self, path: str) -> None:
        folder, name = self.parent(path)
        there = folder.names.get(name)
        if there is None:
            raise error(errno.ENOENT, path)
        if not isinstance(there, Folder):
            raise error(errno.ENOTDIR, path)
        if there.names:
            raise error(errno.ENOTEMPTY, path)
        folder.set(name, None)

    def rename(self, old: str, new: str) -> File | Folder:
        source, name = self.parent(old)
        if name not in source.names:
            raise error(errno.ENOENT, old)
        target, as_ = self.parent(new)
        what = source.names[name]
        there = target.names.get(as_)
        if isinstance(there, File) and there is not what:
            there.links -= 1
        if source is target:  # one change, which a crash keeps or does not
            source.pending.append(dict(source.names))
            del source.names[name]
            source.names[as_] = what
        else:
            target.set(as_, what)
            source.set(name, None)
        return what

    # ------------------------------------------------------------------------------------ bytes

    def used(self) -> int:
        """Bytes of all files."""
        return sum(len(file.data) for file in self.files())

    def files(self) -> Iterator[File]:
        folders = [self.root]
        while folders:
            for one in folders.pop().names.values():
                if isinstance(one, Folder):
                    folders.append(one)
                else:
                    yield one

    def admit(self, size: int) -> int:
        """How many of so many bytes can be written. Raises `OSError`."""
        if self.failing:
            raise error(self.failing)
        if self.size is not None:
            room = self.size - self.used()
            if room <= 0:
                raise error(errno.ENOSPC)
            return min(size, room)
        return size

    def crash(self) -> None:
        """The host loses its power: the folders and files are what was on the disk."""
        folders = [self.root]
        seen: set[int] = set()
        while folders:
            folder = folders.pop()
            folder.crash(self._chance)
            for one in folder.names.values():
                if one.number in seen:
                    continue
                seen.add(one.number)
                if isinstance(one, Folder):
                    folders.append(one)
                else:
                    one.lock = None
                    one.crash(self._chance)
