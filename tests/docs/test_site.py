"""`make docs`: the site has every page, and asks no other host for anything."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture
def conf() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_conf", DOCS / "conf.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_side_has_every_page_once(conf: ModuleType) -> None:
    listed = [page for pages in conf.NAVIGATION.values() for page in pages]
    pages = {page.relative_to(DOCS).with_suffix("").as_posix() for page in DOCS.rglob("*.md")}
    folders = {page.removesuffix("README") for page in listed if page.endswith("/README")}
    others = {page for page in pages - set(listed) if not page.startswith(tuple(folders))}
    assert others == {"README"}
    assert len(listed) == len(set(listed))
    assert set(listed) <= pages


def test_links_to_files_outside_lead_to_the_repository(
    conf: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = DOCS / "guides/running.md"
    text = "[a](../../compose.yaml) [b `c`](access.md#x) [d](../../config/) ![e](../pipeline.svg)"
    plain = "a [b `c`](access.md#x) d ![e](../pipeline.svg)"
    assert conf.inside(page, text) == plain
    monkeypatch.setattr(conf, "SOURCE", "https://git.example.com/x")
    assert conf.inside(page, text) == plain.replace(
        "a [b", "[a](https://git.example.com/x/compose.yaml) [b"
    ).replace(" d ", " [d](https://git.example.com/x/config) ")
    fence = "```\n[a](../../compose.yaml)\n```"
    assert conf.inside(page, fence) == fence


@pytest.mark.slow
def test_the_site_is_built_and_asks_no_other_host(tmp_path: Path) -> None:
    sphinx = ROOT / ".venv-docs/bin/sphinx-build"
    if not sphinx.exists():
        pytest.skip("the environment of `make docs` is missing: make .venv-docs/.docs")
    command = [sphinx, "-W", "--keep-going", "--quiet", "-b", "html", DOCS, tmp_path]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    pages = {page.relative_to(DOCS).with_suffix(".html") for page in DOCS.rglob("*.md")}
    built = {page.relative_to(tmp_path) for page in tmp_path.rglob("*.html")}
    assert pages | {Path("index.html")} <= built
    for page in built:
        text = (tmp_path / page).read_text()
        asked = re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"([^\"]+)\"", text)
        assert [one for one in asked if re.match(r"(https?:)?//", one)] == [], page
    for style in tmp_path.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//", style.read_text()), style
