"""Finds the level of each entry, and sets the field `level` to one of `emergency`, `alert`,
`critical`, `error`, `warning`, `notice`, `info` and `debug`.

    { level = "auto" }
    { level = { from = "severity", map = { "L1" = "critical" } } }
    { level = { default = "info" } }

`auto` looks in the fields `level`, `log.level`, `severity`, `lvl`, `levelname` and `@l` first, for
all the usual spellings, numbers of pino and syslog included. If they have no level, the first of
these in the first 128 bytes of the message counts:

- a prefix of the kernel's or of syslog's: `<3>`, `<34>`; one of klog's: `E0131 12:00:00`;
- a key: `level=info`, `severity: "warn"`, `"lvl":30`;
- a word in brackets, `[warn]`, `[E]`; or at the beginning, before a colon or in angle brackets,
  `info: up`, `<error> down`; or before a colon in capitals, `LOG:  ready`;
- a word in capitals by itself: `2026-01-31 ERROR foo`. `no error found` has no level.

A stack trace without a level is an `error`: a message that begins with `Traceback (most recent call
last):` or `Exception in thread "`, or with the name of an exception and has frames below. For the
latter, put `join` before this stage.

Codes for colours are ignored. An entry in which no level is found stays as it is, unless there is
a `default`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from typing import Annotated, Any, Final, Literal

import msgspec

from pipeline.encode.level import KEYS, LEVELS, UNKNOWN, severities, severity_of
from pipeline.expression import text_of
from pipeline.expression.paths import Path
from pipeline.model import component
from pipeline.model.batch import Batch
from pipeline.model.records import MISSING, Fields, Records
from pipeline.parsing.level import LevelInText

Level = Literal["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"]


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to look for the level, and what else means one."""

    from_: Annotated[str | None, msgspec.Meta(examples=["severity"])] = msgspec.field(
        default=None, name="from"
    )
    """The only field to look in, or `message` for the message only. Without it, the usual fields
    are
    searched, then the message."""
    map: Annotated[dict[str, Level], msgspec.Meta(examples=[{"W": "warning", "100": "debug"}])] = (
        msgspec.field(default_factory=dict)
    )
    """Levels of further values, or of values that mean another level here. Upper and lower case are
    the same. Words among them are found in the message, too."""
    default: Annotated[Level | None, msgspec.Meta(examples=["info"])] = None
    """The level of an entry in which none is found."""


Config = Annotated[
    Literal["auto"] | Options,
    msgspec.Meta(examples=["auto", {"from": "severity", "map": {"W": "warning"}}]),
]


class Stage(component.Stage):
    """Finds the severity of each entry, and sets the word for it."""

    def __init__(self, config: str | Options) -> None:
        options = config if isinstance(config, Options) else Options()
        self._map = {name.lower(): LEVELS.index(level) for name, level in options.map.items()}
        self._default = UNKNOWN if options.default is None else LEVELS.index(options.default)
        asked = options.from_
        self._paths = [Path.parse(key) for key in (KEYS if asked is None else [asked])]
        self._asks_usual = asked is None and not self._map
        self._asks_text = asked in (None, "message")
        if asked == "message":
            self._paths = []
        self._in_text = LevelInText(self._map)
        self._from = options.from_ if self._paths else None

    def __call__(self, batch: Batch) -> Batch | None:
        if self._asks_usual and _is_settled(batch):
            return batch
        found = self._from_fields(batch)
        if found is None:
            if self._asks_text and not batch.bare:
                found = self._in_text.of_each(batch.lines)
            else:
                found = [UNKNOWN] * len(batch)
        elif self._asks_text and not batch.bare and UNKNOWN in found:
            found = list(found)
            places = [place for place, one in enumerate(found) if one == UNKNOWN]
            told = self._in_text.of_each([batch.lines[place] for place in places])
            for place, one in zip(places, told, strict=True):
                found[place] = one
        if self._default != UNKNOWN:
            found = [self._default if one == UNKNOWN else one for one in found]
        return batch if found.count(UNKNOWN) == len(found) else _set(batch, found)

    def effect(self) -> component.Effect:
        reads = [component.FieldUse(str(path.keys[0]), path.flat, "from") for path in self._paths]
        words: dict[str, Callable[[Any], Any]] = {}
        if self._default != UNKNOWN or any(path.flat == "level" for path in self._paths):
            words["level"] = self._word
        spoils = {"parse": "a level in the line replaces the one that it has set"}
        return component.Effect(
            reads if self._from else (), frozenset(("level",)), words=words, spoils=spoils
        )

    def _word(self, said: Any) -> Any:
        """What `level` will be in an entry whose own is `said`; a word of ours can come out."""
        if said in LEVELS:
            return said
        severity = self._severity(said)
        severity = self._default if severity == UNKNOWN else severity
        return said if severity == UNKNOWN else LEVELS[severity]

    def _from_fields(self, batch: Batch) -> Sequence[int] | None:
        """None where no fields tell a level."""
        if self._asks_usual:
            return severities(batch)
        parsed = batch.parsed
        if not parsed or not self._paths:
            return None
        if type(parsed) is Records:
            names = {str(name) for path in self._paths for name in (path.keys[0], path.flat)}
            parsed = parsed.only(names)
        return [self._in_fields(fields) for fields in parsed]

    def _in_fields(self, fields: Fields) -> int:
        for path in self._paths:
            value = path.get(fields)
            if value is not MISSING:
                severity = self._severity(value)
                if severity != UNKNOWN:
                    return severity
        return UNKNOWN

    def _severity(self, value: Any) -> int:
        if self._map and not isinstance(value, (dict, list)):
            mapped = self._map.get(text_of(value).strip().lower())
            if mapped is not None:
                return mapped
        return severity_of(value)


def _is_settled(batch: Batch) -> bool:
    """Whether each entry has one of our words as its `level`, so that nothing would change."""
    parsed = batch.parsed
    if type(parsed) is not Records or "level" not in parsed.shape.attributes:
        return False
    try:
        return _WORDS.issuperset(parsed.column("level"))
    except TypeError:  # a list or an object
        return False


def _set(batch: Batch, found: Iterable[int]) -> Batch:
    """The batch with the field `level` in all entries that have one. Unchanged if they have it."""
    levels = [_WORDS_AND_NONE[severity] for severity in found]
    parsed = batch.parsed
    if type(parsed) is Records and "level" in parsed.shape.attributes:
        attribute = parsed.shape.attributes["level"]
        said = parsed.column("level")
        if levels == said or all(map(_agrees, levels, said)):
            return batch
        rows = zip(parsed, levels, said, strict=True)
        records = [
            record if _agrees(level, one) else _changed(record, attribute, level)
            for record, level, one in rows
        ]
        return batch.replace(parsed=Records(parsed.shape, records))
    fields = batch.fields
    if fields is None:
        fields = [{} if level is MISSING else {"level": level} for level in levels]
    else:
        _LEVEL.put_all(fields, levels)
    return batch.replace(fields=fields)


def _agrees(level: Any, said: Any) -> bool:
    return level is MISSING or level == said


def _changed(record: Any, attribute: str, level: Any) -> Any:
    """A copy of the records with another level: other lanes share them."""
    new = copy(record)
    setattr(new, attribute, level)
    return new


_LEVEL: Final = Path.target("level")
_WORDS: Final = frozenset(LEVELS)
_WORDS_AND_NONE: Final = (*LEVELS, MISSING)
