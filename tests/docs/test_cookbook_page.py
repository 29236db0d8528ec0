"""Every recipe in `docs/guides/cookbook.md` is valid and passes its tests, not without a stage."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.config.file import parse
from pipeline.config.wording import toml
from pipeline.testing.agent_process import AgentProcess
from pipeline.testing.private_engine import PrivateEngine
from pipeline.testing.receivers import TcpReceiver

PAGE = (Path(__file__).parents[2] / "docs/guides/cookbook.md").read_text()
ENVIRON = {"REDACTION_KEY": "0123456789abcdef"}


def blocks(language: str) -> dict[str, str]:
    """Of the page, by the heading that each stands under."""
    found: dict[str, str] = {}
    for section in re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        for block in re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            assert heading not in found, f"two blocks under {heading}"
            found[heading] = block
    return found


RECIPES = blocks("toml")
TABLES = blocks("csv")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)


def written(recipe: str, text: str, folder: Path) -> str:
    """The recipe as a file, its table beside it."""
    (folder / "owners.csv").write_text(TABLES.get(recipe, ""))
    file = folder / "dockline.toml"
    file.write_text(text.replace("/etc/dockline/", f"{folder}/"))
    return str(file)


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_table_of_contents_has_every_recipe_in_order() -> None:
    contents = PAGE.partition("\n**")[2].partition("\n## ")[0]
    listed = re.findall(r"^\[([^\]]+)\]\(#([^)]+)\)", contents, re.MULTILINE)
    headings = re.findall(r"^### (.+)$", PAGE, re.MULTILINE)
    assert listed == [(heading, anchor(heading)) for heading in headings]
    assert list(RECIPES) == headings


def test_no_block_is_overlooked() -> None:
    assert PAGE.count("```toml") == len(RECIPES) >= 20


@pytest.mark.parametrize("recipe", RECIPES)
def test_check_finds_nothing_to_say(recipe: str, tmp_path: Path) -> None:
    file = Path(written(recipe, RECIPES[recipe], tmp_path))
    assert parse(file.read_text(), ENVIRON).warnings == []
    assert main(["check", "-c", str(file)]) == 0


@pytest.mark.parametrize("recipe", RECIPES)
def test_it_passes_its_own_tests(recipe: str, tmp_path: Path) -> None:
    assert main(["test", "-c", written(recipe, RECIPES[recipe], tmp_path)]) == 0


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_route_has_a_test(recipe: str) -> None:
    tree = tomllib.loads(RECIPES[recipe])
    assert {case["route"] for case in tree["tests"]} == set(tree["routes"])


@pytest.mark.parametrize("recipe", RECIPES)
def test_it_would_fail_without_any_of_its_stages(recipe: str, tmp_path: Path) -> None:
    for name, place in stages(tomllib.loads(RECIPES[recipe])):
        tree = tomllib.loads(RECIPES[recipe])
        stage = tree["routes"][name]["stages"].pop(place)
        file = written(recipe, text_of(tree), tmp_path)
        assert main(["test", "-c", file]) == 1, f"{name} passes without {stage}"


@pytest.mark.parametrize("recipe", RECIPES)
def test_it_would_fail_if_a_route_took_every_container(recipe: str, tmp_path: Path) -> None:
    for name in tomllib.loads(RECIPES[recipe])["routes"]:
        tree = tomllib.loads(RECIPES[recipe])
        containers = tree["routes"][name].pop("containers", "")
        file = written(recipe, text_of(tree), tmp_path)
        assert not containers or main(["test", "-c", file]) == 1, f"passes without {containers}"


def stages(tree: dict[str, Any]) -> list[tuple[str, int]]:
    routes = tree["routes"].items()
    return [
        (name, place) for name, route in routes for place in range(len(route.get("stages", [])))
    ]


def text_of(tree: dict[str, Any]) -> str:
    return "".join(f"{key} = {toml(value)}\n" for key, value in tree.items())


class Messages(TcpReceiver):
    """What follows the header and structured data of syslog messages, one a line."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def take(self, data: bytes) -> bytes:
        *lines, rest = data.split(b"\n")
        self.lines += [line.decode() for line in lines]
        return rest


def test_the_recipe_for_crashes_copied_whole_tells_what_a_container_said_last(
    engine: PrivateEngine, busybox: str, tmp_path: Path
) -> None:
    recipe = RECIPES["Containers that crash or run out of memory"]
    with Messages() as receiver:
        address = f"tcp://127.0.0.1:{receiver.port}"
        recipe = recipe.replace("logs7.papertrailapp.com:12345", address)
        assert address in recipe
        with AgentProcess(tmp_path, engine.url, recipe) as agent:
            agent.connected()
            name = "cookbook-crash"
            script = "echo loading; sleep 0.2; echo cannot go on >&2; exit 7"
            run = ("run", "--detach", "--name", name, "--network", "none", busybox)
            engine.docker(*run, "sh", "-c", script)
            try:
                agent.until(lambda: receiver.lines)
            finally:
                engine.docker("rm", "--force", name)
    said = re.compile(r'exited with code 7 after \S+ s; last lines: \["loading","cannot go on"\]')
    assert said.search(receiver.lines[0])
    assert name in receiver.lines[0]
