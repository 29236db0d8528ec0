"""`scripts/debian-packages`, with apt and dpkg on a root file system of the test's own."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/debian-packages"
TOOLS = (
    "sh", "apt-get", "dpkg", "dpkg-query", "dpkg-deb", "dpkg-split", "ldconfig", "tar", "rm", "id",
    "mkdir", "start-stop-daemon", "grep", "sed", "head", "sort", "tr", "chmod", "diff", "cat",
)  # fmt: skip
ABSENT = [name for name in ("apt-get", "dpkg-deb") if not shutil.which(name)]
pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(bool(ABSENT), reason=f"there is no {', '.join(ABSENT)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="installs only as root"),
]


@dataclass
class Machine:
    """A root file system on which apt and dpkg work, and nothing else."""

    root: Path
    archive: Path

    def run(self, *command: str | Path, check: bool = False) -> subprocess.CompletedProcess[str]:
        tools = self.root / "tools"
        environ = {
            "PATH": f"{self.root}/usr/bin:{tools}",
            "DPKG_ROOT": str(self.root),
            "APT_CONFIG": str(self.root / "apt.conf"),
            "DOCKLINE_PROGRAMS": str(self.root / "programs"),
        }
        return subprocess.run(
            command, env=environ, text=True, check=check, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=240,
        )  # fmt: skip

    def packages(self, *names: str) -> subprocess.CompletedProcess[str]:
        return self.run(SCRIPT, *names)

    @property
    def installed(self) -> list[str]:
        said = self.run("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n").stdout
        return sorted(line.split()[0] for line in said.splitlines() if line.endswith(" installed"))

    def build(self, name: str, programs: Sequence[str] = (), **fields: str) -> Path:
        folder = self.root / "build" / name
        (folder / "DEBIAN").mkdir(parents=True)
        for program in programs:
            file = folder / "usr/bin" / program
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("#!/bin/sh\n")
            file.chmod(0o755)
        control = {"Package": name, "Version": "1", "Architecture": "all", "Maintainer": "x <x@x>"}
        control |= {"Description": "for a test", **fields}
        lines = "".join(f"{key}: {value}\n" for key, value in control.items())
        (folder / "DEBIAN/control").write_text(lines)
        package = self.archive / f"{name}_1_all.deb"
        subprocess.run(
            ["dpkg-deb", "--build", "-Znone", folder, package], check=True, capture_output=True
        )
        data = package.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        lines += f"Filename: ./{package.name}\nSize: {len(data)}\nSHA256: {digest}\n\n"
        with (self.archive / "Packages").open("a") as index:
            index.write(lines)
        return package


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Debian's Docker can be had, and some more."""
    made = Machine(tmp_path / "root", tmp_path / "archive")
    made.archive.mkdir()
    for folder in (
        "tools", "usr/bin", "usr/sbin", "var/lib/dpkg/updates", "var/lib/dpkg/info",
        "etc/apt/apt.conf.d", "etc/apt/preferences.d",
        "var/lib/apt/lists/partial", "var/cache/apt/archives/partial",
        "var/log/apt", "etc/dpkg/dpkg.cfg.d",
    ):  # fmt: skip
        (made.root / folder).mkdir(parents=True)
    (made.root / "var/lib/dpkg/status").touch()
    for name in TOOLS:
        path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        assert path, f"there is no {name}"
        (made.root / "tools" / name).symlink_to(path)
    (made.root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] file:{made.archive} ./\n")
    (made.root / "apt.conf").write_text(
        f'Dir "{made.root}"; Dir::State::status "{made.root}/var/lib/dpkg/status";\n'
        f'Dir::Bin::dpkg "{made.root}/tools/dpkg"; Dir::Bin::methods "/usr/lib/apt/methods";\n'
        'APT::Sandbox::User "root"; Acquire::Languages "none"; Dir::Log "var/log/apt";\n'
        f'DPkg::Options {{ "--root={made.root}"; }}; DPkg::Path "{made.root}/tools";\n'
    )
    made.build("containerd", ["containerd"], Conflicts="containerd.io")
    made.build("docker.io", ["dockerd"], Depends="containerd", Conflicts="docker-ce")
    made.build("docker-cli", ["docker"], Conflicts="docker-ce-cli")
    made.build("nginx", ["nginx"])
    return made


