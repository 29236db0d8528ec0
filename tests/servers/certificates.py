"""Certificates from a private authority, made by the openssl command."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

LOCAL = "DNS:localhost,IP:127.0.0.1"


@dataclass(frozen=True)
class Certificate:
    cert: str
    """Path of a PEM file."""
    key: str
    """Path of a PEM file."""


class Authority:
    """Issues certificates for servers and clients. Its own is `ca`."""

    def __init__(self, directory: Path, name: str = "Test Authority") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._own = self._make("authority", f"/CN={name}", "basicConstraints=critical,CA:TRUE")
        self.ca = self._own.cert

    def issue(self, name: str, names: str = LOCAL, *, expired: bool = False) -> Certificate:
        """For the peers in `names` (subjectAltName), by default this host's loopback."""
        validity = ["-not_before", "20200101000000Z", "-not_after", "20200201000000Z"]
        signed = ["-CA", self._own.cert, "-CAkey", self._own.key, *(validity if expired else [])]
        return self._make(name, f"/CN={name}", f"subjectAltName={names}", *signed)

    def _make(self, file: str, subject: str, extension: str, *more: str) -> Certificate:
        made = Certificate(
            str(self._directory / f"{file}.pem"), str(self._directory / f"{file}.key")
        )
        command = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ]
        command += ["-nodes", "-subj", subject, "-addext", extension, *more]
        subprocess.run(
            [*command, *more, "-out", made.cert, "-keyout", made.key],
            check=True,
            capture_output=True,
        )
        return made


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    """The authority of this session."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command is not installed")
    yield Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def stranger(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that nobody here trusts."""
    return Authority(tmp_path_factory.mktemp("stranger"), "Somebody Else")
