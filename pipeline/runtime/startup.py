"""What the agent says of itself when it starts: what runs, with which configuration and state."""

from __future__ import annotations

import logging
import platform
from pathlib import Path

from pipeline import __version__, native
from pipeline.config import Given
from pipeline.config.files import COMMAND_LINE

log = logging.getLogger(__name__)


def announce(given: Given, state: str) -> None:
    """Logs one line with the version, Python, the loops, the configuration and the state; and one
    more if the package has no C extension, with the reason.

    `given`: what the configuration was read from. `state`: the folder, as configured. Reads
    the disk: call it before the event loop runs.
    """
    log.info(
        "dockline %s, Python %s, %s; %s; %s",
        __version__,
        platform.python_version(),
        "loops in Python" if native.problem else native.described,
        _configuration(given),
        _state(Path(state)),
    )
    if native.problem:
        log.warning("loops in Python take more CPU than those in C: %s", native.problem)


def _configuration(given: Given) -> str:
    names = [str(file.absolute()) for file in given.files]
    if given.addresses:
        names.append(f"sinks of the {COMMAND_LINE}")
    return f"configuration {', '.join(names)}" if names else "no configuration file, so defaults"


def _state(folder: Path) -> str:
    try:
        used = any(folder.iterdir())
    except FileNotFoundError:
        used = False
    except OSError as error:
        return f"state in {folder} ({error.strerror})"
    return f"state in {folder}" if used else f"state in {folder}, which is new"
