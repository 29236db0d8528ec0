"""One log on an Engine that fails in ways a real one will not on request."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from pipeline.accounting.acks import AckTracker
from pipeline.accounting.checkpoint import Position
from pipeline.accounting.ledger import Ledger
from pipeline.accounting.offsets import Offsets
from pipeline.model.acknowledgement import Acknowledgement
from pipeline.model.batch import Batch
from pipeline.model.container import Container
from pipeline.model.metrics import Metrics
from pipeline.sources.docker.discovery.container import FollowedContainer
from pipeline.sources.docker.engine.client import Engine
from pipeline.sources.docker.engine.endpoint import resolve
from pipeline.sources.docker.logs import follower as module
from pipeline.sources.docker.logs.container_state import ContainerState
from pipeline.sources.docker.logs.follower import Follower
from pipeline.testing.fake_engine import FakeEngine, Fault, Step, frame, head, json_answer
from pipeline.topology import Router
from tests.suite.waiting import until

ONE = "a" * 64
LOGS = f"/containers/{ONE}/logs"
Script = list[Step]


def at(second: int) -> str:
    return f"2026-01-31T23:59:{second:02}.000000000Z"


def line(text: bytes, second: int = 0, stream: int = 1) -> bytes:
    return frame(text + b"\n", stream, at(second))


class Doubts(Offsets):
    """Of sinks, and how often their numbers were doubted."""

    def __init__(self) -> None:
        super().__init__({})
        self.count = 0

    def doubt(self, sequence: int) -> None:
        self.count += 1


class Watched(FollowedContainer):
    """A container that keeps what it is given."""

    def __init__(self, engine: Engine, metrics: Metrics) -> None:
        self.doubts = Doubts()
        super().__init__(
            Container(ONE, "web", "image"),
            Router([], metrics, Ledger()),
            engine,
            metrics,
            self.doubts,
            lambda *told: None,
        )
        self.lines: list[bytes] = []
        self.sequences: list[int] = []
        self.learned = 0
        self.bug: Exception | None = None

    async def learn(self) -> None:
        self.learned += 1

    async def distribute(self, batch: Batch, ack: Acknowledgement) -> None:
        if self.bug is not None:
            bug, self.bug = self.bug, None
            raise bug
        self.lines += batch.lines
        self.sequences += batch.sequences


class Reading:
    """A follower that runs, and what has come of it."""

    def __init__(self, fake: FakeEngine, engine: Engine, position: Position) -> None:
        self.fake = fake
        self.metrics = Metrics(CollectorRegistry())
        self.container = Watched(engine, self.metrics)
        self.moved: list[Position] = []
        self.tracker = AckTracker(self.moved.append)
        self.follower = Follower(
            engine, self.container, position, self.tracker, self.metrics,
            max_line=1 << 20, opening=asyncio.Semaphore(1), available=self._available,
        )  # fmt: skip
        self.task: asyncio.Task[None]

    async def _available(self) -> None:
        pass

    @property
    def lines(self) -> list[bytes]:
        return self.container.lines

    @property
    def since(self) -> list[str]:
        """What each request to follow the log asked for."""
        asked = (r.query for r in self.fake.requests if r.path == LOGS and "follow" in r.query)
        return [query.get("since", "") for query in asked]

    def errors(self, kind: str) -> float:
        value = self.metrics.registry.get_sample_value
        return value("dockline_source_errors_total", {"kind": kind}) or 0.0

    @property
    def gaps(self) -> float:
        value = self.metrics.registry.get_sample_value
        return value("dockline_log_gaps_total", {"container": "web"}) or 0.0

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not holds():
                await asyncio.sleep(0.01)

    async def ended(self) -> None:
        await asyncio.wait_for(asyncio.wait([self.task]), 60)
        await self.task


@asynccontextmanager
async def reading(
    fake: FakeEngine, *scripts: Script, running: bool = True, position: Position | None = None
) -> AsyncIterator[Reading]:
    fake.containers[ONE] = {"name": "web", "running": running}
    fake.answer(LOGS, *scripts)
    engine = Engine(resolve(fake.url, None, {}))
    await engine.connect()
    try:
        async with asyncio.TaskGroup() as tasks:
            made = Reading(fake, engine, position or Position())
            made.task = tasks.create_task(made.follower.run(), name="follower")
            made.follower.start()
            yield made
            made.task.cancel()
    finally:
        await engine.close()


@pytest.fixture(params=["unix", "tcp"])
async def fake(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[FakeEngine]:
    path = tmp_path / "docker.sock" if request.param == "unix" else None
    async with FakeEngine(path) as one:
        yield one


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[FakeEngine]:
    async with FakeEngine(tmp_path / "docker.sock") as one:
        yield one


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts that follow each other closely, for tests that do not look at the waits."""
    monkeypatch.setattr(module, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.05)


