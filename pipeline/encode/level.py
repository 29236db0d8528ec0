"""The level of an entry, out of what its fields say: a number or a word, in one of many spellings.

| severity | word here   | also understood                                | numbers (pino, bunyan) |
|----------|-------------|------------------------------------------------|------------------------|
| 0        | `emergency` | emerg, panic                                   | 0                      |
| 1        | `alert`     |                                                | 1                      |
| 2        | `critical`  | crit, fatal, ftl, f                            | 2, 60                  |
| 3        | `error`     | err, eror, severe, failure, fail, e            | 3, 50                  |
| 4        | `warning`   | warn, wrn, w                                   | 4, 40                  |
| 5        | `notice`    |                                                | 5                      |
| 6        | `info`      | information, informational, inf, log, i        | 6, 30                  |
| 7        | `debug`     | dbg, dbug, trace, trce, verbose, vrb, fine, finer, finest, d | 7, 10, 20|

Words in any case. Numbers from 0 to 7 are RFC 5424's severities; 10 to 60 are those of pino and
bunyan, which write them into `level`.
"""

from __future__ import annotations

from typing import Any, Final

from pipeline.model.batch import Batch
from pipeline.model.records import Records

LEVELS = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug")
"""Our word for each severity of RFC 5424, section 6.2.1."""

UNKNOWN: Final = len(LEVELS)
"""Stands for the severity of an entry that does not tell it."""

KEYS = ("level", "log.level", "severity", "lvl", "levelname", "@l")
"""Fields that are asked, in this order; an object `log` with a `level` in it comes last."""

_TELLING: Final = (*KEYS, "log")
_TOLD: Final = frozenset(_TELLING)

WORDS: Final = {
    0: "emergency emerg panic",
    1: "alert",
    2: "critical crit fatal ftl f",
    3: "error err eror severe failure fail e",
    4: "warning warn wrn w",
    5: "notice",
    6: "info information informational inf log i",
    7: "debug dbg dbug trace trce verbose vrb fine finer finest d",
}
"""The spellings of each severity, in lower case."""
_PINO = {10: 7, 20: 7, 30: 6, 40: 4, 50: 3, 60: 2}


def _spellings() -> dict[Any, int]:
    table: dict[Any, int] = dict(_PINO) | {number: number for number in range(8)}
    table |= {str(number): severity for number, severity in table.items()}
    for severity, words in WORDS.items():
        for word in words.split():
            table |= dict.fromkeys((word, word.upper(), word.capitalize()), severity)
    return table


_SEVERITY = _spellings()
"""By number, by word, and by the usual cases of it, so that most entries cost one look-up."""
SPELLINGS: Final = frozenset(_SEVERITY)
"""The usual spellings: numbers, texts of numbers, and words in lower case and in others."""


def severities(batch: Batch) -> bytes | None:
    """The severity of each entry as a number (see `LEVELS`), `UNKNOWN` where its fields do not tell
    one; None when no entry tells one."""
    parsed = batch.parsed
    if not parsed:
        return None
    find = _SEVERITY.get
    if type(parsed) is Records:
        if _TOLD.isdisjoint(parsed.shape.attributes):
            return None
        said = parsed.column("level")
    else:
        if all(map(_TOLD.isdisjoint, parsed)):
            return None
        said = [entry.get("level") for entry in parsed]
    try:
        if said.count(said[0]) == len(said):  # they are equal, so they are found alike
            quick = [find(said[0], UNKNOWN)] * len(said)
            rare = quick[0] < 2
        else:
            quick = [find(one, UNKNOWN) for one in said]
            rare = 0 in quick or 1 in quick
    except TypeError:  # a level that is a list or an object
        quick, rare = [UNKNOWN] * len(batch), False
    if rare:  # rare; false and true equal them, and are no levels
        both = zip(quick, said, strict=True)
        quick = [UNKNOWN if type(one) is bool else known for known, one in both]
    if UNKNOWN in quick:
        told = parsed.only(_TELLING) if type(parsed) is Records else parsed
        pairs = zip(quick, told, strict=True)
        quick = [_search(entry) if known == UNKNOWN else known for known, entry in pairs]
    found = bytes(quick)
    return None if found.count(UNKNOWN) == len(found) else found


def at_least(least: int) -> dict[Any, bool]:
    """Whether each of the usual spellings is at least as severe as `least`, a severity: by number,
    and by word in the usual cases."""
    return {spelling: severity <= least for spelling, severity in _SEVERITY.items()}


def _search(entry: dict[str, Any]) -> int:
    """What `KEYS` say, for an entry whose `level` is not one of the usual spellings."""
    if _TOLD.isdisjoint(entry):
        return UNKNOWN
    log = entry.get("log")
    nested = log.get("level") if isinstance(log, dict) else None
    for value in (*map(entry.get, KEYS), nested):
        severity = severity_of(value)
        if severity != UNKNOWN:
            return severity
    return UNKNOWN


def severity_of(value: Any) -> int:
    """The severity that one value stands for: a number, or a word in any case; `UNKNOWN` for
    anything else."""
    if isinstance(value, str):
        return _SEVERITY.get(value.strip().lower(), UNKNOWN)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _SEVERITY.get(value, UNKNOWN)
    return UNKNOWN
