"""Keys by which stages tell entries apart, and `Recent`, which keeps a state for the last keys.

A long key is replaced by its digest, so that thousands of keys may be kept.
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
"""Characters of a key that is kept as it is. A longer one is replaced by its digest."""

State = TypeVar("State")


def compile_key(text: str, path: str = "key") -> Callable[[Batch], list[str]]:
    """Compiles the template of a key. The function it returns gives the key of each entry of a
    batch.

    `path`: of the setting, for errors. Raises `ConfigError` for a wrong template.
    """
    with at(path):
        template = compile_template(text)

    def keys(batch: Batch) -> list[str]:
        return [key if len(key) <= LONGEST else digest(key) for key in template(batch)]

    return keys


def digest(text: str) -> str:
    """32 hexadecimal characters that no other text has.

    They are the same on every host and after a restart. Any string will do, also one that can't be
    UTF-8.
    """
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


class Recent(Generic[State]):
    """A state for each key. Only the most recently used keys are kept."""

    __slots__ = ("_make", "_most", "_states")

    def __init__(self, most: int, make: Callable[[], State]) -> None:
        """`most`: how many keys are kept. `make()`: returns the state of a new key."""
        self._most = most
        self._make = make
        self._states: OrderedDict[str, State] = OrderedDict()

    def __len__(self) -> int:
        return len(self._states)

    def get(self, key: str) -> State:
        """The state of a key, a new one if it has none. The key counts as used now."""
        states = self._states
        state = states.get(key)
        if state is None:
            state = states[key] = self._make()
            if len(states) > self._most:
                states.popitem(last=False)
        else:
            states.move_to_end(key)
        return state
