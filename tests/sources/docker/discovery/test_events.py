"""Each event comes out once, as a sentence and as fields."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.accounting.checkpoint import Position
from pipeline.model.batch import Batch
from pipeline.model.container import Container
from pipeline.sources.docker.discovery.events import EventCursor, action_of, event_batch, event_time
from pipeline.sources.docker.discovery.facts import from_event
from pipeline.sources.docker.engine.client import Engine
from pipeline.sources.docker.engine.endpoint import resolve
from pipeline.sources.docker.lifecycle.states import States
from pipeline.testing.builders import container
from pipeline.testing.private_engine import PrivateEngine

NOON = 1_769_860_800 * 10**9


def happened(action: str, at: int = NOON, **attributes: str) -> dict[str, Any]:
    actor = {"ID": "a" * 64, "Attributes": {"name": "api-1", **attributes}}
    return {"Action": action, "Actor": actor, "timeNano": at, "time": at // 10**9}


def entry(event: dict[str, Any], of: Container | None = None) -> tuple[str, dict[str, Any]]:
    """The sentence, and the fields under `docker.event`."""
    batch = event_batch(event, States().observe(event).words, of or container(), 7)
    assert batch.fields is not None
    assert list(batch.fields[0]) == ["docker"]
    return batch.lines[0].decode(), batch.fields[0]["docker"]["event"]


# ---------------------------------------------------------------------------- as an entry


@pytest.fixture
async def listening(engine: PrivateEngine) -> AsyncIterator[AsyncIterator[bytes]]:
    """The events of a real Engine from now on."""
    one = Engine(resolve(engine.url, None, {}))
    await one.connect()
    async with one.streamed("/events", filters=json.dumps({"type": ["container"]})) as lines:
        yield lines
    await one.close()


async def test_what_happens_to_real_containers_reads_as_sentences(
    engine: PrivateEngine, busybox: str, listening: AsyncIterator[bytes]
) -> None:
    def act() -> None:
        run = ["run", "-d", "--network", "none"]
        hungry = "until [ -e /go ]; do sleep 0.05; done; exec tail /dev/zero"
        well = ["--health-cmd", "true", "--health-interval", "0.5s"]
        engine.docker(*run, "--name", "events-1", busybox, "sleep", "600")
        engine.docker("rename", "events-1", "events-2")
        engine.docker(*run, "--name", "events-4", *well, busybox, "sleep", "600")
        engine.docker(*run, "--name", "events-3", "--memory", "32m", busybox, "sh", "-c", hungry)
        engine.docker("exec", "--detach", "events-3", "touch", "/go")  # its memory is watched now
        engine.docker("wait", "events-3")

    told: dict[str, dict[str, Any]] = {}
    awaited = {"oom", "health_status", "rename"}
    async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.to_thread(act))
        while not awaited <= {fields["action"] for fields in told.values()}:
            event = json.loads(await anext(listening))
            if event["Actor"]["Attributes"]["name"].startswith("events-"):
                one = from_event(event, "")
                sentence, fields = entry(event, one)
                told[f"{one.name}: {sentence}"] = fields
    await asyncio.to_thread(engine.docker, "rm", "--force", "events-2", "events-3", "events-4")
    assert told["events-1: started"] == {"action": "start"}
    assert told["events-2: renamed from events-1"] == {
        "action": "rename",
        "old_name": "events-1",
    }
    assert told["events-4: health: healthy"] == {
        "action": "health_status",
        "health": "healthy",
    }
    assert told["events-3: out of memory"] == {"action": "oom"}


def test_how_it_ended_is_a_number() -> None:
    assert entry(happened("die", exitCode="137", execDuration="5")) == (
        "exited with code 137",
        {"action": "die", "exit_code": 137},
    )


@pytest.mark.parametrize("label", ["9" * 5000, "-1", "1 ", "\u0663", ""], ids=len)
def test_a_label_in_the_place_of_the_exit_code_is_no_number(label: str) -> None:
    assert entry(happened("die", exitCode=label)) == ("exited", {"action": "die"})


def test_podman_says_some_things_in_its_own_way() -> None:
    """As its compatible API has them, measured with 5.4."""
    assert entry(happened("remove")) == ("removed", {"action": "destroy"})
    health = {**happened("health_status"), "HealthStatus": "unhealthy"}
    assert entry(health)[1] == {"action": "health_status", "health": "unhealthy"}
    assert entry(happened("rename")) == ("renamed", {"action": "rename"})
    died = happened("die", containerExitCode="3", exitCode="3")
    assert entry(died)[1] == {"action": "die", "exit_code": 3}


def test_labels_called_like_an_attribute_say_nothing_of_the_event() -> None:
    labels = {"exitCode": "7", "oldName": "/x", "signal": "9"}
    assert entry(happened("start", **labels)) == ("started", {"action": "start"})
    assert entry(happened("die", exitCode="none")) == ("exited", {"action": "die"})


def test_an_entry_is_one_line_of_no_stream_with_the_events_own_time() -> None:
    one = container()
    batch: Batch = event_batch(happened("start", NOON + 123_456_789), "started", one, 7)
    assert batch.container is one
    assert (batch.source, len(batch), batch.streams) == ("events", 1, b"\0")
    assert batch.times == [b"2026-01-31T12:00:00.123456789Z"]
    assert list(batch.sequences) == [7]


def test_a_name_of_any_characters_is_kept() -> None:
    renamed = happened("rename", oldName="/caf\u00e9")
    assert entry(renamed)[0] == "renamed from caf\u00e9"
    assert entry(happened("rename", oldName="/\ud800"))[0] == "renamed from \ufffd"


@pytest.mark.parametrize(
    ("action", "plain"),
    [
        ("start", "start"),
        ("health_status: healthy", "health_status"),
        ("exec_create: sh -c true", "exec_create"),
        ("remove", "destroy"),
        (None, ""),
    ],
)
def test_the_action_alone(action: str | None, plain: str) -> None:
    assert action_of({"Action": action}) == plain


def test_an_event_of_whole_seconds_has_a_time_too() -> None:
    assert event_time({"time": 5}) == 5 * 10**9
    assert event_time({"time": 5, "timeNano": 5_000_000_001}) == 5_000_000_001


# ---------------------------------------------------------------------------- each one once


def since(cursor: EventCursor, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What an Engine sends to one who subscribes at the cursor: inclusive."""
    if not cursor.since:
        return events
    seconds, fraction = cursor.since.split(".")
    first = int(seconds) * 10**9 + int(fraction)
    return [event for event in events if event["timeNano"] >= first]


