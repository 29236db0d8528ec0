"""How `make docs` makes a site of the Markdown in this folder: decisions/0016."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent

project = "dockline"
copyright = "the authors of dockline, MIT licence"
extensions = ["myst_parser"]
root_doc = "README"
exclude_patterns = ["screenshots", "_static"]
nitpicky = True
suppress_warnings = ["misc.highlighting_failure"]  # output of commands is no language
myst_heading_anchors = 4

html_theme = "furo"
html_title = "dockline"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False

SOURCE = os.environ.get("DOCS_SOURCE", "").rstrip("/")
"""Where the files of the repository are shown, such as `https://git.example.com/dockline/blob/main`.
Without it, links to files outside this folder are plain text."""

NAVIGATION = {
    "Begin": ["start", "coming-from/README"],
    "Guides": [
        *("guides/install", "guides/running", "guides/one-line", "guides/configuring"),
        *("guides/testing", "guides/cookbook", "guides/stores", "guides/webhooks"),
        *("guides/watching", "guides/page", "guides/access", "guides/troubleshooting"),
        *("guides/fleet", "guides/podman", "guides/editors"),
    ],
    "Reference": [
        *("reference/settings", "reference/command-line", "reference/metrics"),
        *("reference/expressions", "reference/labels", "reference/delivery"),
        *("reference/bounds", "reference/api"),
    ],
    "Explanations": [
        *("explain/architecture", "explain/engine", "explain/reliability"),
        *("explain/simulation", "explain/performance", "explain/comparison", "decisions/README"),
    ],
    "Contributing": [
        *("contribute/adding-a-sink", "contribute/adding-a-stage", "contribute/adding-a-source"),
    ],
}
"""The pages at the side, by heading."""

FENCE = re.compile(r"^( *)(```+).*?^\1\2$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def inside(page: Path, text: str) -> str:
    """The text of a page with its links to files outside this folder, and to folders, made to lead
    to `SOURCE`."""

    def rewritten(link: re.Match[str]) -> str:
        path = link[2].partition("#")[0]
        if not path or re.match(r"[a-z]+:", path):
            return link[0]
        target = (page.parent / path).resolve()
        if target.is_relative_to(DOCS) and target.suffix == ".md":
            return link[0]
        if not target.exists():
            return link[0]  # it is reported
        return f"[{link[1]}]({SOURCE}/{target.relative_to(ROOT)})" if SOURCE else link[1]

    parts, end = [], 0
    for fence in FENCE.finditer(text):
        parts += [LINK.sub(rewritten, text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, LINK.sub(rewritten, text[end:])])


def contents(folder: str, caption: str, pages: list[str]) -> str:
    """A hidden table of contents, from which the side of the page is made."""
    return f"\n\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(pages) + "\n```\n"


def read(app: object, name: str, source: list[str]) -> None:
    """Prepares the text of a page; `name` is its path without `.md`."""
    source[0] = inside(DOCS / f"{name}.md", source[0])
    if name == root_doc:
        source[0] += "".join(contents("", *item) for item in NAVIGATION.items())
    elif name.endswith("/README"):
        others = sorted((DOCS / name).parent.glob("*.md"))
        pages = [page.stem for page in others if page.stem != "README"]
        source[0] += contents(name, "", pages).replace(":caption: \n", "")


def finish(app: object, exception: Exception | None) -> None:
    """The map is the site's first page, too."""
    out = Path(app.outdir)  # type: ignore[attr-defined]
    if exception is None and (out / "README.html").exists():
        shutil.copyfile(out / "README.html", out / "index.html")


def setup(app: object) -> None:
    app.connect("source-read", read)  # type: ignore[attr-defined]
    app.connect("build-finished", finish)  # type: ignore[attr-defined]
