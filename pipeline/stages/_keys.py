"""Keys: what a stage tells entries apart by, or a sink names the places by that they go to; and
`Recent`, which remembers something of the last ones.

A key is as short as it may be kept by the thousand: a long text stands as its digest.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Final, Generic, TypeVar

from pipeline.expression import compile_template
from pipeline.model.batch import Batch
from pipeline.model.errors import at

LONGEST: Final = 128
"""Characters of a key that is kept as it is."""

State = TypeVar("State")


def compile_key(text: str, path: str = "key") -> Callable[[Batch], list[str]]:
    """A template that gives each entry its key. Raises `ConfigError` that names `path`."""
    with at(path):
        template = compile_template(text)

    def keys(batch: Batch) -> list[str]:
        return [key if len(key) <= LONGEST else digest(key) for key in template(batch)]

    return keys


def digest(text: str) -> str:
    """32 characters that no other text has. The same on every host, and after a restart."""
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


class Recent(Generic[State]):
    """Something for each key, made where there is none yet. The most recently used are kept."""

    __slots__ = ("_make", "_most", "_states")

    def __init__(self, most: int, make: Callable[[], State]) -> None:
        self._most = most
        self._make = make
        self._states: OrderedDict[str, State] = OrderedDict()

    def __len__(self) -> int:
        return len(self._states)

    def get(self, key: str) -> State:
        """What there is for the key, which counts as used now."""
        states = self._states
        state = states.get(key)
        if state is None:
            state = states[key] = self._make()
            if len(states) > self._most:
                states.popitem(last=False)
        else:
            states.move_to_end(key)
        return state
