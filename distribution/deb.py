"""Debian's package: the agent with all extras in a virtual environment of its own, and its unit.

It is for the release of Debian on which it is built, since the environment runs on that release's
Python. What the environment holds is pinned with hashes in constraints-all.txt.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
from email.utils import formatdate
from pathlib import Path

from distribution.interpreters import ROOT
from distribution.manylinux import EVERYWHERE, NotPortable, needs
from distribution.wheels import Builder, source_date

DEBIAN = Path(__file__).parent / "debian"
PYTHON = Path("/usr/bin/python3")
HOME = Path("usr/lib/dockline")
PACKAGES = {"libgcc_s.so.1": "libgcc-s1", "libstdc++.so.6": "libstdc++6", "libz.so.1": "zlib1g"}
"""What Debian calls the packages of libraries that wheels may need beside glibc."""
MAINTAINER = {"DEBFULLNAME": "dockline contributors", "DEBEMAIL": "dockline@localhost"}
"""As Debian's own tools take it from the environment."""
CONTROL = """\
Package: dockline
Version: {version}
Architecture: {architecture}
Maintainer: {maintainer}
Installed-Size: {size}
Depends: {depends}
Recommends: ca-certificates
Suggests: docker.io | docker-ce | podman
Section: admin
Priority: optional
Description: logs, stats and events of all containers to where they are read
 One agent per Docker host. It follows every container's logs, stats and events,
 takes them through routes to syslog, Logstash, Loki, Elasticsearch, Kafka, S3
 and others, each behind a buffer of its own, and exports their metrics.
 .
 The agent runs as a user of its own and is started by systemd, once it has been
 enabled. Its Python packages are its own, in /usr/lib/dockline.
"""


CHANGES = """\
dockline ({version}) unstable; urgency=medium

  * See CHANGELOG.md.gz.

 -- {maintainer}  {date}
"""
COMMAND = """\
#!/usr/lib/dockline/bin/python3 -I
import sys

from pipeline.cli import main

sys.exit(main())
"""
COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/dockline",
    "zsh": "usr/share/zsh/vendor-completions/_dockline",
    "fish": "usr/share/fish/vendor_completions.d/dockline.fish",
}


def why_not() -> str | None:
    """Why no package can be built on this machine; None if it can."""
    if not shutil.which("dpkg-deb"):
        return "there is no `dpkg-deb`: it is built on Debian"
    if not PYTHON.exists():
        return f"there is no {PYTHON} (Debian: python3)"
    asked = [PYTHON, "-c", "import ensurepip, venv"]
    if subprocess.run(asked, stderr=subprocess.DEVNULL, check=False).returncode:
        return f"{PYTHON} makes no virtual environments (Debian: python3-venv)"
    return None


