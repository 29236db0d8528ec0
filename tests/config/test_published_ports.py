"""No file that is shipped, and no command that is documented, opens a port to other hosts."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
LOOPBACK = ("127.0.0.1", "::1", "[::1]")
SECRET = re.compile(r"\$\{(\w*(?:PASSWORD|TOKEN|SECRET|KEY|CREDENTIALS?)\w*)([^}]*)\}")


def shipped(*patterns: str) -> list[Path]:
    """Files of the repository, tests aside."""
    listed = ["git", "ls-files", "--", *patterns]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.splitlines() if not name.startswith("tests/")]


def published(value: Any) -> Iterator[Any]:
    """What stands under any `ports`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "ports":
                yield from inner
            else:
                yield from published(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from published(inner)


def is_for_this_host(port: Any) -> bool:
    """In Compose's long form and its short one, `IP:HOST:CONTAINER`. A Swarm takes no address: what
    it publishes is for the world."""
    if isinstance(port, dict):
        return port.get("host_ip") in LOOPBACK and port.get("mode") is None
    return str(port).rpartition(":")[0].rpartition(":")[0] in LOOPBACK


@pytest.mark.parametrize(
    ("port", "own"),
    [
        ("127.0.0.1:9090:9090", True),
        ("[::1]:9090:9090/tcp", True),
        ({"target": 1, "published": 1, "host_ip": "127.0.0.1"}, True),
        ("9090:9090", False),
        ("9090", False),
        (9090, False),
        ("0.0.0.0:9090:9090", False),
        ("${ADDRESS:-127.0.0.1}:9090:9090", False),
        ({"target": 1, "published": 1, "mode": "host"}, False),
        ({"target": 1, "published": 1, "mode": "host", "host_ip": "127.0.0.1"}, False),
    ],
)
def test_ports_of_this_host_are_told_from_others(port: Any, own: bool) -> None:
    assert is_for_this_host(port) is own


@pytest.mark.fault(136)
def test_no_file_publishes_a_port_beyond_its_host() -> None:
    files = [one for one in shipped("*.yaml", "*.yml") if "benchmarks" not in one.parts]
    assert len(files) >= 6
    found = {file: list(published(yaml.safe_load(file.read_text()))) for file in files}
    assert sum(map(len, found.values())) >= 5
    for file, ports in found.items():
        assert [port for port in ports if not is_for_this_host(port)] == [], file
    for name in ("config/stack.yaml", "config/fleet/stack.yaml"):
        assert found[ROOT / name] == []


def test_no_documented_command_publishes_a_port_beyond_its_host() -> None:
    option = re.compile(r"--publish[ =](\S+)|docker run[^\n]* -p (\S+)")
    found = [
        one[1] or one[2]
        for file in shipped("*.md", "Makefile", "Dockerfile", "*.toml", "*.yaml")
        for one in option.finditer(file.read_text())
    ]
    assert len(found) >= 2
    assert [port for port in found if not port.startswith(LOOPBACK)] == []


@pytest.mark.fault(136)
def test_no_password_has_a_default() -> None:
    seen = 0
    for file in shipped("*.yaml", "*.yml", "*.toml", "*.conf"):
        for name, rest in SECRET.findall(file.read_text()):
            seen += 1
            if file.suffix == ".toml":  # without a default it must be set
                assert rest == "", (file, name)
            else:
                assert rest.startswith(":?") and len(rest) > 4, (file, name)
    assert seen > 10