# --------------------------------------------------------------- streams that break or end


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("end", [[], [Fault.RESET]], ids=["ended", "broken"])
async def test_a_stream_that_ends_while_the_container_runs_goes_on_without_a_repeat(
    fake: FakeEngine, end: Script
) -> None:
    """As a proxy does that cuts what was silent for a while."""
    first: Script = [head(), line(b"one", 1), line(b"two", 2), *end]
    then: Script = [head(), line(b"two", 2), line(b"three", 3), Fault.STALL]
    async with reading(fake, first, then) as made:
        await made.until(lambda: len(made.lines) >= 3)
        assert made.lines == [b"one", b"two", b"three"]
        assert made.container.sequences == [1, 2, 3]
        assert made.since == ["", "1769903942.000000000"]
        assert made.moved[-1].sequence == 3


@pytest.mark.fault(5)
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("end", [[], [Fault.RESET]], ids=["ended", "broken"])
async def test_a_stream_that_breaks_in_the_middle_of_a_line_gives_it_whole_and_once(
    fake: FakeEngine, end: Script
) -> None:
    part, rest = frame(b"x" * 16384, 1, at(2)), frame(b"end\n", 1, at(2))
    between = line(b"other", 3, stream=2)
    whole: Script = [head(), part, between, rest, line(b"last", 4), Fault.STALL]
    async with reading(fake, [head(), line(b"one", 1), part, between, *end], whole) as made:
        await made.until(lambda: b"last" in made.lines)
        assert sorted(made.lines) == [b"last", b"one", b"other", b"x" * 16384 + b"end"]


@pytest.mark.fault(5)
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("at_byte", [1, 4, 8, 20, 45])
async def test_a_stream_that_breaks_in_the_middle_of_a_frame_loses_and_repeats_nothing(
    local: FakeEngine, at_byte: int
) -> None:
    one, two = line(b"one", 1), line(b"two", 2)
    whole: Script = [head(), one, two, Fault.STALL]
    async with reading(local, [head(), one, two[:at_byte], Fault.RESET], whole) as made:
        await made.until(lambda: len(made.lines) >= 2)
        assert made.lines == [b"one", b"two"]


