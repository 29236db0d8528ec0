"""An upper bound on the steps of a regular expression's search (see `patterns`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any, Final

from pipeline.expression.alphabet import (
    CONDITION,
    DONE,
    EVERY,
    LINE_END,
    SINGLE,
    TEXT_END,
    characters,
    others,
)
from pipeline.model.errors import ConfigError

LONGEST: Final = 8192
"""Characters of the text for which steps are counted."""
LINEAR: Final = 128 * LONGEST
"""Steps up to which a pattern counts as linear in the text, not quadratic."""
MOST_STEPS: Final = 16 * LONGEST**2
"""Steps above which a pattern is refused."""

_CAP: Final = 2**100

_TOO_MANY: Final = (
    "on some texts this pattern would take for ever: too many repeats can share the same "
    r'characters. Say where each part ends, as "[^ ]*" or "\S+" do and ".*" does not, '
    'or begin the pattern with "^"'
)
_NESTED: Final = (
    "on some texts this pattern would take for ever: a group that repeats can match the same "
    'characters in more than one way. Make the inner repeat possessive ("a++" for "a+"), or its '
    "alternatives begin with different characters"
)

Item = tuple[Any, Any]
Items = Sequence[Item]


def of_search(text: str) -> int:
    """Most steps of a search without a match in a text of `LONGEST` characters.

    Raises `ConfigError` for more than `MOST_STEPS`, and `re.error` for an invalid pattern.
    """
    parsed = _parser.parse(text)
    flags = parsed.state.flags
    start = _State(1 if _anchored(parsed, flags) else LONGEST)
    steps = _sequence(parsed, start, DONE, flags).steps
    if steps > MOST_STEPS:
        raise ConfigError(_TOO_MANY)
    return steps


def begins_with_repeat(text: str, one: str) -> bool:
    """Whether every match begins with an unlimited repeat of the single item `one`.

    Both are patterns, such as `\\w+=` and `\\w`. Raises `re.error` for an invalid one.
    """
    parsed = _parser.parse(text)
    flags, items = parsed.state.flags, parsed
    while len(items) and items[0][0] is sre.SUBPATTERN and not any(items[0][1][1:3]):
        items = items[0][1][3]
    if not len(items) or items[0][0] not in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        return False
    _, high, body = items[0][1]
    return high is sre.MAXREPEAT and list(body) == list(_parser.parse(one, flags))


@dataclass(frozen=True, slots=True)
class _State:
    """What is known at a position in the pattern."""

    ways: int
    """Number of ways in which a search can reach this position, over the whole text."""
    each: int = 1
    """Number of ways in which it can reach this position at the same character."""
    steps: int = 0
    """Number of steps until here."""
    rate: int = 0
    """The same with each repeat counted once: the steps per character of an outer repeat."""
    before: int = EVERY
    """The set of characters that may be the previous one."""
    walked: int = 0
    """Steps counted for repeats that all ways have passed one after the other, as in
    `\\S+ \\S+ \\S+ `: together these are no longer than the text."""

    def then(
        self, ways: int, steps: int, rate: int, before: int, each: int | None = None
    ) -> _State:
        """The state after an item with this many ways and additional steps.

        Without `each`, all matches of the item have the same length.
        """
        added, rated = min(self.steps + steps, _CAP), min(self.rate + rate, _CAP)
        ways = min(ways, _CAP)
        return _State(ways, min(ways, self.each if each is None else each), added, rated, before)


def _sequence(items: Items, state: _State, follow: int, flags: int) -> _State:
    """The state after a sequence of items. `follow` is the set of characters that may come next.

    Consecutive single characters count as one step, since in most texts the first one fails.
    """
    in_run = False
    for index, item in enumerate(items):
        steps, rate = state.steps, state.rate
        state = _item(item, state, _first(items[index + 1 :], follow, flags), flags)
        if in_run and item[0] in SINGLE:
            state = replace(state, steps=steps, rate=rate)
        in_run = item[0] in SINGLE
    return state


def _item(item: Item, state: _State, follow: int, flags: int) -> _State:
    operation, argument = item
    ways = state.ways
    if operation in SINGLE:
        matched = state.then(ways, ways, ways, characters(operation, argument, flags))
        return replace(matched, walked=state.walked)
    if operation in (sre.AT, sre.FAILURE):  # FAILURE is `(?!)`
        return replace(state.then(ways, ways, ways, state.before), walked=state.walked)
    if operation is sre.SUBPATTERN:
        _, added, removed, body = argument
        return _sequence(body, state, follow, (flags | added) & ~removed)
    if operation is sre.BRANCH:
        return _branch(argument[1], state, follow, flags)
    if operation in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        repeated = _repeat(argument, state, follow, flags)
        return _one_way(repeated, ways) if operation is sre.POSSESSIVE_REPEAT else repeated
    if operation is sre.ATOMIC_GROUP:
        return _one_way(_sequence(argument, state, follow, flags), ways)
    if operation in (sre.ASSERT, sre.ASSERT_NOT):
        steps = ways * _sequence(argument[1], _State(1), EVERY, flags).steps
        return state.then(ways, steps, steps, state.before & _before(item, flags))
    if operation in (sre.GROUPREF, sre.GROUPREF_EXISTS):
        raise ConfigError("a pattern may not refer back to one of its groups")
    raise ConfigError(
        f"a pattern may not hold {str(operation).lower()!r}: what it costs is unknown"
    )


def _before(item: Item, flags: int) -> int:
    """The set of characters before a position where a lookaround has succeeded.

    It is only known for a lookbehind at a single character.
    """
    operation, (direction, body) = item
    if direction > 0 or len(body) != 1 or body[0][0] not in SINGLE:
        return EVERY
    single, argument = body[0]
    what = characters if operation is sre.ASSERT else others
    return what(single, argument, flags)


def _one_way(state: _State, ways: int) -> _State:
    """The state after an item that never backtracks: it adds no ways to the `ways` before it."""
    return replace(state, ways=ways, each=min(ways, state.each))


def _repeat(argument: Any, state: _State, follow: int, flags: int) -> _State:
    low, high, body = argument
    endless = high is sre.MAXREPEAT
    high = LONGEST if endless else min(int(high), LONGEST)
    choices = high - min(int(low), high) + 1
    begins = _first(body, DONE, flags)
    can_be_empty, begins = bool(begins & DONE), begins & ~DONE
    inner = _sequence(body, _State(1), follow if high == 1 else follow | begins, flags)
    within = _within(body, flags)
    before = inner.before if low else state.before | inner.before
    ways = state.ways
    each = min(ways, state.each * _lengths(body, int(low), high))
    if inner.ways > 1:
        if endless:
            raise ConfigError(_NESTED)
        inside = inner.ways ** min(high, 64)
        ways = min(ways * inside, _CAP)
        steps, rate = ways * high * inner.steps, ways * inner.steps
        return state.then(ways * choices, steps, rate, before, each * inside * choices)
    if follow == DONE and len(body) == 1 and body[0][0] in SINGLE:
        # the first way to get here has matched
        return state.then(ways, ways + high, ways, before, each)
    runs, after = ways * high, ways * choices
    if endless and not state.before & within:
        each = state.each
        runs = after = max(ways, each * high)  # all ways from one character repeat the same ones
    if not begins & follow:
        after = ways
    if can_be_empty and choices > 1:
        after, each = after * 2, each * 2  # no repeat, and one repeat that matches nothing
    steps = runs * inner.rate if endless else runs * inner.steps
    walked = 0
    if endless and after == ways:
        walked = state.walked
        if runs == ways * high:
            steps, walked = max(0, steps - walked), max(steps, walked)
    rate = ways * inner.rate * (1 if endless else high)
    return replace(state.then(after, steps, rate, before, each), walked=walked)


def _lengths(body: Any, low: int, high: int) -> int:
    """Number of lengths of a repeat: from that many characters it can end at the same one."""
    shortest, longest = body.getwidth()
    return int(min(high * min(longest, LONGEST) - low * shortest + 1, LONGEST))


def _branch(alternatives: Sequence[Items], state: _State, follow: int, flags: int) -> _State:
    """The state after alternatives: ways add up for those that can match at the same position."""
    ends = [
        _sequence(items, replace(state, steps=0, rate=0, walked=0), follow, flags)
        for items in alternatives
    ]
    begins = [_first(items, follow, flags) for items in alternatives]
    words = [_word(items, flags) for items in alternatives]
    ways = 0
    for begin, word in zip(begins, words, strict=True):
        rivals = [
            end.ways
            for end, other, text in zip(ends, begins, words, strict=True)
            if begin & other and not _differ(word, text)
        ]
        ways = max(ways, sum(rivals))
    before = 0
    for end in ends:
        before |= end.before
    each = sum(end.each for end in ends)  # alternatives of different lengths can end at the same
    steps, rate = sum(end.steps for end in ends), sum(end.rate for end in ends)
    return state.then(ways, steps, rate, before, each)


def _word(items: Items, flags: int) -> tuple[int, ...] | None:
    """The letters of an alternative that consists of literals; None for others.

    Each is a set of characters, with all that it matches if case is ignored.
    """
    if not all(operation is sre.LITERAL for operation, _ in items):
        return None
    if flags & re.IGNORECASE:
        return tuple(characters(operation, argument, flags) for operation, argument in items)
    return tuple(1 << argument for _, argument in items)


def _differ(word: tuple[int, ...] | None, other: tuple[int, ...] | None) -> bool:
    """Whether two alternatives are words of which neither is a prefix of the other."""
    if word is None or other is None:
        return False
    return any(not letter & another for letter, another in zip(word, other, strict=False))


def _first(items: Items, follow: int, flags: int) -> int:
    """The set of characters that the items can begin with; with `follow` if they can be empty."""
    found = 0
    for item in items:
        begins = _begins(item, flags)
        found |= begins & ~DONE
        if not begins & DONE:
            return found
    return found | follow


def _begins(item: Item, flags: int) -> int:
    """The set of characters that an item can begin with; with `DONE` if it can be empty."""
    operation, argument = item
    if operation in SINGLE:
        return characters(operation, argument, flags)
    if operation is sre.AT and argument is sre.AT_END:
        return LINE_END
    if operation is sre.AT and argument is sre.AT_END_STRING:
        return TEXT_END
    if operation is sre.SUBPATTERN:
        _, added, removed, body = argument
        return _first(body, DONE, (flags | added) & ~removed)
    if operation is sre.ATOMIC_GROUP:
        return _first(argument, DONE, flags)
    if operation is sre.BRANCH:
        found = 0
        for items in argument[1]:
            found |= _first(items, DONE, flags)
        return found
    if operation in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        low, _, body = argument
        return _first(body, DONE, flags) | (0 if low else DONE)
    if operation is sre.AT:
        return CONDITION | DONE
    return EVERY  # a lookaround, which takes its steps at any character


def _within(items: Items, flags: int) -> int:
    """The set of all characters that the items can match."""
    found = 0
    for operation, argument in items:
        if operation in SINGLE:
            found |= characters(operation, argument, flags)
        elif operation is sre.SUBPATTERN:
            _, added, removed, body = argument
            found |= _within(body, (flags | added) & ~removed)
        elif operation is sre.ATOMIC_GROUP:
            found |= _within(argument, flags)
        elif operation is sre.BRANCH:
            for body in argument[1]:
                found |= _within(body, flags)
        elif operation in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            found |= _within(argument[2], flags)
    return found


def _anchored(items: Items, flags: int) -> bool:
    """Whether a match can only begin at the start of the text."""
    if not items:
        return False
    operation, argument = items[0]
    if operation is sre.SUBPATTERN:
        return _anchored(argument[3], flags | argument[1])
    at_line = operation is sre.AT and argument is sre.AT_BEGINNING and not flags & re.MULTILINE
    return at_line or (operation is sre.AT and argument is sre.AT_BEGINNING_STRING)