def install(machine: Machine, name: str, programs: Sequence[str], **fields: str) -> None:
    machine.run("dpkg", "--install", machine.build(name, programs, **fields), check=True)


def test_what_is_missing_is_shown_and_installed_and_the_second_time_nothing_is(
    machine: Machine,
) -> None:
    done = machine.packages("docker.io", "docker-cli", "nginx")
    assert done.returncode == 0, done.stdout
    assert "packages: installing containerd docker-cli docker.io nginx" in done.stdout
    assert machine.installed == ["containerd", "docker-cli", "docker.io", "nginx"]
    assert not (machine.root / "usr/sbin/policy-rc.d").exists()
    assert machine.packages("docker.io", "docker-cli", "nginx").stdout == ""


def test_the_docker_of_another_make_is_as_good_and_stays(machine: Machine) -> None:
    install(machine, "containerd.io", ["containerd", "runc"])
    install(machine, "docker-ce", ["dockerd"])
    install(machine, "docker-ce-cli", ["docker"])
    before = machine.installed
    done = machine.packages("docker.io", "docker-cli", "runc", "nginx")
    assert done.returncode == 0, done.stdout
    assert machine.installed == sorted([*before, "nginx"])


def test_nothing_is_removed_and_what_that_would_need_is_left_out_and_named(
    machine: Machine,
) -> None:
    install(machine, "docker-ce-cli", ["not-where-it-is-looked-for"])
    install(machine, "containerd.io", ["neither"])
    done = machine.packages("docker.io", "docker-cli", "nginx", "no-such-package")
    assert done.returncode == 0, done.stdout
    assert "docker.io is not installed, since apt would remove: containerd.io" in done.stdout
    assert "docker-cli is not installed, since apt would remove: docker-ce-cli" in done.stdout
    assert "Unable to locate package no-such-package" in done.stdout
    assert "nothing is removed" in done.stdout
    assert machine.installed == ["containerd.io", "docker-ce-cli", "nginx"]


def test_a_static_busybox_is_unpacked_beside_the_one_that_is_linked(machine: Machine) -> None:
    install(machine, "busybox", ["busybox"])
    (machine.root / "usr/bin/busybox").write_text("/lib64/ld-linux-x86-64.so.2")
    machine.build("busybox-static", ["busybox"], Conflicts="busybox")
    done = machine.packages("busybox-static", "nginx")
    assert done.returncode == 0, done.stdout
    assert "since to install it apt would remove: busybox" in done.stdout
    assert machine.installed == ["busybox", "nginx"]
    assert [path.name for path in (machine.root / "programs").iterdir()] == ["usr"]
    assert machine.packages("busybox-static", "nginx").stdout == ""


def test_an_installation_that_fails_says_what_failed(machine: Machine) -> None:
    broken = machine.build("broken")
    assert machine.run("apt-get", "update", "-qq").returncode == 0
    broken.unlink()
    done = machine.packages("broken", "nginx")
    assert done.returncode == 1
    assert "broken_1_all.deb" in done.stdout
    assert "packages: apt-get has failed, as it says above" in done.stdout
    assert not (machine.root / "usr/sbin/policy-rc.d").exists()


def test_services_may_not_start_while_it_installs_and_the_users_own_policy_stays(
    machine: Machine,
) -> None:
    policy = machine.root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    assert machine.packages("nginx").returncode == 0
    assert policy.read_text() == "#!/bin/sh\nexit 0\n"
    policy.write_text("#!/bin/sh\n# of dockline, while it installs packages\nexit 101\n")  # killed
    assert machine.packages("docker-cli").returncode == 0
    assert not policy.exists()
