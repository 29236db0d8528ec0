"""Reads what a container asks for with its own labels, `dockline.*`.

The list of labels is closed, and each value is checked. A wrong label or value is logged once, is
shown in `dockline_label_errors`, and is otherwise ignored.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args
from weakref import WeakKeyDictionary

from pipeline.expression.paths import Path
from pipeline.model import registry
from pipeline.model.batch import Batch
from pipeline.model.component import Stage
from pipeline.model.container import Container
from pipeline.model.dumps import dumps
from pipeline.model.errors import ConfigError, DocklineError
from pipeline.model.label_limits import MOST_LABELS
from pipeline.model.metrics import Metrics
from pipeline.support.mistyped import meant
from pipeline.support.plural import plural

log = logging.getLogger(__name__)

PREFIX: Final = "dockline."
Name = Literal["enable", "route", "parse", "join", "tag"]
NAMES: Final[tuple[Name, ...]] = get_args(Name)

MOST_TAGS: Final = 32
LONGEST_TAG: Final = 256
"""Characters of a tag's name, and of its value, at most: every entry of the container gets them."""
DEEPEST_TAG: Final = 16
"""Dots in a tag's name at most; each makes an object in another."""
MOST_ERRORS: Final = 16
"""Errors of one container's labels that are reported at most."""

