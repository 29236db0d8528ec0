"""Every container of a real Engine, found and followed from its first line to its last."""

from __future__ import annotations

import asyncio
import gc
import secrets
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.testing.following import follow
from pipeline.testing.private_engine import PrivateEngine

pytestmark = pytest.mark.usefixtures("both_ways")


class Host:
    """Starts containers on the Engine, and removes them all at the end."""

    def __init__(self, engine: PrivateEngine, image: str) -> None:
        self.engine = engine
        self.url = engine.url
        self._image = image
        self._names: list[str] = []

    async def docker(self, *arguments: str) -> str:
        return await asyncio.to_thread(self.engine.docker, *arguments)

    async def run(self, script: str, *options: str, name: str = "", wait: bool = False) -> str:
        """Name of a container that runs `script`. `wait`: until it has ended."""
        name = name or f"test-{secrets.token_hex(4)}"
        self._names.append(name)
        background = [] if wait else ["--detach"]
        await self.docker(
            "run", *background, "--network", "none", "--name", name, *options,
            self._image, "sh", "-c", script,
        )  # fmt: skip
        return name

    def clear(self) -> None:
        present = self.engine.docker("ps", "--all", "--format", "{{.Names}}").split()
        if ours := [name for name in self._names if name in present]:
            self.engine.docker("rm", "--force", *ours)


@pytest.fixture
def host(engine: PrivateEngine, busybox: str) -> Iterator[Host]:
    with_engine = Host(engine, busybox)
    yield with_engine
    with_engine.clear()


COUNT = "i=0; while [ $i -lt {n} ]; do echo line $i; i=$((i+1)); done"
UNTIL_TOLD = "while [ ! -e /go ]; do sleep 0.05; done"
"""Ends when there is a file `/go` in the container."""
FOREVER = "i=0; while true; do echo line $i; i=$((i+1)); sleep 0.05; done"


def numbered(count: int, start: int = 0) -> list[str]:
    return [f"line {number}" for number in range(start, start + count)]


async def test_a_container_that_runs_already_is_followed_from_now_on(host: Host) -> None:
    name = await host.run(f"echo before; {UNTIL_TOLD}; echo after; sleep 60")
    while await host.docker("logs", name) != "before":
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    async with follow(host.url) as following:
        await following.until_follower(name)
        await host.docker("exec", "--detach", name, "touch", "/go")
        assert await following.until_lines(name, 1) == ["after"]


async def test_a_container_that_runs_already_is_read_from_its_beginning_when_asked(
    host: Host,
) -> None:
    name = await host.run("echo before; sleep 60")
    async with follow(host.url, start="beginning") as following:
        assert await following.until_lines(name, 1) == ["before"]


@pytest.mark.fault(5)
async def test_a_new_container_is_read_from_its_first_line_to_its_last(host: Host) -> None:
    async with follow(host.url) as following:
        await following.connected()
        name = await host.run(COUNT.format(n=2000) + "; printf 'without newline'")
        lines = await following.until_lines(name, 2001)
        assert lines == [*numbered(2000), "without newline"]
        assert following.sequences(name) == list(range(1, 2002))


@pytest.mark.fault(12)
async def test_a_container_that_is_gone_in_a_moment_is_read_whole_or_said_to_be_missed(
    host: Host,
) -> None:
    """On a busy machine its log may be removed before the Engine has answered for it."""
    async with follow(host.url) as following:
        await following.connected()
        names = [await host.run(f"echo {n}", "--rm", wait=True) for n in range(5)]

        def read() -> dict[str, list[str]]:
            return {name: found for name in names if (found := following.lines(name))}

        def missed() -> float:
            return following.errors("missed") + following.errors("maybe_missed")

        await following.until(lambda: len(read()) + missed() >= len(names))
        assert len(read()) + missed() == len(names)
        assert read()
        assert all(lines == [str(names.index(name))] for name, lines in read().items())


async def test_what_is_known_of_a_container_that_is_removed_goes_at_once(host: Host) -> None:
    """Not when the garbage collector comes: an image's labels may be 256 KiB."""
    async with follow(host.url) as following:
        await following.connected()
        gc.disable()
        try:
            name = await host.run("echo here; sleep 60", "--label", "large=" + "x" * 10_000)
            await following.until_lines(name, 1)
            (one,) = (it for it in following.source.followed.values() if it.facts.name == name)
            assert one.follower is not None
            known = [weakref.ref(it) for it in (one, one.container, one.follower)]
            del one
            await host.docker("rm", "--force", name)
            await following.until(lambda: "destroy" in following.actions(name))
            following.kept.batches.clear()
            await following.until(lambda: not any(it() for it in known))
        finally:
            gc.enable()


