"""Where the command runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """What decides how a person gets from here to the page."""

    in_container: bool = False
    over_ssh: bool = False
    desktop: bool = False
    """Whether there is a screen to show a browser on."""
    terminal: bool = False
    """Whether standard output is a terminal, not a file or a program."""
    root: bool = False

    @classmethod
    def here(cls, environ: Mapping[str, str] = os.environ) -> Place:
        """The place of this process."""
        from pipeline.sources.docker.discovery.own_container import own_container

        marks = (Path("/.dockerenv"), Path("/run/.containerenv"))
        return cls(
            in_container=any(mark.exists() for mark in marks) or own_container() is not None,
            over_ssh="SSH_CONNECTION" in environ,
            desktop=sys.platform == "darwin"
            or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")),
            terminal=sys.stdout.isatty(),
            root=os.geteuid() == 0,
        )