_TAG: Final = re.compile(r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*", re.ASCII)
_YES: Final = ("true", "1", "yes", "on")
_NO: Final = ("false", "0", "no", "off")


@dataclass(frozen=True, eq=False)
class Wish:
    """What one container asks for with its labels."""

    enabled: bool = True
    route: str = ""
    """A route that takes the container, beside those that do anyway."""
    parse: Stage | None = None
    join: Stage | None = None
    tags: Stage | None = None
    tagged: int = 0
    """Bytes that the tags add to each entry."""
    errors: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with the labels, by label."""

    @property
    def stages(self) -> Sequence[tuple[str, Stage]]:
        """Stages for the container's logs that run before any route's, with their names, in
        order."""
        named = (("join", self.join), ("parse", self.parse), ("tag", self.tags))
        return [(name, stage) for name, stage in named if stage is not None]


NOTHING: Final = Wish()
MANY: Final = 50
"""Number of labels from which it is remembered that they ask for nothing. Below, reading them again
is cheaper than an object per container for the garbage collector."""


class Labels:
    """Reads the labels of containers, as far as the operator allows (`[labels]`)."""

    def __init__(
        self,
        honour: Iterable[Name] = NAMES,
        routes: Mapping[str, bool] | None = None,
        honours: Callable[[Container], bool] = lambda container: True,
    ) -> None:
        """`honour`: the labels that count. `routes`: all routes by name, with whether containers
        may choose them. `honours`: whether the labels of a container count at all."""
        self._honour: Set[Name] = frozenset(honour)
        self._routes = routes or {}
        self._honours = honours
        self._wishes: WeakKeyDictionary[Container, Wish] = WeakKeyDictionary()

    def of(self, container: Container) -> Wish:
        """What the container asks for. Never raises: errors are in `Wish.errors`."""
        wish = self._wishes.get(container)
        if wish is None:
            wish = self._read(container)
            if wish is not NOTHING or len(container.labels) > MANY:
                self._wishes[container] = wish
        return wish

    def _read(self, container: Container) -> Wish:
        given = {name: text for name, text in container.labels.items() if name.startswith(PREFIX)}
        if not given or not self._honour or not self._honours(container):
            return NOTHING
        found: dict[str, Any] = {}
        tags: dict[Path, str] = {}
        errors: dict[str, str] = {}
        for label, text in given.items():
            name, _, key = label.removeprefix(PREFIX).partition(".")
            try:
                if name not in NAMES or (name == "tag") != bool(key):
                    raise ConfigError(_unknown(label))
                if name not in self._honour:
                    continue
                if name == "tag":
                    tags[_tag(key, text, len(tags))] = text
                else:
                    found[_ATTRIBUTES[name]] = getattr(self, f"_{name}")(text)
            except DocklineError as error:
                if len(errors) < MOST_ERRORS:
                    errors[_safe(label)] = str(error)
        if tags:
            stage = Tags(tags)
            found |= {"tags": stage, "tagged": stage.size}
        return Wish(**found, errors=errors)

    def _enable(self, text: str) -> bool:
        if text.lower() in (*_YES, *_NO):
            return text.lower() in _YES
        raise ConfigError(
            f'{_quoted(text)} is neither "true" nor "false"; the container is followed'
        )

    def _route(self, text: str) -> str:
        may = self._routes.get(text)
        if may is None:
            raise ConfigError(f"there is no route {_quoted(text)}{_nearest(text, self._routes)}")
        if not may:
            raise ConfigError(
                f"the route {_quoted(text)} is not for containers to choose: it has no "
                "`labels = true`"
            )
        return text

    def _parse(self, text: str) -> Stage:
        return _stage("parse", text)

    def _join(self, text: str) -> Stage:
        return _stage("join", text)


_ATTRIBUTES: Final = {"enable": "enabled", "route": "route", "parse": "parse", "join": "join"}


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


class Reported:
    """Logs errors in labels, each once per container, and sets their metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._said: dict[str, dict[str, str]] = {}
        """Errors that were logged, by container id and label."""
        self._left_out: dict[str, int] = {}
        """By container id: number of labels that were left out, as logged."""

    def note(self, container: Container, errors: Mapping[str, str]) -> None:
        """Logs errors that are new, and sets the container's metrics.

        `errors`: text by label; empty when all labels are right.
        """
        self._note_left_out(container)
        said = self._said.get(container.id, {})
        for label, error in errors.items():
            if said.get(label) != error:
                log.warning("container %s: label %s: %s", container.name, label, error)
        if errors:
            self._said[container.id] = dict(errors)
        else:
            self._said.pop(container.id, None)
        self._metrics.set_label_errors(container.name, errors)

    def _note_left_out(self, container: Container) -> None:
        count = container.left_out
        if count and self._left_out.get(container.id) != count:
            log.warning(
                "container %s: %d %s left out: it has more than %d KiB of them, and most sinks "
                "write them with each entry",
                container.name,
                count,
                plural(count, "label is", "labels are"),
                MOST_LABELS >> 10,
            )
        if count:
            self._left_out[container.id] = count
        else:
            self._left_out.pop(container.id, None)
        self._metrics.set_labels_left_out(container.name, count)

    def forget(self, container_id: str) -> None:
        """Forgets a container that was removed. Its metrics are left alone."""
        self._said.pop(container_id, None)
        self._left_out.pop(container_id, None)


def _stage(name: str, text: str) -> Stage:
    """Makes a stage from a label's text, which has to be one of the words that its configuration
    knows.

    Raises `ConfigError` for another text.
    """
    if name not in registry.names("stages"):
        raise ConfigError("this version cannot join lines")
    words = _words(registry.config_type("stages", name))
    if text not in words:
        known = ", ".join(_quoted(word) for word in words)
        raise ConfigError(
            f"{_quoted(text)} is not understood{_nearest(text, words) or f'; known: {known}'}"
        )
    made: Stage = registry.implementation("stages", name)(text)
    return made


def _words(type_: Any) -> list[str]:
    """The strings that a configuration's type lists."""
    found = []
    for part in get_args(type_):
        found += [part] if isinstance(part, str) else _words(part)
    return found


def _tag(key: str, text: str, before: int) -> Path:
    if not _TAG.fullmatch(key) or len(key) > LONGEST_TAG:
        raise ConfigError(
            f"{_quoted(key)} is no name of a field; write letters, digits, _ and -, dots between"
        )
    if key.count(".") > DEEPEST_TAG:
        raise ConfigError(f"{_quoted(key)} has more than {DEEPEST_TAG} dots")
    if len(text) > LONGEST_TAG or not text.isprintable():
        raise ConfigError(f"a tag's value is one line of at most {LONGEST_TAG} characters")
    if before >= MOST_TAGS:
        raise ConfigError(f"there are more than {MOST_TAGS} tags; the others are used")
    return Path.target(key)


def _unknown(label: str) -> str:
    name = label.removeprefix(PREFIX)
    head = name.partition(".")[0]
    if head == "tag":
        return "a tag has a name, as in dockline.tag.team"
    if head in NAMES:
        return f"there is no such label; did you mean {PREFIX}{head}?"
    if near := _near(head, NAMES):
        name = near + _safe(name[len(head) :]) * (near == "tag")
        return f"there is no such label; did you mean {PREFIX}{name}?"
    known = (PREFIX + (f"{one}.NAME" if one == "tag" else one) for one in NAMES)
    return f"there is no such label; known: {', '.join(known)}"


def _nearest(text: str, known: Iterable[str]) -> str:
    near = _near(text, known)
    return f'; did you mean "{near}"?' if near is not None else ""


def _near(text: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, if any. Looks at no more than 64 characters."""
    return meant(text[:64], known)


def _quoted(text: str) -> str:
    return f'"{_safe(text)}"'


def _safe(text: str) -> str:
    """Makes any text fit for a log message and a metric: one line, printable, at most 64
    characters."""
    short = text if len(text) <= 64 else text[:63] + "…"
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in short)
