"""The agent knows its own container, and takes no other for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.sources.docker.discovery.own_container import own_container
from pipeline.testing.private_engine import PrivateEngine

OWN, OTHER = "a1" * 32, "b2" * 32
ROOTS = {
    "docker": "/var/lib/docker/containers/{}/hostname",
    "podman": "/containers/storage/overlay-containers/{}/userdata/hostname",
}
SHM = {
    "docker": "/var/lib/docker/containers/{}/mounts/shm",
    "podman": "/var/lib/containers/storage/overlay-containers/{}/userdata/shm",
}


def mountinfo(path: Path, *mounts: tuple[str, str]) -> Path:
    """A file as proc_pid_mountinfo(5) has it, with these roots and mount points."""
    lines = [f"9 8 254:0 {root} {point} rw - ext4 /dev/vda rw\n" for root, point in mounts]
    file = path / "mountinfo"
    file.write_text("".join(lines))
    return file


@pytest.mark.parametrize("engine_name", ROOTS)
def test_inside_a_container_it_is_the_one_whose_host_name_is_mounted(
    tmp_path: Path, engine_name: str
) -> None:
    others = ("/", SHM[engine_name].format(OTHER))
    own = (ROOTS[engine_name].format(OWN), "/etc/hostname")
    assert own_container(mountinfo(tmp_path, ("/", "/"), others, own)) == OWN


@pytest.mark.parametrize("engine_name", SHM)
def test_a_host_that_sees_its_containers_mounts_is_in_none(
    tmp_path: Path, engine_name: str
) -> None:
    others = ("/", SHM[engine_name].format(OTHER))
    assert own_container(mountinfo(tmp_path, ("/", "/"), others)) is None


def test_a_system_without_proc_is_in_none(tmp_path: Path) -> None:
    assert own_container(tmp_path / "absent") is None


@pytest.mark.fault(36)
def test_a_real_containers_mounts_name_it(
    engine: PrivateEngine, busybox: str, tmp_path: Path
) -> None:
    run = ("run", "--name", "myself-1", "--network", "none", busybox)
    (tmp_path / "mountinfo").write_text(engine.docker(*run, "cat", "/proc/self/mountinfo") + "\n")
    identifier = engine.docker("inspect", "-f", "{{.Id}}", "myself-1")
    engine.docker("rm", "myself-1")
    assert own_container(tmp_path / "mountinfo") == identifier


def test_a_real_hosts_view_of_a_container_that_shares_its_memory_names_none(
    engine: PrivateEngine, busybox: str
) -> None:
    run = ("run", "-d", "--name", "myself-2", "--ipc", "shareable", "--network", "none", busybox)
    identifier = engine.docker(*run, "sleep", "60")
    assert identifier in Path("/proc/self/mountinfo").read_text()
    found = own_container()
    engine.docker("rm", "--force", "myself-2")
    assert found != identifier
