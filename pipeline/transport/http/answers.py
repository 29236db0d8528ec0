"""What the answer to a request means for the entries that were sent.

| answer                                  | means                                                 |
|-----------------------------------------|-------------------------------------------------------|
| 2xx                                     | taken; a web page instead of a store's answer is not  |
| 408, 425, 429, or nobody there          | `Unavailable`; `Retry-After` is heeded                |
| 5xx, or none                            | `RequestFailed`, `ServerFault` for 500: it may be the |
|                                         | server's own trouble, or one bad entry's              |
| 1xx, 3xx, 401, 403, 404, 405, 407, 415  | `RequestFailed`: probably the configuration is wrong  |
| 413                                     | `TooLarge`: fewer entries at once may do              |
| every other 4xx                         | `Rejected`: some or all of the entries are bad, or the|
|                                         | configuration is wrong                                |

What each means for the entries is decided in `pipeline.transport.split_retry`, by what others are
answered.
RFC 9110, https://www.rfc-editor.org/rfc/rfc9110#section-15. Redirects are not followed: a POST that
becomes a GET elsewhere delivers nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from pipeline.model.errors import Refused, Unavailable
from pipeline.transport.net.errors import SHOWN, printable

LARGEST_ANSWER = 2**24
"""Bytes of an answer that are read. Elasticsearch's, of ten thousand items, has some megabytes."""

_NO_SUCH_PATH = b"unsupported path requested"
"""What VictoriaLogs and VictoriaMetrics say for a path that they do not have, with 400."""

_CONFIGURATION: Mapping[int, str] = {
    401: "check `auth`",
    403: "check what `auth` may do there",
    404: "check the path in `url`",
    405: "check the path in `url`",
    407: "a proxy wants a password: put it into the proxy's address",
    415: "check which `compression` it takes",
}


class Rejected(Refused):
    """The destination calls the entries of a request bad. `status` and `body` are the answer's."""

    certain = False
    """Whether no configuration can be the cause."""

    def __init__(self, message: str, status: int, body: bytes = b"") -> None:
        super().__init__(message)
        self.status = status
        self.body = body


class TooLarge(Rejected):
    """A request is too large; fewer entries at once may not be."""


class RequestFailed(Unavailable):
    """The destination has not taken a request, for what is in it or for any other reason."""

    PATIENCE, LONG = 3, 10
    """How often a payload may fail so before others are tried, and how often where the destination
    asks for a pause each time."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after)
        self.doubts = self.PATIENCE if retry_after is None else self.LONG


class Misconfigured(RequestFailed):
    """The destination is another one, or does not know who asks: probably the configuration is
    wrong."""

    wants_mending = True


class ServerFault(RequestFailed):
    """The destination has failed at a request with 500, for what is in it or for any other
    reason."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of 2xx."""

    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    body: bytes
    """At most `LARGEST_ANSWER`."""
    where: str
    """The origin that gave it, for messages."""


def check(answer: Answer, words: str) -> None:
    """Raises what the table says of any answer but 2xx: `Unavailable`, `RequestFailed` or
    `Rejected`. `words` are the server's own, for the message."""
    status = answer.status
    if 200 <= status < 300:
        return
    message = f"{answer.where} answers {status}{_after_colon(words)}"
    if status == 400 and _NO_SUCH_PATH in answer.body:
        status = 404
    if status == 413:
        raise TooLarge(message, status, answer.body)
    if status == 500:
        raise ServerFault(message, retry_after(answer.headers))
    if status in _CONFIGURATION:
        raise Misconfigured(f"{message}; {_CONFIGURATION[status]}", retry_after(answer.headers))
    if 300 <= status < 400:
        location = printable(answer.headers.get("Location", "nowhere"))
        raise Misconfigured(
            f"{message}, a redirect to {location}; write that address if it is right"
        )
    if status in (408, 425, 429):
        raise Unavailable(message, retry_after(answer.headers))
    if not 400 <= status < 500:
        raise RequestFailed(message, retry_after(answer.headers))
    raise Rejected(message, status, answer.body)


def check_for_page(answer: Answer) -> None:
    """Raises `Misconfigured` where the answer is a web page, such as that of a login."""
    kind = answer.headers.get("Content-Type", "").lower()
    words = answer.body[: 4 * SHOWN].decode("utf-8", "replace")
    if kind.startswith("text/html") and answer.body.lstrip().startswith(b"<"):
        raise Misconfigured(
            f"{answer.where} answers {answer.status} with a web page, which is no store's answer"
            f"{_after_colon(words)}; check the address, and what stands before the store"
        )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` asks for, as a number or a date; None where it does not.

    RFC 9110, section 10.2.3.
    """
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError, TypeError):
        return None


def _after_colon(words: str) -> str:
    text = printable(words[: 4 * SHOWN])
    return f": {text}" if text else ""
