"""The console sink writes to whatever standard output is, and never stops the event loop."""

from __future__ import annotations

import asyncio
import fcntl
import io
import json
import os
import pty
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.model.component import Sink, SinkContext
from pipeline.model.errors import Refused, Unavailable
from pipeline.sinks import console
from pipeline.sinks.console import Config, Console
from pipeline.testing.builders import batch
from pipeline.testing.sink_kit import SinkKit


def sink(**options: Any) -> Console:
    return Console(Config(type="console", **options), SinkContext("console"))


def redirect(monkeypatch: pytest.MonkeyPatch, output: Any) -> None:
    """Not in `sys` itself, where pytest puts its own between a fixture and the test."""
    monkeypatch.setattr(console, "sys", SimpleNamespace(stdout=output))


class Output:
    """Stands in for `sys.stdout`, on any file descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def fileno(self) -> int:
        return self.descriptor


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Standard output is a pipe; its reading end."""
    reading, writing = os.pipe()
    redirect(monkeypatch, Output(writing))
    yield reading
    for descriptor in (reading, writing):
        with suppress(OSError):
            os.close(descriptor)


async def show(to: Console, *lines: str) -> None:
    await to.open()
    await to.send(to.encode([batch(*lines)]))
    await to.close()


async def test_in_a_pipe_it_writes_json(pipe: int) -> None:
    await show(sink(), "hello")
    assert json.loads(os.read(pipe, 65536))["message"] == "hello"


async def test_text_in_a_pipe_has_no_colours_unless_they_are_asked_for(pipe: int) -> None:
    await show(sink(format="text"), "hello")
    assert os.read(pipe, 65536) == b"2026-01-31T23:59:59.000000000Z api-1 stdout | hello\n"
    await show(sink(format="text", color="always"), "hello")
    assert b"\x1b[" in os.read(pipe, 65536)


@pytest.mark.parametrize("no_color", [False, True])
async def test_on_a_terminal_it_writes_coloured_text(
    monkeypatch: pytest.MonkeyPatch, no_color: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    ours, terminal = pty.openpty()
    try:
        redirect(monkeypatch, Output(terminal))
        await show(sink(), "hello")
        written = b""
        while not written.endswith(b"\n"):  # the kernel may hand it over in parts
            written += os.read(ours, 65536)
        assert written.endswith(b"hello\r\n")
        assert (b"\x1b[" in written) is not no_color
    finally:
        os.close(ours)
        os.close(terminal)


async def test_a_file_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "out").open("w") as file:
        redirect(monkeypatch, file)
        await show(sink(), "hello")
    assert json.loads((tmp_path / "out").read_text())["message"] == "hello"


async def test_a_reader_that_is_slow_keeps_only_this_sink_waiting(pipe: int) -> None:
    to = sink()
    payload = to.encode([batch(*["x" * 1000] * 1000)])
    received = bytearray()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(to.send(payload))
        for _ in range(20):  # the loop turns while the pipe is full
            await asyncio.sleep(0.001)
        assert not task.done()
        while len(received) < payload.size:
            received += await asyncio.to_thread(os.read, pipe, 65536)
    assert bytes(received) == payload.data
    await to.close()


async def test_a_pipe_that_somebody_made_non_blocking_takes_everything(pipe: int) -> None:
    writing = console.sys.stdout.fileno()
    fcntl.fcntl(writing, fcntl.F_SETFL, fcntl.fcntl(writing, fcntl.F_GETFL) | os.O_NONBLOCK)
    to = sink()
    payload = to.encode([batch(*["x" * 1000] * 1000)])
    received = bytearray()

    def read() -> None:
        while len(received) < payload.size:
            received.extend(os.read(pipe, 4096))

    reader = threading.Thread(target=read)
    reader.start()
    await to.send(payload)
    await asyncio.to_thread(reader.join, 60)
    assert bytes(received) == payload.data
    await to.close()


async def test_when_the_reader_is_gone_what_is_left_is_refused(pipe: int) -> None:
    os.close(pipe)
    to = sink()
    await to.open()
    with pytest.raises(Refused, match="nobody reads standard output any more"):
        await to.send(to.encode([batch("lost")]))
    await to.close()


async def test_a_full_disk_is_worth_waiting_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full:
        redirect(monkeypatch, full)
        to = sink()
        await to.open()
        with pytest.raises(Unavailable, match="cannot be written: No space left on device"):
            await to.send(to.encode([batch("later")]))
        await to.close()


def test_it_can_be_made_where_there_is_no_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    for absent in (None, io.StringIO()):
        redirect(monkeypatch, absent)
        assert sink().encode([batch("x")]).data.startswith(b"{")


class TestConsole(SinkKit):
    complaint = "start the agent with one"

    @pytest.fixture
    def sink(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink[Any]]:
        with Path(os.devnull).open("w") as null:
            redirect(monkeypatch, null)
            yield sink()

    @pytest.fixture
    def unreachable(self, monkeypatch: pytest.MonkeyPatch) -> Sink[Any]:
        redirect(monkeypatch, None)
        return sink()
