"""What JetStream says instead of an answer or an acknowledgement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pipeline.transport.net.errors import printable

CONSUMER_NOT_FOUND: Final = 10014
MESSAGE_TOO_LARGE: Final = 10054
STREAM_NAME_IN_USE: Final = 10058
STREAM_NOT_FOUND: Final = 10059
STREAM_NOT_MATCH: Final = 10060
STREAM_FULL: Final = 10077
"""Each is the `err_code` of a `ApiProblem`, as in nats-server's `server/errors.json`."""


class ApiProblem(msgspec.Struct, frozen=True):
    """An error of JetStream's API, of a request or of a message that was published."""

    code: int = 0
    """As in HTTP."""
    err_code: int = 0
    description: str = ""

    @property
    def said(self) -> str:
        """The server's words, on one line."""
        return printable(self.description)

    def __str__(self) -> str:
        return f"{self.said} ({self.err_code or self.code})"


NO_RESPONDERS: Final = ApiProblem(503, 0, "no stream takes this subject, or JetStream is off")
NO_ACKNOWLEDGEMENT: Final = ApiProblem(500, 0, "the answer is no acknowledgement")
NO_ANSWER: Final = ApiProblem(500, 0, "the answer is rubbish")


def problem_of(answer: Mapping[str, Any]) -> ApiProblem | None:
    """The error in an answer of the API; None where it has none."""
    if "error" not in answer:
        return None
    try:
        return msgspec.convert(answer["error"], ApiProblem)
    except msgspec.ValidationError:
        return NO_ANSWER
