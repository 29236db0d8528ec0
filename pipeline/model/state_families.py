"""The metrics of a container's state: one table of metric families.

They are called `container_…` and carry the labels of cAdvisor's metrics (`id`, `name`, `image`,
`container_label_…`), so that they can be joined with them; `dockline_…` is about the agent itself.
`container_start_time_seconds`, `container_health_state` and `container_oom_events_total` are
cAdvisor's own, with its values. cAdvisor has nothing for a container that does not run. The other
names follow those: the pair of `start_time` is `finish_time`, and `container_exit_code` has its
cause as the label `reason`, as kube-state-metrics has in
`kube_pod_container_status_terminated_reason`.

A container has series from its first start on, and for a while after its end, when all its other
series are gone.
"""

from __future__ import annotations

from pipeline.model.cadvisor import Family, Points
from pipeline.model.container_state import State

_HEALTH = {"healthy": 1, "unhealthy": 0, "starting": 0}


def _state(state: State) -> Points:
    return [((state.state,), 1)] if state.state else []


def _exit_code(state: State) -> Points:
    return [((state.reason,), state.exit_code)] if state.ended else []


STATE_FAMILIES: tuple[Family[State], ...] = (
    Family("gauge", "container_running", "1 while it runs or is paused, 0 after its end.",
           lambda state: int(state.runs)),
    Family("gauge", "container_state",
           "1 for the state it is in, as docker ps names it: running, paused, restarting, exited, "
           "dead, removed.",
           _state, ("state",)),
    Family("gauge", "container_exit_code",
           "Exit code of its last end, while it does not run. Reason: completed (0 by itself), "
           "error (another code by itself), stopped (on request), oom_killed, or unknown (it ended "
           "while no agent looked; with Podman also by a signal).",
           _exit_code, ("reason",)),
    Family("gauge", "container_start_time_seconds", "When it was started (Unix time).",
           lambda state: state.started if state.runs else None),
    Family("gauge", "container_finish_time_seconds",
           "When it ended (Unix time), while it does not run.",
           lambda state: state.finished if state.ended else None),
    Family("gauge", "container_health_state", "Health check: 1 healthy, 0 unhealthy or starting.",
           lambda state: _HEALTH.get(state.health)),
    Family("counter", "container_restarts_total", "Restarts by its restart policy.",
           lambda state: state.restarts),
    Family("counter", "container_oom_events_total", "Out-of-memory events that were seen.",
           lambda state: state.oom),
)  # fmt: skip
"""All families of a container's state, in the order of export."""
