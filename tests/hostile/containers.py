"""Containers that mean harm, and honest ones between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from pipeline.model.errors import EngineError
from pipeline.testing.private_engine import PrivateEngine
from tests.hostile.config import STAGES

IMAGE: Final = "hostile:local"
JOINS: Final = (
    "python", "java", "go", "node", "ruby", "dotnet", "indent", "(a+)+$", "\ud7ff\n",
    r"^\d", "^(a+)+$", "^.*a.*b", r"^(?:ab|a){1,3}\d", "^" + "[a-z]?" * 20, "^x" * 1000,
)  # fmt: skip
RATES: Final = (
    ("sample", "10"), ("sample", "0.5"), ("sample", "9" * 500), ("throttle", "100/s"),
    ("throttle", "1/" + "9" * 20 + "d"), ("level", "auto"), ("level.from", "a" * 5000),
)  # fmt: skip
PARSES: Final = ("json", "logfmt", "nginx", "apache", "syslog", "klog", "auto", "nothing")
HONEST: Final = 'i=0; while :; do i=$((i+1)); echo "$0 $i"; sleep 0.1; done'
_LIMITS: Final = ("--network", "none", "--stop-timeout", "0", "--log-opt", "max-size=32m")


@dataclass(frozen=True)
class Kind:
    """What a hostile container is to be."""

    payload: str
    labels: Mapping[str, str]
    rest: float
    """Seconds between two pieces of output."""
    terminal: bool = False


def kinds(seed: int, payloads: list[str]) -> Iterator[Kind]:
    """Without end: every payload with every stage sooner or later, and labels by chance."""
    dice = Random(seed)
    while True:
        for payload in dice.sample(payloads, len(payloads)):
            labels = {"hostile.stage": "hide" if payload == "secrets" else dice.choice([*STAGES])}
            if dice.random() < 0.5 and payload != "secrets":
                labels["dockline.join"] = dice.choice(JOINS)
            if dice.random() < 0.3 and payload != "secrets":
                labels["dockline.parse"] = dice.choice(PARSES)
            if dice.random() < 0.3 and payload != "secrets":
                name, text = dice.choice(RATES)
                labels[f"dockline.{name}"] = text
            if dice.random() < 0.2:
                labels |= {f"dockline.tag.t{number}": "v" * 256 for number in range(40)}
            if dice.random() < 0.2:
                labels |= {f"big.{number}": "x" * 10_000 for number in range(dice.choice((10, 40)))}
            yield Kind(payload, labels, dice.choice((0.5, 2.0, 5.0)), dice.random() < 0.05)


class Containers:
    """Starts and removes them on one Engine."""

    def __init__(self, engine: PrivateEngine, folder: Path, payloads: Mapping[str, bytes]) -> None:
        self._engine = engine
        self._folder = folder
        self.started = 0
        files = {f"/payloads/{name}": content for name, content in payloads.items()}
        # Labels of an image count as those of a container do.
        engine.import_busybox(IMAGE, files, change="LABEL hostile.image=yes")

    def start_honest(self, name: str) -> None:
        self._run(name, (), ("sh", "-c", HONEST, name))

    def start(self, kind: Kind) -> str:
        """Its name."""
        self.started += 1
        name = f"hostile-{self.started}"
        labels = self._folder / f"{name}.labels"
        labels.write_text(
            "".join(f"{key}={value}\n" for key, value in kind.labels.items() if "\n" not in value)
        )
        script = f"while :; do cat /payloads/{kind.payload}; sleep {kind.rest}; done"
        terminal = ("--tty",) if kind.terminal else ()
        self._run(name, ("--label-file", str(labels), *terminal), ("sh", "-c", script))
        labels.unlink()
        return name

    def remove(self, name: str) -> None:
        self._engine.docker("rm", "--force", name)

    def storm(self, count: int) -> None:
        """Containers that live for a moment, all at once."""
        script = f"for i in $(seq {count}); do echo $i; done; kill -9 $$"
        for _ in range(count):
            try:
                self._run("", ("--rm",), ("sh", "-c", script))
            except EngineError:
                return  # it has ended before `docker run` looked

    def _run(self, name: str, options: tuple[str, ...], command: tuple[str, ...]) -> None:
        named = ("--name", name) if name else ()
        self._engine.docker("run", "--detach", *named, *_LIMITS, *options, IMAGE, *command)
