"""The page's modules that need no browser, tested where there is Node: tests/page/js."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.server

FILES = sorted(Path(__file__).with_name("js").glob("*.mjs"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_it_says_of_itself_is_true(file: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no `node` command: install nodejs")
    done = subprocess.run(
        [node, "--test", str(file)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
