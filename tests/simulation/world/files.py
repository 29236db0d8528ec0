"""Files as a process sees them: the calls of `os` and `io` on a simulated disk."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tests.simulation.world.disk import Disk, File, Folder
from tests.simulation.world.host import Host
from tests.simulation.world.process import error
from tests.simulation.world.world import MICROSECOND, World

FIRST = 1 << 24
"""The smallest descriptor of a simulated file. Those of the real system are smaller."""
PAGE = 4096
"""Bytes of a page of the page cache."""
MISSES = (0.0, 0.03, 0.5)
"""How likely a read meets a page that is not in memory: one of these, in each run."""


class OpenFile:
    """What a descriptor of a file or folder stands for."""

    __slots__ = ("file", "flags", "path", "position")

    def __init__(self, file: File | Folder, flags: int, path: str) -> None:
        self.file = file
        self.path = path
        self.flags = flags
        self.position = 0

    def closed(self) -> None:
        if self.file.lock is self:
            self.file.lock = None

    def __str__(self) -> str:
        return self.path


class Files:
    """The calls. Each may be the one in which the process is killed; those of a thread let others
    act, and those that write take their time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._next = FIRST
        self._chance = world.chance("files")
        self._pages = world.chance("pages")
        self._misses = self._pages.choice(MISSES)
        self.looked: Callable[[str], object] | None = None

    # --------------------------------------------------------------------------- descriptors

    def host(self) -> Host:
        return self._world.current.process.host  # type: ignore[no-any-return]

    def disk(self) -> Disk:
        return self.host().disk

    def register(self, handle: Any) -> int:
        """A descriptor of the present process."""
        process = self._world.current.process
        self._next += 1
        process.descriptors.add(self._next)
        process.host.open[self._next] = handle
        return self._next

    def forget(self, descriptor: int) -> None:
        """A descriptor is closed by an object that stands for it."""
        process = self._world.current.process
        process.host.open.pop(descriptor, None)
        process.descriptors.discard(descriptor)

    def handle(self, descriptor: int) -> Any:
        handle = self.host().open.get(descriptor)
        if handle is None:
            raise error(errno.EBADF)
        return handle

    def file(self, descriptor: int) -> OpenFile:
        handle = self.handle(descriptor)
        if not isinstance(handle, OpenFile):
            raise error(errno.EINVAL)
        return handle

    def _call(self, microseconds: float = 5) -> None:
        """What each call does first: it counts, and in a thread it lets others act."""
        strand = self._world.current
        strand.process.called()
        if strand.name != "main":
            strand.sleep(int(microseconds * (0.5 + self._chance.random()) * MICROSECOND))

    def _slow(self) -> None:
        """A call that waits for the disk."""
        strand = self._world.current
        strand.process.called()
        disk = strand.process.host.disk
        if strand.name == "main":
            return
        took = int(self._chance.random() ** 2 * 5_000 * MICROSECOND)
        strand.sleep(max(took, disk.stalls_until - self._world.now))

    # ---------------------------------------------------------------------------------- calls

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        self._call()
        disk = self.disk()
        wanted = flags & os.O_ACCMODE
        try:
            found: File | Folder = disk.find(path)
            if flags & os.O_CREAT and flags & os.O_EXCL:
                raise error(errno.EEXIST, path)
        except FileNotFoundError:
            if not flags & os.O_CREAT:
                raise
            disk.admit(0)
            found = disk.make(path, mode & 0o777)
        if isinstance(found, Folder):
            if wanted != os.O_RDONLY:
                raise error(errno.EISDIR, path)
        elif flags & os.O_DIRECTORY:
            raise error(errno.ENOTDIR, path)
        elif flags & os.O_TRUNC and found.data:
            found.truncate(0)
        return self.register(OpenFile(found, flags, path))

    def close(self, descriptor: int) -> None:
        process = self._world.current.process
        process.called()
        handle = process.host.open.pop(descriptor, None)
        if handle is None:
            raise error(errno.EBADF)
        process.descriptors.discard(descriptor)
        handle.closed()

    def pread(self, descriptor: int, length: int, offset: int) -> bytes:
        self._call()
        file = self._readable(descriptor).file
        assert isinstance(file, File)
        return bytes(file.data[offset : offset + length])

    def read(self, descriptor: int, length: int) -> bytes:
        self._call()
        opened = self._readable(descriptor)
        assert isinstance(opened.file, File)
        data = bytes(opened.file.data[opened.position : opened.position + length])
        opened.position += len(data)
        return data

    def preadv(self, descriptor: int, buffers: Sequence[Any], offset: int, flags: int = 0) -> int:
        self._world.current.process.called()
        file = self._readable(descriptor).file
        assert isinstance(file, File)
        end = len(file.data)
        if flags & os.RWF_NOWAIT and self._pages.random() < self._misses:
            end = self._pages.randint(min(offset, end), end) // PAGE * PAGE
            if end <= offset:
                raise error(errno.EAGAIN)
        total = 0
        for buffer in buffers:
            view = memoryview(buffer)
            data = file.data[offset + total : min(offset + total + len(view), end)]
            view[: len(data)] = data
            total += len(data)
            if len(data) < len(view):
                break
        return total

    def pwrite(self, descriptor: int, data: Any, offset: int) -> int:
        opened = self._writable(descriptor)
        count = self._taken(opened, bytes(data))
        opened.file.write(offset, bytes(data[:count]))  # type: ignore[union-attr]
        self._call()
        return count

    def write(self, descriptor: int, data: Any) -> int:
        opened = self._writable(descriptor)
        file = opened.file
        assert isinstance(file, File)
        count = self._taken(opened, bytes(data))
        at = len(file.data) if opened.flags & os.O_APPEND else opened.position
        file.write(at, bytes(data[:count]))
        opened.position = at + count
        self._call()
        return count

    def _taken(self, opened: OpenFile, data: bytes) -> int:
        """How many bytes a write takes. Where the process is killed in it, a part is written."""
        process = self._world.current.process
        count = self.disk().admit(len(data)) if data else 0
        if process.kill_at == 1 and isinstance(opened.file, File):
            part = self._chance.randrange(count + 1)
            at = len(opened.file.data) if opened.flags & os.O_APPEND else opened.position
            if opened.flags & os.O_APPEND:
                opened.file.write(at, data[:part])
        process.called()
        return count

    def fsync(self, descriptor: int) -> None:
        self._slow()
        disk, file = self.disk(), self.file(descriptor).file
        if disk.failing:
            if isinstance(file, File):
                file.pending.clear()  # the kernel forgets the pages that it could not write
            raise error(disk.failing)
        file.sync()

    def fstat(self, descriptor: int) -> os.stat_result:
        self._world.current.process.called()
        handle = self.handle(descriptor)
        if isinstance(handle, OpenFile):
            return status(handle.file)
        return os.stat_result((stat.S_IFSOCK, 0, 0, 1, 0, 0, 0, 0, 0, 0))

    def stat(self, path: str) -> os.stat_result:
        self._call()
        return status(self.disk().find(path))

    def truncate(self, path: str | int, size: int) -> None:
        self._call()
        file = self.file(path).file if isinstance(path, int) else self.disk().find(path)
        if not isinstance(file, File):
            raise error(errno.EISDIR)
        file.truncate(size)

    def unlink(self, path: str) -> None:
        self._call()
        self.disk().unlink(path)

    def rename(self, old: str, new: str) -> None:
        self._call()
        self.disk().admit(0)
        self.disk().rename(old, new)

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        self._call()
        self.disk().admit(0)
        self.disk().make_folder(path, mode & 0o777)

    def rmdir(self, path: str) -> None:
        self._call()
        self.disk().rmdir(path)

    def chmod(self, path: str | int, mode: int) -> None:
        self._call()
        file = self.file(path).file if isinstance(path, int) else self.disk().find(path)
        file.mode = mode & 0o777

    def listdir(self, path: str) -> list[str]:
        self._call()
        found = self.disk().find(path)
        if not isinstance(found, Folder):
            raise error(errno.ENOTDIR, path)
        return list(found.names)

    def scandir(self, path: str) -> Scan:
        self._call()
        found = self.disk().find(path)
        if not isinstance(found, Folder):
            raise error(errno.ENOTDIR, path)
        return Scan([Entry(path, name, one) for name, one in found.names.items()])

    def flock(self, descriptor: int, operation: int) -> None:
        import fcntl

        self._call()
        opened = self.file(descriptor)
        if operation & fcntl.LOCK_UN:
            opened.closed()
            return
        if opened.file.lock not in (None, opened):
            raise error(errno.EWOULDBLOCK)
        opened.file.lock = opened

    def _readable(self, descriptor: int) -> OpenFile:
        opened = self.file(descriptor)
        if opened.flags & os.O_ACCMODE == os.O_WRONLY:
            raise error(errno.EBADF)
        if isinstance(opened.file, Folder):
            raise error(errno.EISDIR)
        return opened

    def _writable(self, descriptor: int) -> OpenFile:
        opened = self.file(descriptor)
        if opened.flags & os.O_ACCMODE == os.O_RDONLY:
            raise error(errno.EBADF)
        return opened

    # ----------------------------------------------------------------------- objects of `io`

    def opened(self, file: Any, mode: str, buffering: int, arguments: dict[str, Any]) -> Any:
        """As `io.open`."""
        reading, writing = "r" in mode or "+" in mode, mode[0] in "wax" or "+" in mode
        closefd = arguments.pop("closefd", True)
        if not isinstance(file, int):
            flags = os.O_RDWR if reading and writing else os.O_WRONLY if writing else os.O_RDONLY
            flags |= {"r": 0, "w": os.O_CREAT | os.O_TRUNC, "a": os.O_CREAT | os.O_APPEND,
                      "x": os.O_CREAT | os.O_EXCL}[mode[0]]  # fmt: skip
            file = self.open(file, flags, 0o644)
        raw = Raw(self, file, reading, writing, closefd)
        if "b" in mode and buffering == 0:
            return raw
        buffered: Any
        if reading and writing:
            buffered = io.BufferedRandom(raw)
        else:
            buffered = io.BufferedWriter(raw) if writing else io.BufferedReader(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, **arguments)


