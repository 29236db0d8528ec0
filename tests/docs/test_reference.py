"""The generated files are what the source says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.config.fields import fields
from pipeline.model import registry
from pipeline.reference import command_line
from pipeline.reference.__main__ import FILES, main, stale

ROOT = Path(__file__).parents[2]


def test_the_generated_files_are_up_to_date() -> None:
    """When this fails: `python -m pipeline.reference`."""
    assert stale(ROOT) == []


def test_writing_makes_them_so_and_checking_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs/reference").mkdir(parents=True)
    (tmp_path / "config").mkdir()
    assert main(["--check"]) == 1
    assert capsys.readouterr().err.count("is stale") == len(FILES)
    assert main([]) == main(["--check"]) == 0
    (tmp_path / "docs/reference/settings.md").write_text("old")
    assert stale(tmp_path) == ["docs/reference/settings.md"]


@pytest.mark.parametrize("kind", ["sinks", "stages"])
def test_every_component_and_each_of_its_keys_is_documented(kind: registry.Kind) -> None:
    page = (ROOT / "docs/reference/settings.md").read_text()
    for name in registry.names(kind):
        assert f"\n### `{name}`\n" in page
        if kind == "sinks":
            for one in fields(registry.config_type(kind, name)):
                assert f"**`{one.key}`**" in page, f"{name}: {one.key}"


def test_every_command_and_each_of_its_options_is_documented() -> None:
    page = (ROOT / "docs/reference/command-line.md").read_text()
    found = command_line.commands()
    assert {"run", "check", "tap"} <= set(found)
    for name, parser in found.items():
        section = page.partition(f"\n## `dockline {name}`\n")[2].partition("\n## ")[0]
        usage = set(re.findall(r"--[a-z-]+", parser.format_usage()))
        assert usage <= set(re.findall(r"--[a-z-]+", section)), name
