"""The page's files are where the agent looks for them, however it was installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from pipeline.page.assets import FOLDER, load

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
LOAD = """
import json, pipeline
from pipeline.page import assets
print(json.dumps([pipeline.__file__, sorted(assets.load(assets.FOLDER))]))
"""


def test_a_wheel_carries_every_file_of_the_page(tmp_path: Path) -> None:
    build = f"import hatchling.build as b; b.build_wheel({str(tmp_path)!r})"
    environment = {**os.environ, "DOCKLINE_NATIVE": "0"}
    command = [sys.executable, "-c", build]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=200)
    (wheel,) = tmp_path.glob("*.whl")
    where = tmp_path / "venv"
    venv.create(where, with_pip=False)
    pip = f"{sys.executable} -m pip --python {where} --disable-pip-version-check"
    command = [*pip.split(), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(command, check=True, timeout=200)
    (site,) = (where / "lib").glob("python3*/site-packages")
    (site / "ours.pth").write_text(sysconfig.get_path("purelib"))  # what it depends on
    environment.pop("PYTHONPATH", None)
    said = subprocess.check_output(
        [str(where / "bin/python"), "-c", LOAD], cwd=where, env=environment, text=True, timeout=200
    )
    package, names = json.loads(said)
    assert package.startswith(str(where))
    assert names == sorted(load(FOLDER))
    assert "index.html" in names


def test_the_image_is_built_of_the_whole_package() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert "COPY pipeline pipeline" in lines
    ignored = ROOT / ".dockerignore"
    told = ignored.read_text().splitlines() if ignored.exists() else []
    assert not [line for line in told if "page" in line or "static" in line]
