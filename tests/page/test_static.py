"""The page's files: what its modules compute, how much is sent, and what none of them may do."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.page.assets import FOLDER, load

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "pipeline" / "page" / "static"
SENT = sorted(path for path in STATIC.rglob("*") if path.suffix in {".css", ".html", ".js", ".svg"})
OWN = [path for path in SENT if path.parent.name != "vendor"]
TESTS = sorted((Path(__file__).parent / "js").glob("*.mjs"))
MOST = 150_000
"""Bytes of all files, compressed."""


PAGE = r'"/page/([^"]+)"'


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def found(pattern: str, paths: list[Path]) -> list[str]:
    """The files that have something of the pattern, with what they have."""
    return [
        f"{name_of(path)}: {text}"
        for path in paths
        for text in re.findall(pattern, path.read_text())
    ]


@pytest.mark.server
@pytest.mark.skipif(not shutil.which("node"), reason="there is no node")
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_modules_do_what_they_say(path: Path) -> None:
    ran = subprocess.run(
        ["node", "--test", path], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stdout[-4000:]
    assert re.search(r"^\S+ pass [1-9]", ran.stdout, re.MULTILINE), ran.stdout[-4000:]


def test_all_of_it_is_small() -> None:
    assert sum(len(asset.compressed) for asset in load(FOLDER).values()) <= MOST


def test_text_never_becomes_markup_or_code() -> None:
    wrong = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerouslySet|[^.\w]eval\("
        r"|new Function|document\.cookie"
    )
    assert not found(wrong, OWN)


def test_nothing_is_loaded_from_elsewhere() -> None:
    assert not found(r"""(?:from|import\(?|src=|href=|url\()\s*["'(]?(?:https?:)?//""", SENT)


def test_what_a_file_loads_is_there() -> None:
    missing = [
        f"{name_of(path)} loads {name}"
        for path in OWN
        for pattern, folder in (
            (r"""(?:from|import\()\s*"(\.[^"]+)""", path.parent),
            (PAGE, STATIC),
        )
        for name in re.findall(pattern, path.read_text())
        if not (folder / name).is_file()
    ]
    assert not missing


def modules_of(path: Path, found: set[Path]) -> set[Path]:
    """Adds a module and all that it imports at once, whatever the depth."""
    if path not in found:
        found.add(path)
        for name in re.findall(
            r'''(?:from|^import)\s*"(\.[^"]+)"''', path.read_text(), re.MULTILINE
        ):
            modules_of((path.parent / name).resolve(), found)
    return found


def test_the_browser_is_told_at_once_of_all_modules_of_the_first_view() -> None:
    needed = modules_of(STATIC / "app.js", set()) | modules_of(STATIC / "views/flow.js", set())
    index = (STATIC / "index.html").read_text()
    told = re.findall(r'(?:modulepreload" href|module" src)="/page/([^"]+)"', index)
    assert sorted(told) == sorted(path.relative_to(STATIC).as_posix() for path in needed)


@pytest.mark.server
def test_the_libraries_are_as_they_were_taken() -> None:
    subprocess.run([ROOT / "scripts" / "vendor"], check=True, timeout=60)


@pytest.mark.server
def test_a_changed_library_is_told(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "vendor", tmp_path / "scripts")
    shutil.copytree(STATIC / "vendor", tmp_path / "pipeline" / "page" / "static" / "vendor")
    folder = tmp_path / "pipeline" / "page" / "static" / "vendor"
    (folder / "htm.js").write_text("export default 1;\n")
    (folder / "more.js").write_text("")
    told = subprocess.run(
        [tmp_path / "scripts" / "vendor"], capture_output=True, text=True, timeout=60, check=False
    )
    assert told.returncode == 1
    assert told.stderr.splitlines() == [
        "vendor: htm.js is not as it was taken",
        "vendor: more.js is not in VERSIONS.json",
    ]
