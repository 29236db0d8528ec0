"""The last position of each container that is safe to resume from, on disk.

One small JSON file, replaced as a whole: written beside, fsynced, renamed, and the folder fsynced.
A file that cannot be understood is set aside and said so; it never stops the agent.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from pipeline.errors import DocklineError
from pipeline.ratelimit import RateLimit
from pipeline.settlement import Ahead, Progress

VERSION = 1
log = logging.getLogger(__name__)


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where to go on in one container's log.

    Reopened with `since`, which is inclusive, the Engine sends again the lines from the first one
    at that time; `skip` of them have been consumed, the last of which has the fingerprint `mark`.
    """

    since: str = ""
    """As in `Batch.times`; empty for the beginning."""
    skip: int = 0
    mark: int = 0
    """CRC-32 of the last line consumed; 0 for none."""
    sequence: int = 0
    """`event.sequence` of the last entry consumed."""
    ended: str = ""
    """Where the log was read to its end: when that run of the container had started."""


class State(msgspec.Struct):
    """What the file holds."""

    version: int = VERSION
    engine: str = ""
    """Id of the Engine that the containers belong to."""
    saved: float = 0.0
    """Until when the agent had looked at containers, in seconds since the epoch; 0 for never. Not
    the time of saving: a stopping agent saves what it delivered long after its last look."""
    events: Position = Position()
    containers: dict[str, Position] = {}
    ahead: dict[str, Ahead] = {}
    """By container: the sinks that have more of its log than its position says."""


class Checkpoint:
    """The state in memory, and the file it is saved to now and then.

    Without a folder, or one that cannot be written, it lives in memory alone.
    """

    def __init__(self, folder: Path | None) -> None:
        self.state = State()
        self._file = None if folder is None else folder / "checkpoint.json"
        self._lock: int | None = None
        self._dirty = False
        self._writer = ThreadPoolExecutor(1, "checkpoint")
        """One thread, so that a write that is still under way when its save was cancelled is over
        before the next one begins."""
        self._failures = RateLimit()
        self._stale = ""
        """Why the file that is there is not ours to replace."""
        self.last_saved = 0.0
        """Until when the agent before this one had looked at containers, in seconds since the
        epoch; 0 when there was none."""
        self.looked = 0.0
        """Until when this one has: what was made before is known, or is not to be."""

    def open(self) -> None:
        """Takes the folder's lock and reads the file. Blocks: call it before there is much to do,
        or in a thread.

        Raises `DocklineError` when another agent has the folder; a folder that cannot be used is
        reported in the log, once, and the agent goes on without.
        """
        if self._file is None:
            return
        folder = self._file.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise DocklineError(
                f"{folder} is in use by another dockline: give each its own [state] directory"
            ) from None
        except OSError as error:
            log.warning(
                "%s cannot be used (%s): a restart will begin anew. Mount a volume there, or set "
                "[state] directory",
                folder,
                error.strerror,
            )
            self._file = None
            return
        self._read()

    def _read(self) -> None:
        assert self._file is not None
        try:
            raw = self._file.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("%s cannot be read (%s): beginning anew", self._file, error.strerror)
            return
        try:
            version = msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).get("version")
            if version is None or msgspec.json.decode(version) != VERSION:
                raise ValueError("it was written by another version of dockline")
            self.state = msgspec.json.decode(raw, type=State)
            self.last_saved = self.looked = self.state.saved
        except (ValueError, msgspec.MsgspecError) as error:
            self._set_aside(str(error))

    def belongs_to(self, engine: str) -> None:
        """Says which Engine the containers are of. A file of another Engine is set aside when the
        next one is saved."""
        if self.state.engine and engine and self.state.engine != engine:
            self._stale = "it belongs to another Engine"
            self.state, self.last_saved, self.looked = State(), 0.0, 0.0
        self.state.engine = engine or self.state.engine
        self._dirty = True

    def _set_aside(self, reason: str) -> None:
        if self._file is None:
            return
        aside = self._file.with_suffix(f".{int(time.time())}.aside")
        log.warning("%s is set aside as %s: %s", self._file, aside.name, reason)
        try:
            self._file.rename(aside)
        except OSError as error:
            log.warning("%s cannot be renamed: %s", self._file, error.strerror)

    def __getitem__(self, container_id: str) -> Position | None:
        return self.state.containers.get(container_id)

    def move(self, container_id: str, position: Position) -> None:
        self.state.containers[container_id] = position
        self._dirty = True

    def ahead(self, container_id: str) -> Ahead:
        """What some sinks have of a container's log beyond its position."""
        return self.state.ahead.get(container_id, {})

    def note(self, container_id: str, progress: Progress) -> None:
        """Takes over which sinks are ahead of a container's position now."""
        position = self.state.containers.get(container_id)
        if position is None or not progress.moved:
            return
        progress.moved = False
        ahead = progress.ahead_of(position.sequence)
        if ahead != self.state.ahead.get(container_id, {}):
            self._dirty = True
            if ahead:
                self.state.ahead[container_id] = ahead
            else:
                del self.state.ahead[container_id]

    def move_events(self, position: Position) -> None:
        self.state.events = position
        self._dirty = True

    def known(self) -> set[str]:
        """Ids of all containers that have a position."""
        return set(self.state.containers)

    def forget(self, container_id: str) -> None:
        self.state.ahead.pop(container_id, None)
        if self.state.containers.pop(container_id, None) is not None:
            self._dirty = True

    async def save(self) -> None:
        """Writes the file if anything has moved. Trouble is reported, not raised."""
        if self._file is None or not self._dirty:
            return
        self._dirty = False
        self.state.saved = self.looked
        raw = msgspec.json.encode(self.state)
        try:
            await asyncio.get_running_loop().run_in_executor(self._writer, self._write, raw)
        except OSError as error:
            self._dirty = True
            if self._failures():
                log.warning("%s cannot be written: %s", self._file, error.strerror)
        except asyncio.CancelledError:
            self._dirty = True
            raise

    def _write(self, raw: bytes) -> None:
        if self._stale:
            self._set_aside(self._stale)
            self._stale = ""
        if self._file is not None:
            _replace(self._file, raw)

    def close(self) -> None:
        """Lets go of the lock. `save` first."""
        self._writer.shutdown(wait=False)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _replace(file: Path, raw: bytes) -> None:
    beside = file.with_suffix(".new")
    with beside.open("wb") as new:
        new.write(raw)
        new.flush()
        os.fsync(new.fileno())
    beside.rename(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