@given(
    steps=st.lists(st.integers(0, 2), min_size=1, max_size=30),
    cuts=st.lists(st.integers(0, 30), max_size=5),
    restart=st.booleans(),
)
def test_cut_off_anywhere_and_with_equal_times_none_is_lost_and_none_comes_twice(
    steps: list[int], cuts: list[int], restart: bool
) -> None:
    """`restart`: the agent goes away and resumes from the position it had saved."""
    times = [NOON + sum(steps[: index + 1]) for index in range(len(steps))]
    events = [happened(f"{number}", at) for number, at in enumerate(times)]
    cursor, seen = EventCursor(Position()), []
    for cut in [*sorted(cuts), len(events)]:
        there = since(cursor, events)
        before = len(events) - len(there)
        if restart:
            cursor = EventCursor(cursor.position)
        else:
            cursor.reconnected()
        seen += [event["Action"] for event in there[: max(0, cut - before)] if cursor.is_new(event)]
    assert seen == [event["Action"] for event in events]


def test_an_event_older_than_the_last_one_is_new_and_moves_nothing() -> None:
    """The Engine stamps events before it queues them, so two may change places."""
    cursor = EventCursor(Position())
    assert cursor.is_new(happened("a", NOON + 5))
    assert cursor.is_new(happened("b", NOON + 4))
    assert cursor.since.endswith(".000000005")
    cursor.reconnected()
    assert not cursor.is_new(happened("a", NOON + 5))


def test_a_fresh_cursor_asks_for_what_happens_from_now_on() -> None:
    assert EventCursor(Position()).since == ""
