"""What happened to a container, in the words of `docker ps`: `exited with code 3 after 2 h`."""

from __future__ import annotations

from typing import Final

from pipeline.model import plain
from pipeline.model.container_state import End

OUT_OF_MEMORY: Final = "out of memory"

_WORDS: Final = {
    "create": "created", "start": "started", "pause": "paused", "unpause": "unpaused",
    "destroy": "removed", "kill": "got a signal", "stop": "stopped",
}  # fmt: skip
_KILLED: Final = "exited with code 137"
"""137 stands for SIGKILL."""
_UNITS: Final = (("s", 60), ("min", 60), ("h", 24))


def of(action: str) -> str:
    """An action without details, such as `started`. An unknown one as the Engine names it."""
    return _WORDS.get(action) or plain.name(action)[:32]


def health(found: str) -> str:
    """What the health check found: `health: unhealthy`."""
    return f"health: {found}" if found else "health"


def renamed(old: str) -> str:
    """A new name: `renamed from api-1`. `old` may be any text; empty if it is not known."""
    return f"renamed from {plain.name(old)[:200]}" if old else "renamed"


def ended(code: int | None, end: End, ran: float | None) -> str:
    """An end: `exited with code 3 after 2 h`, `stopped: exited with code 143 after 2 h`, `killed:
    out of memory after 2 h`.

    `code`: the exit code; None if it is not known. `ran`: seconds since its start; None if that is
    not known.
    """
    said = "exited" if code is None else f"exited with code {code}"
    if ran is not None and ran >= 0:
        said += f" after {span(ran)}"
    if end == "oom_killed":
        return out_of_memory(said)
    return f"stopped: {said}" if end == "stopped" else said


def out_of_memory(said: str) -> str:
    """The words of an end, when it is known by now that memory ran out."""
    if OUT_OF_MEMORY in said:
        return said
    if said.startswith(_KILLED):
        return f"killed: {OUT_OF_MEMORY}{said.removeprefix(_KILLED)}"
    return f"{said}, {OUT_OF_MEMORY}"


def span(seconds: float) -> str:
    """A time in one unit, rounded down: `0.3 s`, `45 s`, `5 min`, `2 h`, `3 d`. A unit is used up
    to two of the next."""
    if 0.05 <= seconds < 1:
        return f"{seconds:.1f} s"
    for unit, length in _UNITS:
        if seconds < 2 * length:
            return f"{int(seconds)} {unit}"
        seconds /= length
    return f"{int(seconds)} d"
