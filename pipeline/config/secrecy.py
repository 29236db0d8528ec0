"""Hides secrets in error messages and excerpts of a configuration.

Both may quote what a user wrote, and go to terminals, logs and over HTTP. So in doubt a value is
hidden: if its type is `Secret`, if its key sounds secret, and credentials in an address.
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
"""Everything before an `@`: the password in it may have characters that a URL does not allow."""
_IN_URL: Final = re.compile(r"://[^/]*@|://.*\?|-----BEGIN")
_QUERY: Final = re.compile(r"\?.*=", re.DOTALL)
_DEFAULT: Final = re.compile(r"\$\{\w+:-")
"""The start of `${NAME:-default}`; the default of any setting may be a secret."""

_REFERENCE: Final = re.compile(r"\$\{(?:[A-Za-z_][A-Za-z0-9_]*|file:[^}]*)\}")
"""A `${...}` without a default, which may be shown."""

_OF_USERS: Final = (("routes",), ("tests",))
"""Tables whose keys are names of fields and labels, not settings: an `@` in them is no login."""


def has_credentials(written: str, path: Path) -> bool:
    """Whether a value, as written in the file, may have credentials in a URL, or be a PEM key."""
    return bool(_IN_URL.search(written)) or (
        path[:1] not in _OF_USERS and ("@" in written or bool(_QUERY.search(written)))
    )


def is_reference(written: str) -> bool:
    """Whether a text consists of `${…}` without defaults, which say where a secret is."""
    return bool(written) and not _REFERENCE.sub("", written)


class Hidden:
    """The paths and texts of one file that must not be shown."""

    def __init__(self, tree: Mapping[str, Any] | None = None) -> None:
        """`tree` is the file as `tomllib` read it, before `${...}` is substituted."""
        self._paths: set[Path] = set()
        self.texts: list[str] = []
        """Secrets in plain text, and credentials in addresses."""
        for path, text in strings(tree or {}):
            if any(map(sounds_secret, path)) and path[:1] not in _OF_USERS:
                if not text.startswith("/"):  # otherwise a file that has the secret
                    self._note(text)
            elif has_credentials(text, path):
                for part in _credentials(text, path):
                    self._note(part)

    def hide(self, path: Path, value: Any) -> None:
        """Hides the value at `path` from now on, and every string in it wherever it occurs."""
        self._paths.add(path)
        for _, text in strings(value):
            self._note(text)

    def hides(self, path: Path, written: str) -> bool:
        """Whether the value at `path`, `written` as in the file, must not be shown."""
        return (
            any(path[:length] in self._paths for length in range(1, len(path) + 1))
            or any(map(sounds_secret, path))
            or has_credentials(written, path)
            or bool(_DEFAULT.search(written))
            or self.stars(written) != written
        )

    def stars(self, text: str) -> str:
        """`text` with stars for every secret in it, or a large part of one, and for credentials."""
        return without_credentials(starred(text, self.texts))

    def _note(self, text: str) -> None:
        """Remembers a text as secret, without its `${...}` references.

        A reference says where a secret is, not what it is. Substituted values need not be
        remembered: whatever quotes one shows the reference instead.
        """
        if isinstance(text, Secret):
            return
        for literal in _REFERENCE.split(text):
            if literal.strip() and literal not in self.texts:
                self.texts.append(literal)


def strings(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """The path and text of every string in a value, at any depth."""
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
