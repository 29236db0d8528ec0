"""What `docs/start.md` shows is what the commands print, and what comes out of a real container."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.testing.agent_process import AgentProcess, whole_entries
from pipeline.testing.private_engine import PrivateEngine

PAGE = (Path(__file__).parents[2] / "docs/start.md").read_text()
SECTIONS = re.split(r"^## ", PAGE, flags=re.MULTILINE)
[CONFIG] = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
[ENTRY] = re.findall(r"^```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
LOOP = re.search(r"busybox sh -c '(.*?)'\n", PAGE, re.DOTALL)
MISTAKES = [
    [("{ keep =", "{ kep ="), ('to = ["errors"]', 'to = ["error"]')],
    [('name.startswith("web-")', 'name == "web"')],
]
"""What the last section has a reader write, example by example."""


def commands(section: int) -> Iterator[tuple[str, str]]:
    """The commands of a section that need no Engine, each with what the page shows after it."""
    for block in re.findall(
        r"^```console\n(.*?)^```$", SECTIONS[section], re.DOTALL | re.MULTILINE
    ):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            if command.startswith(("dockline check", "dockline explain")):
                yield command, shown


def printed(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    main(shlex.split(command)[1:])
    out, err = capsys.readouterr()
    return re.sub(r"Known: .*", "Known: …", out + err)


def test_check_and_explain_print_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dockline.toml").write_text(CONFIG)
    found = list(commands(2))
    assert len(found) == 2
    for command, shown in found:
        assert printed(command, capsys) == shown


def test_each_mistake_is_found_as_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for (command, shown), changes in zip(commands(4), MISTAKES, strict=True):
        text = CONFIG
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        Path("dockline.toml").write_text(text)
        assert printed(command, capsys) == shown


def keys(value: Any) -> Any:
    """The names in an object, at any depth."""
    return {key: keys(one) for key, one in value.items()} if isinstance(value, dict) else None


def test_the_entry_is_what_comes_out_of_that_container(
    engine: PrivateEngine, busybox: str, tmp_path: Path
) -> None:
    assert LOOP
    name, file = "web-start", tmp_path / "errors.json"
    config = CONFIG.replace("./errors.json", str(file)).partition("[sinks")
    engine.docker(
        "run", "--detach", "--network", "none", "--name", name, busybox, "sh", "-c", LOOP[1]
    )
    try:
        with AgentProcess(tmp_path / "agent", engine.url, "".join(config[1:])) as agent:
            agent.until(lambda: whole_entries(file))
    finally:
        engine.docker("rm", "--force", name)
    entry, shown = whole_entries(file)[0], json.loads(ENTRY)
    assert entry["container"]["image"].pop("tag") == "local"  # the page's image has none
    assert keys(entry) == keys(shown)
    for same in ("message", "stream", "log", "ecs", "level", "path", "status", "user"):
        assert entry[same] == shown[same]
    fields = re.findall(r"`([^`]+)`", "".join(re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)))
    assert {one.partition(".")[0] for one in fields} == set(shown) - {"ecs"}
