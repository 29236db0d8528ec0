"""Removes what a private Engine leaves behind, however it ended: processes, mounts, files.

If dockerd is killed, its containerd, the shims, the containers and their mounts stay. All of them
are recognised by the name of the Engine's folder, which nothing else on the machine has.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_DAEMONS = ("dockerd", "containerd", "containerd-shim-runc-v2", "docker-proxy", "runc")


def clear(directory: Path) -> None:
    """Kills every process of the Engine in `directory`, unmounts its mounts, and removes the
    folder."""
    deadline = time.monotonic() + 20
    while (found := list(_processes(directory))) and time.monotonic() < deadline:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    _unmount(directory)
    for socket in _shim_sockets(directory):
        socket.unlink(missing_ok=True)
    for group in _control_groups(directory):
        with suppress(OSError):  # a process that is still ending uses it
            group.rmdir()
    shutil.rmtree(directory, ignore_errors=True)
    while directory.exists() and time.monotonic() < deadline:  # a process that ended made a file
        time.sleep(0.05)
        _unmount(directory)
        shutil.rmtree(directory, ignore_errors=True)


def _unmount(directory: Path) -> None:
    for mount in _mounts(directory):
        subprocess.run(["umount", "--lazy", mount], check=False, stderr=subprocess.DEVNULL)


def _processes(directory: Path) -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            if _is_daemon(process, directory.name) or _is_contained(process, directory.name):
                yield int(process.name)


def _is_daemon(process: Path, name: str) -> bool:
    command, *arguments = (process / "cmdline").read_text(errors="replace").split("\0")
    return Path(command).name in _DAEMONS and any(name in argument for argument in arguments)


def _is_contained(process: Path, name: str) -> bool:
    """Whether the process's root file system was mounted by the Engine."""
    for line in (process / "mountinfo").read_text(errors="replace").splitlines():
        mount_point = line.split(" ", 5)[4]
        if mount_point == "/":
            return name in line
    return False


def _mounts(directory: Path) -> list[str]:
    """Mount points in the folder, innermost first."""
    lines = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    mount_points = [line.split(" ", 5)[4] for line in lines]
    return [point for point in reversed(mount_points) if point.startswith(f"{directory}/")]


def _shim_sockets(directory: Path) -> Iterator[Path]:
    """The sockets of killed shims, in a folder that all containerds share."""
    tasks = directory / "exec/containerd/daemon/io.containerd.runtime.v2.task"
    for address in tasks.glob("*/*/address"):
        yield Path(address.read_text().strip().removeprefix("unix://"))


def _control_groups(directory: Path) -> Iterator[Path]:
    for container in (directory / "data/containers").glob("*"):
        yield from Path("/sys/fs/cgroup").glob(f"docker/{container.name}")
        yield from Path("/sys/fs/cgroup").glob(f"*/docker/{container.name}")
