"""The agent's own log on standard error: lines for people, or JSON lines (`agent.log`)."""

from __future__ import annotations

import logging
import os
import socket
import time
from typing import Any, Literal, TextIO

from pipeline.encode.ecs import ECS_VERSION
from pipeline.encode.harmless import RESET, harmless
from pipeline.encode.level import UNKNOWN, severity_of
from pipeline.encode.readable import Readable
from pipeline.model.dumps import dumps
from pipeline.model.errors import without_credentials

TEXT = "%(asctime)s %(levelname)-7s %(message)s"


class OwnLog:
    """Writes what is logged to standard error."""

    def __init__(self, level: str, stream: TextIO, root: logging.Logger | None = None) -> None:
        """Logs from this level on, in lower case such as `info`: as text until `write_as` is
        called. `root`: the logger to use, by default the one of all others."""
        root = root or logging.getLogger()
        self._handler = logging.StreamHandler(stream)
        self._for_people = stream.isatty() and _wants_colour()
        self.write_as("text")
        root.addHandler(self._handler)
        root.setLevel(level.upper())

    def write_as(self, form: Literal["text", "json"]) -> None:
        """Changes the form of what is logged from now on."""
        if form == "json":
            self._handler.setFormatter(JsonLines())
        else:
            self._handler.setFormatter(TerminalLines() if self._for_people else Lines())


def _wants_colour() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Lines(logging.Formatter):
    """Time, level and message, without what could command a terminal. No line has the credentials
    of a URL, whichever library quotes it, also in a traceback."""

    def __init__(self) -> None:
        super().__init__(TEXT)

    def format(self, record: logging.LogRecord) -> str:
        said = without_credentials(super().format(record)).encode("utf-8", "replace")
        return b"\n".join(harmless(line, color=False) for line in said.split(b"\n")).decode()


class TerminalLines(logging.Formatter):
    """Lines as the sink `console` shows those of containers, in the name of `dockline`."""

    def __init__(self) -> None:
        super().__init__()
        self._readable = Readable(color=True)

    def format(self, record: logging.LogRecord) -> str:
        said = without_credentials(super().format(record)).encode("utf-8", "replace")
        second = time.strftime("%H:%M:%S", time.localtime(record.created))
        moment = f"{second}.{int(record.msecs):03d}"
        severity = severity_of(record.levelname)
        first, *more = self._readable.lines(said, None, severity)
        head = f"{moment} \x1b[1mdockline |{RESET.decode()} "
        below = f"\n{' ' * len(moment)} \x1b[1m         |{RESET.decode()} "
        return head + below.join(line.decode("utf-8", "replace") for line in (first, *more))


class JsonLines(logging.Formatter):
    """One JSON object per line, by the names of Elastic Common Schema."""

    def __init__(self) -> None:
        super().__init__()
        self._host = socket.gethostname()

    def format(self, record: logging.LogRecord) -> str:
        severity = severity_of(record.levelname)
        level = record.levelname.lower() if severity != UNKNOWN else "info"
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry: dict[str, Any] = {
            "@timestamp": f"{seconds}.{int(record.msecs):03d}Z",
            "log": {"level": level, "logger": record.name},
            "message": without_credentials(record.getMessage()),
            "host": {"name": self._host},
            "service": {"name": "dockline"},
            "ecs": {"version": ECS_VERSION},
        }
        if record.exc_info and record.exc_info[0] is not None:
            entry["error"] = {
                "type": record.exc_info[0].__name__,
                "message": without_credentials(str(record.exc_info[1])),
                "stack_trace": without_credentials(self.formatException(record.exc_info)),
            }
        return dumps(entry).decode()