@pytest.mark.parametrize("driver", ["json-file", "local", "fluentd"])
async def test_logs_of_every_readable_driver_are_followed(host: Host, driver: str) -> None:
    """`fluentd` cannot be read; the Engine keeps a copy for it ("dual logging")."""
    options = ["--log-driver", driver]
    if driver == "fluentd":
        options += ["--log-opt", "fluentd-async=true", "--log-opt", "fluentd-address=127.0.0.1:9"]
    async with follow(host.url) as following:
        await following.connected()
        name = await host.run(COUNT.format(n=100) + "; sleep 60", *options)
        assert await following.until_lines(name, 100) == numbered(100)


@pytest.mark.fault(40)
async def test_a_driver_that_keeps_nothing_is_reported_once_and_left_alone(host: Host) -> None:
    async with follow(host.url, reconcile=0.1) as following:
        await following.connected()
        await host.run("sleep 60", "--log-driver", "none")
        await following.until(lambda: following.errors("unreadable"))
        await asyncio.sleep(1)
        assert following.errors("unreadable") == 1


@pytest.mark.fault(4)
async def test_both_streams_and_a_line_in_parts_come_out_whole(host: Host) -> None:
    script = (
        "echo to stderr >&2; head -c 100000 /dev/zero | tr '\\0' x; echo end; "
        "echo more >&2; sleep 60"
    )
    async with follow(host.url) as following:
        await following.connected()
        name = await host.run(script)
        await following.until_lines(name, 3)
        assert following.lines(name, stream=1) == ["x" * 100_000 + "end"]
        assert following.lines(name, stream=2) == ["to stderr", "more"]


@pytest.mark.fault(11)
async def test_a_terminal_comes_out_as_lines(host: Host) -> None:
    script = "echo one; head -c 40000 /dev/zero | tr '\\0' x; echo end; printf last"
    async with follow(host.url) as following:
        await following.connected()
        name = await host.run(script, "--tty")
        assert await following.until_lines(name, 3) == ["one", "x" * 40_000 + "end", "last"]


@pytest.mark.fault(6)
async def test_any_bytes_come_through(host: Host) -> None:
    script = "printf 'nul \\0 bell \\007 invalid \\377 end\\n'; sleep 60"
    async with follow(host.url) as following:
        await following.connected()
        name = await host.run(script, "--log-driver", "local")
        await following.until_lines(name, 1)
        (lines,) = [one.lines for one in following.kept.batches if one.source == "logs"]
        assert lines == [b"nul \0 bell \7 invalid \xff end"]


async def test_a_container_started_again_goes_on_without_a_gap_or_a_repeat(host: Host) -> None:
    async with follow(host.url) as following:
        await following.connected()
        name = await host.run("echo run; printf 'no newline'")
        await following.until_lines(name, 2)
        for runs in (2, 3):
            await host.docker("wait", name)  # one that runs yet is not started again
            await host.docker("start", name)
            await following.until_lines(name, 2 * runs)
        await asyncio.sleep(0.5)
        assert following.lines(name) == ["run", "no newline"] * 3
        assert following.sequences(name) == [1, 2, 3, 4, 5, 6]


async def test_an_old_container_that_is_started_again_gives_the_new_run_alone(host: Host) -> None:
    name = await host.run("date +%s%N", wait=True)
    await asyncio.sleep(2)
    async with follow(host.url) as following:
        await following.connected()
        await host.docker("start", name)
        await following.until_lines(name, 1)
        await asyncio.sleep(0.5)
        assert len(following.lines(name)) == 1


@pytest.mark.fault(13)
async def test_a_restart_loop_loses_nothing(host: Host) -> None:
    async with follow(host.url) as following:
        await following.connected()
        name = await host.run(
            "n=$(cat /n 2>/dev/null || echo 0); echo $((n+1)) > /n; echo run $n; exit 1",
            "--restart", "always",
        )  # fmt: skip
        lines = await following.until_lines(name, 5)
        # What the Engine has of it; whether that is all that was written is not ours to say.
        known = await host.docker("logs", name)
        assert lines[:5] == known.splitlines()[:5]


async def test_pausing_and_renaming_break_nothing(host: Host) -> None:
    async with follow(host.url) as following:
        await following.connected()
        name = await host.run(FOREVER)
        await following.until_lines(name, 3)
        await host.docker("pause", name)
        await host.docker("unpause", name)
        await host.docker("rename", name, f"{name}-new")
        host._names.append(f"{name}-new")
        await following.until_lines(f"{name}-new", 3)
        both = following.lines(name) + following.lines(f"{name}-new")
        assert both == numbered(len(both))
        assert following.actions(f"{name}-new") == ["rename"]
        value = following.metrics.registry.get_sample_value
        received = "dockline_received_entries_total"
        assert value(received, {"container": name}) is None
        assert value(received, {"container": f"{name}-new"})