class Raw(io.RawIOBase):
    """As `io.FileIO`."""

    def __init__(
        self, files: Files, descriptor: int, reads: bool, writes: bool, closes: bool
    ) -> None:
        self._files, self._descriptor, self._closes = files, descriptor, closes
        self._reads, self._writes = reads, writes

    def fileno(self) -> int:
        return self._descriptor

    def readable(self) -> bool:
        return self._reads

    def writable(self) -> bool:
        return self._writes

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        opened = self._files.file(self._descriptor)
        base = (0, opened.position, len(getattr(opened.file, "data", b"")))[whence]
        opened.position = base + offset
        return opened.position

    def readinto(self, buffer: Any) -> int:
        data = self._files.read(self._descriptor, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        return self._files.write(self._descriptor, bytes(data))

    def close(self) -> None:
        if not self.closed:
            super().close()
            if self._closes:
                self._files.close(self._descriptor)


class Entry:
    """As `os.DirEntry`."""

    def __init__(self, folder: str, name: str, what: File | Folder) -> None:
        self.name = name
        self.path = f"{folder.rstrip('/')}/{name}"
        self._what = what

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return isinstance(self._what, File)

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return isinstance(self._what, Folder)

    def is_symlink(self) -> bool:
        return False

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        return status(self._what)

    def inode(self) -> int:
        return self._what.number

    def __fspath__(self) -> str:
        return self.path


class Scan:
    """As what `os.scandir` returns."""

    def __init__(self, entries: list[Entry]) -> None:
        self._entries = iter(entries)

    def __iter__(self) -> Iterator[Entry]:
        return self._entries

    def __next__(self) -> Entry:
        return next(self._entries)

    def __enter__(self) -> Scan:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._entries = iter(())


def status(file: File | Folder) -> os.stat_result:
    """As `os.stat`."""
    folder = isinstance(file, Folder)
    mode = (stat.S_IFDIR if folder else stat.S_IFREG) | file.mode
    size = 4096 if folder else len(file.data)  # type: ignore[union-attr]
    links = 2 if folder else file.links  # type: ignore[union-attr]
    seconds = file.changed // 10**9
    return os.stat_result(
        (mode, file.number, 1, links, 0, 0, size, seconds, seconds, seconds),
        {"st_mtime_ns": file.changed, "st_ctime_ns": file.changed, "st_atime_ns": file.changed},
    )
