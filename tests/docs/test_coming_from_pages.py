"""Each configuration in `docs/coming-from` is valid, and does what its tests say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.config.file import parse
from pipeline.config.wording import toml

FOLDER = Path(__file__).parents[2] / "docs/coming-from"
PAGES = {
    page.stem: page.read_text() for page in sorted(FOLDER.glob("*.md")) if page.stem != "README"
}
ENVIRON = {"ELASTICSEARCH_API_KEY": "secret"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)


def configuration(page: str) -> str:
    [block] = re.findall(r"^```toml\n(.*?)^```$", PAGES[page], re.DOTALL | re.MULTILINE)
    return str(block)


def test_the_pages_are_found_and_listed() -> None:
    listed = re.findall(r"\]\((.+)\.md\)", (FOLDER / "README.md").read_text())
    assert len(PAGES) >= 7
    assert set(listed) == set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_check_finds_nothing_to_say(page: str, tmp_path: Path) -> None:
    file = tmp_path / "dockline.toml"
    file.write_text(configuration(page))
    assert parse(configuration(page), ENVIRON).warnings == []
    assert main(["check", "-c", str(file)]) == 0


@pytest.mark.parametrize("page", PAGES)
def test_it_passes_its_own_tests_of_every_route(page: str, tmp_path: Path) -> None:
    file = tmp_path / "dockline.toml"
    file.write_text(configuration(page))
    assert main(["test", "-c", str(file)]) == 0
    tree = tomllib.loads(configuration(page))
    assert {case["route"] for case in tree["tests"]} == set(tree["routes"])


@pytest.mark.parametrize("page", PAGES)
def test_it_would_fail_without_any_of_its_stages(page: str, tmp_path: Path) -> None:
    file = tmp_path / "dockline.toml"
    for name, route in tomllib.loads(configuration(page))["routes"].items():
        for place in range(len(route.get("stages", []))):
            tree = tomllib.loads(configuration(page))
            stage = tree["routes"][name]["stages"].pop(place)
            file.write_text("".join(f"{key} = {toml(value)}\n" for key, value in tree.items()))
            assert main(["test", "-c", str(file)]) == 1, f"{name} passes without {stage}"


def inline(page: str) -> list[str]:
    """What stands between backticks in a page's tables and text, whole settings only."""
    text = re.sub(r"^```.*?^```$", "", PAGES[page], flags=re.DOTALL | re.MULTILINE)
    return [one for one in re.findall(r"`([^`\n]+)`", text) if "…" not in one]


def accepted(text: str) -> bool:
    return parse(text + '\n[sinks.out]\ntype = "console"\n', ENVIRON).config is not None


@pytest.mark.parametrize("page", PAGES)
def test_stages_expressions_and_tables_that_it_shows_are_valid(page: str) -> None:
    for setting in inline(page):
        if re.fullmatch(r"\{ \w+ = .*\}", setting):
            assert accepted(f'[routes.all]\nto = ["out"]\nstages = [{setting}]'), setting
        elif setting.startswith("containers = "):
            assert accepted(f'[routes.all]\nto = ["out"]\n{setting}'), setting
        elif found := re.fullmatch(r"(\[\w+\]) (\w+ = .*)", setting):
            assert accepted(f"{found[1]}\n{found[2]}"), setting
        elif found := re.fullmatch(r"(?:http|logs|agent)\.\w+ = .*", setting):
            assert accepted(setting), setting
        elif re.fullmatch(r"(?:buffer|retry) = \{ .* \}", setting):
            assert accepted(f'[sinks.other]\ntype = "console"\n{setting}'), setting


@pytest.mark.parametrize("page", PAGES)
def test_sinks_sources_and_stages_that_it_names_exist(page: str) -> None:
    settings = (FOLDER.parent / "reference/settings.md").read_text()
    for name in re.findall(r"(?:type|stages?|sink) \[?`(\w+)`", PAGES[page]):
        assert f"\n### `{name}`" in settings, name
