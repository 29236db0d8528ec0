"""How the Engine rotates a container's log, from the container's inspection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pipeline.model.cadvisor import Table, table


class Rotation(NamedTuple):
    """A log that is kept in several files, of which the oldest is removed."""

    size: int
    """Bytes after which a new file begins."""
    files: int
    """How many files are kept, the current one included."""

    @property
    def volume(self) -> int:
        """Most bytes that are kept of the log."""
        return self.size * self.files


LOCAL = Rotation(20_000_000, 5)
"""Defaults of the log driver `local`. The Engine also keeps such a copy of a log whose own driver
cannot be read (dual logging)."""
_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)


def read_rotation(inspect: Mapping[str, Any]) -> Rotation | None:
    """Reads the answer to `GET /containers/{id}/json`. None for a log that is never rotated, or not
    by the Engine.

    https://docs.docker.com/engine/logging/configure/
    """
    config = table(table(inspect, "HostConfig"), "LogConfig")
    driver, options = config.get("Type"), table(config, "Config")
    if driver in (None, "", "none", "journald", "k8s-file", "passthrough"):
        return None
    if driver == "json-file":
        size = _size(options.get("max-size"))
        return Rotation(size, _count(options, "max-file", 1)) if size else None
    prefix = "max" if driver == "local" else "cache-max"
    return Rotation(
        _size(options.get(f"{prefix}-size")) or LOCAL.size,
        _count(options, f"{prefix}-file", LOCAL.files),
    )


def _size(text: Any) -> int:
    """Bytes of a size such as `10m`. 0 where there is no limit, which the Engine writes as -1."""
    found = _SIZE.fullmatch(str(text or ""))
    return int(float(found[1]) * _UNITS[found[2].lower()]) if found else 0


def _count(options: Table, key: str, default: int) -> int:
    """A number of files, or `default` where none is set."""
    text = str(options.get(key, ""))
    return int(text) or default if text.isdecimal() else default
