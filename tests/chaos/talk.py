"""Lines that each say what they are: container, run, stream, number, length.

A container is one `awk` that writes them; its run is the moment at which its first process began,
so a container that is started again needs to remember nothing.
"""

from __future__ import annotations

import re
from typing import NamedTuple

SCRIPT_PATH = "/talk.awk"
SCRIPT = b"""\
BEGIN {
    getline stat < "/proc/1/stat"
    split(stat, field, " ")
    run = field[22]
    while (length(pad) < size) pad = pad "xxxxxxxxxxxxxxxx"
    pad = substr(pad, 1, size)
    for (i = 1; i <= lines; i++) {
        if (errors && i % errors == 0) print name, run, "e", ++e, size, pad "." > "/dev/stderr"
        else print name, run, "o", ++o, size, pad "."
        if (pause && i % burst == 0) {
            fflush(); fflush("/dev/stderr")
            system("sleep " pause)
        }
    }
    exit status
}
"""

_LINE = re.compile(rb"(\S+) (\d+) ([oe]) (\d+) (\d+) (x*)\.")
MOST = 50_000_000
"""No container writes as many lines: a larger number is none of ours."""


class Talker(NamedTuple):
    """A container to be, and what it writes each time it is started."""

    name: str
    kind: str
    lines: int
    size: int = 0
    """Bytes of padding on each line."""
    errors: int = 0
    """Each line of that many goes to standard error; 0 for none."""
    burst: int = 1
    pause: float = 0.0
    """Seconds of silence after each `burst` of lines; 0 for none."""
    status: int = 0
    restart: str = "no"

    def command(self) -> list[str]:
        """For `docker run`, behind the image."""
        values = {
            "name": self.name, "lines": self.lines, "size": self.size, "errors": self.errors,
            "burst": self.burst, "pause": f"{self.pause:g}", "status": self.status,
        }  # fmt: skip
        settings = [word for item in values.items() for word in ("-v", "{}={}".format(*item))]
        return ["awk", *settings, "-f", SCRIPT_PATH]


class Line(NamedTuple):
    name: bytes
    run: int
    stream: bytes
    number: int


def line(text: bytes) -> Line | None:
    """What a whole line says it is; None for anything else, such as half of one."""
    found = _LINE.fullmatch(text)
    if found is None:
        return None
    name, run, stream, number, size, pad = found.groups()
    if len(pad) != int(size) or not 0 < int(number) < MOST:
        return None
    return Line(name, int(run), stream, int(number))
