"""The private Engine is real, survives what tests do to it, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.model.errors import EngineError
from pipeline.testing import private_engine
from pipeline.testing.private_engine import PrivateEngine

TALK = ("sh", "-c", "while :; do echo alive; sleep 0.1; done")


def traces(directory: Path) -> list[str]:
    """Processes, mounts and files that name the Engine's folder."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    commands = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            commands.append(process.read_text().replace("\0", " "))
        except OSError:
            continue
    named = [line for line in mounts + commands if directory.name in line]
    return named + [str(directory)] * directory.exists()


def lives(pid: int) -> bool:
    """Whether the process runs; a dead one that nobody has waited for yet has no command line."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def test_runs_containers_without_registry_or_network(engine: PrivateEngine, busybox: str) -> None:
    run = ("run", "--rm", "--network", "none", busybox)
    assert engine.docker(*run, "sh", "-c", "echo $((6 * 7)); echo err >&2") == "42"


def test_a_failed_command_says_what_docker_said(engine: PrivateEngine) -> None:
    with pytest.raises(EngineError, match=r"`docker inspect nothing`.*No such object: nothing"):
        engine.docker("inspect", "nothing")


def test_an_image_carries_files_and_a_command(engine: PrivateEngine) -> None:
    script = b"#!/bin/sh\necho from the script\n"
    image = engine.import_busybox("scripted", {"/opt/job": script}, 'CMD ["/opt/job"]')
    assert engine.docker("run", "--rm", "--network", "none", image) == "from the script"
    engine.docker("rmi", image)


def test_a_container_lives_through_a_killed_engine_with_live_restore(
    fresh_engine: Callable[..., PrivateEngine],
) -> None:
    private = fresh_engine("--live-restore")
    private.docker("run", "-d", "--name", "talker", "--network", "none", "busybox:local", *TALK)
    started = private.docker("inspect", "-f", "{{.State.StartedAt}}", "talker")
    private.kill()
    with pytest.raises(EngineError, match="Cannot connect"):
        private.docker("ps")
    private.start()
    assert private.docker("inspect", "-f", "{{.State.StartedAt}}", "talker") == started
    private.restart()
    assert private.docker("inspect", "-f", "{{.State.Running}}", "talker") == "true"


def test_close_leaves_nothing_of_a_killed_engine_with_a_running_container(
    fresh_engine: Callable[..., PrivateEngine],
) -> None:
    private = fresh_engine()
    private.docker("run", "-d", "--name", "talker", "--network", "none", "busybox:local", *TALK)
    contained = int(private.docker("inspect", "-f", "{{.State.Pid}}", "talker"))
    private.kill()
    assert lives(contained), "the container outlives its Engine"
    private.close()
    assert not lives(contained)
    assert traces(private.directory) == []


def test_what_a_crashed_process_left_is_swept_and_a_living_ones_is_not(
    engine: PrivateEngine,
) -> None:
    program = (
        "import os, signal\n"
        "from pipeline.testing.private_engine import PrivateEngine\n"
        "private = PrivateEngine()\n"
        "private.start()\n"
        "print(private.directory, private.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    crashed = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=False)
    assert crashed.returncode == -signal.SIGKILL
    directory, pid = crashed.stdout.decode().split()
    os.kill(int(pid), 0)  # its dockerd lives on
    private_engine.sweep()
    assert traces(Path(directory)) == []
    assert engine.docker("version", "--format", "{{.Server.Os}}") == "linux"


def test_an_isolated_engine_has_bridges_and_leaves_no_interface(
    fresh_engine: Callable[..., PrivateEngine],
) -> None:
    private = fresh_engine(isolated=True)
    bridge = f"br-{private.docker('network', 'create', 'inner')[:12]}"
    run = ("run", "--network", "inner", "busybox:local")
    private.docker("run", "-d", "--name", "server", *run[1:], *TALK)
    assert "server" in private.docker(*run, "ping", "-c", "1", "server")
    assert bridge not in [name for _, name in socket.if_nameindex()]


def test_a_dockerd_that_does_not_start_is_quoted(engine: PrivateEngine) -> None:
    private = PrivateEngine("--storage-driver=nonsense")
    with pytest.raises(EngineError, match=r"dockerd did not start; it says:(?s:.)*nonsense"):
        private.start()
    private.close()
    assert not private.directory.exists()


def test_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_engine, "_SBIN", "/nowhere")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert private_engine.why_not() == (
        "there is no `dockerd` command: install docker.io and docker-cli"
    )
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert private_engine.why_not() == "a private Docker Engine needs root"
