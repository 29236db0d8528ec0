"""The agent's own labels, `dockline.*`: what each may say, and what it asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from functools import lru_cache
from typing import Any, Final, Literal, get_args

from pipeline.expression.paths import Path
from pipeline.model import registry
from pipeline.model.component import Rate, Stage
from pipeline.model.errors import ConfigError, DocklineError
from pipeline.topology.labels.patterns import HeldPattern, Joins
from pipeline.topology.labels.request import Request
from pipeline.topology.labels.tags import LONGEST_TAG, Tags, tag_path
from pipeline.topology.labels.wish import TAG
from pipeline.topology.labels.wording import did_you_mean, near, quoted, safe

PREFIX: Final = "dockline."
Name = Literal["enable", "route", "parse", "join", "level", "sample", "throttle", "tag"]
NAMES: Final[tuple[Name, ...]] = get_args(Name)

_WITH_KEY: Final = {"tag": ("NAME",), "level": ("from", "default")}
"""Labels that have a further name behind them: any for `tag`, else one of these."""
LONGEST_RATE: Final = 32
"""Characters of the value of `dockline.throttle` at most."""
_NUMBER: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?%?")
_YES: Final = ("true", "1", "yes", "on")
_NO: Final = ("false", "0", "no", "off")


class OwnLabels:
    """Reads the labels of one container, one after the other, into what it asks for."""

    def __init__(self, honour: Set[str], routes: Mapping[str, bool], request: Request) -> None:
        """`honour`: names of labels that count; others are passed over. `routes`: all routes by
        name, with whether containers may choose them. `request` gets what is asked for."""
        self._honour = honour
        self._routes = routes
        self._request = request
        self._tags: dict[Path, str] = {}
        self._level: dict[str, str] = {}

    def read(self, label: str, text: str) -> None:
        """Reads one label, which begins with `PREFIX`. Raises `DocklineError` if it is wrong."""
        name, _, key = label.removeprefix(PREFIX).partition(".")
        if name not in NAMES or not _fits(name, key):
            raise ConfigError(_unknown(label))
        if name not in self._honour:
            return
        if name == "tag":
            self._tags[tag_path(key, text, len(self._tags))] = text
        elif name == "level":
            self._level[key] = _level_text(key, text)
        else:
            getattr(self, f"_{name}")(label, text)

    def finish(self) -> Iterator[tuple[str, DocklineError]]:
        """Asks for what several labels say together. Yields labels that are wrong, and why."""
        if self._tags:
            tags = Tags(self._tags)
            self._request.tagged = tags.size
            self._request.ask("tag", TAG, tags)
        if self._level:
            asked = self._level.get("from"), self._level.get("default")
            try:
                self._request.ask("level", f"{PREFIX}level", _level(*asked))
            except DocklineError as error:
                yield f"{PREFIX}level", error

    def _enable(self, label: str, text: str) -> None:
        self._request.disabled["own"] = "" if yes(text) else label

    def _route(self, label: str, text: str) -> None:
        may = self._routes.get(text)
        if may is None:
            raise ConfigError(f"there is no route {quoted(text)}{did_you_mean(text, self._routes)}")
        if not may:
            raise ConfigError(
                f"the route {quoted(text)} is not for containers to choose: it has no "
                "`labels = true`"
            )
        self._request.route = text

    def _parse(self, label: str, text: str) -> None:
        self._request.ask("parse", label, stage("parse", text))

    def _join(self, label: str, text: str) -> None:
        if text.startswith("^"):
            self._request.ask("join", label, joined(HeldPattern(text), starts=True))
        else:
            self._request.ask("join", label, stage("join", text))

    def _sample(self, label: str, text: str) -> None:
        module: Any = registry.module("stages", "sample")
        try:
            if not _NUMBER.fullmatch(text):
                raise ValueError
            if text.endswith("%"):
                made = module.Stage(module.Percentage.parse(text))
            else:
                made = module.Stage(float(text) if "." in text else int(text))
        except (ValueError, DocklineError):
            raise ConfigError(
                f'{quoted(text)} is neither a number such as "10", for one in ten, nor a part such '
                'as "0.1" or "10%"'
            ) from None
        self._request.ask("sample", label, made)

    def _throttle(self, label: str, text: str) -> None:
        module: Any = registry.module("stages", "throttle")
        try:
            rate = Rate.parse(text if len(text) <= LONGEST_RATE else "")
            if not rate:
                raise ValueError
            made = module.Stage(module.Throttle(rate=rate))
        except ValueError:
            raise ConfigError(
                f'{quoted(text)} is not a rate; write it like "100/s" or "30/m"'
            ) from None
        self._request.ask("throttle", label, made)


def yes(text: str) -> bool:
    """What a label says that is true or false. Raises `ConfigError` for another text."""
    if text.lower() in (*_YES, *_NO):
        return text.lower() in _YES
    raise ConfigError(f'{quoted(text)} is neither "true" nor "false"; the container is followed')


def stage(name: str, text: str) -> Stage:
    """Makes a stage from a label's text, which has to be one of the words that its configuration
    knows.

    Raises `ConfigError` for another text.
    """
    words = _words(registry.config_type("stages", name))
    if text not in words:
        known = ", ".join(quoted(word) for word in words)
        pattern = ', or a pattern that begins with "^"' * (name == "join")
        raise ConfigError(
            f"{quoted(text)} is not understood"
            + (did_you_mean(text, words) or f"; known: {known}{pattern}")
        )
    made: Stage = registry.implementation("stages", name)(text)
    return made


def joined(pattern: HeldPattern, *, starts: bool) -> Stage:
    """A stage that joins lines to entries: each begins with a line that has the pattern, or, if not
    `starts`, goes on with those that have it."""
    made: Stage = registry.implementation("stages", "join").by(Joins(pattern, with_it=not starts))
    return made


def _level_text(key: str, text: str) -> str:
    if not key and text != "auto":
        raise ConfigError(
            f'{quoted(text)} is not understood; write "auto", and in {PREFIX}level.default the '
            "level of lines that tell none"
        )
    if key == "from" and len(text) > LONGEST_TAG:
        raise ConfigError(f"the name of a field has at most {LONGEST_TAG} characters")
    if key == "from":
        Path.parse(text)
    if key == "default":
        words = _words(registry.module("stages", "level").Level)
        if text not in words:
            near = did_you_mean(text, words) or f"; known: {', '.join(words)}"
            raise ConfigError(f"{quoted(text)} is no level{near}")
    return text


@lru_cache(64)
def _level(source: str | None, default: str | None) -> Stage:
    """The stage `level`. Cached: it has no state, and takes milliseconds to make."""
    module: Any = registry.module("stages", "level")
    made: Stage = module.Stage(module.Options(from_=source, default=default))
    return made


def _words(type_: Any) -> list[str]:
    """The strings that a configuration's type lists."""
    found = []
    for part in get_args(type_):
        found += [part] if isinstance(part, str) else _words(part)
    return found


def _fits(name: str, key: str) -> bool:
    """Whether a label may have this name behind it, or none."""
    if name == "tag":
        return bool(key)
    return not key or key in _WITH_KEY.get(name, ())


def _unknown(label: str) -> str:
    name = label.removeprefix(PREFIX)
    head = name.partition(".")[0]
    if head == "tag":
        return "a tag has a name, as in dockline.tag.team"
    if head == "level":
        return f"there is no such label; known: {PREFIX}level, .from and .default"
    if head in NAMES:
        return f"there is no such label; did you mean {PREFIX}{head}?"
    if word := near(head, NAMES):
        name = word + safe(name[len(head) :]) * (word in _WITH_KEY)
        return f"there is no such label; did you mean {PREFIX}{name}?"
    known = (PREFIX + (f"{one}.NAME" if one == "tag" else one) for one in NAMES)
    return f"there is no such label; known: {', '.join(known)}"
