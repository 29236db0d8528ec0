"""The exceptions of dockline. Each message says in one sentence what is wrong and what to do."""

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

Error = TypeVar("Error", bound=BaseException)

_USERINFO: Final = re.compile(r'("[A-Za-z][A-Za-z0-9+.-]*://)[^"]*@|://([^\s"<>]++)')
"""Matches up to the last `@`, since a password may contain one. A `://` without an `@` consumes all
text behind it, so that matching takes linear time even for a text of nothing but `://`."""
_QUERY: Final = re.compile(
    r"([?&][\w.-]{0,40}(?:token|key|secret|pass|pwd|auth|sig|cred)[\w.-]{0,40}=)[^&#\s\"'<>]+",
    re.IGNORECASE,
)


def without_credentials(text: str) -> str:
    """Replaces credentials in URLs by stars: the user and password, and query parameters that are
    called a token, a key or the like. Libraries quote addresses in their errors."""
    if "@" in text:
        text = _USERINFO.sub(_without_userinfo, text)
    return _QUERY.sub(r"\1***", text) if "=" in text else text


def _without_userinfo(found: re.Match[str]) -> str:
    if found[1]:
        return f"{found[1]}***@"
    _, at, host = found[2].rpartition("@")
    return f"://***@{host}" if at else found[0]


LONGEST = 1000
"""Limit in characters for what a destination has said, in the log or in a dead letter."""


def one_line(text: str) -> str:
    """The text on one line: control characters become spaces, and a text longer than `LONGEST` is
    cut. For texts that may contain what a peer has said."""
    if len(text) > LONGEST:
        text = text[: LONGEST - 1] + "…"
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


class DocklineError(Exception):
    """Base of all exceptions below.

    `str(error)` may be shown to a user as it is. Credentials in URLs are replaced by stars.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(without_credentials(message))


class ConfigError(DocklineError):
    """One value of the configuration is wrong.

    `message`: a sentence. It may contain what the user wrote; control characters are escaped, and
    it is cut to `LONGEST`. `path`: the key inside the table that was being read, as the user wrote
    it (`"batch.bytes"`), or empty for the table itself. The reader of the file adds the table's own
    path and the line. `column`: index of the character in a string value, from 0, if that helps.
    """

    LONGEST = 500
    """Limit in characters for a message."""

    def __init__(self, message: str, path: str = "", column: int | None = None) -> None:
        message = "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)
        if len(message) > self.LONGEST:
            message = without_credentials(message)[: self.LONGEST - 1] + "…"
        super().__init__(message)
        self.message = str(self)
        self.path = path
        self.column = column


class Unquoted(ConfigError):
    """A `ConfigError` whose message contains nothing that the user wrote, so that it may be shown
    where the value is secret."""


class MissingPackage(Unquoted):
    """A library that a component needs is not installed, or its version is not supported."""


@contextmanager
def at(path: str) -> Iterator[None]:
    """A context that adds `path` to a `ConfigError` raised inside: the key of the table being read.
    `MissingPackage` passes unchanged."""
    try:
        yield
    except MissingPackage:
        raise
    except ConfigError as error:
        kind = Unquoted if isinstance(error, Unquoted) else ConfigError
        raise kind(error.message, path, error.column) from None


class EngineError(DocklineError):
    """The Docker Engine cannot be used. `permanent`: waiting will not help."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class SinkError(DocklineError):
    """Base of what a sink may raise from `open` and `send`. Anything else is a bug in the sink.

    `message` may contain what a destination has said: it is put on one line and cut (see
    `one_line`).
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(one_line(without_credentials(message)))


class Unavailable(SinkError):
    """The destination cannot take the payload now. The same payload is worth sending again.

    `retry_after`: the delay in seconds that the destination asked for, if any.
    """

    doubts: int | None = None
    """After this many failed attempts, the payload itself may be the cause. Then it is tried
    whether others are accepted. None if the payload cannot be the cause."""

    wants_mending = False
    """Whether the destination answers, but accepts nothing that it is sent. Waiting doesn't help:
    the sink's or the server's configuration is wrong."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Refused(SinkError):
    """The destination will never take this payload. It is dead-lettered or dropped, and counted."""


SHOWN = 20
"""The innermost calls of a traceback that are shown. A recursion has a thousand."""


def calls(error: BaseException) -> str:
    """The traceback of an exception without its message. The message may contain what a stage has
    to hide."""
    return "".join(traceback.format_tb(error.__traceback__, -SHOWN)).rstrip()


def whole_traceback(error: BaseException) -> str:
    """The traceback of an exception and its causes, with their messages."""
    return "".join(traceback.format_exception(error)).rstrip()


_CAUSES: Final = 10
"""Limit for a chain of causes, which may be circular."""


def untraced(error: Error) -> Error:
    """Removes the tracebacks of an exception and its causes, and returns it.

    An exception that is kept in a frame or an object of its own traceback keeps all of that alive
    until the garbage collector runs, including what was to be sent. aiohttp keeps exceptions like
    that.
    """
    cause: BaseException | None = error
    for _ in range(_CAUSES):
        if cause is None:
            break
        cause.__traceback__ = None
        cause = cause.__cause__ or cause.__context__
    return error
