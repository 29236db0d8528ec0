"""Where results are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "results"


def path(run: int, quick: bool = False) -> Path:
    return FOLDER / ("quick.json" if quick else f"full-{run}.json")


def write(file: Path, results: dict[str, Any]) -> None:
    file.write_text(json.dumps(_rounded(results), indent=1, ensure_ascii=False) + "\n")


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def runs(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """All full runs, in their order."""
    numbered = {int(file.stem.partition("-")[2]): file for file in folder.glob("full-*.json")}
    return [read(numbered[run]) for run in sorted(numbered)]


def quick() -> dict[str, Any]:
    return read(path(0, quick=True))


def _rounded(value: Any) -> Any:
    """Six digits of what was measured are plenty."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value
