"""What the Engine says about one container: whether it runs, its health, how it ended.

The page shows it, `/metrics` has it (`pipeline.model.state_families`), and the words of events are
made from it. `pipeline.sources.docker.lifecycle.states` keeps it up to date.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

End: TypeAlias = Literal["", "by_itself", "stopped", "oom_killed"]
"""How a container ended: by itself, on request (`docker stop`, a deploy), or because memory ran
out. Empty if the agent did not see it end."""
Reason: TypeAlias = Literal["completed", "error", "stopped", "oom_killed", "unknown"]
"""Why a container does not run, as the label `reason` has it."""


@dataclass(slots=True)
class State:
    """What is known of one container. `version` counts its changes. Times are in seconds since the
    epoch, by the Engine's clock."""

    state: str = ""
    """As the Engine names it: `running`, `exited` and so on; empty if it is not known."""
    health: str = ""
    exit_code: int | None = None
    """Of its last end, while it does not run."""
    starts: int = 0
    """How often it was seen to start again after an end."""
    restarts: int | None = None
    """How often its restart policy has started it."""
    oom: int = 0
    """How often it was seen to run out of memory."""
    created: float | None = None
    started: float | None = None
    finished: float | None = None
    """Of its last end, while it does not run."""
    end: End = ""
    """Of its last end, while it does not run."""
    cgroup: str = ""
    """Path of its control group; empty if it is not known."""
    auto_remove: bool | None = None
    """Whether the Engine removes it as it ends (`docker run --rm`); None if that is not known."""
    disk: int | None = None
    """Bytes of its writable layer, while it runs and somebody measures them."""
    version: int = 0

    @property
    def runs(self) -> bool:
        """Whether its processes exist: also while it is paused, or Podman gives it time to stop."""
        return self.state in ("running", "paused", "stopping")

    @property
    def ended(self) -> bool:
        """Whether it has run, and does not run now."""
        return not self.runs and (self.exit_code is not None or self.finished is not None)

    @property
    def reason(self) -> Reason:
        """Why it does not run, for one that has `ended`."""
        if self.end == "by_itself":
            return "error" if self.exit_code else "completed"
        return self.end or "unknown"

    @property
    def failed(self) -> bool:
        """Whether its end was a failure: it ended by itself with an exit code other than 0, or
        memory ran out."""
        return self.ended and bool(self.exit_code) and self.reason in ("error", "oom_killed")


UNKNOWN: Final = State()
"""The state of a container of which nothing is known, such as one on another host."""
