"""The Docker source: follows the logs, events and stats of all containers of one Engine.

`DockerSource` keeps one `Followed` for each container. The watch (`discovery/watch.py`) tells it
what the Engine's events and list say; it starts and stops the readers accordingly.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pipeline.accounting.acks import AckTracker
from pipeline.accounting.checkpoint import Checkpoint, Position, SavedEnd
from pipeline.model.container import Container
from pipeline.model.errors import EngineError
from pipeline.model.metrics import Metrics
from pipeline.sources.docker.discovery.container import FollowedContainer
from pipeline.sources.docker.discovery.events import action_of, event_time
from pipeline.sources.docker.discovery.facts import from_event, from_list
from pipeline.sources.docker.discovery.start_position import Start, StartPositions
from pipeline.sources.docker.discovery.told import following
from pipeline.sources.docker.discovery.watch import Event, Watch
from pipeline.sources.docker.engine.client import Engine, NotFound
from pipeline.sources.docker.lifecycle.draining import Draining
from pipeline.sources.docker.lifecycle.event_queue import EventQueue
from pipeline.sources.docker.lifecycle.exit import Exit
from pipeline.sources.docker.lifecycle.followed import Followed
from pipeline.sources.docker.lifecycle.reported import MOST_ENDED, Reported
from pipeline.sources.docker.lifecycle.states import States, Told, ended_within
from pipeline.sources.docker.logs.file_reader import FromFiles
from pipeline.sources.docker.logs.files.available import Refusals, Way
from pipeline.sources.docker.logs.files.inotify import Inotify
from pipeline.sources.docker.logs.follower import Follower
from pipeline.sources.docker.logs.log_end import LogEnd
from pipeline.sources.docker.logs.silent_streams import SilentStreams
from pipeline.support.plural import plural
from pipeline.support.rate_limit import RateLimit
from pipeline.topology import Router

log = logging.getLogger(__name__)

OPENING = 32
"""Most log streams that are being opened at once: with `since`, dockerd scans the log for each."""
INSPECTING = 32
"""Most inspections at once that no log stream waits for. Also the most logs whose last lines are
read at once."""
CHECKED_AT_ONCE = 100
"""Most ended containers in one request that asks whether they still exist. Each reconciliation
makes one such request and takes the next ones in turn."""
ENDING = ("start", "die", "stop", "oom", "destroy")
"""Actions after which another end than before is known, or none."""
UNTOLD = ("kill", "stop")
"""Actions that say how a container is going to end. They make no entries: its `die` does."""
LONGEST_WAIT = 60.0
"""Longest wait, in seconds, before a log is read again after an unexpected error (a bug)."""


class StatsReader(Protocol):
    """What reads the stats of running containers, such as `StatsPoller`. All calls come from the
    event loop.

    `add` is called when a container runs, with its facts and the answer of `GET
    /containers/{id}/json`, and again when these change. `remove` is called when it ends or is no
    longer selected. `observe` gets every event of a container that is followed. `polls` says
    whether the container was added and not removed.
    """

    def add(self, container: Container, inspect: Mapping[str, Any]) -> None: ...

    def remove(self, container_id: str) -> None: ...

    def observe(self, event: Event) -> None: ...

    def polls(self, container_id: str) -> bool: ...


@dataclass(frozen=True)
class FollowOptions:
    """What to follow, and how logs are read: the settings of the source. May be changed while it
    runs, see `DockerSource.change`.
    """

    start: Start = "now"
    """Where to begin in the log of a container that was already running when the agent first saw
    it: `now`, `beginning`, or a number of seconds back from now."""
    way: Way = "api"
    """`api`: logs are read over the Engine's API. `auto` and `file`: from the json-files where that
    is possible, else over the API; `file` warns where it isn't."""
    max_line: int = 1 << 20
    """Bytes to which a line is cut."""
    reconcile: float = 30.0
    """Seconds between two requests for the Engine's list of containers."""
    selects: Callable[[Container], bool] = lambda container: True
    """Whether to follow a container. Called with its facts."""
    events: bool = True
    """Whether events become entries, for the routes that take them."""
    last_lines: int = 0
    """How many last lines the event `die` of a container carries, where a route takes events. 0 for
    none."""


