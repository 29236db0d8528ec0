"""What stack traces look like, language by language: which lines belong to the line before.

A language is a few rules. In a state, a line that matches a rule belongs to the entry, and leads to
the next state; a line that matches none starts a new entry. Only the first `LOOKED_AT` bytes of a
line count. Containers write any lines and choose their language by a label. So no pattern may take
time that grows faster than the line, by the estimate that holds for a user's own patterns, too
(`expression.steps`); and a literal that must be there is searched first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from pipeline import native

LOOKED_AT: Final = 2048
"""Bytes at the start of a line that are searched."""

CLOSED: Final = ""
"""The state in which no line belongs to the one before."""

_ANY: Final = bytes(range(256))

Rules = Sequence[tuple[str, str]]
Heads = Sequence[tuple[str, str, str]]


class Language:
    """The stack traces of one language, as its runtime prints them. It has no state of its own."""

    def __init__(
        self,
        marks: Sequence[bytes],
        heads: Heads,
        states: Mapping[str, Rules],
        begins: bytes = _ANY,
        sure: tuple[bytes, str] = (b"", CLOSED),
    ) -> None:
        """`marks`: texts, one of which is in every trace of two or more lines.

        `heads`: for each kind of first line a literal in it, its pattern, and the next state.
        `states`: for each state its rules, a pattern and the next state each. Patterns of heads are
        searched anywhere in a line, all others match at its start. No pattern has a group.
        `begins`: the first bytes of all lines that match a rule and aren't empty. `sure`: a line
        that begins with this mark, and goes on with anything but white space, leads from every
        state to this one.
        """
        self._marks = marks
        self._small_marks = tuple(mark.lower() for mark in marks)
        self.heads = [
            (literal.encode(), re.compile(text.encode()), state) for literal, text, state in heads
        ]
        self.states = {
            name: [(re.compile(text.encode()), state) for text, state in rules]
            for name, rules in states.items()
        }
        self.begins = begins
        self._table = bytes([byte in begins for byte in range(256)])
        self.sure, self._surely = sure
        self._heads = [
            (literal, one.match if one.pattern.startswith(b"^") else one.search, state)
            for literal, one, state in self.heads
        ]
        self._in_head = tuple(
            literal.lower() for literal, one, _ in self.heads if not one.pattern.startswith(b"^")
        )
        at_start = [text for _, text, _ in heads if text.startswith("^")]
        self._starts_head = re.compile("|".join(at_start or [_NEVER]).encode()).match
        self._states = {name: _together(rules) for name, rules in states.items() if rules}

    def read(self, lines: list[bytes], state: str) -> tuple[bytes | None, str]:
        """For each line 1 if it belongs to the line before, else 0; and the state after the last
        line.

        `lines`: at least one. `state`: the state before the first line. Instead of nothing but
        zeros, None.
        """
        ways = self._ways(lines)
        traced = state or _SURE in ways
        if not any(ways) or not (traced or self._may_have_trace(lines)):
            return None, self._begun(lines[-1])
        belongs, before = bytearray(len(lines)), -1
        for run in _RUNS.finditer(ways):
            start, stop = run.span()
            way = ways[start]
            if way == _NONE:  # what these lines begin only counts if some line may follow
                before = stop - 1
                continue
            if before >= 0:
                state, before = self._begun(lines[before]), -1
            if way == _SURE and state in self._states:
                belongs[start:stop] = b"\x01" * (stop - start)
                state = self._surely
                continue
            for index in range(start, stop):
                found = self._next(lines[index], state)
                belongs[index] = found != CLOSED
                state = found or self._begun(lines[index])
        if before >= 0:
            state = self._begun(lines[before])
        return (bytes(belongs) if any(belongs) else None), state

    def _ways(self, lines: list[bytes]) -> bytes:
        """How each line begins: `_NONE`, `_ANY_RULE` or `_SURE`."""
        if native.loops is not None:
            return native.loops.openings(lines, self._table, self.sure)
        return openings(lines, self._table, self.sure)

    def _may_have_trace(self, lines: list[bytes]) -> bool:
        whole = b"\n".join(lines)
        if native.loops is not None:
            return native.loops.mentions(whole, self._small_marks)
        return any(mark in whole for mark in self._marks)

    def _next(self, line: bytes, state: str) -> str:
        if state not in self._states:
            return CLOSED
        match, following = self._states[state]
        found = match(line, 0, LOOKED_AT)
        return CLOSED if found is None or found.lastindex is None else following[found.lastindex]

    def _begun(self, line: bytes) -> str:
        line = line[:LOOKED_AT]
        loops = native.loops
        if loops and not self._starts_head(line) and not loops.mentions(line, self._in_head):
            return CLOSED
        for literal, search, state in self._heads:
            if literal in line and search(line):
                return state
        return CLOSED


def openings(lines: list[bytes], table: bytes, text: bytes) -> bytes:
    """As `Loops.openings`."""
    found = bytearray([table[line[0]] if line else _ANY_RULE for line in lines])
    size = len(text)
    for index, line in enumerate(lines) if text else ():
        after = line[size : size + 1]
        if after and not after.isspace() and line.startswith(text):
            found[index] = _SURE
    return bytes(found)


_NEVER: Final = "(?!)"
_NONE, _ANY_RULE, _SURE = range(3)
"""How a line begins: as no line that matches a rule, as one that may, or as one that does in every
state."""
_RUNS: Final = re.compile(rb"\x00+|\x01+|\x02+")

Match = Callable[[bytes, int, int], re.Match[bytes] | None]


def _together(rules: Rules) -> tuple[Match, Sequence[str]]:
    """One pattern for all rules of a state, which matches at a line's start, and the next state for
    each of its groups."""
    whole = "|".join(f"({text})" for text, _ in rules)
    return re.compile(whole.encode()).match, ("", *(state for _, state in rules))


_BLANK: Final = r"\s*$"
_INDENTED: Final = r"[ \t]+\S"

_CHAINED: Final = "(?:During handling of the above exception|The above exception was the direct)"
PYTHON: Final = Language(
    [b"Traceback (most recent call last):"],
    [
        (
            "+ Exception Group Traceback",
            r"\+ Exception Group Traceback \(most recent call last\):",
            "group",
        ),
        ("Traceback (most", r"Traceback \(most recent call last\):\s*$", "frames"),
    ],
    {
        "frames": [
            (_INDENTED, "frames"),
            (r"[A-Za-z_][\w.]*(?:: |:?\s*$)", "raised"),
        ],
        "raised": [  # only this tells further lines of the message, and notes, from other lines
            (r"(?!  \+ Exception Group )[ \t]+\S", "raised"),
            (_BLANK, "between"),
            (_CHAINED, "chain"),
        ],
        "group": [(_INDENTED, "group"), (_BLANK, "between")],
        "between": [(_CHAINED, "chain")],
        "chain": [
            (_BLANK, "chain"),
            (r"  \+ Exception Group Traceback", "group"),
            (r"Traceback \(most recent call last\):", "frames"),
        ],
    },
)

_JAVA_NEXT: Final = [
    (r"[ \t]+at \S", "frames"),
    (r"[ \t]*(?:Caused by|Suppressed|Wrapped by): ", "frames"),
    (r"[ \t]*\.\.\. \d+ (?:more|common frames omitted)", "frames"),
    (r"[ \t]*\[CIRCULAR REFERENCE", "frames"),
]
_JAVA_NAME: Final = r"(?:[A-Za-z_$][\w$]*+\.)++[A-Z][\w$]*+(?::|\s*$)"
JAVA: Final = Language(
    [b"\tat ", b"\n    at ", b"\n  at ", b"\nCaused by: "],
    [
        *(
            (word, rf"{word}(?:[:;,\]]|\s*$)", "head")
            for word in ("Exception", "Error", "Throwable", "Failure")
        ),
        (".", rf"^{_JAVA_NAME}", "head"),
        ("Exception in thread ", rf'^Exception in thread "[^"]*+" {_JAVA_NAME}', "head"),
        ("Caused by: ", r"Caused by: ", "frames"),
    ],
    {
        "head": [*_JAVA_NEXT, (r"[ \t]*nested exception is:", "head"), (_BLANK, "head")],
        "frames": [*_JAVA_NEXT, (r"[ \t]*nested exception is:", "head")],
    },
    begins=b" \t\n\r\f\v.[CSWn",
    sure=(b"\tat ", "frames"),
)

GO: Final = Language(
    [b"goroutine ", b"\n\t"],
    [
        ("panic: ", r"(?:^|[\s\]])panic: ", "panic"),
        ("fatal error: ", r"^fatal error: ", "panic"),
        ("SIG", r"^SIG[A-Z]+: ", "panic"),
        ("unexpected fault", r"^unexpected fault address", "panic"),
        ("panic serving ", r"panic serving \S+: ", "frames"),
        ("goroutine ", r"^goroutine \d+ (?:\S+ )*\[", "frames"),
    ],
    {
        "panic": [
            (r"\t|\[signal |panic: |\[recovered|runtime: |PC=", "panic"),
            (_BLANK, "panic"),
            (r"(?:runtime )?goroutine \d+ |runtime stack:", "frames"),
        ],
        "frames": [
            (_INDENTED, "frames"),
            (r"goroutine \d+ |created by |\[signal |\.\.\.|panic\(|\[originating from ", "frames"),
            (r"[^\s(\[:]+(?:\[\.\.\.\])?\(", "frames"),
            (_BLANK, "between"),
            (r"exit status \d+", "between"),
        ],
        "between": [
            (r"(?:runtime )?goroutine \d+ |runtime stack:|exit status \d+", "frames"),
            (r"[a-z][a-z0-9]{1,5} +0x[0-9a-f]+\s*$", "between"),
        ],
    },
)

_NODE_NEXT: Final = [
    (_INDENTED, "frames"),
    (r"[}\]],?\s*$", "frames"),
    (r"Emitted '[^']*' event", "frames"),
    (r"Caused by: |From previous event:", "frames"),
]
NODE: Final = Language(
    [b"\n    at ", b"\n   at ", b"\n\tat ", b"    ^"],
    [
        *((word, rf"{word}\b", "head") for word in ("Error", "Exception", "Warning", "Rejection")),
        (":", r"^\S+:\d+\s*$", "source"),
    ],
    {
        "head": [(r"\s+at \S", "frames"), (r"  (?:\[cause\]|code|errno|details): ", "frames")],
        "source": [(r"\s*\^+\s*$", "caret"), (r"(?!\s*at ).*\S", "code")],
        "code": [(r"\s*\^+\s*$", "caret")],
        "caret": [
            (_BLANK, "caret"),
            (r"(?:Uncaught )?\S*(?:Error|Exception|Warning)\b|Thrown at:|\[[A-Z]\w+", "frames"),
            (r"\S+: ", "frames"),
        ],
        "frames": [*_NODE_NEXT, (_BLANK, "after")],
        "after": [(r"Node\.js v\d", "ended"), (r"\s+at \S|Emitted '[^']*' event", "frames")],
        "ended": [],
    },
)

_RUBY_PLACE: Final = r"\S+:\d+:in [`']"
_RAILS: Final = r"^(?=(?s:.*)\):\s*$)(?s:.*?)[A-Z]\w{0,64} \("
"""`ActionView::Template::Error (undefined method 'name' for nil):`, after anything else."""
RUBY: Final = Language(
    [b"\tfrom ", b"\n    from ", b":in `", b":in '"],
    [(":in ", r"\S:\d+:in [`']", "head"), ("):", _RAILS, "rails")],
    {
        "head": [
            (r"\s+from ", "frames"),
            (_BLANK, "snippet"),
            (r"\s+\S", "head"),
            (r"Did you mean\?", "head"),
        ],
        "snippet": [
            (r"\s+from ", "frames"),
            (r"\s*$|\s+\S|Did you mean\?", "snippet"),
            (r"(?!\S+:\d+:in ).*\S", "code"),
        ],
        "code": [(r"\s*[~^]+\s*$", "snippet")],
        "frames": [(r"\s+from |\s+\.\.\. \d+ levels", "frames"), (_RUBY_PLACE, "head")],
        "rails": [
            (_RUBY_PLACE, "rails"),
            (r"\s+\d+: |\s*$|\s+\S|Causes:|Caused by:", "rails"),
        ],
    },
)

DOTNET: Final = Language(
    [b"\n   at ", b"\n ---> ", b"\n      ", b"\n--- End of "],
    [
        (": ", r"^(?:\S+ )?(?:trce|dbug|info|warn|fail|crit): ", "logged"),
        ("Exception", r"Exception(?:[:\s(]|$)", "head"),
        ("Unhandled exception", r"^Unhandled exception", "head"),
    ],
    {
        "logged": [(r" {6}", "logged")],
        "head": [
            (r"\s+at \S", "head"),
            (r"\s*(?:---> |--- End of )", "head"),
        ],
    },
    begins=b" \t\n\r\f\v-",
)

LANGUAGES: Final[Mapping[str, Language]] = {
    "python": PYTHON,
    "java": JAVA,
    "go": GO,
    "node": NODE,
    "ruby": RUBY,
    "dotnet": DOTNET,
}
