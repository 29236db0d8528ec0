"""Whether a log's files can be read is asked with the rights that the process has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[5]
PROGRAM = """
import ctypes, os, sys
from pathlib import Path
from pipeline.sources.docker.logs.files.available import read_facts

libc = ctypes.CDLL(None, use_errno=True)
KEEP_CAPABILITIES, VERSION_3, DAC_READ_SEARCH = 8, 0x20080522, 1 << 2
libc.prctl(KEEP_CAPABILITIES, 1, 0, 0, 0)
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
may = DAC_READ_SEARCH if sys.argv[2] == "may read" else 0
sets = (ctypes.c_uint32 * 6)(may, may, 0, 0, 0, 0)
assert libc.capset((ctypes.c_uint32 * 2)(VERSION_3, 0), sets) == 0
print(read_facts(Path(sys.argv[1])).path.name)
"""


def read_facts_as_nobody(folder: Path, right: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, folder, right]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.server
def test_the_capability_to_read_is_enough_for_a_user_who_is_not_root(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("gives up being root")
    folder = tmp_path / "containers" / "abc"
    folder.mkdir(parents=True)
    for name in ("abc-json.log", "config.v2.json", "hostconfig.json"):
        (folder / name).write_text("{}")
    folder.parent.chmod(0o700)
    told = read_facts_as_nobody(folder, "may read")
    assert (told.returncode, told.stdout) == (0, "abc-json.log\n"), told.stderr
    assert "cannot be read here" in read_facts_as_nobody(folder, "may not").stderr
