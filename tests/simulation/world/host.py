"""A host: its disk, its clock and its processes."""

from __future__ import annotations

from typing import Any

from tests.simulation.world.disk import Disk
from tests.simulation.world.process import Process
from tests.simulation.world.world import EPOCH, World


class Host:
    """One machine of the world."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.disk = Disk(world.chance(f"disk of {name}"))
        self.clock_offset = 0
        """Nanoseconds by which its clock is ahead of the world's."""
        self.processes: list[Process] = []
        self.open: dict[int, Any] = {}
        """What the descriptors of its processes stand for."""

    def process(self, name: str) -> Process:
        """A new process, to be started."""
        process = Process(self, name)
        self.processes = [one for one in self.processes if one.alive]
        self.processes.append(process)
        return process

    def time(self) -> int:
        """What its clock says, in nanoseconds since 1970."""
        return EPOCH + self.world.now + self.clock_offset

    def close_all(self, process: Process) -> None:
        """Closes what a process has left open."""
        for descriptor in list(process.descriptors):
            handle = self.open.pop(descriptor, None)
            if handle is not None:
                handle.closed()
        process.descriptors.clear()

    def crash(self) -> None:
        """The power fails: all processes are gone, and what was not on the disk."""
        for process in list(self.processes):
            process.kill()
        self.disk.crash()
