"""A configuration whose routes are explained and tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.file import ConfigFile, parse
from pipeline.explain import process

CONFIG = """\
[sinks.out]
type = "console"
[routes.errors]
containers = 'name.startswith("${PREFIX}")'
stages = [
  { parse = "json" },  # as the application writes it
  { set = { owner = "${OWNER}", who = "${NOBODY:-hunter33}" } },
  { keep = "level == 'error'" },
]
to = ["out", "route:rare"]
[routes.rare]
stages = [{ dedupe = {} }]
to = ["out"]
[routes.users]
stages = [{ lookup = { file = "TABLE", key = "user", on = "{user}" } }]
to = ["out"]
[routes.own]
stages = [{ parse = "json" }, { python = "nowhere:function" }]
to = ["out"]
"""
ENVIRON = {"OWNER": "hunter22", "PREFIX": "api-"}


@pytest.fixture(autouse=True)
def all_the_time_in_the_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that runs other tests as well may be slow."""
    monkeypatch.setattr(process, "SECONDS", 60.0)
    monkeypatch.setattr(process, "START_SECONDS", 60.0)


@pytest.fixture
def reading(tmp_path: Path) -> ConfigFile:
    table = tmp_path / "users.csv"
    table.write_text("user,team\nann,core\n")
    return parse(CONFIG.replace("TABLE", str(table)), ENVIRON, python="ignore")
