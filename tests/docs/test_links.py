"""Every link in the documentation leads to a file, and to a heading in it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    ]
)
LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")
CODE = re.compile(r"^( *)```.*?^\1```$", re.DOTALL | re.MULTILINE)


@cache
def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", CODE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def links(page: Path) -> list[str]:
    """Where a page's links lead, but for those to other hosts."""
    text = re.sub(r"`[^`\n]+`", "", CODE.sub("", page.read_text()))
    return [link for link in LINK.findall(text) if not re.match(r"[a-z]+:", link)]


def test_links_are_found() -> None:
    assert sum(len(links(page)) for page in PAGES) > 400


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_each_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{link} is not there"
        if anchor:
            assert anchor in anchors(target), f"{link}: there is no such heading"


def test_every_page_can_be_reached_from_the_map() -> None:
    docs = ROOT / "docs"
    reached, todo = set(), [docs / "README.md"]
    while todo:
        page = todo.pop().resolve()
        if page.suffix == ".md" and page not in reached and page.is_relative_to(docs):
            reached.add(page)
            todo += [page.parent / link.partition("#")[0] for link in links(page) if link[0] != "#"]
    assert {page for page in PAGES if page.is_relative_to(docs)} - reached == set()