async def test_a_silent_stream_that_is_cut_now_and_then_is_not_waited_for_ever_longer(
    local: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def until_news(state: ContainerState, wait: float) -> None:
        waits.append(wait)
        await asyncio.sleep(0)

    monkeypatch.setattr(module, "LONGEST_WAIT", 0.1)
    monkeypatch.setattr(module, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(ContainerState, "until_news", until_news)
    async with reading(local, [head(), 0.15]) as made:
        await made.until(lambda: len(waits) > 4)
        assert waits == [0.01] * len(waits)


async def test_a_start_ends_the_wait_for_the_next_attempt(
    local: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT", 3600.0)
    async with reading(local, [head()], [head(), line(b"again"), Fault.STALL]) as made:
        await made.until(lambda: made.since and local.requests[-1].path != LOGS)
        await asyncio.sleep(0.05)
        made.follower.start()
        await made.until(lambda: made.lines == [b"again"])


# ------------------------------------------------------------------ answers without a log


@pytest.mark.fault(12)
@pytest.mark.parametrize("status", [404, 409])
async def test_a_container_that_is_gone_is_not_asked_for_again_until_it_starts(
    local: FakeEngine, status: int
) -> None:
    gone = [json_answer({"message": "no such container"}, status)]
    async with reading(local, gone, [head(), line(b"back"), Fault.STALL]) as made:
        await made.until(lambda: made.follower.idle)
        await asyncio.sleep(0.05)
        assert (len(made.since), made.lines) == (1, [])
        made.follower.start()
        await made.until(lambda: made.lines == [b"back"])


async def test_a_container_that_is_removed_is_asked_for_once_more_and_then_left(
    local: FakeEngine,
) -> None:
    async with reading(local, [head(), line(b"one")], running=False) as made:
        await made.until(lambda: made.follower.idle)
        local.answer(LOGS, [json_answer({"message": "no such container"}, 404)])
        made.follower.stop()
        await made.ended()
        assert (len(made.since), made.lines) == (2, [b"one"])


@pytest.mark.usefixtures("quick")
async def test_an_engine_in_trouble_is_asked_again_and_its_trouble_said_once(
    local: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    trouble: Script = [json_answer({"message": "database is locked"}, 500)]
    async with reading(local, *[trouble] * 5, [head(), line(b"one"), Fault.STALL]) as made:
        await made.until(lambda: made.lines == [b"one"])
        assert made.errors("stream") == 5
        assert [r.message for r in caplog.records if "database is locked" in r.message] == [
            f"logs of web: {local.url} answers 500: database is locked"
        ]


async def test_a_log_that_can_never_be_read_is_said_once_and_its_container_known_all_the_same(
    local: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    async with reading(local, [json_answer({"message": "not supported"}, 501)]) as made:
        await made.ended()
        assert made.errors("unreadable") == 1
        assert made.container.learned == 1
        assert "not supported" in caplog.text


# ------------------------------------------------------------------- streams of nonsense


@pytest.mark.fault(2)
@pytest.mark.usefixtures("quick")
async def test_what_the_daemon_says_of_itself_is_said_once_and_the_log_goes_on_behind_it(
    local: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """Frames of type 3, and the end, whatever is asked for: a file of the log is damaged. Of a
    real one see `test_damage.py`."""
    complaint = b"\x03\0\0\0" + len(b"Error grabbing logs").to_bytes(4) + b"Error grabbing logs"
    damaged: Script = [head(), line(b"one", 1), complaint]
    behind: Script = [head(), line(b"two", 2), Fault.STALL]
    async with reading(local, *[damaged] * 4, behind) as made:
        await made.until(lambda: b"two" in made.lines)
        assert made.lines == [b"one", b"two"]
        assert made.container.sequences == [1, 3]
        assert (made.gaps, made.container.doubts.count) == (1, 1)
        assert len([r for r in caplog.records if "Error grabbing logs" in r.message]) == 1


@pytest.mark.fault(2)
@pytest.mark.usefixtures("real_waits")
@pytest.mark.parametrize(
    "garbage",
    [b"\x01\0\0\0\xff\xff\xff\xff", b"\x02\0\0\0\x7f\0\0\0abc", line(b"one") + b"\x61\0\0\0" * 9],
    ids=["4 GiB", "2 GiB", "a type that is none"],
)
async def test_garbage_is_tried_again_ever_more_seldom(local: FakeEngine, garbage: bytes) -> None:
    async with reading(local, [head(), garbage, Fault.STALL]) as made:
        await made.until(lambda: made.errors("stream") == 2)
        await asyncio.sleep(1)
        assert made.errors("stream") <= 4  # after 0.4, 1.2 and 2.8 s at the earliest
        assert made.lines in ([], [b"one"])


@pytest.mark.usefixtures("quick")
async def test_a_stream_of_bytes_that_is_no_log_comes_out_as_text(local: FakeEngine) -> None:
    page = b"<html>\n<body>Bad Gateway</body>\n"
    async with reading(local, [head(), page, Fault.STALL]) as made:
        await made.until(lambda: len(made.lines) == 2)
        assert made.lines == [b"<html>", b"<body>Bad Gateway</body>"]


@pytest.mark.usefixtures("quick")
async def test_a_log_that_lost_lines_meanwhile_gives_the_new_ones_when_it_ends(
    local: FakeEngine,
) -> None:
    """A driver that keeps a ring has dropped two of the lines that were to be skipped."""
    same = [line(text, 1) for text in (b"1", b"2", b"3", b"4")]
    lost = [same[0], same[3], line(b"new", 1)]
    async with reading(local, [head(), *same], [head(), *lost], [head(), *lost]) as made:
        await made.until(lambda: len(made.since) >= 3)
        await made.until(lambda: len(made.lines) >= 5)
        assert made.lines[:5] == [b"1", b"2", b"3", b"4", b"new"]


# ------------------------------------------------------------------------ what must not be


async def test_a_bug_on_the_way_to_the_sinks_loses_that_batch_and_holds_up_nothing(
    local: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    go = asyncio.Event()
    script: Script = [head(), line(b"one", 1), go, line(b"two", 2), Fault.STALL]
    async with reading(local, script) as made:
        made.container.bug = ZeroDivisionError()
        await made.until(lambda: made.container.bug is None)
        go.set()
        await made.until(lambda: made.lines == [b"two"])
        assert made.moved[-1].sequence == 2
        assert len(made.tracker) == 0
        assert made.errors("bug") == 1
        assert "lost 1 line of web" in caplog.text


async def test_lines_for_which_there_is_not_enough_memory_are_handed_out_again(
    local: FakeEngine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.sources.docker.logs.distributor.SHORTAGE", 0.01)
    script: Script = [head(), line(b"one", 1), 0.2, line(b"two", 2), Fault.STALL]
    async with reading(local, script) as made:
        made.container.bug = MemoryError()
        await made.until(lambda: made.lines == [b"one", b"two"])
        assert len(made.tracker) == 0
        assert made.errors("memory") == 1
        assert "there is not enough memory" in caplog.text
        assert "lost" not in caplog.text


@pytest.mark.fault(39)
async def test_cancelled_in_the_middle_it_lets_go_of_its_connection_and_settles_nothing(
    local: FakeEngine,
) -> None:
    async def blocked(batch: Batch, ack: Acknowledgement) -> None:
        await asyncio.Event().wait()

    gc.collect()
    before = _descriptors()
    async with reading(local, [head(), line(b"one", 1), Fault.STALL]) as made:
        made.container.distribute = blocked  # type: ignore[method-assign]
        await made.until(lambda: len(made.tracker))
        made.task.cancel()
        await asyncio.wait([made.task])
        assert not any(position.skip for position in made.moved)
    await until(lambda: _descriptors() <= before + 1)  # the other end stalls, as it was told to


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_lines_that_are_gone_before_any_was_settled_are_a_gap(fake: FakeEngine) -> None:
    """As behind a sink that is dead from a container's first line on."""
    first = [head(), line(b"1", 1), line(b"2", 2), Fault.STALL]
    async with reading(fake, first) as made:
        await made.until(lambda: made.lines == [b"1", b"2"])
        (position,) = {one for one in made.moved if not one.skip}
    rotated = [head(), line(b"2", 2), line(b"3", 3), Fault.STALL]
    async with reading(fake, rotated, position=position) as made:
        await made.until(lambda: made.lines == [b"2", b"3"])
        assert (made.gaps, made.container.doubts.count) == (1, 1)
    async with reading(fake, first, position=position) as made:
        await made.until(lambda: made.lines == [b"1", b"2"])
        assert (made.gaps, made.container.doubts.count) == (0, 0)


async def test_a_line_that_is_given_up_on_is_in_doubt_before_it_is_given_out(
    fake: FakeEngine,
) -> None:
    doubted: list[int] = []
    piece = frame(b"x" * 16384, 1, at(1))  # as long as a piece that is to be continued
    async with reading(fake, [head(), piece], running=False) as made:
        distribute = made.container.distribute

        async def noting(batch: Batch, ack: Acknowledgement) -> None:
            doubted.append(made.container.doubts.count)
            await distribute(batch, ack)

        made.container.distribute = noting  # type: ignore[method-assign]
        await made.until(lambda: made.lines)
    assert doubted == [1]