class DockerSource:
    """Follows the containers of one Engine until it is cancelled.

    It also implements what `Watch` calls: `connected`, `disconnected`, `event` and `listed`.
    """

    def __init__(
        self,
        engine: Engine,
        router: Router,
        checkpoint: Checkpoint,
        metrics: Metrics,
        reading: FollowOptions,
        *,
        stats: StatsReader | None = None,
        myself: str | None = None,
        connected: Callable[[], None] = lambda: None,
        removed: Callable[[str], None] = lambda container_id: None,
        observed: Callable[[Event, Told], None] = lambda event, told: None,
        states: States | None = None,
        keep_ended: float = 0.0,
    ) -> None:
        """Prepares the source; `run` starts it.

        `engine` need not be connected yet. `checkpoint` is open already. `stats` is told which
        containers run; None when stats are not read. `myself` is the id of the container that the
        agent runs in: it is never followed. `connected` is called whenever the Engine is reached,
        after `engine.host`, `engine.id` and `engine.info` are known. `removed` is called with the
        id of each container that is removed or no longer selected. `observed` gets every new event
        of any container, and what it says. `states` are kept up to date; new ones by default.
        `keep_ended` is for how many seconds `reported` has a container after its end.
        """
        self._engine = engine
        self.followed: dict[str, Followed] = {}
        """The containers that are followed, by id."""
        self.states = states if states is not None else States()
        """What the Engine says about each container, selected or not."""
        self.reported = Reported(self.states, self.followed, keep_ended, self._engine_time)
        """The containers whose states are reported as metrics."""
        self._keep_ended = keep_ended
        self._left: dict[str, Followed] = {}
        """Containers that were followed and are no longer selected, by id."""
        self._router = router
        self._checkpoint = checkpoint
        self._metrics = metrics
        self._reading = reading
        self._stats = stats
        self._on_connected = connected
        self._on_removed = removed
        self._on_event = observed
        self._myself = myself
        self._opening = asyncio.Semaphore(OPENING)
        self._inspecting = asyncio.Semaphore(INSPECTING)
        self._reading_ends = asyncio.Semaphore(INSPECTING)
        self._start_positions = StartPositions(engine, checkpoint, reading.start)
        self._event_queue = EventQueue(checkpoint, metrics)
        self._draining = Draining(metrics, self._forget)
        self._silent_streams = SilentStreams(engine, self._followers, metrics)
        self._files = FromFiles(Inotify(), Refusals(reading.way)) if reading.way != "api" else None
        self._caught_up = False
        self._ended_early = 0
        """How many more containers that ended while no agent looked may be inspected."""
        self._missed = RateLimit()
        self._started_early: list[tuple[Event, Followed]] = []
        """`start` events that came before the first list, of containers that may have run before
        already."""
        self._tasks: asyncio.TaskGroup
        self._to_check = 0
        since = self._event_queue.cursor.since
        self.watch = Watch(engine, self, metrics, every=reading.reconcile, since=since)

    async def run(self) -> None:
        """Follows containers until it is cancelled. Owns the tasks of all readers."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self.watch.run(), name="docker watch")
            tasks.create_task(self._event_queue.run(), name="docker events")
            tasks.create_task(self._silent_streams.run(), name="docker stalls")
            if self._files is not None:
                tasks.create_task(self._files.inotify.run(), name="docker log files")

    def _followers(self) -> Iterator[Follower]:
        return (one.follower for one in self.followed.values() if one.follower is not None)

    def change(self, reading: FollowOptions) -> None:
        """Applies other options and other routes: binds all lanes anew.

        The log of a container that is no longer selected is read no further. A container that is
        selected now is treated as at the agent's start. `way` cannot be changed, and `max_line`
        applies to logs that are first opened from now on.
        """
        self._reading = reading
        self._start_positions.start = reading.start
        self.watch.every = reading.reconcile
        for followed in list(self.followed.values()):
            if not reading.selects(followed.facts):
                self._unfollow(followed)
        for followed in (*self.followed.values(), *self._left.values(), *self._draining):
            followed.container.rebind()
            if not followed.container.logs:
                followed.pause()
            if not followed.wants_log_end:
                followed.stop_log_end()
        self._checkpoint.last_saved = self._checkpoint.looked
        self.watch.hurry()

    def facts_of_left(self, container_id: str) -> Container | None:
        """What was learned of a container that is no longer followed since it isn't selected; None
        for any other."""
        left = self._left.get(container_id)
        return None if left is None else left.facts

    def _unfollow(self, followed: Followed) -> None:
        key = followed.facts.id
        self._left[key] = self.followed.pop(key)
        self._metrics.containers.set(len(self.followed))
        followed.pause()
        followed.stop_log_end()
        self._on_removed(key)
        self.reported.forget(key)
        if self._stats is not None:
            self._stats.remove(key)

    # ----------------------------------------------------------------- called by the watch

    def connected(self) -> None:
        """Called by the watch when it has subscribed to events; `engine.host` and `engine.id` are
        known.
        """
        self._checkpoint.belongs_to(self._engine.id)
        self._checkpoint.looked = self._checkpoint.looked or self._start_positions.began
        self._event_queue.cursor.reconnected()
        self.states.tells_stops = not self._engine.podman
        self.states.cgroup_driver = str(self._engine.info.get("CgroupDriver"))
        self._on_connected()

    def disconnected(self) -> None:
        """Called by the watch when the Engine is gone.

        Events may be lost meanwhile, so the next connection is handled like a start of the agent.
        """
        self._caught_up = False
        self._checkpoint.last_saved = self._checkpoint.looked

    def event(self, event: Event) -> None:
        """Called by the watch for each event of a container, as the Engine sent it. Repeated ones
        are skipped.
        """
        if not self._event_queue.cursor.is_new(event):
            return
        container_id, action = event["Actor"]["ID"], action_of(event)
        state, told = self.states.of(container_id), self.states.observe(event)
        followed = self.followed.get(container_id)
        if action in ENDING:
            self._note_end(container_id)
        if action in UNTOLD:
            return
        if followed is None:
            followed = self._follow(from_event(event, self._engine.host))
        if followed is not None:
            self._take(event, action, followed, told)
        if action == "destroy":
            if followed is not None:
                self.reported.removed(followed.facts, state)
            self._remove(container_id)
        self._on_event(event, told)

    def _take(self, event: Event, action: str, followed: Followed, told: Told) -> None:
        if action == "create":
            self._start_positions.created(followed.facts.id)
            if followed.container.logs and self._checkpoint[followed.facts.id] is None:
                # It may be started while no agent runs: then its log is read from the beginning.
                self._checkpoint.move(followed.facts.id, Position())
        elif action == "start":
            followed.out_of_memory = False
            self.reported.started(followed.facts)
            if self._caught_up or self._start_positions.knows(followed.facts.id):
                self._start(followed, self._start_positions.at_start(event))
            else:
                self._started_early.append((event, followed))
        elif action == "rename":
            self._rename(followed, event["Actor"]["Attributes"].get("name", followed.facts.name))
        elif action == "oom":
            followed.out_of_memory = True
        elif action in ("die", "destroy"):
            followed.container.ends += 1
            if followed.follower is not None:
                followed.follower.doubt()
            if self._stats is not None:
                self._stats.remove(followed.facts.id)
            if action == "die" and self._is_doubtful(followed.facts):
                self._look_at(followed.facts)
        if self._stats is not None:
            self._stats.observe(event)
        if self._reading.events:
            ending = self._ending(event, action, followed)
            self._event_queue.enter(event, told.words, followed.container, ending)

    def _is_doubtful(self, container: Container) -> bool:
        """Whether the event of its end may not say how it ended: Podman has no `oom` event and
        Docker's may be lost, and a label called `exitCode` takes the place of the exit code."""
        state = self.states.of(container.id)
        killed = state.exit_code == 137 and state.end in ("", "by_itself")
        return state.exit_code is None or killed or "exitCode" in container.labels

    def _look_at(self, container: Container) -> None:
        """Asks the Engine for a container's state."""
        self._begin(self._inspect_state(container), f"state of {container.name}")

    async def _inspect_state(self, container: Container) -> None:
        async with self._inspecting:
            with self._isolated(container), suppress(EngineError):
                asked = time.time()
                answer = await self._engine.get(f"/containers/{container.id}/json")
                self.states.inspected(container.id, answer, asked)
                if (seen := self._checkpoint.state.ends.get(container.id)) is not None:
                    self.states.recall(container.id, seen.finished, seen.how)
                self._note_end(container.id)

    def _note_end(self, container_id: str) -> None:
        """Keeps how a container ended for the next run of the agent."""
        state = self.states.of(container_id)
        known = state.ended and state.end and state.finished is not None
        end = SavedEnd(round(state.finished or 0.0, 3), state.end) if known else None
        self._checkpoint.note_end(container_id, end)

    def _engine_time(self) -> float:
        """Seconds since the epoch by the Engine's clock."""
        return time.time() + self._engine.clock_offset

    def _ending(self, event: Event, action: str, followed: Followed) -> Exit | None:
        if action != "die" or not followed.container.events:
            return None
        ending = Exit(followed, event_time(event), self._engine)
        name = followed.facts.name
        asking = ending.ask(followed.facts.id, self._inspecting)
        self._begin(asking, f"ending {name}")
        self._begin(self._read_log(ending, followed), f"last lines {name}")
        return ending

    async def _read_log(self, ending: Exit, followed: Followed) -> None:
        with self._isolated(followed.facts):
            await ending.read_log(followed.facts.id, self._reading_ends)

    async def listed(self, containers: Sequence[Mapping[str, Any]]) -> None:
        """Called by the watch with each list of the running containers (`GET /containers/json`).

        Starts to follow containers whose `start` event was lost, and drops those that were removed.
        Raises `EngineError`.
        """
        first = not self._caught_up
        if first:
            await self._catch_up()
            self._caught_up = True
            for event, followed in self._started_early:
                if self.followed.get(followed.facts.id) is followed:
                    self._start(followed, self._start_positions.at_start(event))
            self._started_early.clear()
        running = set()
        for item in containers:
            container = self._container_of(item)
            if container is not None:
                running.add(container.id)
                self.states.note(container.id, item, self.watch.asked)
                with self._isolated(container):
                    self._found_running(container, item)
        if first:
            self._say_which(running)
        self._checkpoint.looked = max(self._checkpoint.looked, self.watch.asked)
        ended = [key for key in (*self.followed, *self._left) if key not in running]
        for key in ended:
            one = self.followed.get(key)
            if one is not None and one.follower is not None:
                one.follower.doubt()
            if one is not None and self.states.of(key).runs:
                self._look_at(one.facts)
        await self._check_ended(ended)

    def _say_which(self, running: Collection[str]) -> None:
        """Logs which of the running containers are followed."""
        names = [self.followed[key].facts.name for key in running if key in self.followed]
        others = len(running) - len(names) - (self._myself in running)
        log.info("%s", following(names, others))

    def _found_running(self, container: Container, item: Mapping[str, Any]) -> None:
        """Handles an element of the list: makes up for lost events."""
        followed = self.followed.get(container.id) or self._follow(container)
        if followed is None:
            return
        if not followed.reading:
            self._start(followed, self._start_positions.when_found(item))
        elif container.name != followed.facts.name or not self._has_stats(container.id):
            self._learn(followed)

    @contextmanager
    def _isolated(self, container: Container) -> Iterator[None]:
        """Counts and logs an unexpected error (a bug) of one container, so that others go on."""
        try:
            yield
        except Exception:
            self._metrics.source_errors.labels("bug").inc()
            log.exception("unexpected error while following %s", container.name)

    def _has_stats(self, container_id: str) -> bool:
        return self._stats is None or self._stats.polls(container_id)

    def _container_of(self, item: Mapping[str, Any]) -> Container | None:
        """Reads an element of the Engine's list. None, with a warning, when it is malformed: the
        others are handled all the same.
        """
        try:
            return from_list(item, self._engine.host)
        except (LookupError, TypeError, AttributeError):
            self._metrics.source_errors.labels("list").inc()
            log.warning("ignored an element of the list that is not a container: %.200r", item)
            return None

    # ------------------------------------------------------------ containers come and go

    def _follow(self, container: Container) -> Followed | None:
        """Begins to follow a container that was not known. None when it is not to be followed."""
        left = self._left.get(container.id)
        if left is not None:  # a list or an event does not tell it
            container = replace(container, environment=left.facts.environment)
        if container.id == self._myself or not self._reading.selects(container):
            return None
        followed = self._left.pop(container.id, None)
        before = followed.facts.name if followed is not None else container.name
        if followed is not None:
            followed.container.change(container)
            if followed.follower is not None:
                followed.container.start_counting()  # its series may be gone
        else:
            made = FollowedContainer(
                container,
                self._router,
                self._engine,
                self._metrics,
                self._checkpoint.follow(container.id),
                self._learned,
                last_lines=self._reading.last_lines if self._reading.events else 0,
                inspected=self.states.inspected,
            )
            followed = Followed(made)
        self.followed[container.id] = followed
        self._metrics.containers.set(len(self.followed))
        if before != container.name:
            self._forget_series(before)
        return followed

    def _start(self, followed: Followed, position: Position) -> None:
        """Reads the log of a container that runs, from `position` unless it was read before."""
        ended = followed.task is not None and followed.task.done() and not followed.paused
        if not followed.container.logs or ended:
            self._learn(followed)
            return
        if followed.follower is None:
            key = followed.facts.id
            self._checkpoint.move(key, position)
            followed.follower = Follower(
                self._engine,
                followed.container,
                position,
                AckTracker(lambda moved: self._moved(key, moved)),
                self._metrics,
                max_line=self._reading.max_line,
                opening=self._opening,
                available=self.watch.available,
                files=self._files,
            )
        if followed.task is None or followed.paused:
            followed.paused = False
            reading = self._read(followed, followed.follower)
            followed.task = self._begin(reading, f"logs {followed.facts.name}")
        followed.follower.start()

    def _begin(self, doing: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None] | None:
        """Starts a task. None when the source is being cancelled: events may still come in then."""
        try:
            return self._tasks.create_task(doing, name=name)
        except RuntimeError:
            doing.close()
            return None

    async def _read(self, followed: Followed, follower: Follower) -> None:
        """Runs the follower of one container, again and again after unexpected errors."""
        await followed.stopped()
        wait = 1.0
        while True:
            try:
                await follower.run()
                return
            except Exception:
                log.exception("reading the log of %s failed", followed.facts.name)
                self._metrics.source_errors.labels("bug").inc()
            if follower.gone:
                return
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)

    def _learn(self, followed: Followed) -> None:
        self._begin(self._inspect(followed), f"inspect {followed.facts.name}")

    async def _inspect(self, followed: Followed) -> None:
        async with self._inspecting:
            with self._isolated(followed.facts):
                await followed.container.learn()

    def _learned(
        self, container: FollowedContainer, before: Container, answer: Mapping[str, Any]
    ) -> None:
        """Called when an inspection of a container has taken effect."""
        facts = container.facts
        if facts.name != before.name:
            self._forget_series(before.name)
        followed = self.followed.get(facts.id)
        if followed is not None and facts.environment and not self._reading.selects(facts):
            self._unfollow(followed)
            self._forget_series(facts.name)  # nothing of it was read yet
            log.info("container %s is not followed: its environment says so", facts.name)
            return
        if followed is None or not (answer.get("State") or {}).get("Running"):
            return
        if self._stats is not None:
            self._stats.add(facts, answer)
        if (answer.get("HostConfig") or {}).get("AutoRemove") and followed.wants_log_end:
            self._follow_log_end(followed)

    def _rename(self, followed: Followed, name: str) -> None:
        old = followed.facts.name
        followed.container.rename(name)
        if name != old:
            self._forget_series(old)

    def _follow_log_end(self, followed: Followed) -> None:
        if followed.log_end_task is None or followed.log_end_task.done():
            most = followed.container.last_lines.most
            followed.log_end = LogEnd(self._engine, followed.facts.id, most)
            looking = self._read_log_end(followed, followed.log_end)
            followed.log_end_task = self._begin(looking, f"end of log {followed.facts.name}")

    async def _read_log_end(self, followed: Followed, log_end: LogEnd) -> None:
        with self._isolated(followed.facts):
            await log_end.read()

    def _moved(self, container_id: str, position: Position) -> None:
        # A removed container has nothing to resume.
        if container_id in self.followed or container_id in self._left:
            self._checkpoint.move(container_id, position)

    def _remove(self, container_id: str) -> None:
        """Handles the removal of a container. Its follower reads what it still can, and ends."""
        self._start_positions.forget(container_id)
        self._on_removed(container_id)
        self.reported.forget(container_id)
        if self._stats is not None:
            self._stats.remove(container_id)
        followed = self.followed.pop(container_id, None) or self._left.pop(container_id, None)
        self._metrics.containers.set(len(self.followed))
        if followed is None:
            self._checkpoint.forget(container_id)
            return
        followed.container.ends += 1
        if followed.follower is not None:
            followed.follower.stop()
        self._draining.add(followed)

    def _forget(self, followed: Followed) -> None:
        if followed.facts.id not in self.followed:
            self._checkpoint.forget(followed.facts.id)
        key = followed.facts.id
        self._event_queue.afterwards(key, lambda: self._router.forget(key))
        self._forget_series(followed.facts.name)
        followed.close()

    def _forget_series(self, name: str) -> None:
        """Removes the metrics of a container name, unless another container has it by now, as when
        Compose recreates one.
        """
        if all(followed.facts.name != name for followed in self.followed.values()):
            self._metrics.forget_container(name)

    # ----------------------------------------------- what happened while not connected

    async def _catch_up(self) -> None:
        """Reads containers to their end that ended while no agent ran or the Engine was not
        connected.
        """
        self._ended_early = MOST_ENDED
        listed = await self._list_all()
        present = [(one, item) for item in listed if (one := self._container_of(item))]
        for container, item in present:
            if item.get("State") not in ("exited", "dead"):
                if self._start_positions.is_new(item):
                    self._start_positions.created(container.id)
                continue
            self._note_ended(container, item)
            position = self._checkpoint[container.id]
            unread = position is not None or self._start_positions.is_new(item)
            if unread and not await self._was_read_to_end(container.id, position):
                followed = self.followed.get(container.id) or self._follow(container)
                if followed is not None and not followed.reading:
                    self._start(followed, position or Position())
        for container_id in self._checkpoint.state.ends.keys() - {one.id for one, _ in present}:
            self._checkpoint.note_end(container_id, None)
        gone = self._checkpoint.known() - {one.id for one, _ in present}
        gone -= self.followed.keys() | self._left.keys()  # `_check_ended` lets go of those
        for container_id in gone:
            self._note_missed(container_id)
            self._checkpoint.forget(container_id)

    def _note_ended(self, container: Container, item: Mapping[str, Any]) -> None:
        """Reports a container that ended while no agent looked, if that may not be too long ago."""
        seen = self.states.of(container.id).finished is not None
        if seen or container.id == self._myself or not self._reading.selects(container):
            return
        if not (ended_within(str(item.get("Status")), self._keep_ended) and self._ended_early):
            return
        self._ended_early -= 1
        self.states.note(container.id, item, self.watch.asked)
        self.reported.ended_early(container)
        self._look_at(container)

    def _note_missed(self, container_id: str) -> None:
        """Counts a container that was removed while no agent ran, perhaps before it was read to its
        end.
        """
        position = self._checkpoint[container_id]
        if position is None or position.ended:
            return
        self._metrics.source_errors.labels("missed").inc()
        if count := self._missed():
            log.warning(
                "%d %s removed while no agent looked, the last one %.12s: what was written at the "
                "end is lost",
                count,
                plural(count, "container was", "containers were"),
                container_id,
            )

    async def _was_read_to_end(self, container_id: str, position: Position | None) -> bool:
        if position is None or not position.ended:
            return False
        try:
            answer = await self._engine.get(f"/containers/{container_id}/json")
        except NotFound:
            return True  # gone in the meantime
        except EngineError:
            return False  # its follower asks again
        return bool((answer.get("State") or {}).get("StartedAt") == position.ended)

    async def _check_ended(self, ended: list[str]) -> None:
        """Drops containers whose `destroy` event was lost."""
        if not ended:
            return
        at = self._to_check % len(ended)
        some = ended[at : at + CHECKED_AT_ONCE]
        self._to_check = at + len(some)
        filters = json.dumps({"id": some})
        present = {item["Id"] for item in await self._list_all(filters=filters) if item.get("Id")}
        for container_id in set(some) - present:
            self._remove(container_id)

    async def _list_all(self, **filters: str) -> list[Mapping[str, Any]]:
        """Asks for all containers, running or not."""
        listed = await self._engine.get("/containers/json", all="1", **filters)
        if not isinstance(listed, list):
            raise EngineError(f"{self._engine.endpoint.url} gives no list of containers")
        return [item for item in listed if isinstance(item, dict)]