def build(builder: Builder, tree: Path, target: Path) -> Path:
    """Builds it into the folder `target`. `tree`: the unpacked source distribution.

    Raises `CalledProcessError`, and `NotPortable` if a library needs what no package is known for.
    """
    with tempfile.TemporaryDirectory(prefix="dockline-deb-") as folder:
        root = Path(folder, "root")
        wheels = Path(folder, "wheels")
        wheels.mkdir()
        python = _output(PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
        wheel = builder.into(wheels).wheel(tree, PYTHON, "1")
        _make_environment(root / HOME, python, wheel)
        _place_files(root, tree)
        control = _describe(root, python)
        _set_modes(root)
        file = target / f"dockline_{control['version']}_{control['architecture']}.deb"
        _output("dpkg-deb", "--root-owner-group", "-Zxz", "-z3", "--build", root, file)
        return file


def _make_environment(home: Path, version: str, wheel: Path) -> None:
    """A virtual environment for `HOME`, without what has installed it."""
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", home], check=True)
    pip = (sys.executable, "-m", "pip", "--python", home / "bin/python3", "install")
    options = ("--quiet", "--no-compile", "--disable-pip-version-check")
    locked = ("--require-hashes", "--requirement", ROOT / "constraints-all.txt")
    subprocess.run([*pip, *options, *locked], check=True)
    subprocess.run([*pip, *options, "--no-deps", "--no-index", wheel], check=True)
    for left in ("bin", "include"):
        shutil.rmtree(home / left)
    for left in ("lib64", ".gitignore"):
        (home / left).unlink(missing_ok=True)
    (home / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {version}\n"
    )
    (home / "bin").mkdir()
    (home / "bin/python3").symlink_to(f"/usr/bin/python{version}")
    command = home / "bin/dockline"
    command.write_text(COMMAND)
    command.chmod(0o755)
    _forget_the_build(home)


def _forget_the_build(home: Path) -> None:
    """Removes what pip notes of where it took a package from, and of scripts that are not there."""
    for info in home.glob("lib/*/site-packages/*.dist-info"):
        for left in ("direct_url.json", "REQUESTED"):
            (info / left).unlink(missing_ok=True)
        lines = (info / "RECORD").read_text().splitlines(keepends=True)
        kept = [
            line for line in lines if (info.parent / line.partition(",")[0].strip('"')).exists()
        ]
        (info / "RECORD").write_text("".join(sorted(kept)))


def _place_files(root: Path, tree: Path) -> None:
    """All that is not in the environment."""
    documents = root / "usr/share/doc/dockline"
    shutil.copytree(tree / "config", documents / "config")
    (root / "usr/bin").mkdir()
    (root / "usr/bin/dockline").symlink_to("../lib/dockline/bin/dockline")
    files = {
        "usr/lib/systemd/system/dockline.service": (DEBIAN / "dockline.service").read_text(),
        "etc/dockline/dockline.toml": _configuration(tree),
        "usr/share/doc/dockline/README.Debian": (DEBIAN / "README.Debian").read_text(),
        "usr/share/doc/dockline/copyright": _copyright(),
        "usr/share/lintian/overrides/dockline": (DEBIAN / "lintian-overrides").read_text(),
    }
    python = root / HOME / "bin/python3"
    program = ("-IB", "-c", "from pipeline.cli import main; main()", "completion")
    for shell, path in COMPLETIONS.items():
        files[path] = _output(python, *program, shell) + "\n"
    target = os.path.relpath(python.readlink(), f"/{HOME}/bin")  # as Debian's policy wants it
    python.unlink()
    python.symlink_to(target)
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    changes = (tree / "CHANGELOG.md").read_bytes()
    (documents / "CHANGELOG.md.gz").write_bytes(gzip.compress(changes, mtime=0))


def _configuration(tree: Path) -> str:
    """That of `config/`, which says where its neighbours are."""
    text = (tree / "config/dockline.toml").read_text().removeprefix("#:schema ./schema.json\n\n")
    return text.replace(" config/", " /usr/share/doc/dockline/config/")


def _copyright() -> str:
    licence = (ROOT / "LICENSE").read_text().partition("\n\n")[2].partition("\n\n")[2]
    lines = (f" {line or '.'}\n" for line in licence.strip().splitlines())
    return (DEBIAN / "copyright").read_text() + "".join(lines)


def _describe(root: Path, python: str) -> dict[str, str]:
    """Writes the folder DEBIAN of `root`. Returns the fields of its control file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    size = sum(path.lstat().st_size for path in root.rglob("*") if not path.is_dir())
    fields = {
        "version": f"{project['version']}-1~{_release()}",
        "architecture": _output("dpkg", "--print-architecture"),
        "maintainer": "{DEBFULLNAME} <{DEBEMAIL}>".format_map(MAINTAINER | os.environ),
        "size": str(size // 1024),
        "depends": ", ".join([f"python{python}", "adduser", *_libraries(root)]),
    }
    changes = CHANGES.format(**fields, date=formatdate(int(source_date())))
    packed = gzip.compress(changes.encode(), mtime=0)
    (root / "usr/share/doc/dockline/changelog.Debian.gz").write_bytes(packed)
    own = root / "DEBIAN"
    own.mkdir()
    (own / "control").write_text(CONTROL.format_map(fields))
    (own / "conffiles").write_text("/etc/dockline/dockline.toml\n")
    sums = (
        f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n"
        for path in sorted((root / "usr").rglob("*"))
        if path.is_file() and not path.is_symlink()
    )
    (own / "md5sums").write_text("".join(sums))
    for script in ("postinst", "prerm", "postrm"):
        shutil.copy(DEBIAN / script, own / script)
    return fields


def _libraries(root: Path) -> list[str]:
    """The packages of the libraries that the environment needs beside its own."""
    files = [path for path in root.rglob("*.so*") if path.is_file()]
    bundled = {path.name for path in files}
    wanted = [needs(path) for path in files]
    glibc = max(one.glibc for one in wanted)
    names = frozenset().union(*(one.libraries for one in wanted)) - EVERYWHERE - bundled
    if unknown := names - PACKAGES.keys():
        raise NotPortable(f"no package is known for {', '.join(sorted(unknown))}")
    return [f"libc6 (>= {glibc[0]}.{glibc[1]})", *sorted(PACKAGES[name] for name in names)]


def _release() -> str:
    """Such as `deb13`: a package of the same version for the next release is newer."""
    release = platform.freedesktop_os_release()
    return {"debian": "deb"}.get(release["ID"], release["ID"]) + release.get("VERSION_ID", "")


def _set_modes(root: Path) -> None:
    """Modes that do not depend on the umask here."""
    scripts = {root / "DEBIAN" / name for name in ("postinst", "prerm", "postrm")}
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path in scripts or path == root / HOME / "bin/dockline"
            path.chmod(0o755 if runs else 0o644)
    (root / "etc/dockline/dockline.toml").chmod(0o640)


def _output(*command: str | Path) -> str:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": source_date(), "LC_ALL": "C.UTF-8"}
    return subprocess.check_output(command, env=environment, text=True).strip()
