"""Debian's package is installed, run by systemd, upgraded, removed and purged."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import __version__
from pipeline.testing.private_engine import PrivateEngine
from tests.distribution.booted import Booted, unpack
from tests.integration.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("distribution")]

CONFIG = """
[logs]
start = "beginning"
[sinks.file]
type = "file"
path = "/var/log/dockline/out.jsonl"
"""
TRY = """
import json, pathlib, urllib.request
token = pathlib.Path("/var/lib/dockline/token").read_text().strip()
body = {"container": "talks", "route": "all", "lines": [{"text": "a"}], "stages": "stages = []"}
request = urllib.request.Request("http://127.0.0.1:9114/api/try", json.dumps(body).encode())
request.add_header("Authorization", "Bearer " + token)
print(urllib.request.urlopen(request).read().decode())
"""
TICK = "i=0; while :; do i=$((i+1)); echo tick $i; usleep 100000; done"


@pytest.fixture(scope="module")
def host(
    package: Path, engine: PrivateEngine, busybox: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Booted]:
    """Debian with the package, a container beside it, and the Engine's socket."""
    root = unpack(tmp_path_factory.mktemp("debian") / "root")
    shutil.copy(package, root / "dockline.deb")
    run = ("run", "--detach", "--network", "none", "--name", "talks", busybox)
    engine.docker(*run, "sh", "-c", TICK)
    socket = engine.url.removeprefix("unix://")
    with Booted(root, engine.directory) as booted:
        booted.check("dpkg", "--install", "/dockline.deb")
        group = booted.check("getent", "group", "docker").split(":")[2]
        shutil.chown(socket, group=int(group))
        Path(socket).chmod(0o660)
        yield booted
    engine.docker("rm", "--force", "talks")


def test_it_is_installed_with_a_user_and_not_started(host: Booted) -> None:
    assert host.check("dockline", "--version") == f"dockline {__version__} (loops in C)"
    assert host.check("id", "-nG", "dockline") == "dockline docker"
    assert host.check("stat", "-c", "%A %U %G", "/etc/dockline/dockline.toml") == (
        "-rw-r----- root dockline"
    )
    assert host.run("systemctl", "is-enabled", "dockline").stdout == "disabled\n"
    assert host.run("systemctl", "is-active", "dockline").stdout == "inactive\n"
    assert "sink   screen: console" in host.check("dockline", "check")
    assert host.run("find", "/usr/lib/dockline", "!", "-user", "root").stdout == ""
    assert not (host.root / "var/lib/dockline").exists()


def test_its_unit_is_sound(host: Booted) -> None:
    verified = host.run("systemd-analyze", "verify", "dockline.service")
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
    limit = ("--threshold=16", "dockline.service")  # of 100; Debian's own average is above 90
    host.check("systemd-analyze", "security", "--no-pager", *limit)


@pytest.fixture(scope="module")
def started(host: Booted) -> Booted:
    (host.root / "etc/dockline/dockline.toml").write_text(CONFIG)
    host.check("systemctl", "enable", "--now", "dockline")
    return host


def ticks(host: Booted) -> list[int]:
    file = host.root / "var/log/dockline/out.jsonl"
    text = file.read_text() if file.exists() else ""
    whole = text[: text.rfind("\n") + 1].splitlines()
    return [int(json.loads(line)["message"].removeprefix("tick ")) for line in whole]


def journal(host: Booted) -> str:
    return host.check("journalctl", "--no-pager", "--unit", "dockline")


def test_it_follows_containers_as_its_own_user_with_no_rights(started: Booted) -> None:
    eventually(lambda: len(ticks(started)) > 10)
    pid = started.check("systemctl", "show", "--property=MainPID", "--value", "dockline")
    status = dict(
        line.split(":\t", 1)
        for line in started.check("cat", f"/proc/{pid}/status").splitlines()
        if ":\t" in line
    )
    assert status["Uid"].split()[0] == started.check("id", "-u", "dockline")
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    mode = ("stat", "-c", "%A %U", "/var/lib/dockline")
    assert started.check(*mode) == "drwx------ dockline"
    assert (
        "loops in C; configuration /etc/dockline/dockline.toml; state in /var/lib/dockline"
        in journal(started)
    )


def test_its_commands_reach_it_and_stages_can_be_tried(started: Booted) -> None:
    eventually(lambda: ticks(started))
    assert "talks" in started.check("dockline", "top")
    tried = json.loads(started.check("/usr/lib/dockline/bin/python3", "-c", TRY))
    assert tried["errors"] == []


def test_it_reloads_its_configuration(started: Booted) -> None:
    started.check("systemctl", "reload", "dockline")
    eventually(lambda: "reloaded /etc/dockline/dockline.toml" in journal(started))


