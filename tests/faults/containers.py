"""Containers that a test starts on a real Engine."""

from __future__ import annotations

from pipeline.testing.private_engine import PrivateEngine


class Containers:
    """Starts them under names of the test's own, and removes what is left of them."""

    def __init__(self, engine: PrivateEngine, image: str) -> None:
        self.engine = engine
        self.url = engine.url
        self._image = image
        self._ids: list[str] = []

    def start(self, name: str, script: str, *options: str) -> str:
        """Runs `script` in a container, without waiting for its end; its id."""
        made = self.engine.docker(
            "run", "--detach", "--network", "none", "--name", name, *options,
            self._image, "sh", "-c", script,
        )  # fmt: skip
        self._ids.append(made)
        return made

    def remove(self) -> None:
        """All of them; one that is gone already is no error."""
        present = self.engine.docker("ps", "--all", "--quiet", "--no-trunc").split()
        if ours := [one for one in self._ids if one in present]:
            self.engine.docker("rm", "--force", *ours)
