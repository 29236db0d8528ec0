"""The fields that `dockline.tag.NAME` adds to every entry of a container."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pipeline.expression.paths import Path
from pipeline.model.batch import Batch
from pipeline.model.component import Stage
from pipeline.model.dumps import dumps
from pipeline.model.errors import ConfigError
from pipeline.topology.labels.wording import quoted

MOST_TAGS: Final = 32
LONGEST_TAG: Final = 256
"""Characters of a tag's name, and of its value, at most: every entry of the container gets them."""
DEEPEST_TAG: Final = 16
"""Dots in a tag's name at most; each makes an object in another."""

_NAME: Final = re.compile(r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*", re.ASCII)


def tag_path(name: str, text: str, before: int) -> Path:
    """The field that a tag sets. `text` is its value, `before` the number of tags before it.

    Raises `ConfigError` for a name or a value that a tag cannot have, and for one tag too many.
    """
    if not _NAME.fullmatch(name) or len(name) > LONGEST_TAG:
        raise ConfigError(
            f"{quoted(name)} is no name of a field; write letters, digits, _ and -, dots between"
        )
    if name.count(".") > DEEPEST_TAG:
        raise ConfigError(f"{quoted(name)} has more than {DEEPEST_TAG} dots")
    if len(text) > LONGEST_TAG or not text.isprintable():
        raise ConfigError(f"a tag's value is one line of at most {LONGEST_TAG} characters")
    if before >= MOST_TAGS:
        raise ConfigError(f"there are more than {MOST_TAGS} tags; the others are used")
    return Path.target(name)


class Tags(Stage):
    """A stage that adds the same fields to all entries of a container."""

    def __init__(self, config: Mapping[Path, str]) -> None:
        """`config`: text by the path of its field."""
        self._flat = {path.flat: text for path, text in config.items() if len(path.keys) == 1}
        self._nested = [(path, text) for path, text in config.items() if len(path.keys) > 1]
        self._alone: dict[str, Any] = dict(self._flat)
        """All fields. Entries without other fields share nested objects: stages copy before they
        change one."""
        for path, text in self._nested:
            path.put(self._alone, text)
        self.size = len(dumps(self._alone))
        """Bytes that each entry gets, as JSON."""

    def __call__(self, batch: Batch) -> Batch | None:
        if batch.fields is None:
            fields = [self._alone.copy() for _ in batch.lines]
        else:
            fields = batch.fields
            for one in fields:
                one.update(self._flat)
            for path, text in self._nested:
                for one in fields:
                    path.put(one, text)
        return batch.replace(fields=fields, tagged=self.size)
