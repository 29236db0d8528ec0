"""The patterns of the agent's own that run over what others write: none takes time that grows with
the square of the text."""

from __future__ import annotations

import inspect
import re
import time
from importlib import import_module
from pkgutil import walk_packages

import pytest

import pipeline
from benchmarks.hostile_lines import KINDS
from pipeline.expression import steps
from pipeline.model.errors import ConfigError
from pipeline.parsing import level
from pipeline.stages import _redaction_keys

OTHERS = ("__main__", "cli", "config", "testing", "reference", "native")
"""What has patterns, if any, see only what the user writes."""
BEHIND_ANOTHER = {"pipeline.parsing.syslog._ELEMENT", "pipeline.parsing.syslog._PARAMETER"}
"""They see only what another has matched as a whole, which has the same form."""
SIZE = 1 << 16


def _patterns() -> dict[str, tuple[re.Pattern[str] | re.Pattern[bytes], bool]]:
    """All that stand in modules, by their names, and whether they are tried at one place only."""
    found = {}
    for module in walk_packages(pipeline.__path__, "pipeline."):
        if module.name.split(".")[1] in OTHERS:
            continue
        there = import_module(module.name)
        for name, value in vars(there).items():
            if isinstance(value, re.Pattern):
                found[f"{module.name}.{name}"] = value, _is_matched(name, inspect.getsource(there))
            elif isinstance(value, dict):
                for key, one in value.items():
                    if isinstance(one, re.Pattern):
                        found[f"{module.name}.{name}[{key!r}]"] = one, False
    begin, inside = level.patterns(("fatal",))
    key = re.compile(_redaction_keys._KEY.format("password|secret"), re.IGNORECASE)
    made = {"level, begin": (begin, True), "level, inside": (inside, False), "key": (key, False)}
    return found | made


def _is_matched(name: str, source: str) -> bool:
    uses = set(re.findall(rf"\b{name}\.(search|sub|subn|split|findall|finditer)\b", source))
    return not uses and bool(re.search(rf"\b{name}\.(match|fullmatch)\b", source))


PATTERNS = _patterns()


def _cost(pattern: re.Pattern[str] | re.Pattern[bytes], *, matched: bool) -> int:
    text = (
        pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    )
    flags = pattern.flags & (re.IGNORECASE | re.DOTALL | re.VERBOSE | re.ASCII | re.MULTILINE)
    letters = "".join(letter for letter, flag in _FLAGS.items() if flags & flag)
    text = rf"\A(?:{text}" + ("\n)" if flags & re.VERBOSE else ")") if matched else text
    try:
        return steps.of_search(f"(?{letters}){text}" if letters else text)
    except ConfigError:
        return 2 * steps.MOST_STEPS


_FLAGS = {"i": re.I, "s": re.S, "x": re.X, "a": re.A, "m": re.M}

UNSURE = sorted(
    name
    for name, (one, matched) in PATTERNS.items()
    if name not in BEHIND_ANOTHER and _cost(one, matched=matched) > steps.LINEAR
)
"""Of these the estimate cannot tell, since it knows nothing of what a possessive repeat leaves
behind, nor that a match takes what it has found out of the text."""


def test_most_patterns_are_within_the_bound_of_those_of_users() -> None:
    assert len(PATTERNS) > 60
    assert len(UNSURE) < 30


@pytest.mark.fault(122, 123)
@pytest.mark.parametrize("name", UNSURE)
def test_all_others_are_quick_on_all_hostile_lines(name: str) -> None:
    """A second is a hundred times what the slowest takes, and a tenth of what a square would."""
    pattern, matched = PATTERNS[name]
    before = time.thread_time()
    for make in KINDS.values():
        line = make(SIZE)
        text = line.decode("latin-1") if isinstance(pattern.pattern, str) else line
        if matched:
            pattern.match(text)  # type: ignore[arg-type]
        else:
            pattern.sub("" if isinstance(text, str) else b"", text)  # type: ignore[arg-type,call-overload]
    took = time.thread_time() - before
    assert took < 1, f"{took:.1f} s"
