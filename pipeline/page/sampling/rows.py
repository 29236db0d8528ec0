"""The table of all containers: a row each, made anew only where something has changed.

With 10,000 idle containers updating all of them takes 12 ms, in pieces: a few numbers and objects
are compared for each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from pipeline.accounting.ledger import ContainerAccount
from pipeline.model import plain
from pipeline.model.container_state import State
from pipeline.model.dumps import dumps
from pipeline.observe.waiting import Undelivered, Waiting
from pipeline.page.names import shown
from pipeline.page.sampling.agent_view import Facts
from pipeline.page.sampling.usage import Usage

COLUMNS: Final = (
    "id", "name", "image", "project", "service", "host", "state", "health", "restarts",
    "exit_code", "oom", "created", "started", "followed", "why", "label_errors", "routes", "lines",
    "lines_per_second", "dropped", "waiting", "lag", "cpu", "memory", "memory_limit", "receive",
    "transmit", "read", "write",
)  # fmt: skip
"""What a row has, in order. docs/reference/api.md says what each is."""


class Row:
    """One container's figures, and what they were made from."""

    __slots__ = (
        "_open", "_read", "_state_version", "_usage_version", "account", "facts", "json", "lines",
        "passed", "project", "rate", "routes", "seen", "state", "taken", "version",
    )  # fmt: skip

    def __init__(self, facts: Facts, account: ContainerAccount | None, state: State) -> None:
        self.facts = facts
        self.account = account
        self.state = state
        self.project = shown(facts.container.project)
        self.routes: Sequence[str] = ()
        """Names of the routes that take the container."""
        self.lines = 0
        """Lines read of its log."""
        self.rate: float | None = None
        """Lines per second; None before the second sample."""
        self.taken: dict[str, int] = {}
        """Entries taken, by route, and below those that passed all stages."""
        self.passed: dict[str, int] = {}
        self.json = b""
        """The row as JSON, in the order of `COLUMNS`."""
        self.version = 0
        """The sample at which it changed last."""
        self.seen = 0
        """The last sample at which the container was there."""
        self._read = -1
        self._open = True
        self._state_version = self._usage_version = -1

    def is_quiet(self, usage: Usage | None) -> bool:
        """Whether nothing has changed since it was made, as far as can be told at a glance."""
        if self._open or self.rate != 0.0 or self.state.version != self._state_version:
            return False
        if usage is not None and usage.version != self._usage_version:
            return False
        return self.account is None or _read(self.account) == self._read

    def make(
        self, usage: Usage | None, waiting: Waiting, elapsed: float | None, version: int
    ) -> bool:
        """Makes it anew, and returns whether it differs.

        `elapsed`: seconds since the last sample; None at the first. `version`: of this sample.
        """
        account, state = self.account, self.state
        self._state_version = state.version
        self._usage_version = usage.version if usage is not None else -1
        undelivered = Undelivered()
        if account is not None:
            self._read = _read(account)
            undelivered = waiting.of(account)
            lines = account.read.get("logs", 0)
            self.rate = round((lines - self.lines) / elapsed, 1) if elapsed else None
            self.lines = lines
            self.routes = list(
                dict.fromkeys(one.route for one in account.routes.values() if one.bound)
            )
        else:
            self.rate = 0.0
        self._open = bool(undelivered.waiting) or (account is not None and account.open)
        written = dumps(self._values(usage, undelivered))
        if written == self.json:
            return False
        self.json, self.version = written, version
        return True

    def _values(self, usage: Usage | None, undelivered: Undelivered) -> Sequence[Any]:
        facts, state, container = self.facts, self.state, self.facts.container
        runs = state.state in ("", "running", "paused")
        usage = usage if usage is not None and runs else None
        return (
            container.id, plain.name(container.name), shown(container.image),
            self.project, shown(container.service), shown(container.host),
            state.state, state.health,
            state.starts if state.restarts is None else state.restarts,
            state.exit_code, state.oom,
            state.created, state.started,
            facts.followed, facts.why, facts.label_errors, self.routes,
            self.lines, self.rate,
            undelivered.dropped, undelivered.waiting, round(undelivered.lag, 1),
            *(_figure(usage, name) for name in _USED),
        )  # fmt: skip

    def flows(self) -> Counter[tuple[str, str]]:
        """What each route took of the container, and what passed its stages, since the last call:
        `(route, "taken")` and `(route, "passed")`."""
        grown: Counter[tuple[str, str]] = Counter()
        if self.account is None:
            return grown
        for one in self.account.routes.values():
            passed = one.taken + sum(one.made.values()) - sum(one.filtered.values()) - one.held
            key = f"{one.source} {one.route}"
            grown[one.route, "taken"] += one.taken - self.taken.get(key, 0)
            grown[one.route, "passed"] += passed - self.passed.get(key, 0)
            self.taken[key], self.passed[key] = one.taken, passed
        return grown


_USED: Final = ("cpu", "memory", "memory_limit", "receive", "transmit", "read", "write")
_DIGITS: Final = {"cpu": 4}


def _figure(usage: Usage | None, name: str) -> float | None:
    value: float | None = getattr(usage, name) if usage is not None else None
    return None if value is None else round(value, _DIGITS.get(name, 1))


def _read(account: ContainerAccount) -> int:
    """All entries read of the container, of its log, its events and its stats."""
    return sum(account.read.values())
