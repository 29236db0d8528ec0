"""The few errors of our own. Each says in one sentence what is wrong and what to do about it."""

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

Error = TypeVar("Error", bound=BaseException)

_USERINFO: Final = re.compile(r'("[A-Za-z][A-Za-z0-9+.-]*://)[^"]*@|://([^\s"<>]++)')
"""Up to the last `@`, since a password may have one. Each `://` that is no more than text takes all
behind it with it, so that a text of nothing else takes no longer."""
_QUERY: Final = re.compile(
    r"([?&][\w.-]{0,40}(?:token|key|secret|pass|pwd|auth|sig|cred)[\w.-]{0,40}=)[^&#\s\"'<>]+",
    re.IGNORECASE,
)


def without_credentials(text: str) -> str:
    """`text` with stars for the user and password of every URL in it, and for what a URL's query
    calls a token, a key, or the like. Libraries quote addresses in their errors."""
    if "@" in text:
        text = _USERINFO.sub(_without_userinfo, text)
    return _QUERY.sub(r"\1***", text) if "=" in text else text


def _without_userinfo(found: re.Match[str]) -> str:
    if found[1]:
        return f"{found[1]}***@"
    _, at, host = found[2].rpartition("@")
    return f"://***@{host}" if at else found[0]


LONGEST = 1000
"""Characters of what is said of a destination, in the log or in a dead letter."""


def one_line(text: str) -> str:
    """What a peer has said may be part of it: without control characters, and not endless."""
    if len(text) > LONGEST:
        text = text[: LONGEST - 1] + "…"
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


class DocklineError(Exception):
    """Base of all below. `str(error)` is fit to be shown to a user as it stands: it has no
    credentials of a URL."""

    def __init__(self, message: str = "") -> None:
        super().__init__(without_credentials(message))


class ConfigError(DocklineError):
    """One value of the configuration is wrong.

    `path` is the key inside the table that was being read, as the user wrote it (`"batch.bytes"`,
    or empty for the table itself); whoever reads the file adds the table's own path and the line.
    `column` is where in a string value the trouble is, counted from 0, where that helps. What a
    user wrote may be part of `message`: it is kept on one line, and not endless.
    """

    LONGEST = 500
    """Characters of a message."""

    def __init__(self, message: str, path: str = "", column: int | None = None) -> None:
        message = "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)
        if len(message) > self.LONGEST:
            message = without_credentials(message)[: self.LONGEST - 1] + "…"
        super().__init__(message)
        self.message = str(self)
        self.path = path
        self.column = column


class MissingPackage(ConfigError):
    """A library that a component needs is not installed, or not in a version that it works with.
    The message shows nothing that the user wrote."""


@contextmanager
def at(path: str) -> Iterator[None]:
    """What is found wrong inside is wrong at this key of the table that is being read."""
    try:
        yield
    except MissingPackage:
        raise
    except ConfigError as error:
        raise ConfigError(error.message, path, error.column) from None


class EngineError(DocklineError):
    """The Docker Engine cannot be used as things stand. `permanent`: waiting will not help."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class SinkError(DocklineError):
    """Base of what a sink may raise from `open` and `send`; anything else is a bug in the sink.

    What a destination has said may be part of `message`: it is kept on one line, and not endless.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(one_line(without_credentials(message)))


class Unavailable(SinkError):
    """The destination cannot take the payload now; the same payload is worth sending again.

    `retry_after` is the wait in seconds that the destination itself asked for, if it did.
    """

    doubts: int | None = None
    """After how many attempts that fail so it may be for what is in the payload: what becomes of
    others is to tell then. None where it never is."""

    wants_mending = False
    """Whether the destination answers and takes nothing of what it is sent, so that time mends
    nothing: the configuration is wrong, or the server's."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Refused(SinkError):
    """The destination will never take this payload. It is dead-lettered or dropped, and counted."""


SHOWN = 20
"""Calls of a traceback, the innermost ones: a recursion has a thousand."""


def calls(error: BaseException) -> str:
    """The traceback of an exception without its text, in which something may stand that a stage is
    to hide."""
    return "".join(traceback.format_tb(error.__traceback__, -SHOWN)).rstrip()


def whole_traceback(error: BaseException) -> str:
    """With the text of the exception, and of those that led to it."""
    return "".join(traceback.format_exception(error)).rstrip()


_CAUSES: Final = 10
"""Of an exception, one behind the other: they may go round."""


def untraced(error: Error) -> Error:
    """The same exception, which lets go of what it and its causes have come through. Whoever keeps
    one in a frame or an object that is in its traceback keeps all that until the garbage collector
    comes, what was to be sent included; aiohttp does."""
    cause: BaseException | None = error
    for _ in range(_CAUSES):
        if cause is None:
            break
        cause.__traceback__ = None
        cause = cause.__cause__ or cause.__context__
    return error
