"""What `docs/guides/testing.md` shows is what the commands print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pipeline.cli import main

PAGE = (Path(__file__).parents[2] / "docs/guides/testing.md").read_text()
TOML = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
CONSOLE = re.findall(
    r"^```console\n\$ dockline (.*?)\n(?! )(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE
)
RUNS = [(command, shown) for command, shown in CONSOLE if "shop-web-1" not in command]


def test_both_commands_are_shown() -> None:
    assert [command.split()[0] for command, _ in RUNS] == ["test", "explain"]


@pytest.mark.parametrize(("command", "shown"), RUNS)
def test_the_page_shows_what_is_printed(
    command: str,
    shown: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dockline.toml").write_text(TOML[0])
    main(shlex.split(command.replace("\\\n", "")))
    assert capsys.readouterr().out == shown
