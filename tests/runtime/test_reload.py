"""When the configuration is read again, and what becomes of one that has errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from pipeline.config import Config, ConfigFile, Given
from pipeline.config.compare import Difference, compare
from pipeline.model.errors import DocklineError
from pipeline.model.metrics import Metrics
from pipeline.runtime import reload as module
from pipeline.runtime.reload import Reloader
from tests.suite.waiting import until


class Agent:
    """Takes every configuration, as slowly as it is told, or none."""

    def __init__(self) -> None:
        self.taken: list[Config] = []
        self.settled = 0
        self.busy = asyncio.Event()
        self.busy.set()
        self.refusal = ""
        self.bug: Exception | None = None

    async def reload(self, written: ConfigFile) -> Difference:
        if self.refusal:
            raise DocklineError(self.refusal)
        self.taken.append(written.config)
        return compare(Config(), written.config)

    async def finish_reload(self) -> None:
        await self.busy.wait()
        self.settled += 1
        if self.bug is not None:
            raise self.bug


class Made:
    def __init__(self, file: Path, *, watch: bool = False) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.agent = Agent()
        self.file = file
        self.reloader = Reloader(Given((file,)), {}, self.metrics, watch=watch, poll=0.02)

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"dockline_{name}", labels)


@asynccontextmanager
async def running(made: Made) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(made.reloader.run(made.agent))
        yield
        task.cancel()


def sink(path: str) -> str:
    return f'[sinks.out]\ntype = "file"\npath = "{path}"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "dockline.toml"
    path.write_text(sink("/a"))
    return path


async def test_what_is_asked_for_during_a_reload_is_done_once_after_it(file: Path) -> None:
    made = Made(file)
    async with running(made):
        made.agent.busy.clear()
        made.reloader.ask()
        await until(lambda: len(made.agent.taken) == 1)
        for _ in range(5):
            made.reloader.ask()
        await asyncio.sleep(0.05)
        assert len(made.agent.taken) == 1
        made.agent.busy.set()
        await until(lambda: made.agent.settled == 2)
        await asyncio.sleep(0.05)
        assert len(made.agent.taken) == 2


async def test_errors_are_all_told_with_their_lines_and_nothing_is_applied(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = Made(file)
    loaded = made.sample("config_last_reload_success_timestamp_seconds")
    assert made.sample("config_last_reload_success") == 1
    file.write_text('[sinks.out]\ntype = "fiel"\n[logs]\nstrat = "now"\n')
    with caplog.at_level(logging.ERROR):
        async with running(made):
            made.reloader.ask()
            await until(lambda: made.sample("config_reloads_total", result="refused"))
            assert made.agent.taken == []
            assert made.sample("config_last_reload_success") == 0
            assert made.sample("config_last_reload_success_timestamp_seconds") == loaded
            file.write_text(sink("/b"))
            made.reloader.ask()
            await until(lambda: made.sample("config_reloads_total", result="success"))
            assert made.sample("config_last_reload_success") == 1
    told = [record.getMessage() for record in caplog.records]
    assert told[0].startswith(f"{file}:2: ")
    assert told[1].startswith(f"{file}:4: ")
    assert "the previous one stays in use" in told[2]


async def test_those_who_wait_are_told_what_became_of_the_reload_that_follows(file: Path) -> None:
    made = Made(file)
    async with running(made):
        made.agent.busy.clear()
        first = await made.reloader.reload()
        assert (first.result, first.difference and first.difference.added) == ("reloaded", ["out"])
        file.write_text('[sinks.out]\ntype = "fiel"\n[logs]\nstrat = "now"\n')
        async with asyncio.TaskGroup() as tasks:
            meanwhile = [tasks.create_task(made.reloader.reload()) for _ in range(3)]
            await asyncio.sleep(0.05)
            assert not any(task.done() for task in meanwhile)
            made.agent.busy.set()
        outcomes = [task.result() for task in meanwhile]
        assert [one.result for one in outcomes] == ["refused"] * 3
        assert outcomes[0].errors[0].startswith(f"{file}:2: ")
        assert "^^^^" in outcomes[0].errors[0]
        assert outcomes[0].errors[1].startswith(f"{file}:4: ")
        assert made.sample("config_reloads_total", result="refused") == 1


async def test_who_waits_when_the_agent_stops_is_told_so(file: Path) -> None:
    made = Made(file)
    async with asyncio.TaskGroup() as tasks, running(made):
        made.agent.busy.clear()
        await made.reloader.reload()
        waiting = tasks.create_task(made.reloader.reload())
        await asyncio.sleep(0)
    assert waiting.result().result == "stopping"
    assert (await made.reloader.reload()).result == "stopping"


async def test_what_the_agent_cannot_have_is_a_refusal_too(file: Path) -> None:
    made = Made(file)
    made.agent.refusal = "the spool is in use"
    async with running(made):
        made.reloader.ask()
        await until(lambda: made.sample("config_reloads_total", result="refused") == 1)


async def test_a_bug_in_what_ends_after_a_reload_does_not_end_the_agent(file: Path) -> None:
    made = Made(file)
    made.agent.bug = RuntimeError("a bug")
    async with running(made):
        for turn in (1, 2):
            made.reloader.ask()
            await until(lambda turn=turn: made.agent.settled == turn)


async def test_a_file_that_is_gone_does_not_make_an_agent_with_the_defaults(file: Path) -> None:
    made = Made(file)
    file.unlink()
    async with running(made):
        made.reloader.ask()
        await until(lambda: made.sample("config_reloads_total", result="refused") == 1)
    assert made.agent.taken == []


async def test_a_watched_file_is_read_when_it_is_another_and_has_been_quiet(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, looks, look = Made(file, watch=True), [], module.signature

    def noted(given: Given) -> object:
        looks.append(found := look(given))
        return found

    monkeypatch.setattr(module, "signature", noted)
    async with running(made):
        await until(lambda: len(looks) > 3)
        assert made.agent.taken == []
        file.write_text(sink("/longer"))
        await until(lambda: len(made.agent.taken) == 1)
        other = tmp_path / "other"
        other.write_text(sink("/renamed"))
        other.replace(file)
        await until(lambda: len(made.agent.taken) == 2)
        file.unlink()
        await until(lambda: looks[-1] is None)
        linked = tmp_path / "linked"
        linked.write_text(sink("/linked"))
        file.symlink_to(linked)
        await until(lambda: len(made.agent.taken) == 3)
    paths = [config.sinks["out"].path for config in made.agent.taken]  # type: ignore[attr-defined]
    assert paths == ["/longer", "/renamed", "/linked"]


async def test_a_watched_folder_is_read_when_a_file_comes_changes_or_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "conf.d"
    folder.mkdir()
    (folder / "1.toml").write_text(sink("/a"))
    made, looks, look = Made(folder, watch=True), [], module.signature
    monkeypatch.setattr(module, "signature", lambda given: looks.append(given) or look(given))
    async with running(made):
        await until(lambda: len(looks) > 1)
        for count, (name, text) in enumerate(
            [("2.toml", "[sinks.b]\ntype = 'console'\n"), ("1.toml", sink("/c")), ("2.toml", "")]
        ):
            (folder / name).write_text(text) if text else (folder / name).unlink()
            await until(lambda count=count: len(made.agent.taken) == count + 1)
    assert [sorted(config.sinks) for config in made.agent.taken] == [["b", "out"]] * 2 + [["out"]]
    assert made.agent.taken[1].sinks["out"].path == "/c"  # type: ignore[attr-defined]


async def test_errors_in_a_folder_are_told_with_the_file_that_they_are_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "1.toml").write_text(sink("/a"))
    (tmp_path / "2.toml").write_text(sink("/b") + "[logs]\nstrat = 1\n")
    made = Made(tmp_path)
    async with running(made):
        outcome = await made.reloader.reload()
    assert (outcome.result, outcome.file) == ("refused", str(tmp_path))
    heads = [f"{tmp_path}/2.toml:1: sinks.out: ", f"{tmp_path}/2.toml:5: logs.strat: "]
    assert [one.startswith(head) for one, head in zip(outcome.errors, heads, strict=True)]
    said = [record.getMessage() for record in caplog.records]
    assert all(one.startswith(head) for one, head in zip(said, heads, strict=False))


@pytest.mark.fault(113)
async def test_a_refused_reload_shows_no_secret_to_the_log_nor_to_who_asked(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = Made(file)
    async with running(made):
        for text in (
            '[sinks.a]\ntype = "loki"\nurl = "http://me:s3cr3t@loki"\nauth = "me:s3cr3t"\n',
            '[sinks.a]\ntype = "papertrail"\ntoken = "s3cr3t\nx = 1\n',
        ):
            file.write_text(text)
            outcome = await made.reloader.reload()
            assert outcome.result == "refused"
            assert "s3cr3t" not in "\n".join(outcome.lines)
    assert f"{file}:4" in caplog.text
    assert f"{file}:3" in caplog.text
    assert "s3cr3t" not in caplog.text
