"""What comes with the event that a container has ended."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pipeline.sources.docker.discovery.last_lines import LONGEST, LastLines
from pipeline.testing.builders import batch
from pipeline.testing.fake_engine import FakeEngine, Fault, frame, head, json_answer
from pipeline.testing.following import Following, follow
from pipeline.testing.private_engine import PrivateEngine
from pipeline.topology import Route
from tests.sources.docker.conftest import Start

ONE, TWO = "a" * 64, "b" * 64
BOTH_WAYS = pytest.mark.usefixtures("both_ways")
THEN = "until [ -e /go ]; do sleep 0.05; done; rm /go; "
"""Of a script: waits for `go_on`."""


async def go_on(engine: PrivateEngine, name: str) -> None:
    await asyncio.to_thread(engine.docker, "exec", "--detach", name, "touch", "/go")


async def deaths(
    following: Following, name: str, count: int = 1
) -> list[tuple[str, dict[str, Any]]]:
    """The sentence and the fields of each `die`, once there are so many."""

    def found() -> list[tuple[str, dict[str, Any]]]:
        return [
            (one.lines[0].decode(), one.fields[0]["docker"]["event"])
            for one in following.kept.batches
            if one.source == "events" and one.container.name == name and one.fields
            if one.fields[0]["docker"]["event"]["action"] == "die"
        ]

    await following.until(lambda: len(found()) >= count, f"{name} has not died {count} times")
    return found()


@BOTH_WAYS
async def test_how_a_container_failed_and_what_it_said_last(
    engine: PrivateEngine, start: Start
) -> None:
    script = "for n in 1 2 3 4 5 6 7; do echo line $n; done; " + THEN + "echo boom >&2; exit 3"
    async with follow(engine.url, last_lines=3) as following:
        await following.connected()
        name = await asyncio.to_thread(start, script)
        await following.until_lines(name, 7)  # the Engine may read one stream before the other
        await go_on(engine, name)
        (died,) = await deaths(following, name)
    assert died[0].startswith("exited with code 3 after ")
    assert died[1].pop("last_lines") == ["line 6", "line 7", "boom"]
    assert died[1] == {
        "action": "die",
        "exit_code": 3,
        "oom_killed": False,
        "last_lines_complete": True,
    }


@BOTH_WAYS
async def test_each_run_of_a_container_has_its_own_last_lines(
    engine: PrivateEngine, start: Start
) -> None:
    """The third says nothing."""
    script = "echo x >> /runs; n=$(wc -l < /runs); sleep 0.3; [ $n = 3 ] || echo run $n; exit $n"
    async with follow(engine.url, last_lines=5) as following:
        await following.connected()
        name = await asyncio.to_thread(start, script, "--restart", "on-failure:3")
        died = await deaths(following, name, 4)
    assert [fields["exit_code"] for _, fields in died] == [1, 2, 3, 4]
    expected = [["run 1"], ["run 2"], [], ["run 4"]]
    assert [fields["last_lines"] for _, fields in died] == expected


async def test_one_that_was_killed_for_memory_says_so(engine: PrivateEngine, start: Start) -> None:
    options = ("--memory", "32m", "--memory-swap", "32m")
    async with follow(engine.url, last_lines=5) as following:
        await following.connected()
        name = await asyncio.to_thread(start, "echo hungry; exec tail /dev/zero", *options)
        ((sentence, fields),) = await deaths(following, name)
    assert sentence.startswith("killed: out of memory after ")
    assert (fields["exit_code"], fields["oom_killed"]) == (137, True)
    assert fields["last_lines"] == ["hungry"]


async def test_without_last_lines_there_are_none(engine: PrivateEngine, start: Start) -> None:
    async with follow(engine.url, last_lines=0) as following:
        await following.connected()
        name = await asyncio.to_thread(start, "echo one")
        ((_, fields),) = await deaths(following, name)
    assert fields == {"action": "die", "exit_code": 0, "oom_killed": False}


@pytest.mark.usefixtures("real_waits")
async def test_a_log_that_does_not_end_and_an_engine_that_does_not_answer_hold_up_nobody(
    tmp_path: Path,
) -> None:
    """What there is by then comes, and says that it is not all; others wait for it no longer."""
    async with FakeEngine(tmp_path / "docker.sock") as fake:
        state = json_answer({"Id": ONE, "Name": "/web", "State": {"Running": True}})
        fake.answer(f"/containers/{ONE}/logs", [head(), frame(b"one\n"), Fault.STALL])
        fake.answer(f"/containers/{ONE}/json", [state], [Fault.STALL])
        async with follow(fake.url, last_lines=5) as following:
            await following.connected()
            fake.emit("start", ONE, name="web")
            await following.until_lines("web", 1)
            for _ in range(20):
                fake.emit("die", ONE, name="web", exitCode="9")
            fake.emit("create", TWO, name="other")
            died = await deaths(following, "web", 20)
            await following.until(lambda: following.actions("other"))
    assert died[0][1] == {
        "action": "die",
        "exit_code": 9,
        "last_lines": died[0][1]["last_lines"],
        "last_lines_complete": False,
    }


async def test_they_are_read_of_a_container_whose_log_no_route_takes(
    engine: PrivateEngine, start: Start
) -> None:
    """Of one that had ended once before anybody looked, those of the last run only."""
    script = "n=$(wc -l < /runs); echo x >> /runs; echo run $n; " + THEN + "echo boom >&2; exit 3"
    name = await asyncio.to_thread(start, "touch /runs; " + script)
    await go_on(engine, name)
    await asyncio.to_thread(engine.docker, "wait", name)
    await asyncio.sleep(1.2)
    async with follow(engine.url, takes=["events"], last_lines=5) as following:
        await following.connected()
        await asyncio.to_thread(engine.docker, "start", name)
        while "run 1" not in await asyncio.to_thread(engine.docker, "logs", name):
            await asyncio.sleep(0.05)
        await go_on(engine, name)
        (died,) = await deaths(following, name)
        assert following.lines(name) == []
    assert died[1]["last_lines"] == ["run 1", "boom"]
    assert died[1]["last_lines_complete"] is True


async def test_they_are_read_of_each_run_and_long_ones_cut_where_no_route_takes_logs(
    engine: PrivateEngine, start: Start
) -> None:
    script = (
        "echo x >> /runs; n=$(wc -l < /runs); for i in 1 2 3; do echo run $n line $i; done; "
        "head -c 50000 /dev/zero | tr '\\0' x; exit $n"
    )
    async with follow(engine.url, takes=["events"], last_lines=2) as following:
        await following.connected()
        name = await asyncio.to_thread(start, script, "--restart", "on-failure:2")
        died = await deaths(following, name, 3)
    for number, (_, fields) in enumerate(died, 1):
        assert fields["last_lines"] == [f"run {number} line 3", "x" * LONGEST]


async def test_they_are_read_of_one_that_is_removed_as_it_ends_though_no_route_takes_logs(
    engine: PrivateEngine, start: Start
) -> None:
    script = "echo first; " + THEN + "echo one; echo two; exit 3"
    async with follow(engine.url, takes=["events"], last_lines=2) as following:
        await following.connected()
        name = await asyncio.to_thread(start, script, "--rm")
        await following.until(lambda: end_is_read(following), "the end of its log is not read")
        await go_on(engine, name)
        (died,) = await deaths(following, name)
        await following.until(lambda: not following.source.followed, "it is still followed")
    assert died[1]["last_lines"] == ["one", "two"]
    assert died[1]["last_lines_complete"] is True


def end_is_read(following: Following) -> bool:
    """Of the one container that there is, as it goes on."""
    (end,) = [one.log_end for one in following.source.followed.values()] or [None]
    return end is not None and end.is_readable


async def test_they_are_asked_for_once_a_reload_has_taken_the_last_route_of_its_log(
    engine: PrivateEngine, start: Start
) -> None:
    async with follow(engine.url, last_lines=2) as following:
        await following.connected()
        name = await asyncio.to_thread(start, "echo one; " + THEN + "echo two; exit 3")
        await following.until_lines(name, 1)
        source = following.source
        events = Route("all", frozenset({"events"}), lambda _: True, [], [following.kept])
        source._router.change([events], source._router._labels)
        source.change(source._reading)
        await go_on(engine, name)
        (died,) = await deaths(following, name)
    assert died[1]["last_lines"] == ["one", "two"]
    assert died[1]["last_lines_complete"] is True
    assert following.lines(name) == ["one"]


async def test_of_a_log_that_cannot_be_read_there_are_none(
    engine: PrivateEngine, start: Start
) -> None:
    async with follow(engine.url, takes=["events"], last_lines=2) as following:
        await following.connected()
        name = await asyncio.to_thread(start, "echo one", "--log-driver", "none")
        ((_, fields),) = await deaths(following, name)
    assert fields == {"action": "die", "exit_code": 0, "oom_killed": False}


def test_of_many_batches_the_last_lines_are_kept_and_long_ones_cut() -> None:
    last = LastLines(3)
    last.note(batch("a", "b", "c", "d"))
    last.note(batch(b"x" * 5000))
    kept = list(last.between(b"2026", b"2027"))
    assert kept == [b"c", b"d", b"x" * LONGEST]


def test_a_time_without_a_fraction_is_of_the_run_that_follows_in_its_second() -> None:
    last = LastLines(3)
    one = batch("before", "after")
    last.note(
        one.replace(times=[b"2026-01-31T23:59:58.000000000Z", b"2026-01-31T23:59:59.000000000Z"])
    )
    ended = b"2026-01-31T23:59:59.400000000Z"
    assert list(last.between(ended, b"2027")) == [b"after"]
