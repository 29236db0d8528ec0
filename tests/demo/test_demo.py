"""`make demo` shows logs and metrics of real containers, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.testing.private_engine import PrivateEngine, why_not

ROOT = Path(__file__).parents[2]


def demo(**variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "demo"],
        cwd=ROOT,
        env=os.environ | {"DEMO_SECONDS": "8"} | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_shows_logs_and_metrics_of_its_samples_on_the_users_engine(
    engine: PrivateEngine,
) -> None:
    run = demo(DOCKER_HOST=engine.url)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"your Docker Engine 26.1.5+dfsg1 at {engine.url}" in run.stdout
    assert '"status":200' in run.stdout, "the web service's lines"
    assert "job 1: started" in run.stdout, "the worker's lines"
    assert "is healthy" in run.stdout, "the noisy one's lines"
    figures = run.stdout[run.stdout.index("container  ") :].split("\n\n")[0].splitlines()[1:]
    assert {line.split()[0] for line in figures} >= {
        f"dockline-demo-{name}" for name in ("noisy", "web", "worker")
    }
    assert "MiB" in figures[0]
    assert engine.docker("ps", "--all", "--quiet", "--filter", "label=dockline.demo") == ""
    assert engine.docker("images", "--quiet", "dockline-demo") == ""


def test_starts_a_private_engine_where_there_is_none(tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    run = demo(DOCKER_HOST=f"unix://{tmp_path}/none.sock", DEMO_SECONDS="4")
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"(none answers at unix://{tmp_path}/none.sock)" in run.stdout
    assert "is healthy" in run.stdout
    directory = run.stdout.split("a private Docker Engine at unix://")[1].split("/docker.sock")[0]
    assert not Path(directory).exists()


def test_without_an_engine_and_without_dockerd_it_says_what_to_install(tmp_path: Path) -> None:
    run = demo(DOCKER_HOST=f"unix://{tmp_path}/none.sock", PATH=str(tmp_path))
    assert run.returncode == 1
    assert "no Docker Engine to show anything with" in run.stdout
    assert "install docker.io" in run.stdout or "needs root" in run.stdout
    assert "Traceback" not in run.stderr
