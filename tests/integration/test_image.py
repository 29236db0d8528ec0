"""The container image is built and run for real, on a base made without a registry."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import __version__
from pipeline.model.errors import EngineError
from pipeline.testing.private_engine import PrivateEngine
from tests.integration.waiting import eventually
from tests.servers.certificates import Authority, authority

__all__ = ["authority"]

USER = "10001:10001"


def configured(engine: PrivateEngine, image: str) -> Any:
    return json.loads(engine.docker("image", "inspect", image))[0]["Config"]


def test_it_says_its_version_and_needs_no_root(engine: PrivateEngine, image: str) -> None:
    run = ("run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", image)
    assert engine.docker(*run, "--version") == f"dockline {__version__} (loops in C)"
    assert configured(engine, image)["User"] == USER


def test_an_orchestrator_knows_how_to_stop_check_and_name_it(
    engine: PrivateEngine, image: str
) -> None:
    config = configured(engine, image)
    assert config["StopSignal"] == "SIGTERM"
    assert config["Entrypoint"] == ["dockline"]
    assert config["Cmd"] == ["run"]
    assert list(config["Volumes"]) == ["/var/lib/dockline"]
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert config["Labels"]["org.opencontainers.image.title"] == "dockline"
    assert config["Labels"]["org.opencontainers.image.version"] == __version__


def test_sinks_in_one_line_stand_after_its_name(engine: PrivateEngine, image: str) -> None:
    run = ("run", "--rm", "--network", "none", image)
    address = "papertrail://logs7.papertrailapp.com:12345"
    assert engine.docker(*run, "run", "--print", address) == (
        '[sinks.papertrail]\ntype = "papertrail"\naddress = "logs7.papertrailapp.com:12345"'
    )
    assert engine.docker(*run, "check", address, "s3://logs").startswith("ok: command line")


def test_it_holds_what_is_pinned_and_no_tool_that_built_it(
    engine: PrivateEngine, image: str
) -> None:
    program = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    run = ("run", "--rm", "--network", "none", "--entrypoint", "/opt/dockline/bin/python", image)
    held = set(engine.docker(*run, "-c", program).split())
    assert {"dockline", "aiodocker", "orjson"} <= held
    assert not held & {"pip", "hatchling", "pytest"}
    found = engine.docker(*run[:-2], "sh", image, "-c", "command -v gcc cc ld as || true")
    assert not found


# ------------------------------------------------------------------------------- as an agent

GET = """
import sys, urllib.error, urllib.request
try:
    answer = urllib.request.urlopen("http://127.0.0.1:9114" + sys.argv[1])
except urllib.error.HTTPError as error:
    answer = error
print(answer.status, answer.read().decode())
"""

TRY = """
import json, pathlib, sys, urllib.request
token = pathlib.Path("/var/lib/dockline/token").read_text().strip()
stages = "stages = [{ parse = \\"json\\" }, { keep = \\"level == 'error'\\" }]"
lines = [{"text": '{"level":"error"}'}, {"text": '{"level":"info"}'}]
body = {"container": sys.argv[1], "route": "all", "stages": stages, "lines": lines}
request = urllib.request.Request("http://127.0.0.1:9114/api/try", json.dumps(body).encode())
request.add_header("Authorization", "Bearer " + token)
print(urllib.request.urlopen(request).read().decode())
"""

TICK = "i=0; while :; do i=$((i+1)); echo tick $i; usleep 100000; done"


class Inside:
    """The agent in its container, beside a neighbour that logs."""

    name = "image-agent"
    neighbour = "image-neighbour"

    def __init__(self, engine: PrivateEngine) -> None:
        self.docker = engine.docker
        self._environment = engine.environment

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a path on the agent's endpoint; status 0 while it does not answer."""
        python = ("exec", self.name, "/opt/dockline/bin/python", "-c", GET)
        try:
            status, _, body = self.docker(*python, path).partition(" ")
        except EngineError:
            return 0, ""
        return int(status), body

    def entries(self) -> list[dict[str, Any]]:
        """What it has written to its standard output."""
        return [json.loads(line) for line in self.docker("logs", self.name).splitlines()]

    def logged(self) -> list[str]:
        """What it has said of itself, on its standard error."""
        logs = subprocess.run(
            ["docker", "logs", self.name], env=self._environment, capture_output=True, check=True
        )
        return logs.stderr.decode().splitlines()

    def ticks(self) -> list[int]:
        """The neighbour's numbers, as the agent has written them."""
        messages = [entry["message"] for entry in self.entries()]
        return [int(text.removeprefix("tick ")) for text in messages if text.startswith("tick ")]


