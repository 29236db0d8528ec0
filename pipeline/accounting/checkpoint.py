"""The last position of each container that is safe to resume from, on disk.

One small JSON file, replaced as a whole: written beside, fsynced, renamed, and the folder fsynced.
What has changed since is in a journal, so that the end of the process costs nothing of it. A file
that cannot be understood is set aside and said so; it never stops the agent.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import time
from pathlib import Path

import msgspec

from pipeline.accounting.acks import Ahead, Offsets
from pipeline.accounting.journal import Journal
from pipeline.model.errors import DocklineError
from pipeline.support.blocking import BlockingThread
from pipeline.support.private_folder import FILE, make_private
from pipeline.support.rate_limit import RateLimit

VERSION = 1
log = logging.getLogger(__name__)


class FilePlace(msgspec.Struct, frozen=True, array_like=True):
    """Where a position is in the files of a log. A hint: what reads the files looks whether it is
    still true, and what does not has no need of it."""

    inode: int
    offset: int
    """Bytes from that file's beginning, to the end of a row behind which no line is open."""
    beyond: int
    """Complete lines behind that which were consumed."""
    seal: int
    """CRC-32 of the last bytes before it."""


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
    first: int = 0
    """Where none was consumed yet: that of the line which comes next; 0 where it is not known."""
    sequence: int = 0
    """`event.sequence` of the last entry consumed."""
    ended: str = ""
    """Where the log was read to its end: when that run of the container had started."""
    place: FilePlace | None = None
    """Where the log was read from its files."""


class SavedState(msgspec.Struct):
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
    changes: int = 0
    """How many there were, ever: those of the journal up to this number are in here."""


class JournalLine(msgspec.Struct, frozen=True, array_like=True):
    """One line of the journal."""

    number: int
    """How many changes there were when it was written."""
    container: str
    """Its id; empty for the events."""
    position: Position | None
    """None where the container is forgotten."""
    ahead: Ahead = {}


