"""What the Engine says of each container: its state, and what it uses.

`GET /top` counts entries and knows none of this; the page's `GET /api/now?containers=1` streams it:
first all containers, then every two seconds those that have changed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from pipeline.cli._agent import AgentClient
from pipeline.model.errors import DocklineError

PATH: Final = "/api/now?containers=1"
AGAIN: Final = 5.0
"""Seconds until it asks again, after a refusal or a broken connection."""


class Figures(msgspec.Struct, frozen=True):
    """One container. None for what was not measured; rates are bytes per second."""

    name: str = ""
    image: str = ""
    project: str = ""
    service: str = ""
    state: str = ""
    """As the Engine names it: `running`, `exited` and so on; empty if it is not known."""
    health: str = ""
    restarts: int | None = None
    exit_code: int | None = None
    oom: int | None = None
    """How often it was seen to run out of memory."""
    cpu: float | None = None
    """Cores in use."""
    memory: float | None = None
    memory_limit: float | None = None
    receive: float | None = None
    transmit: float | None = None


NOTHING: Final = Figures()


class _Table(msgspec.Struct):
    columns: list[str] = []
    full: bool = False
    gone: list[str] = []
    rows: list[list[Any]] = []


class _Now(msgspec.Struct):
    table: _Table = msgspec.field(default_factory=_Table)


class FigureTable:
    """The newest figures by the first twelve digits of the container's id, as `GET /top` has it."""

    def __init__(self) -> None:
        self.by_id: Mapping[str, Figures] = {}
        """Replaced, never changed: another thread may read it."""

    def take(self, line: bytes) -> None:
        """Takes a line of the stream. Raises `ValueError` for one that isn't what an agent
        sends."""
        table = msgspec.json.decode(line, type=_Now).table
        found = {} if table.full else dict(self.by_id)
        for gone in table.gone:
            found.pop(gone[:12], None)
        places = {name: place for place, name in enumerate(table.columns)}
        names = [name for name in Figures.__struct_fields__ if name in places]
        if table.rows and "id" not in places:
            raise ValueError("the table has no column `id`")
        for row in table.rows:
            found[str(row[places["id"]])[:12]] = _figures(names, places, row)
        self.by_id = found


def _figures(names: Sequence[str], places: Mapping[str, int], row: Sequence[Any]) -> Figures:
    if len(row) != len(places):
        raise ValueError("a row of the table has too many or too few cells")
    return msgspec.convert({name: row[places[name]] for name in names}, Figures)


class FigureStream:
    """Reads the stream in a thread of its own, as long as the context is open.

    An agent that refuses (it has too many viewers, or no page) is asked again.
    """

    def __init__(self, agent: AgentClient, changed: Callable[[], object]) -> None:
        """`changed` is called in the thread for each line."""
        self.problem = ""
        """Why there are no figures; empty while they come."""
        self._agent = agent
        self._changed = changed
        self._table = FigureTable()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="figures", daemon=True)

    @property
    def by_id(self) -> Mapping[str, Figures]:
        """The newest figures, by the first twelve digits of the container's id."""
        return self._table.by_id

    def __enter__(self) -> FigureStream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()  # the thread may still wait for a line: it is not joined

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                for line in self._agent.stream(PATH):
                    if self._ended.is_set():
                        return
                    self._table.take(line)
                    self.problem = ""
                    self._changed()
            except (DocklineError, ValueError) as error:
                self.problem = str(error)
            self._table.by_id = {}
            self._changed()
            self._ended.wait(AGAIN)


def figures_once(agent: AgentClient) -> Mapping[str, Figures]:
    """The figures of this moment, by the first twelve digits of each id; none if the agent has
    none to give. Takes up to a second."""
    table = FigureTable()
    try:
        table.take(agent.get(f"{PATH}&once=1"))
    except (DocklineError, ValueError):
        return {}
    return table.by_id