def test_a_bad_configuration_is_said_and_not_tried_again(started: Booted) -> None:
    file = started.root / "etc/dockline/dockline.toml"
    file.write_text("[sinks.a]\ntype = 'consle'\n")
    started.run("systemctl", "restart", "dockline")
    eventually(lambda: started.run("systemctl", "is-failed", "dockline").stdout == "failed\n")
    assert "console" in journal(started)
    file.write_text(CONFIG)
    started.check("systemctl", "start", "dockline")


def test_with_one_capability_it_reads_log_files(started: Booted, engine: PrivateEngine) -> None:
    eventually(lambda: "not from files" in journal(started))
    readme = started.check("cat", "/usr/share/doc/dockline/README.Debian")
    allowed = re.findall(r"^ +(\w+=CAP_DAC_READ_SEARCH)$", readme, re.MULTILINE)
    assert len(allowed) == 2
    folder = started.root / "etc/systemd/system/dockline.service.d"
    folder.mkdir()
    # The tests' Engine is in /tmp.
    (folder / "files.conf").write_text("\n".join(["[Service]", *allowed, "PrivateTmp=no", ""]))
    started.check("systemctl", "daemon-reload")
    started.check("systemctl", "restart", "dockline")
    before = eventually(lambda: ticks(started))[-1]
    eventually(lambda: ticks(started)[-1] > before + 100)  # it has connected long since
    invocation = started.check("systemctl", "show", "-P", "InvocationID", "dockline")
    said = started.check("journalctl", "--no-pager", f"_SYSTEMD_INVOCATION_ID={invocation}")
    assert " dockline 0." in said
    assert "not from files" not in said


def test_an_upgrade_keeps_the_configuration_and_goes_on_at_the_next_line(
    started: Booted, package: Path
) -> None:
    newer = _as_version(started, package, "9.9")
    before = eventually(lambda: ticks(started))[-1]
    pid = started.check("systemctl", "show", "--property=MainPID", "--value", "dockline")
    started.check("dpkg", "--force-confdef", "--install", newer)
    assert started.check("systemctl", "show", "-P", "MainPID", "dockline") != pid
    eventually(lambda: ticks(started)[-1] > before + 20)
    seen = ticks(started)
    assert seen == list(range(1, len(seen) + 1))
    assert (started.root / "etc/dockline/dockline.toml").read_text() == CONFIG
    assert started.check("stat", "-c", "%A %U %G", "/etc/dockline/dockline.toml") == (
        "-rw-r----- root dockline"
    )


def _as_version(host: Booted, package: Path, version: str) -> str:
    """The path in `host` of the same package with a higher version, and another configuration."""
    folder = host.root / "newer"
    subprocess.run(["dpkg-deb", "--raw-extract", package, folder], check=True)
    control = folder / "DEBIAN/control"
    control.write_text(
        control.read_text().replace(f"Version: {__version__}", f"Version: {version}")
    )
    with (folder / "etc/dockline/dockline.toml").open("a") as file:
        file.write("# a new comment\n")
    subprocess.run(["dpkg-deb", "-Znone", "--build", folder, f"{folder}.deb"], check=True)
    return "/newer.deb"


def test_removed_it_keeps_what_is_the_users_and_purged_it_leaves_nothing(started: Booted) -> None:
    eventually(lambda: ticks(started))
    started.check("dpkg", "--remove", "dockline")
    assert started.run("pgrep", "dockline").returncode
    assert not (started.root / "usr/lib/dockline").exists()
    assert (started.root / "etc/dockline/dockline.toml").exists()
    assert (started.root / "var/lib/dockline/token").exists()
    started.check("dpkg", "--purge", "dockline")
    for left in ("etc/dockline", "var/lib/dockline", "var/log/dockline"):
        assert not (started.root / left).exists()
    assert started.run("getent", "passwd", "dockline").returncode
    assert not list((started.root / "etc/systemd/system").glob("*/dockline.service"))


def test_nothing_in_it_was_made_where_it_was_built(package: Path) -> None:
    listed = subprocess.check_output(["dpkg-deb", "--contents", package], text=True)
    assert "__pycache__" not in listed
    assert "direct_url.json" not in listed
    assert "/usr/lib/dockline/bin/python3 -> ../../../bin/python3." in listed
    assert {line.split()[1] for line in listed.splitlines()} == {"root/root"}


def test_a_release_that_has_another_python_is_told(package: Path) -> None:
    asked = ["dpkg-deb", "--field", package, "Depends"]
    depends = subprocess.check_output(asked, text=True)
    assert depends.startswith("python3.")
    assert "adduser, libc6 (>= 2." in depends
