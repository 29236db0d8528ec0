"""Calls a Python function of your own for every entry: for what no other stage can do.

    { python = "mymodule:function" }
    { python = { function = "mymodule:scrub", drop_on_error = true } }

```python
def function(fields: dict, message: bytes) -> dict | None:
    \"\"\"What becomes of an entry: its fields, or None to drop it.\"\"\"
    fields["length"] = len(message)
    return fields
```

It runs inside the agent, with all that the agent may do, so a configuration that has this stage is
refused unless the command line allows it: `dockline run --allow-python`, and the same with `check`,
`test` and `explain`. The module is one that the agent's own Python can import: installed beside it,
or in a folder of `$PYTHONPATH`. A changed module needs a restart.

`fields` are the entry's parsed fields, as a dictionary that the function may change; `message` is
the line as it was written. What it returns are the fields from then on, made of what JSON has;
dates and the like become text. The message stays.

An entry for which the function fails, or returns something else, goes on as it was; it is counted
in `dockline_stage_errors_total`, and the agent's log says now and then why. A function that hides
something has `drop_on_error`: the entry is dropped then, and counts as filtered, too. The log says
where in the function that was, and not what the exception says, which may quote the entry.

While the function runs the agent does nothing else: a slow one delays every container, and one that
waits stops them all. It may be called for entries of several containers in turn, and again for the
same entries after a restart.
"""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Callable
from copy import deepcopy
from operator import attrgetter
from typing import Annotated, Any, Final

import msgspec

from pipeline.model import component, plain
from pipeline.model.batch import Batch
from pipeline.model.component import StageContext
from pipeline.model.errors import ConfigError, calls
from pipeline.model.records import Fields
from pipeline.support.plural import plural
from pipeline.support.rate_limit import RateLimit

log = logging.getLogger(__name__)


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The function, and what happens to entries for which it fails."""

    function: Annotated[str, msgspec.Meta(examples=["mymodule:scrub"])]
    """The module and the function in it, `module:function`."""
    drop_on_error: bool = False
    """Whether to drop entries for which it fails, instead of passing them on unchanged."""


Config = Annotated[
    str | Options,
    msgspec.Meta(
        examples=["mymodule:function", {"function": "mymodule:scrub", "drop_on_error": True}]
    ),
]

Function = Callable[[Fields, bytes], Any]

_FORM: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_FAILURES: Final = (Exception, SystemExit)
"""Exceptions of a function that do not end the agent."""


class Stage(component.Stage):
    """Gives the function its own copy of each entry's fields."""

    stateful = True
    own_code = True

    def __init__(self, config: str | Options) -> None:
        options = config if isinstance(config, Options) else Options(function=config)
        if not _FORM.fullmatch(options.function):
            message = 'write a module and a function in it, as in "mymodule:function"'
            raise ConfigError(message, "function" if config is options else "")
        self._name = options.function
        self._drops = options.drop_on_error
        self._function: Function | None = None
        self._failed: Callable[[int], object] = lambda count: None
        self._failures = RateLimit()

    def attach(self, context: StageContext) -> None:
        if context.python == "refuse":
            raise ConfigError(
                "this runs Python code of your own inside the agent, which has to be allowed on "
                "the command line: --allow-python"
            )
        if context.python == "allow":
            self._function = _imported(self._name)
        self._failed = context.failed

    def effect(self) -> component.Effect:
        return component.Effect(hides=self._drops)

    def __call__(self, batch: Batch) -> Batch | None:
        function = self._function
        if function is None:
            return batch
        before = [{} for _ in batch.lines] if batch.fields is None else batch.fields
        after: list[Fields | None] = []
        failed, why = 0, None
        for fields, line in zip(before, batch.lines, strict=True):
            try:
                after.append(_checked(function(_copy(fields), line)))
            except _FAILURES as error:
                after.append(None if self._drops else fields)
                failed, why = failed + 1, error
        if why is not None:
            self._report(failed, why)
        left = batch.select([fields is not None for fields in after])
        return left and left.replace(fields=[fields for fields in after if fields is not None])

    def _report(self, failed: int, why: BaseException) -> None:
        self._failed(failed)
        if count := self._failures(failed):
            log.warning(
                "the function %s failed for %d %s: %s: %s",
                self._name,
                count,
                plural(
                    count, "entry, which went on as it was", "entries, which went on as they were"
                )
                if not self._drops
                else plural(count, "entry, which was dropped", "entries, which were dropped"),
                type(why).__name__,
                f"at\n{calls(why)}" if self._drops else why,
            )


def _imported(name: str) -> Function:
    module, _, path = name.partition(":")
    try:
        function = attrgetter(path)(importlib.import_module(module))
    except _FAILURES as error:
        raise ConfigError(f"cannot import {name}: {type(error).__name__}: {error}") from None
    if not callable(function):
        raise ConfigError(f"{name} is no function")
    return function  # type: ignore[no-any-return]


def _copy(fields: Fields) -> Fields:
    """A copy that shares nothing: objects in the fields are shared with other lanes."""
    return {
        name: deepcopy(value) if type(value) in (dict, list) else value
        for name, value in fields.items()
    }


def _checked(result: Any) -> Fields | None:
    """What the function returned as fields of an entry, a copy with types that JSON has.

    Raises `TypeError` and other exceptions for a value that can't be fields.
    """
    if result is None:
        return None
    if not isinstance(result, dict):
        raise TypeError(f"it returned {type(result).__name__}, not a dictionary or None")
    fields: Fields = msgspec.to_builtins(result, str_keys=True)
    return plain.fields(fields)
