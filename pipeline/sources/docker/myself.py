"""Which container the agent itself runs in, so that it never follows its own output."""

from __future__ import annotations

import re
from pathlib import Path

_CONTAINER = re.compile(r"[/-]containers/([0-9a-f]{64})/")


def own_container(mountinfo: Path = Path("/proc/self/mountinfo")) -> str | None:
    """The 64-digit id, or None outside a container.

    Docker and Podman mount `/etc/hostname` and its like from a folder that is named after the
    container; that holds for both versions of cgroups and whatever the host name was set to.
    """
    try:
        found = _CONTAINER.search(mountinfo.read_text())
    except OSError:
        return None
    return found[1] if found else None