@pytest.fixture(scope="module")
def inside(engine: PrivateEngine, image: str, busybox: str) -> Iterator[Inside]:
    """Runs as the README says: not as root, the socket mounted, its group added."""
    agent = Inside(engine)
    socket = engine.url.removeprefix("unix://")
    group = str(Path(socket).stat().st_gid)
    run = ("run", "--detach", "--network", "none")
    engine.docker(*run, "--name", agent.neighbour, busybox, "sh", "-c", TICK)
    engine.docker(
        *(*run, "--name", agent.name, "--group-add", group, "--health-interval", "1s"),
        *("--label", "dockline.enable=true"),  # it is to know itself without the image's label
        *("--volume", f"{socket}:/var/run/docker.sock:ro"),
        *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        image,
    )
    yield agent
    engine.docker("rm", "--force", "--volumes", agent.name, agent.neighbour)


def test_at_its_start_it_says_what_runs(inside: Inside) -> None:
    logged = eventually(inside.logged)[0]
    assert f" dockline {__version__}, Python 3." in logged
    assert logged.endswith(
        "loops in C; no configuration file, so defaults; state in /var/lib/dockline, which is new"
    )


@pytest.mark.fault(36)
def test_the_image_keeps_a_second_agent_from_following_it(
    engine: PrivateEngine, image: str
) -> None:
    labels = json.loads(engine.docker("image", "inspect", image))[0]["Config"]["Labels"]
    assert labels["dockline.enable"] == "false"


def test_it_becomes_ready_and_healthy_and_has_metrics(inside: Inside) -> None:
    eventually(lambda: inside.get("/readyz") == (200, "ok\n"))
    assert inside.get("/healthz") == (200, "ok\n")
    health = ("inspect", "--format", "{{.State.Health.Status}}", inside.name)
    eventually(lambda: inside.docker(*health) == "healthy")
    received = f'dockline_received_entries_total{{container="{inside.neighbour}"}}'

    def has_both() -> bool:
        page = inside.get("/metrics")[1]
        return _has_memory_of(inside.neighbour, page) and received in page

    eventually(has_both)


def _has_memory_of(name: str, page: str) -> bool:
    series = [line for line in page.splitlines() if line.startswith("container_memory_working_set")]
    return any(f'name="{name}"' in line for line in series)


@pytest.mark.fault(36)
def test_a_neighbours_logs_come_out_as_json_lines_and_its_own_never(inside: Inside) -> None:
    eventually(lambda: len(inside.ticks()) > 10)
    entries = inside.entries()
    assert {entry["container"]["name"] for entry in entries} == {inside.neighbour}
    assert entries[0]["stream"] == "stdout"


def test_inside_it_shows_entries_and_figures_to_those_who_may_run_something_there(
    inside: Inside,
) -> None:
    eventually(inside.ticks)
    run = ("exec", inside.name, "dockline")
    [line] = inside.docker(*run, "tap", "--json", "--limit", "1").splitlines()
    assert json.loads(line)["entry"]["container"]["name"] == inside.neighbour
    assert inside.neighbour in inside.docker(*run, "top")
    address = inside.docker(*run, "page")
    assert re.match(r"http://localhost:9114/#token=[\w-]{43}(\n|$)", address)


def test_it_carries_the_page_and_runs_what_is_tried(inside: Inside) -> None:
    eventually(inside.ticks)
    status, script = inside.get("/page/app.js")
    assert status == 200
    assert "import" in script
    python = ("exec", inside.name, "/opt/dockline/bin/python", "-c", TRY)
    tried = json.loads(inside.docker(*python, inside.neighbour))
    assert tried["errors"] == []
    assert [line["entry"] is not None for line in tried["lines"]] == [True, False]


def test_it_is_healthy_with_tls(
    engine: PrivateEngine, image: str, authority: Authority, tmp_path: Path
) -> None:
    own = authority.issue("image")
    (tmp_path / "both.pem").write_text(Path(own.cert).read_text() + Path(own.key).read_text())
    (tmp_path / "dockline.toml").write_text(
        '[engine]\nenabled = false\n[http]\ntls = { cert = "/etc/dockline/both.pem" }\n'
    )
    tmp_path.chmod(0o755)
    container = engine.docker(
        *("run", "--detach", "--network", "none", "--health-interval", "1s"),
        *("--volume", f"{tmp_path}:/etc/dockline:ro", image),
    )
    try:
        health = ("inspect", "--format", "{{.State.Health.Status}}", container)
        eventually(lambda: engine.docker(*health) == "healthy")
        address = engine.docker("exec", container, "dockline", "page")
        assert address.startswith("https://localhost:9114/#token=")
    finally:
        engine.docker("rm", "--force", "--volumes", container)


def test_stopped_it_ends_cleanly_and_started_again_it_misses_and_repeats_nothing(
    inside: Inside,
) -> None:
    before = eventually(inside.ticks)[-1]
    inside.docker("stop", "--time", "60", inside.name)
    assert inside.docker("inspect", "--format", "{{.State.ExitCode}}", inside.name) == "0"
    inside.docker("start", inside.name)
    eventually(lambda: inside.ticks()[-1] > before + 20)
    ticks = inside.ticks()
    assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))
