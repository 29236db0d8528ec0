"""What the figures were taken on, and with which versions of everything."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGES = ("aiodocker", "aiohttp", "msgspec", "orjson", "prometheus-client")


def described() -> dict[str, Any]:
    return {
        "processor": _after(Path("/proc/cpuinfo"), "model name"),
        "cores": os.cpu_count(),
        "memory_gib": round(int(_after(Path("/proc/meminfo"), "MemTotal").split()[0]) / 2**20, 1),
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", "unknown"),
        "python": platform.python_version(),
        "libc": " ".join(platform.libc_ver()),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "engine": _said("dockerd", "--version"),
        "containerd": _said("containerd", "--version"),
        "runc": _said("runc", "--version"),
        "interpreter_flags": str(sys.flags),
    }


def _after(file: Path, what: str) -> str:
    for line in file.read_text().splitlines():
        if line.startswith(what):
            return line.partition(":")[2].strip()
    return "unknown"


def _said(*command: str) -> str:
    """The first line of what a program says."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin:/sbin"])
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
        )
    except OSError:
        return "not installed"
    return (ran.stdout.splitlines() or ["unknown"])[0]
