"""Whether the log of a container can be read from its files, and what must be known for that."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pipeline.cadvisor import table
from pipeline.sources.docker.engine import Engine
from pipeline.sources.docker.rotation import read_rotation

Way = Literal["auto", "api", "file"]


class NotReadable(Exception):
    """The log is to be read over the API; the text says why."""


class Facts(NamedTuple):
    """Of one log."""

    path: Path
    tty: bool


def folder_of(engine: Engine, container_id: str) -> Path:
    """Where the Engine keeps what it knows of a container, its log with it. Raises
    `NotReadable`."""
    if engine.podman:
        raise NotReadable("Podman keeps logs in another way")
    if not engine.endpoint.path:
        raise NotReadable("the Engine may be on another host")
    root = str(engine.info.get("DockerRootDir") or "")
    if not root:
        raise NotReadable("the Engine does not say where it keeps logs")
    return Path(root) / "containers" / container_id


def read_facts(folder: Path) -> Facts:
    """Reads the Engine's own files of a container. Blocks. Raises `NotReadable`.

    That is quicker than to ask, which matters for containers that are gone in a moment.
    """
    path = folder / f"{folder.name}-json.log"
    if not os.access(path, os.R_OK):
        raise NotReadable(f"{path} is not there, or may not be read")
    config, host = _read(folder / "config.v2.json"), _read(folder / "hostconfig.json")
    rotation = read_rotation({"HostConfig": host})
    if rotation is not None and rotation.files < 2:
        raise NotReadable("the Engine truncates its log instead of renaming it (max-file=1)")
    return Facts(path, bool(table(config, "Config").get("Tty")))


def _read(path: Path) -> Mapping[str, Any]:
    try:
        read = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise NotReadable(f"{path} cannot be read: {error}") from error
    return read if isinstance(read, dict) else {}