class Checkpoint:
    """The state in memory, and the file it is saved to now and then.

    Without a folder, or one that cannot be written, it lives in memory alone.
    """

    def __init__(self, folder: Path | None) -> None:
        self.state = SavedState()
        self._file = None if folder is None else folder / "checkpoint.json"
        self._lock: int | None = None
        self._dirty = False
        self._journal = Journal(folder, self._change_of) if folder is not None else None
        self._offsets: dict[str, Offsets] = {}
        self._generation, self._saved = 0, True
        """Of the journal, and whether a state was saved since it was begun."""
        self._changes = 0
        self._moved: set[str] = set()
        """Containers of which something has since the state was saved."""
        self._writer = BlockingThread("checkpoint")
        """A write that is still under way when its save was cancelled is over before the next one
        begins, and one that hangs keeps nobody from ending."""
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
            make_private(folder)
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
            self._file = self._journal = None
            return
        self._replay(wanted=self._read())

    @property
    def folder(self) -> Path | None:
        """Where it is kept, and nobody else; None where it lives in memory alone."""
        return self._file.parent if self._file is not None and self._lock is not None else None

    def _read(self) -> bool:
        """Whether there is something to go on from."""
        assert self._file is not None
        try:
            raw = self._file.read_bytes()
        except FileNotFoundError:
            return False
        except OSError as error:
            log.warning("%s cannot be read (%s): beginning anew", self._file, error.strerror)
            return False
        try:
            version = msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).get("version")
            if version is None or msgspec.json.decode(version) != VERSION:
                raise ValueError("it was written by another version of dockline")
            self.state = msgspec.json.decode(raw, type=SavedState)
            self.last_saved = self.looked = self.state.saved
            self._changes = self.state.changes
            return True
        except (ValueError, msgspec.MsgspecError) as error:
            self._set_aside(str(error))
        return False

    def _replay(self, *, wanted: bool) -> None:
        """What the journal knows better than the file. Without a file it means nothing."""
        assert self._journal is not None
        try:
            for raw in self._journal.read():
                change = msgspec.json.decode(raw, type=JournalLine)
                self._changes = max(self._changes, change.number)
                if wanted and change.number > self.state.changes:
                    self._apply(change)
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("what was noted since %s was saved is of no use: %s", self._file, error)
        self._journal.start()

    def _apply(self, change: JournalLine) -> None:
        state, container = self.state, change.container
        state.ahead.pop(container, None)
        if not container:
            state.events = change.position or Position()
        elif change.position is None:
            state.containers.pop(container, None)
        else:
            state.containers[container] = change.position
            if change.ahead:
                state.ahead[container] = change.ahead

    def belongs_to(self, engine: str) -> None:
        """Says which Engine the containers are of. A file of another Engine is set aside when the
        next one is saved."""
        if self.state.engine and engine and self.state.engine != engine:
            self._stale = "it belongs to another Engine"
            self.state, self.last_saved, self.looked = SavedState(), 0.0, 0.0
            self._offsets.clear()
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
        self._changed(container_id)

    def ahead(self, container_id: str) -> Ahead:
        """What some sinks have of a container's log beyond its position."""
        return self.state.ahead.get(container_id, {})

    def follow(self, container_id: str) -> Offsets:
        """Of the sinks in a container's log: kept with its position from now on."""
        ahead = self.ahead(container_id)
        offsets = Offsets(ahead, lambda: self._changed(container_id))
        self._offsets[container_id] = offsets
        return offsets

    def move_events(self, position: Position) -> None:
        self.state.events = position
        self._changed("")

    def known(self) -> set[str]:
        """Ids of all containers that have a position."""
        return set(self.state.containers)

    def forget(self, container_id: str) -> None:
        self._offsets.pop(container_id, None)
        self.state.ahead.pop(container_id, None)
        if self.state.containers.pop(container_id, None) is not None:
            self._changed(container_id)

    def _changed(self, container_id: str) -> None:
        self._changes += 1
        self._dirty = True
        self._moved.add(container_id)
        if self._journal is not None:
            self._journal.note(container_id)

    def _change_of(self, container_id: str) -> bytes:
        """Called by the journal's thread. The number comes first: what is newer than it says is
        noted again."""
        number = self._changes
        if not container_id:
            return msgspec.json.encode(JournalLine(number, "", self.state.events))
        position = self.state.containers.get(container_id)
        ahead = self._ahead_of(container_id, position)
        return msgspec.json.encode(JournalLine(number, container_id, position, ahead))

    def _ahead_of(self, container_id: str, position: Position | None) -> Ahead:
        offsets = self._offsets.get(container_id)
        if offsets is None or position is None:
            return self.ahead(container_id)
        return offsets.ahead_of(position.sequence)

    async def save(self) -> None:
        """Writes the file if anything has moved. Trouble is reported, not raised."""
        if self._file is None or self._journal is None or not self._dirty:
            return
        self._dirty = False
        if self._saved:
            self._generation, self._saved = self._journal.begin(), False
        raw = self._encode()
        try:
            await self._writer.run(self._write, raw, self._generation)
        except OSError as error:
            self._dirty = True
            if self._failures():
                log.warning("%s cannot be written: %s", self._file, error.strerror)
        except asyncio.CancelledError:
            self._dirty = True
            raise

    def _encode(self) -> bytes:
        state = self.state
        for container_id in self._moved:
            if ahead := self._ahead_of(container_id, state.containers.get(container_id)):
                state.ahead[container_id] = ahead
            else:
                state.ahead.pop(container_id, None)
        self._moved.clear()
        state.saved, state.changes = self.looked, self._changes
        return msgspec.json.encode(state)

    def _write(self, raw: bytes, generation: int) -> None:
        if self._stale:
            self._set_aside(self._stale)
            self._stale = ""
        if self._file is not None and self._journal is not None:
            _replace(self._file, raw)
            self._saved = True
            self._journal.remove_before(generation - 1)  # a line may still be on its way to that

    def close(self) -> None:
        """Lets go of the lock. `save` first."""
        self._writer.stop()
        if self._journal is not None:
            self._journal.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _replace(file: Path, raw: bytes) -> None:
    beside = file.with_suffix(".new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with os.fdopen(os.open(beside, flags, FILE), "wb") as new:
        new.write(raw)
        new.flush()
        os.fsync(new.fileno())
    beside.rename(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
