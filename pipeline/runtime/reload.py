"""Reloads the configuration while the agent runs: on a signal, on a request, or when the file
changes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pipeline.config import ConfigErrors, Given, find, read
from pipeline.config.compare import Difference
from pipeline.config.file import ConfigFile
from pipeline.config.files import Signature, signature
from pipeline.model.component import Python
from pipeline.model.errors import DocklineError
from pipeline.model.metrics import Metrics

log = logging.getLogger(__name__)

POLL = 1.0
"""Seconds between two checks of the file. A changed file is read once it has stayed the same
between two checks, since an editor or a copy may not have finished."""


class Reloadable(Protocol):
    """What is reloaded: the agent."""

    async def reload(self, written: ConfigFile) -> Difference:
        """Applies another configuration. Raises `DocklineError`, and then the present one stays."""

    async def finish_reload(self) -> None:
        """Waits until what the last reload replaced or removed has ended."""


@dataclass(frozen=True)
class Outcome:
    """The result of a reload."""

    result: Literal["reloaded", "refused", "failed", "stopping"]
    file: str
    errors: Sequence[str] = ()
    """Why it wasn't reloaded, as `dockline check` prints it."""
    difference: Difference | None = None
    """What has changed, if it was reloaded."""
    warnings: Sequence[str] = ()

    @property
    def lines(self) -> list[str]:
        """The result as lines of text for people."""
        if self.difference is None:
            return [*self.errors, "not reloaded: the previous configuration stays in use"]
        return [*self.warnings, *self._needs_restart, f"reloaded {self.file}: {self.difference}"]

    @property
    def _needs_restart(self) -> list[str]:
        fixed = self.difference.fixed if self.difference is not None else ()
        return [f"a change of {', '.join(fixed)} needs a restart"] if fixed else []


class Reloader:
    """Reloads the configuration, one reload after another.

    Any number of requests during a reload lead to one more after it.
    """

    def __init__(
        self,
        given: Given,
        environ: Mapping[str, str],
        metrics: Metrics,
        *,
        python: Python = "refuse",
        watch: bool = False,
        poll: float = POLL,
    ) -> None:
        """`given`: what the configuration is read from. `environ`: for variables in it. `python`:
        whether the configuration may run Python code (`config.read`). `watch`: whether to reload
        when a file changes, checked every `poll` seconds."""
        self._given = given
        self._environ = environ
        self._python = python
        self._watching = watch
        self._poll = poll
        self._metrics = metrics
        self._asked = asyncio.Event()
        self._waiting: list[asyncio.Future[Outcome]] = []
        """Those who wait for the result of the next reload."""
        self._ended = False
        metrics.reload_success.set(1)
        metrics.reload_time.set_to_current_time()
        for result in ("success", "refused"):
            metrics.reloads.labels(result)

    def ask(self) -> None:
        """Asks for a reload. Returns at once; it starts when `run` runs and the one before is
        done."""
        self._asked.set()

    async def reload(self) -> Outcome:
        """Asks for a reload and waits for its result. Many callers may wait at once."""
        if self._ended:
            return self._stopping
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self.ask()
        outcome: Outcome = await waiting
        return outcome

    async def run(self, agent: Reloadable) -> None:
        """Reloads `agent` whenever asked, until it is cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                if self._watching:
                    tasks.create_task(self._watch(), name="watch configuration")
                while True:
                    await self._asked.wait()
                    self._asked.clear()
                    await self._reload(agent)
        finally:
            self._ended = True
            self._tell(self._waiting, self._stopping)

    async def _reload(self, agent: Reloadable) -> None:
        waiting, self._waiting = self._waiting, []
        outcome = self._stopping
        try:
            outcome = await self._try(agent)
        finally:
            self._tell(waiting, outcome)
        if outcome.difference is None:
            return
        try:
            await agent.finish_reload()
        except Exception:  # a bug; the agent must go on
            log.exception("ending what the reload replaced failed")

    async def _try(self, agent: Reloadable) -> Outcome:
        try:
            reading = await asyncio.to_thread(self._read)
            return self._succeeded(reading, await agent.reload(reading))
        except ConfigErrors as errors:
            for problem in errors.problems:
                log.error(problem.lines(errors.file)[0])
            self._refused(f"errors found: {len(errors.problems)}")
            told = ["\n".join(problem.lines(errors.file)) for problem in errors.problems]
            return Outcome("refused", errors.file, told)
        except DocklineError as error:
            self._refused(str(error))
            return Outcome("refused", self._given.name, [str(error)])
        except Exception as error:  # a bug; the agent must go on
            log.exception("reloading failed")
            self._refused(repr(error))
            return Outcome(
                "failed", self._given.name, ["reloading failed: see the agent's own log"]
            )

    @property
    def _stopping(self) -> Outcome:
        return Outcome("stopping", self._given.name, ["the agent is stopping"])

    def _tell(self, waiting: Sequence[asyncio.Future[Outcome]], outcome: Outcome) -> None:
        for one in waiting:
            if not one.done():  # the client may have gone
                one.set_result(outcome)

    def _read(self) -> ConfigFile:
        return read(self._found(), self._environ, python=self._python)

    def _found(self) -> Given:
        """What was found at the start; if that was nothing, what is in the usual places by now.

        A file that is missing for a moment must not lead to the built-in configuration.
        """
        if not self._given.files and not self._given.addresses:
            self._given = find((), self._environ)
        return self._given

    def _succeeded(self, reading: ConfigFile, difference: Difference) -> Outcome:
        warnings = [warning.lines(reading.file)[0] for warning in reading.warnings]
        for warning in warnings:
            log.warning(warning)
        if difference.fixed:
            log.warning(
                "%s: a change of %s needs a restart",
                reading.file,
                ", ".join(difference.fixed),
            )
        log.info("reloaded %s: %s", reading.file, difference)
        self._metrics.reloads.labels("success").inc()
        self._metrics.reload_success.set(1)
        self._metrics.reload_time.set(time.time())
        return Outcome("reloaded", reading.file, difference=difference, warnings=warnings)

    def _refused(self, why: str) -> None:
        log.error("the configuration is not reloaded, the previous one stays in use: %s", why)
        self._metrics.reloads.labels("refused").inc()
        self._metrics.reload_success.set(0)

    # ---------------------------------------------------------------------------- watching

    async def _watch(self) -> None:
        """Asks for a reload when a file is another one or its contents have changed, and when a
        folder has more or fewer files.

        A file may be replaced, or be reached over links that change. While one is missing, nothing
        happens.
        """
        used = seen = await self._sign()
        while True:
            await asyncio.sleep(self._poll)
            now = await self._sign()
            if now is not None and now == seen and now != used:
                used = now
                self.ask()
            seen = now

    async def _sign(self) -> Signature | None:
        return await asyncio.to_thread(lambda: signature(self._found()))
