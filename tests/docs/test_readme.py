"""What the README shows is valid, and does what its tests say."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.cli import main
from pipeline.config.file import parse

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_its_configuration_is_valid_and_passes_its_tests(tmp_path: Path) -> None:
    [block] = re.findall(r"^```toml\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert parse(block, {}).warnings == []
    file = tmp_path / "dockline.toml"
    file.write_text(block)
    assert main(["check", "-c", str(file)]) == 0
    assert main(["test", "-c", str(file)]) == 0


def test_it_names_every_sink_and_every_stage() -> None:
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", README, re.MULTILINE))))
    for folder in ("sinks", "stages"):
        modules = {file.stem for file in (ROOT / "pipeline" / folder).glob("[a-z]*.py")}
        assert modules <= named, f"{modules - named} missing"


def test_its_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target
