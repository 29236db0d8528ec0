"""What is written in other languages, and what to write in an expression instead."""

from __future__ import annotations

import re
from typing import Final

_MATCHES: Final = 'write matches(text, r"…") for a regular expression'
_QUOTED: Final = r"'[^']*'|\"[^\"]*\""

_SLIPS: Final = (
    (r"&&", 'write "and" for "&&"'),
    (r"\|\|", 'write "or" for "||"'),
    (r"={3}", 'write "==" for "==="'),
    (r"!==", 'write "!=" for "!=="'),
    (r"<>", 'write "!=" for "<>"'),
    (r"=>", 'write ">=" for "=>"'),
    (r"(?<=\w)\s+eq\s+", 'write "==" for "eq"'),
    (r"(?<=\w)\s+ne\s+", 'write "!=" for "ne"'),
    (r"[“”„‘’«»]", "write straight quotes, \" or ', around a text"),
    (r"!(?!=)", 'write "not" for "!"'),
    (r"=~|~|[=(]\s*/", _MATCHES),
    (r"(?<![=!<>:])=(?![=~])", 'write "==" to compare'),
    (r"\bAND\b", 'write "and" for "AND"'),
    (r"\bOR\b", 'write "or" for "OR"'),
    (r"\bNOT\b", 'write "not" for "NOT"'),
    (r"\bIN\b", 'write "in" for "IN"'),
    (r"\bIS\b", 'write "==" to compare'),
    (r"^\s*if\b", 'write the condition only, without "if"'),
    (r"(?<=\w)\s+i?like\s+", _MATCHES),
    (r"(?<=\w)\s+(?:contains|includes|has)\s+", 'write "part" in text'),
    (r"(?<=\w)\s+(?:matches|regex)\s+", _MATCHES),
    (r"(?<=\w)\s+starts_?with\s+", 'write startswith(text, "beginning")'),
    (r"(?<=\w)\s+ends_?with\s+", 'write endswith(text, "end")'),
    (r"(?<=\w)\s+between\s+", "write 200 <= status < 300"),
    (r"\b[1-5]xx\b", "write 500 <= status < 600"),
    (r"\?", 'there is no "?"; write conditions with "and" and "or" between'),
    (r";", 'write "and" or "or" between conditions, not ";"'),
    (r"(?<=\w)\s*:\s*(?=\w|$)", 'write "==" to compare, and texts in quotes'),
    (r"(?<![\w\])])\.(?=[A-Za-z_])", "write a field without a dot before it"),
    (r"[$%@](?=[\w{(])", 'write a field as it is: level; one with odd characters fields["@l"]'),
)
"""Patterns, which are compiled when they are used, and what to write instead."""

FUNCTIONS: Final = {
    **dict.fromkeys(("exists", "defined", "isset", "has", "present"), 'write "key" in fields'),
    **dict.fromkeys(("regex", "regexp", "search", "test", "find"), 'write matches(text, r"…")'),
    **dict.fromkeys(("includes", "includes_any", "index_of"), 'write "part" in text'),
    **dict.fromkeys(("to_int", "number", "parse_int"), "write int(value)"),
    **dict.fromkeys(("downcase", "lowercase", "to_lower"), "write lower(text)"),
    **dict.fromkeys(("cidr", "in_cidr", "ip_cidr_contains"), 'write ip_in(address, "10.0.0.0/8")'),
    **dict.fromkeys(("severity", "level"), 'write at_least(level, "error")'),
}
"""What to write for the functions of other languages."""


def found_in(text: str) -> tuple[int, str] | None:
    """Where a text that is no expression has something of another language, and what to write.

    None if it has nothing known. What is in quotes is not looked at.
    """
    bare = re.sub(_QUOTED, lambda found: "x" * len(found[0]), text)
    for pattern, hint in _SLIPS:
        if place := re.search(pattern, bare):
            skipped = len(place[0]) - len(place[0].lstrip())
            return place.start() + skipped, hint
    return None
