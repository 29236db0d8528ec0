"""A root file system of Debian that is booted: systemd runs in it, in namespaces of its own.

It has its own processes, mounts, network and host name. What it starts ends with it, and nothing of
the machine is changed: the kernel's settings are mounted read-only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import pytest

_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "dockline-tests")
_PACKAGES = "python3,adduser,ca-certificates,systemd,systemd-sysv"
_TARGET = "[Unit]\nRequires=basic.target\nAfter=basic.target\n"
_MASKED = (
    "tmp.mount", "dev-hugepages.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
    "sys-fs-fuse-connections.mount", "systemd-modules-load.service",
)  # fmt: skip
_BOOT = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
ln -s /proc/self/fd dev/fd
ln -s pts/ptmx dev/ptmx
mkdir -p ".$2"
mount --bind "$2" ".$2"
touch run/docker.sock
mount --bind "$2/docker.sock" run/docker.sock
pivot_root . mnt
umount -l /mnt
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \\
    /usr/lib/systemd/systemd --unit=test.target --show-status=no --log-target=journal
"""


class Booted:
    """Debian in `root`, with systemd as its first process, as a context manager."""

    def __init__(self, root: Path, engine: Path) -> None:
        """`engine`: the folder of an Engine, with its socket, which is there under the same
        name."""
        self.root = root
        self._engine = engine
        self._cgroups = Path(tempfile.mkdtemp(prefix="dockline-cgroups-"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Booted:
        units = self.root / "etc/systemd/system"
        (units / "test.target").write_text(_TARGET)
        for name in _MASKED:
            (units / name).unlink(missing_ok=True)
            (units / name).symlink_to("/dev/null")
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", self._cgroups], check=True)
        own = self._cgroups / f"dockline-{os.getpid()}"
        own.mkdir()
        spaces = ("--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork")
        enter = f'echo $$ >"{own}/cgroup.procs"; exec unshare {" ".join(spaces)} --kill-child "$@"'
        self._process = subprocess.Popen(
            ["sh", "-c", enter, "sh", "sh", "-c", _BOOT, "sh", self.root, self._engine],
            start_new_session=True,
        )
        deadline = time.monotonic() + 60
        while self.run("systemctl", "is-active", "--quiet", "test.target").returncode:
            assert time.monotonic() < deadline, "systemd does not start"
            time.sleep(0.1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        deadline = time.monotonic() + 30
        for folder in sorted(self._cgroups.glob("dockline-*/**/"), reverse=True):
            while folder.exists() and time.monotonic() < deadline:
                with suppress(OSError):
                    folder.rmdir()
                    break
                time.sleep(0.05)
        subprocess.run(["umount", self._cgroups], check=True)
        self._cgroups.rmdir()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command in it, as root."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        first = children.read_text().split()
        enter = ["nsenter", "--all", "--target", first[0] if first else "0", "--"]
        return subprocess.run([*enter, *command], capture_output=True, text=True, check=False)

    def check(self, *command: str) -> str:
        """The same, for a command that must succeed. Returns its output."""
        done = self.run(*command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()


def unpack(folder: Path) -> Path:
    """A root file system of Debian 13 with systemd, made once and kept, in a new folder."""
    if os.geteuid() != 0:
        pytest.skip("installs only as root")
    archive = _CACHE / "trixie-systemd.tar"
    if not archive.exists():
        if not shutil.which("mmdebstrap"):
            pytest.skip("there is no `mmdebstrap` to make a root file system: install mmdebstrap")
        _CACHE.mkdir(parents=True, exist_ok=True)
        partial = archive.with_suffix(f".{os.getpid()}.tar")
        make = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}"]
        subprocess.run([*make, "trixie", partial], check=True)
        partial.replace(archive)
    folder.mkdir()
    subprocess.run(["tar", "-C", folder, "-xf", archive], check=True)
    return folder
