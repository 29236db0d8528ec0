"""`Known`: what is certain about the entries at one place in a route, from the stages before it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.model.component import Effect

Word = Callable[[Any], Any]
"""What a value of a field became: see `Effect.words`."""


@dataclass(frozen=True)
class Known:
    """What is certain about the entries at one place in a route."""

    made: frozenset[str] | None = frozenset()
    """Names of all fields that an entry may have; None for any name."""
    named: frozenset[str] = frozenset()
    """Names of fields that some stage makes by this name."""
    gone: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Names of fields that no entry has any more, each with the path of the stage that removed it,
    and the new name that it got, if any."""
    words: Mapping[str, tuple[Word, str]] = field(default_factory=dict)
    """Fields with the words of a stage, by name, and the path of that stage."""
    conditions: Sequence[str] = ()
    """Expressions that are true of every entry."""
    parsed: Mapping[str, str] = field(default_factory=dict)
    """What has parsed this message, as `{ parse = … }`, and the path of the stage."""

    def after(self, effect: Effect, stage: str, path: str) -> Known:
        """What is certain after a stage with this `effect`, written as `stage`, at `path`."""
        if effect.condition:
            return replace(self, conditions=(*self.conditions, effect.condition))
        makes, loses = effect.makes, effect.loses
        parsed = {} if effect.renews_message else dict(self.parsed)
        if effect.part == "parse":
            parsed.setdefault(stage, path)
        after = replace(
            self,
            made=None if self.made is None or makes is None else (self.made | makes) - {*loses},
            named=(self.named | (makes or frozenset())) - {*loses},
            conditions=(),
            parsed=parsed,
        )
        if makes is None:
            return replace(after, gone={}, words={})
        changed = makes | loses.keys()
        words = {name: word for name, word in self.words.items() if name not in changed}
        words |= {new: self.words[old] for old, new in loses.items() if new and old in self.words}
        words |= {name: (word, path) for name, word in effect.words.items()}
        gone = {name: how for name, how in self.gone.items() if name not in makes}
        gone |= {name: (path, new) for name, new in loses.items()}
        return replace(after, gone=gone, words=words)


def of_all(ways: Collection[Known]) -> Known:
    """What is certain about entries that come on any of these ways; there is at least one."""
    first, *others = ways
    for other in others:
        made = None if first.made is None or other.made is None else first.made | other.made
        first = Known(
            made=made,
            named=first.named | other.named,
            gone={name: how for name, how in first.gone.items() if name in other.gone},
            words={
                name: (_of_both(word, other.words[name][0]), stage)
                for name, (word, stage) in first.words.items()
                if name in other.words
            },
            conditions=[one for one in first.conditions if one in other.conditions],
            parsed={one: by for one, by in first.parsed.items() if one in other.parsed},
        )
    return first


def _of_both(one: Word, other: Word) -> Word:
    """What a value became on one of two ways, if it cannot come on the other either."""
    return lambda value: one(value) if other(value) != value else value