async def test_what_happens_to_a_container_comes_out_as_entries(host: Host) -> None:
    async with follow(host.url) as following:
        await following.connected()
        name = await host.run("exit 3", "--rm", wait=False)
        await following.until(lambda: "destroy" in following.actions(name))
        assert following.actions(name) == ["create", "start", "die", "destroy"]
        (died,) = [
            batch
            for batch in following.kept.batches
            if batch.lines[0].startswith(b"exited with code 3 after ")
            and batch.container.name == name
        ]
        assert died.fields
        assert died.fields[0]["docker"]["event"]["exit_code"] == 3


async def test_a_container_that_is_removed_is_forgotten(host: Host, tmp_path: Path) -> None:
    async with follow(host.url, state=tmp_path) as following:
        await following.connected()
        name = await host.run(FOREVER)
        await following.until_lines(name, 3)
        (container_id,) = (
            key
            for key, followed in following.source.followed.items()
            if followed.facts.name == name
        )
        await host.docker("rm", "--force", name)
        await following.until(lambda: container_id not in following.source.followed)
        checkpoint = following.source._checkpoint
        await following.until(lambda: container_id not in checkpoint.known())
        labels = {"container": name}
        value = following.metrics.registry.get_sample_value
        assert value("dockline_received_entries_total", labels) is None


async def test_only_the_selected_containers_are_followed(host: Host) -> None:
    async with follow(host.url, selects=lambda one: "yes" in one.labels) as following:
        await following.connected()
        unwanted = await host.run(FOREVER)
        wanted = await host.run(FOREVER, "--label", "yes=1")
        await following.until_lines(wanted, 3)
        assert following.lines(unwanted) == []


@pytest.mark.fault(17)
async def test_more_streams_than_a_pool_of_a_hundred_connections(host: Host) -> None:
    count = 110
    async with follow(host.url) as following:
        await following.connected()
        names = []
        for _ in range(count // 10):
            started = [host.run("echo hello; sleep 300") for _ in range(10)]
            names += await asyncio.gather(*started)
        for name in names:
            assert await following.until_lines(name, 1) == ["hello"]
        assert len(following.source.followed) >= count


# ------------------------------------------------------------------- the agent going away


async def count_in_two_lives(host: Host, name: str, state: Path, second: int) -> list[str]:
    async with follow(host.url, state=state) as following:
        await following.until_lines(name, 5)
    first = following.lines(name)  # it takes what comes until it has ended
    await asyncio.sleep(1)
    async with follow(host.url, state=state) as following:
        lines = first + await following.until_lines(name, second)
        sequences = following.sequences(name)
        assert sequences == list(range(len(first) + 1, len(first) + 1 + len(sequences)))
    return lines


async def test_a_restart_resumes_exactly_where_it_stopped(host: Host, tmp_path: Path) -> None:
    name = await host.run(FOREVER)
    lines = await count_in_two_lives(host, name, tmp_path, 20)
    first = int(lines[0].split()[1])
    assert lines == numbered(len(lines), first)


async def test_what_was_read_and_not_settled_is_read_again(host: Host, tmp_path: Path) -> None:
    async with follow(host.url, state=tmp_path) as following:
        await following.connected()
        name = await host.run(f"echo delivered; {UNTIL_TOLD}; echo not delivered; sleep 60")
        await following.until_lines(name, 1)
        following.kept.stuck = True
        await host.docker("exec", "--detach", name, "touch", "/go")
        await following.until_lines(name, 2)
    async with follow(host.url, state=tmp_path) as following:
        assert await following.until_lines(name, 1) == ["not delivered"]
        assert following.sequences(name) == [2]


async def test_what_ended_while_no_agent_ran_is_read_to_its_end_once(
    host: Host, tmp_path: Path
) -> None:
    async with follow(host.url, state=tmp_path) as following:
        await following.connected()
        known = await host.run(f"echo one; {UNTIL_TOLD}; echo two")
        await following.until_lines(known, 1)
    await host.docker("exec", "--detach", known, "touch", "/go")
    new = await host.run("echo came and went", wait=True)
    await host.docker("wait", known)
    async with follow(host.url, state=tmp_path) as following:
        assert await following.until_lines(known, 1) == ["two"]
        assert await following.until_lines(new, 1) == ["came and went"]
        await following.until(lambda: following.source._checkpoint.state.containers)
        await asyncio.sleep(0.5)
    async with follow(host.url, state=tmp_path) as following:
        await following.connected()
        await asyncio.sleep(0.5)
        assert following.lines(known) + following.lines(new) == []


async def test_events_of_the_time_away_come_out_once(host: Host, tmp_path: Path) -> None:
    async with follow(host.url, state=tmp_path) as following:
        await following.connected()
        name = await host.run("sleep 300")
        await following.until(lambda: "start" in following.actions(name))
    await host.docker("pause", name)
    async with follow(host.url, state=tmp_path) as following:
        await following.until(lambda: following.actions(name))
        assert following.actions(name) == ["pause"]
