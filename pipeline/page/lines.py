"""`GET /api/lines`: older lines of one container, from the Engine's own log.

    ?container=ID&before=TIME | after=TIME | around=TIME | since=EPOCH&until=EPOCH  [&limit=200]

They are as the container wrote them, before any stage: what a stage redacts or drops is in them.
So whoever may not tap may not see them. Only containers that the agent follows have any.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from aiohttp import web

from pipeline.model.batch import STREAM_NAMES
from pipeline.model.container import Container
from pipeline.model.errors import EngineError
from pipeline.model.timestamps import nanoseconds, split_timestamp
from pipeline.observe.access import Guard
from pipeline.observe.query import Query
from pipeline.page._while_connected import while_connected
from pipeline.page.answers import answer, refused, sent
from pipeline.page.turns import TooManyError, Turns
from pipeline.sources.docker.decode.frames import FrameError
from pipeline.sources.docker.engine.client import Engine, NotFound, Unreadable
from pipeline.sources.docker.logs.kept_lines import Line
from pipeline.sources.docker.logs.past_lines import LATEST, MOST_LINES, Found, PastLines

AT_ONCE: Final = 4
"""Requests at once, over all clients: dockerd may scan a whole log for each."""
USUAL: Final = 200
"""Lines that are returned if the request doesn't say how many."""

_KINDS = ("before", "after", "around", "since")

Find = Callable[[str], Container]
"""Finds a container of the Engine that is followed, by its name or the beginning of its id. Raises
`LookupError`, with a sentence, if there is none."""


@dataclass(frozen=True)
class Wanted:
    """What a request asks for. Times are nanoseconds since the epoch."""

    kind: str
    time: int
    limit: int
    until: int = 0


class Lines:
    """Handles requests for `/api/lines`."""

    def __init__(self, engine: Engine | None, find: Find, guard: Guard) -> None:
        """`engine` need not be connected yet; None where there is none. `guard`: who may see
        entries (`http.tap`)."""
        self._engine = engine
        self._find = find
        self._guard = guard
        self._turns = Turns(AT_ONCE)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answers with lines as JSON; or with 400, 403, 404 or 503, and a sentence."""
        if reason := self._guard.refusal(request):
            return refused(403, reason)
        if self._engine is None:
            return refused(
                404, "this agent reads no Docker Engine, so it can ask for no older lines"
            )
        query = Query(request, single=("container", *_KINDS, "until", "limit"))
        try:
            wanted = asked(query)
            container = self._find(query.one("container"))
        except ValueError as error:
            return refused(400, str(error))
        except LookupError as error:
            return refused(404, str(error.args[0]))
        try:
            async with self._turns.of(request.remote or ""):
                with while_connected(request):
                    found = await _look(PastLines(self._engine, container.id), wanted)
                return await sent(request, answer(_written(container, *found)))
        except TooManyError:
            return refused(503, "others ask for older lines already: ask again in a moment")
        except NotFound:
            return refused(404, f"{container.name} is removed, and its log with it")
        except Unreadable as error:
            return refused(404, f"{container.name} has no log that can be read: {error}")
        except (EngineError, FrameError, OSError) as error:
            if request.transport is None or request.transport.is_closing():
                raise
            return refused(503, f"the log of {container.name} cannot be read now: {error}")


def asked(query: Query) -> Wanted:
    """What a query asks for. Raises `ValueError`, with a sentence."""
    if not query.one("container"):
        raise ValueError("name a container: container=ID")
    kinds = [kind for kind in _KINDS if query.one(kind)]
    if len(kinds) != 1:
        raise ValueError("say when: one of before=, after= and around=, or since= with until=")
    [kind], limit = kinds, _limit(query.one("limit"))
    if kind != "since":
        if query.one("until"):
            raise ValueError("until= belongs to since=")
        return Wanted(kind, _time(kind, query.one(kind)), limit)
    since, until = _epoch("since", query.one("since")), _epoch("until", query.one("until"))
    if since > until:
        raise ValueError("since= is later than until=")
    return Wanted(kind, since, limit, until)


def _limit(text: str) -> int:
    if not text:
        return USUAL
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ValueError(f"limit= is a number of lines, {MOST_LINES} at most")
    return min(int(text), MOST_LINES)


def _time(name: str, text: str) -> int:
    """Nanoseconds of an entry's time."""
    try:
        time, rest = split_timestamp(text.encode())
        if time and not rest:
            return nanoseconds(time)
    except ValueError:  # such as the 31st of February
        pass
    raise ValueError(f"{name}= is a time such as 2026-01-31T23:59:59.123456789Z")


def _epoch(name: str, text: str) -> int:
    """Nanoseconds of a number of seconds since the epoch."""
    try:
        seconds = Decimal(text)
        if seconds.is_finite() and 0 <= seconds <= LATEST // 10**9:
            return int(seconds * 10**9)
    except InvalidOperation:
        pass
    raise ValueError(f"{name}= is a number of seconds since 1970")


async def _look(lines: PastLines, wanted: Wanted) -> tuple[Found, Found | None]:
    """What was found; for `around`, the older lines and the newer ones."""
    looks: dict[str, Callable[[], Awaitable[Found]]] = {
        "before": lambda: lines.before(wanted.time, wanted.limit),
        "after": lambda: lines.after(wanted.time + 1, wanted.limit),
        "since": lambda: lines.between(wanted.time, wanted.until, wanted.limit),
    }
    if wanted.kind == "around":
        return await lines.around(wanted.time, wanted.limit)
    return await looks[wanted.kind](), None


def _written(container: Container, found: Found, newer: Found | None) -> dict[str, Any]:
    all_: dict[str, Any] = {
        "container": {"id": container.id, "name": container.name},
        "lines": _rows(found.lines),
        "more": found.more,
        "note": found.note,
    }
    if newer is not None:
        all_["lines"] += _rows(newer.lines)
        all_["newer"] = newer.more
        all_["note"] = "; ".join(dict.fromkeys(filter(None, (found.note, newer.note))))
    return all_


def _rows(lines: Sequence[Line]) -> list[dict[str, Any]]:
    return [
        {
            "time": line.time.decode("ascii", "replace"),
            "stream": STREAM_NAMES[line.stream],
            "message": line.text.decode("utf-8", "replace"),
            **({"cut": True} if line.cut else {}),
        }
        for line in lines
    ]
