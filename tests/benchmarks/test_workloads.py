"""W3 and W4 do what README shows."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from benchmarks.workloads import ROUTES

README = Path(__file__).parents[2] / "README.md"


def test_the_stages_are_those_of_the_readme() -> None:
    shown = [
        tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", README.read_text(), re.S)
    ]
    (route,) = (config["routes"]["shop"] for config in shown if "shop" in config.get("routes", {}))
    for name in ("w3", "w4"):
        config = tomllib.loads(ROUTES[name].format(port=1))
        assert config["routes"]["all"]["stages"] == route["stages"]
