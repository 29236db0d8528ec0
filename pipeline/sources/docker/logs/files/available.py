"""Whether the log of a container can be read from its files, and what must be known for that."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pipeline.model.cadvisor import table
from pipeline.sources.docker.discovery.rotation import Rotation, read_rotation
from pipeline.sources.docker.engine.client import Engine

log = logging.getLogger(__name__)

Way = Literal["auto", "api", "file"]


class NotReadable(Exception):
    """The log is to be read over the API; the text says why."""

    def __init__(self, why: str, *, all_logs: bool = False) -> None:
        """`all_logs`: no log of this Engine can be read from its files."""
        super().__init__(why)
        self.all_logs = all_logs


class Refusals:
    """Says why logs are not read from files: a warning where that was asked for, and no more than
    once of all logs; of single ones, for which it is no surprise, only then."""

    def __init__(self, way: Way) -> None:
        self._insists = way == "file"
        self._said: set[str] = set()

    def note(self, container: str, error: NotReadable) -> None:
        """`container`: its name."""
        key = "" if error.all_logs else container
        if key in self._said:
            return
        self._said.add(key)
        whose = "logs" if error.all_logs else f"logs of {container}"
        loud = logging.WARNING if self._insists else logging.INFO
        level = loud if self._insists or error.all_logs else logging.DEBUG
        log.log(level, "%s are read over the API and not from files: %s", whose, str(error))


class Facts(NamedTuple):
    """Of one log."""

    path: Path
    tty: bool
    rotation: Rotation | None


def folder_of(engine: Engine, container_id: str) -> Path:
    """Where the Engine keeps what it knows of a container, its log with it. Raises
    `NotReadable`."""
    if engine.podman:
        raise NotReadable("Podman keeps logs in another way", all_logs=True)
    if not engine.endpoint.path:
        raise NotReadable(f"{engine.endpoint.url} may be another host", all_logs=True)
    root = str(engine.info.get("DockerRootDir") or "")
    if not root:
        raise NotReadable("the Engine does not say where it keeps them", all_logs=True)
    return Path(root) / "containers" / container_id


def read_facts(folder: Path) -> Facts:
    """Reads the Engine's own files of a container. Blocks. Raises `NotReadable`.

    That is quicker than to ask, which matters for containers that are gone in a moment.
    """
    path = folder / f"{folder.name}-json.log"
    if not os.access(folder.parent, os.R_OK | os.X_OK):
        raise NotReadable(f"{folder.parent} cannot be read here", all_logs=True)
    if not os.access(path, os.R_OK):
        raise NotReadable(f"there is no {path.name} that could be read")
    config, host = _read(folder / "config.v2.json"), _read(folder / "hostconfig.json")
    rotation = read_rotation({"HostConfig": host})
    if rotation is not None and rotation.files < 2:
        raise NotReadable("the Engine truncates its log instead of renaming it (max-file=1)")
    return Facts(path, bool(table(config, "Config").get("Tty")), rotation)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        read = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise NotReadable(f"{path} cannot be read: {error}") from error
    return read if isinstance(read, dict) else {}
