"""What `docs/explain/comparison.md` says of dockline is checked and does what its headings say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.config.file import parse

PAGE = (Path(__file__).parents[2] / "docs/explain/comparison.md").read_text()
BLOCKS = dict(
    re.findall(r"^## (.+)\n(?:(?!^## |^```toml\n\[).*\n)*```toml\n(\[[^`]+)```", PAGE, re.M)
)
"""The configuration under each heading; those of others begin with a comment."""

SHOP = {"name": "shop-api-1", "labels": {"com.docker.compose.project": "shop"}}
TRACE = (
    'Exception in thread "main" java.lang.IllegalStateException: no',
    "\tat shop.Api.main(Api.java:7)",
    "Caused by: java.io.IOException: gone",
    "\t... 1 more",
)
CASES: dict[str, tuple[str, tuple[str, ...], list[dict[str, Any]]]] = {
    "Errors of one project to syslog": (
        "shop-errors",
        ('{"level":"error","a":1}', '{"level":"info"}', '{"status":"503"}', "text"),
        [{"level": "error", "a": 1}, {"status": "503"}],
    ),
    "All but health checks as JSON over TCP": (
        "all",
        ('{"path":"/health"}', '{"path":"/"}', '10.0.0.1 "GET /health HTTP/1.1" 200', "text"),
        [{"path": "/"}, {"message": "text"}],
    ),
    "Redact e-mail addresses": (
        "all",
        ('{"user":{"mail":"bob@example.com"}}', "mail to bob@example.com"),
        [{"user": {"mail": "[redacted]"}}, {"message": "mail to [redacted]"}],
    ),
    "Java stack traces": (
        "all",
        (*TRACE, "ready"),
        [{"message": "\n".join(TRACE)}, {"message": "ready"}],
    ),
    "5xx by path as a metric": (
        "all",
        ('{"status":503,"path":"/"}', '{"status":200,"path":"/"}'),
        [{"status": 503}, {"status": 200}],
    ),
}


def test_every_task_has_a_configuration() -> None:
    assert list(BLOCKS) == list(CASES)


@pytest.mark.parametrize("task", CASES)
def test_it_passes_check_without_a_warning(task: str) -> None:
    assert parse(BLOCKS[task], {}).warnings == []


@pytest.mark.parametrize("task", CASES)
def test_it_does_what_the_heading_says(task: str, tmp_path: Path) -> None:
    route, lines, expected = CASES[task]
    case = {"route": route, "container": SHOP, "input": lines, "expect": expected}
    file = tmp_path / "dockline.toml"
    file.write_text(BLOCKS[task] + f"\n[[tests]]\n{_toml(case)}")
    assert main(["check", "-c", str(file)]) == 0
    assert main(["test", "-c", str(file)]) == 0


def _toml(table: dict[str, Any]) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in table.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(key)} = {_value(one)}" for key, one in value.items())
        return f"{{ {inner} }}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value)
