"""Reads the query of a request. What it doesn't know it refuses, so that no typing error is taken
for an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiohttp import hdrs, web

from pipeline.model import plain

LONGEST: Final = 512
"""Characters of a parameter's value at most. Reading a pattern may take time that grows with the
square of its length: the worst known takes 0.9 s of CPU, in a thread."""


class Query:
    """The parameters of a request's query, each of which is known."""

    def __init__(
        self,
        request: web.Request,
        *,
        single: Sequence[str] = (),
        several: Sequence[str] = (),
    ) -> None:
        """`single`: parameters that may be given once; `several`: any number of times.

        Raises 400, with a sentence, for any other parameter, and for values that are too long.
        """
        self._query = request.query
        for name in sorted(set(self._query)):
            values = self._query.getall(name)
            if name not in single and name not in several:
                raise bad_request(f'there is no parameter "{plain.name(name[:40])}"')
            if name in single and len(values) > 1:
                raise bad_request(f'the parameter "{name}" may be given once')
            if any(len(value) > LONGEST for value in values):
                raise bad_request(f'the parameter "{name}" has more than {LONGEST} characters')

    def one(self, name: str, default: str = "") -> str:
        """The value of a parameter; `default` if it isn't given."""
        return self._query.get(name, default)

    def several(self, name: str) -> list[str]:
        """All values of a parameter."""
        return self._query.getall(name, [])

    def flag(self, name: str) -> bool:
        """Whether a parameter is given, and isn't `0`, `false` or empty."""
        return self._query.get(name, "0") not in ("0", "false", "")


def bad_request(sentence: str) -> web.HTTPBadRequest:
    """An error for a query that can't be answered, to be raised. `sentence` is for a user."""
    return web.HTTPBadRequest(text=f"{sentence}\n", headers={hdrs.CACHE_CONTROL: "no-store"})
