"""Runs the `docker` command against one Engine, and makes an image of nothing but busybox."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

from pipeline.model.errors import EngineError

BUSYBOX = "busybox:local"
"""The default tag of `import_busybox`."""
_UNPACKED = [
    Path(__file__).parents[2] / ".programs" / folder / "busybox" for folder in ("usr/bin", "bin")
]
"""Where `scripts/debian-packages` puts a busybox that cannot be installed beside the machine's
own."""


class DockerClient:
    """Runs the `docker` command against one Engine, regardless of the user's Docker context and
    environment.

    It blocks: for tests, the demo and benchmarks, never for the agent.
    """

    def __init__(self, url: str, environment: Mapping[str, str] | None = None) -> None:
        """`url`: the Engine's. `environment`: more environment variables."""
        self.url = url
        ours = {"DOCKER_HOST": url} | dict(environment or {})
        theirs = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
        self.environment = {k: v for k, v in os.environ.items() if k not in theirs} | ours
        """The environment for any subprocess that is to use the same Engine."""

    def docker(self, *arguments: str, stdin: bytes | None = None, timeout: float = 120) -> str:
        """Runs `docker ARGUMENTS`. Returns its standard output without the last newline.

        `stdin`: its standard input. `timeout`: seconds. Raises `EngineError` with the command's own
        message if it fails or takes longer.
        """
        asked = f"docker {' '.join(arguments[:3])}"
        try:
            done = subprocess.run(
                ["docker", *arguments],
                input=b"" if stdin is None else stdin,
                capture_output=True,
                env=self.environment,
                timeout=timeout,
                check=False,
            )
        except FileNotFoundError:
            raise EngineError("there is no `docker` command: install docker-cli") from None
        except subprocess.TimeoutExpired:
            raise EngineError(f"`{asked}` did not end within {timeout:g} s") from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip() or f"exit {done.returncode}"
            raise EngineError(f"`{asked}`: {said}")
        return done.stdout.decode(errors="replace").removesuffix("\n")

    def import_busybox(
        self, tag: str = BUSYBOX, files: Mapping[str, bytes] | None = None, change: str = ""
    ) -> str:
        """Makes an image of this machine's static busybox. Returns its tag.

        `files`: added under their absolute paths, executable. `change`: a Dockerfile instruction,
        such as `CMD ["/bin/web"]`. Needs no registry and no network. Raises `EngineError`.
        """
        changes = ["--change", change] if change else []
        self.docker("import", *changes, "-", tag, stdin=busybox_tar(files or {}))
        return tag


def busybox_tar(files: Mapping[str, bytes]) -> bytes:
    """A root file system as a tar archive: the static busybox, a link for each applet, and `files`.

    Raises `EngineError` if there is no static busybox on this machine.
    """
    binary = _static_busybox()
    listed = subprocess.run([binary, "--list"], capture_output=True, text=True, check=True)
    applets = set(listed.stdout.split()) - {"busybox"}  # it lists itself: not a link to itself
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, mode in {"bin": 0o755, "etc": 0o755, "root": 0o700, "tmp": 0o1777}.items():
            _add(tar, name, tarfile.DIRTYPE, mode=mode)
        _add(tar, "bin/busybox", tarfile.REGTYPE, binary.read_bytes())
        for applet in sorted(applets):
            _add(tar, f"bin/{applet}", tarfile.SYMTYPE, target="busybox")
        _add(tar, "etc/passwd", tarfile.REGTYPE, b"root:x:0:0:root:/root:/bin/sh\n", 0o644)
        for path, content in files.items():
            _add(tar, path.lstrip("/"), tarfile.REGTYPE, content)
    return archive.getvalue()


def _static_busybox() -> Path:
    found = shutil.which("busybox")
    places = [Path(found)] if found else []
    places += [place for place in _UNPACKED if place.is_file()]
    if not places:
        raise EngineError("there is no busybox on this machine: install busybox-static")
    for place in places:
        # A dynamically linked one would not start in a container: its header names a loader.
        if not re.search(rb"/ld-[\w.-]+\.so", place.read_bytes()[:4096]):
            return place
    raise EngineError(f"{places[0]} is not static: install busybox-static instead of busybox")


def _add(
    tar: tarfile.TarFile,
    name: str,
    kind: bytes,
    content: bytes = b"",
    mode: int = 0o755,
    *,
    target: str = "",
) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.linkname, entry.size = kind, mode, target, len(content)
    tar.addfile(entry, io.BytesIO(content))
