"""What of a configuration is never shown, whatever is wrong with it.

A message may quote what a user wrote, and so may an excerpt of its line. Both go to terminals, logs
and over HTTP, so in doubt a value is hidden: one whose type is secret, one whose key sounds secret,
and the credentials in an address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pipeline.config.locate import Path
from pipeline.model.component import Secret
from pipeline.model.errors import without_credentials
from pipeline.model.secrecy import SHORT, sounds_secret, starred

_USERINFO: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:/*)?(.*)@", re.DOTALL)
"""All that may be meant as one, since a password need not be written as a URL wants it."""
_IN_URL: Final = re.compile(r"://[^/]*@|://.*\?|-----BEGIN")
_QUERY: Final = re.compile(r"\?.*=", re.DOTALL)
_DEFAULT: Final = re.compile(r"\$\{\w+:-")
"""What `${NAME:-default}` has for one may be a secret, whatever it is the value of."""

_REFERENCE: Final = re.compile(r"\$\{(?:[A-Za-z_][A-Za-z0-9_]*|file:[^}]*)\}")
"""Without a default, which may be a secret."""

_OF_USERS: Final = (("routes",), ("tests",))
"""Tables whose keys are fields and labels, and no settings: an `@` in them is no user's."""


def has_credentials(written: str, path: Path) -> bool:
    """Whether a value, as it stands in the file, may have some in an address, or be a key."""
    return bool(_IN_URL.search(written)) or (
        path[:1] not in _OF_USERS and ("@" in written or bool(_QUERY.search(written)))
    )


class Hidden:
    """What one file says that must not be shown."""

    def __init__(self, tree: Mapping[str, Any] | None = None) -> None:
        """`tree`: what the file says, before anything is put in for `${...}`."""
        self._paths: set[Path] = set()
        self.texts: list[str] = []
        """Secrets that the file has in plain text, and what of addresses is to be hidden."""
        for path, text in strings(tree or {}):
            if any(map(sounds_secret, path)) and path[:1] not in _OF_USERS:
                if not text.startswith("/"):  # the file that it is in
                    self._note(text)
            elif has_credentials(text, path):
                for part in _credentials(text, path):
                    self._note(part)

    def hide(self, path: Path, value: Any) -> None:
        """A value that is secret, or that stands where a table with secrets belongs."""
        self._paths.add(path)
        for _, text in strings(value):
            self._note(text)

    def hides(self, path: Path, written: str) -> bool:
        """Whether a value, as it stands in the file, must not be shown there."""
        return (
            any(path[:length] in self._paths for length in range(1, len(path) + 1))
            or any(map(sounds_secret, path))
            or has_credentials(written, path)
            or bool(_DEFAULT.search(written))
            or self.stars(written) != written
        )

    def stars(self, text: str) -> str:
        """`text` with stars for every secret in it, and for a larger part of one."""
        return without_credentials(starred(text, self.texts))

    def _note(self, text: str) -> None:
        """Not what was put in for `${…}`: what quotes that shows how it was written instead. Nor a
        reference itself, which says where a secret is and not what."""
        if isinstance(text, Secret):
            return
        for literal in _REFERENCE.split(text):
            if literal.strip() and literal not in self.texts:
                self.texts.append(literal)


def strings(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every string in it, and where."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from strings(inner, (*path, key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, inner in enumerate(value):
            yield from strings(inner, (*path, index))
    elif isinstance(value, str):
        yield path, value


def _credentials(text: str, path: Path) -> Iterator[str]:
    found = _USERINFO.match(text)
    if found and ("://" in text or path[:1] not in _OF_USERS):
        user, _, password = found[1].partition(":")
        yield from (part for part in (found[1], password or user) if part)
    if has_credentials(text, path):
        query = text.partition("?")[2].partition("#")[0]
        values = [pair.partition("=")[2] or pair for pair in query.split("&")]
        yield from (value for value in values if len(value) >= SHORT)
    if "-----BEGIN" in text:
        yield text
