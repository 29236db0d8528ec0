"""Which container the agent itself runs in, so that it never follows its own output."""

from __future__ import annotations

import re
from pathlib import Path

_CONTAINER = re.compile(r"[/-]containers/([0-9a-f]{64})/")
_NAME_FILES = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")


def own_container(mountinfo: Path = Path("/proc/self/mountinfo")) -> str | None:
    """The 64-digit id, or None outside a container.

    Docker and Podman mount `/etc/hostname` and its like from a folder that is named after the
    container; that holds for both versions of cgroups and whatever the host name was set to.
    Other mounts prove nothing: a host sees those of its containers (proc_pid_mountinfo(5)).
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
