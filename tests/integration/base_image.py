"""A base image for the Dockerfile where no registry can be reached: Debian with its own Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.testing.private_engine import PrivateEngine

BASE = "debian-python:local"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "dockline-tests")
_PACKAGES = "python3,python3-venv,ca-certificates"
_PIP = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


def import_base(engine: PrivateEngine) -> str:
    """Makes `BASE` in the Engine and gives back its name.

    What this machine needs to reach a package index (its proxy, its index, the authorities it
    trusts) goes into this image, so that the Dockerfile has none of it.
    """
    settings = [f"ENV {name}={os.environ[name]}" for name in _PIP + _PROXIES if name in os.environ]
    changes = [part for setting in settings for part in ("--change", setting)]
    engine.docker("import", *changes, str(_root_file_system()), BASE, timeout=300)
    if trusted := os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE"):
        container = engine.docker("create", "--network", "none", BASE, "true")
        engine.docker("cp", "--follow-link", trusted, f"{container}:{_AUTHORITIES}")
        engine.docker("commit", "--change", f"ENV PIP_CERT={_AUTHORITIES}", container, BASE)
        engine.docker("rm", container)
    return BASE


def _root_file_system() -> Path:
    """A tar archive of Debian 13 with Python 3.13; made once and kept (15 s, 160 MB)."""
    archive = _CACHE / "trixie-python.tar"
    if archive.exists():
        return archive
    if not shutil.which("mmdebstrap"):
        pytest.skip("there is no `mmdebstrap` to make a base image with: install mmdebstrap")
    _CACHE.mkdir(parents=True, exist_ok=True)
    partial = archive.with_suffix(f".{os.getpid()}.tar")
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}", "trixie", partial],
        check=True,
    )
    return partial.replace(archive)
