"""A clock is set, an hour ahead or an hour back: that of the Engine's host, or the agent's own."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from pipeline.testing.fake_engine import FakeEngine, Request, frame, head
from pipeline.testing.following import follow

pytestmark = pytest.mark.fault(9)

ONE = "a" * 64
HOUR = 3600
STEPS = pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["ahead", "back"])


class Logging(FakeEngine):
    """Has one container's log, and seeks in it as the Engine does: `since` finds the first line at
    or past it, and whatever follows in the log is sent, whatever its time."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.containers[ONE] = {"name": "web"}
        self.clock = 1_769_903_999
        """Of the Engine's host, in seconds."""
        self.lines: list[tuple[float, bytes]] = []
        self.streams = 0
        self._written = asyncio.Condition()
        self._cuts = 0

    async def log(self, count: int) -> None:
        """So many lines, a hundredth of a second apart by its clock."""
        first = len(self.lines)
        for number in range(first, first + count):
            self.lines.append((self.clock + (number % 100) / 100, b"line %d\n" % number))
        await self._tell()

    async def cut(self) -> None:
        """Ends the stream, as a proxy or a restart does."""
        self._cuts += 1
        await self._tell()

    async def _tell(self) -> None:
        async with self._written:
            self._written.notify_all()

    async def _reply(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if not request.path.endswith("/logs"):
            await super()._reply(request, writer)
            return
        self.streams += 1
        cuts, since = self._cuts, float(request.query.get("since", 0))
        past = (n for n, (moment, _) in enumerate(self.lines) if moment >= since)
        at = next(past, len(self.lines))
        writer.write(head())
        while cuts == self._cuts:
            for moment, text in self.lines[at:]:
                writer.write(frame(text, at=stamp(moment)))
            at = len(self.lines)
            async with self._written:
                await self._written.wait()


def stamp(moment: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))
    return f"{whole}.{round(moment % 1 * 100) % 100:02d}0000000Z"


@STEPS
async def test_the_engines_clock_is_set_and_every_line_comes_once(
    tmp_path: Path, step: int
) -> None:
    """Taken up twice by the same agent afterwards, and once by the next one."""
    async with Logging(tmp_path / "docker.sock") as fake:
        state = tmp_path / "state"
        async with follow(fake.url, state=state, start="beginning") as following:
            await fake.log(50)
            await following.until_lines("web", 50)
            fake.clock += step
            await fake.log(30)
            await following.until_lines("web", 80)
            for count in (110, 140):
                await fake.cut()
                await fake.log(30)
                await following.until_lines("web", count)
            first = following.lines("web")
        async with follow(fake.url, state=state, start="beginning") as following:
            await fake.log(10)
            await following.until_lines("web", 10)
            lines, sequences = first + following.lines("web"), following.sequences("web")
        assert lines == [f"line {number}" for number in range(150)]
        assert sequences == list(range(141, 151))
        assert fake.streams == 4


@STEPS
async def test_the_agents_own_clock_is_set_and_every_line_comes_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    real = time.time
    async with Logging(tmp_path / "docker.sock") as fake:
        state = tmp_path / "state"
        fake.clock = int(real())
        async with follow(fake.url, state=state, start="beginning") as following:
            await fake.log(20)
            await following.until_lines("web", 20)
            monkeypatch.setattr(time, "time", lambda: real() + step)
            await fake.cut()
            await fake.log(20)
            await following.until_lines("web", 40)
            first = following.lines("web")
        async with follow(fake.url, state=state, start="beginning") as following:
            await fake.log(20)
            await following.until_lines("web", 20)
            assert first + following.lines("web") == [f"line {number}" for number in range(60)]


@STEPS
async def test_events_go_on_whatever_their_time(tmp_path: Path, step: int) -> None:
    async with FakeEngine(tmp_path / "docker.sock") as fake, follow(fake.url) as following:
        await following.connected()
        at = time.time_ns()
        fake.emit("create", ONE, nanoseconds=at, name="web")
        fake.emit("pause", ONE, nanoseconds=at + step * 10**9, name="web")
        fake.emit("unpause", ONE, nanoseconds=at + step * 10**9 + 1, name="web")
        await following.until(lambda: len(following.actions("web")) == 3)
        assert following.actions("web") == ["create", "pause", "unpause"]
