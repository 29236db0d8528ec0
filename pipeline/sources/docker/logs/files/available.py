"""Says whether a container's log can be read from its files, and where they are."""

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
"""How logs are read. `api`: over the Engine's API. `auto` and `file`: from files where possible,
else over the API; `file` warns where it isn't."""


class NotReadable(Exception):
    """The log's files cannot be read, so it is read over the API. The text says why."""

    def __init__(self, why: str, *, all_logs: bool = False) -> None:
        """`why` is a sentence. `all_logs`: the reason holds for all logs of this Engine."""
        super().__init__(why)
        self.all_logs = all_logs


class Refusals:
    """Logs why logs are not read from files, each reason once.

    What concerns all logs is a warning with `file` and an info with `auto`; what concerns one log
    is a warning with `file` and a debug message with `auto`.
    """

    def __init__(self, way: Way) -> None:
        self._insists = way == "file"
        self._said: set[str] = set()

    def note(self, container: str, error: NotReadable) -> None:
        """Logs the reason, unless that was done for this container already.

        `container` is its name.
        """
        key = "" if error.all_logs else container
        if key in self._said:
            return
        self._said.add(key)
        whose = "logs" if error.all_logs else f"logs of {container}"
        loud = logging.WARNING if self._insists else logging.INFO
        level = loud if self._insists or error.all_logs else logging.DEBUG
        log.log(level, "%s are read over the API and not from files: %s", whose, str(error))


class Facts(NamedTuple):
    """What has to be known to read a log's files."""

    path: Path
    """The current file. Rotated ones are named after it, with `.1`, `.2` and so on."""
    tty: bool
    """Whether the container has a TTY."""
    rotation: Rotation | None
    """How the Engine rotates the log; None when it never does."""


def folder_of(engine: Engine, container_id: str) -> Path:
    """Returns the folder in which the Engine keeps a container's log and configuration.

    Raises `NotReadable` when the files are not on this host, or not those of Docker.
    """
    if engine.podman:
        raise NotReadable("Podman keeps logs in another way", all_logs=True)
    if not engine.endpoint.path:
        raise NotReadable(f"{engine.endpoint.url} may be on another host", all_logs=True)
    root = str(engine.info.get("DockerRootDir") or "")
    if not root:
        raise NotReadable("the Engine does not say where it keeps them", all_logs=True)
    return Path(root) / "containers" / container_id


def read_facts(folder: Path) -> Facts:
    """Reads the Engine's own files about a container. Blocks: to be called in a thread.

    `folder` is `folder_of` the container. That is faster than an inspection, which matters for
    containers that live for a few milliseconds. Raises `NotReadable`.
    """
    path = folder / f"{folder.name}-json.log"
    if not _may(folder.parent, os.R_OK | os.X_OK):
        raise NotReadable(f"{folder.parent} cannot be read here", all_logs=True)
    if not _may(path, os.R_OK):
        raise NotReadable(f"{path.name} is missing or cannot be read")
    config, host = _read(folder / "config.v2.json"), _read(folder / "hostconfig.json")
    rotation = read_rotation({"HostConfig": host})
    if rotation is not None and rotation.files < 2:
        raise NotReadable("the Engine truncates its log instead of renaming it (max-file=1)")
    return Facts(path, bool(table(config, "Config").get("Tty")), rotation)


def _may(path: Path, mode: int) -> bool:
    """Whether the process may do that, with the capabilities that it has: without `effective_ids`
    the system ignores those of a user that is not root."""
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        read = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise NotReadable(f"{path} cannot be read: {error}") from error
    return read if isinstance(read, dict) else {}
