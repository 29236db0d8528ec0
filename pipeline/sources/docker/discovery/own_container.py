"""Finds the container that the agent itself runs in, so that it never follows its own output."""

from __future__ import annotations

import re
from pathlib import Path

_CONTAINER = re.compile(r"[/-]containers/([0-9a-f]{64})/")
_NAME_FILES = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")


def own_container(mountinfo: Path = Path("/proc/self/mountinfo")) -> str | None:
    """Returns the 64-digit id of the container that this process runs in, or None outside a
    container.

    Docker and Podman mount `/etc/hostname`, `/etc/hosts` and `/etc/resolv.conf` from a folder named
    after the container. That holds for both versions of cgroups and for any host name. Other mounts
    prove nothing: a host sees those of its containers (proc_pid_mountinfo(5)).
    """
    try:
        lines = mountinfo.read_text(errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        _, _, _, root, mount_point, _ = line.split(" ", 5)
        if mount_point in _NAME_FILES and (found := _CONTAINER.search(root)):
            return found[1]
    return None
