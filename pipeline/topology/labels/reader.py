"""`Labels`: reads what a container asks for with its own labels.

The list of labels is closed, and each value is checked. A wrong label or value is logged once, is
shown in `dockline_label_errors`, and is otherwise ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from typing import Final, Literal
from weakref import WeakKeyDictionary

from pipeline.model.container import Container
from pipeline.model.errors import DocklineError
from pipeline.topology.labels import filebeat, logspout, own
from pipeline.topology.labels.request import Request
from pipeline.topology.labels.wish import NOTHING, Wish

Honoured = Literal[own.Name, "filebeat", "logspout"]
"""What an operator may honour: labels of the agent by name, or those of another tool."""

MANY: Final = 50
"""Number of labels from which it is remembered that they ask for nothing. Below, reading them again
is cheaper than an object per container for the garbage collector."""


class Labels:
    """Reads the labels of containers, as far as the operator allows (`[labels]`)."""

    def __init__(
        self,
        honour: Iterable[Honoured] = own.NAMES,
        routes: Mapping[str, bool] | None = None,
        honours: Callable[[Container], bool] = lambda container: True,
    ) -> None:
        """`honour`: the labels that count. `routes`: all routes by name, with whether containers
        may choose them. `honours`: whether the labels of a container count at all."""
        self._honour: Set[str] = frozenset(honour)
        self._routes = routes or {}
        self._honours = honours
        self._prefixes = tuple(
            prefix
            for prefix, counts in (
                (own.PREFIX, self._honour & {*own.NAMES}),
                (filebeat.PREFIX, "filebeat" in self._honour),
            )
            if counts
        )
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
        prefixes = self._prefixes
        given = {name: text for name, text in container.labels.items() if name.startswith(prefixes)}
        of_logspout = "logspout" in self._honour
        if not (given or of_logspout) or not self._honours(container):
            return NOTHING
        request = Request()
        ours = own.OwnLabels(self._honour, self._routes, request)
        _read_all(ours, own.PREFIX, given, request)
        _read_all(filebeat.Hints(request), filebeat.PREFIX, given, request)
        if of_logspout:
            logspout.read(container, request)
        return request.wish() if given or request.disabled else NOTHING


def _read_all(
    labels: own.OwnLabels | filebeat.Hints, prefix: str, given: Mapping[str, str], request: Request
) -> None:
    """Reads all given labels with this prefix; what is wrong with one is noted."""
    for label, text in given.items():
        if label.startswith(prefix):
            try:
                labels.read(label, text)
            except DocklineError as error:
                request.wrong(label, error)
    for label, why in labels.finish():
        request.wrong(label, why)
