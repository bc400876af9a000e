"""Every error of the toolkit: one base, and the name says which side broke the rules.

StreamError
├── DecodeError            they did: input that breaks its wire format
├── LimitExceeded          they did: input larger than the limit you set
├── TruncatedStream        they did: the input stopped before its terminal frame
├── EncodeError            you did: a value that has no form on the wire (also a ValueError)
├── StreamTimeout          nobody moved in time (also a TimeoutError)
├── ProviderError          the provider refused or failed, in words meant for the user
├── ReconnectError         a client gave up connecting again
└── UnknownEventID         a client wants to go on from an event that is not kept (also a LookupError)
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final, NamedTuple

__all__ = [
    "CODES",
    "CodeDefaults",
    "DecodeError",
    "EncodeError",
    "LimitExceeded",
    "ProviderError",
    "ReconnectError",
    "StreamError",
    "StreamTimeout",
    "TruncatedStream",
    "UnknownEventID",
    "code_for_status",
]


class StreamError(Exception):
    """Base of every error that this toolkit raises on purpose."""


class DecodeError(StreamError):
    """Report input that breaks its wire format.

    `line` is the offending line without its terminator, `line_number` counts from 1, `offset` is the
    byte position of the line's first byte in the whole input; each is None where the format has none.
    """

    def __init__(
        self,
        message: str,
        *,
        line: bytes | None = None,
        line_number: int | None = None,
        offset: int | None = None,
    ) -> None:
        super().__init__(message)
        self.line = line
        self.line_number = line_number
        self.offset = offset


class LimitExceeded(StreamError):
    """Report input larger than a limit. `limit` is in the unit of the option named by `option`."""

    def __init__(self, message: str, *, option: str, limit: int) -> None:
        super().__init__(message)
        self.option = option
        self.limit = limit

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is rebuilt from its `args` alone, which breaks copying it, or sending it to another process.
        return partial(type(self), option=self.option, limit=self.limit), self.args, self.__dict__


class TruncatedStream(StreamError):
    """Report input that ended before its format's own end."""


class EncodeError(StreamError, ValueError):
    """Report a value that has no form on the wire. No byte of it was written."""


class StreamTimeout(StreamError, TimeoutError):
    """Report that a peer did not move within the time you allowed."""


class ReconnectError(StreamError):
    """Report that a client gave up connecting again. The last attempt's error is its `__cause__`."""


class UnknownEventID(StreamError, LookupError):
    """Report an event ID to go on from that is not, or no longer, kept."""


class CodeDefaults(NamedTuple):
    """What an error code means when nothing more is known. `retry_after` is in seconds."""

    status: int
    temporary: bool
    retry_after: float | None = None


CODES: Final[dict[str, CodeDefaults]] = {
    "invalid_request": CodeDefaults(400, False),
    "unauthorized": CodeDefaults(401, False),
    "forbidden": CodeDefaults(403, False),
    "not_found": CodeDefaults(404, False),
    "context_length_exceeded": CodeDefaults(413, False),
    "unsupported": CodeDefaults(400, False),
    "rate_limited": CodeDefaults(429, True, 60.0),
    "overloaded": CodeDefaults(503, True, 10.0),
    "safety_blocked": CodeDefaults(400, False),
    "timeout": CodeDefaults(504, True, 5.0),
    "network": CodeDefaults(502, True, 5.0),
    "provider_unavailable": CodeDefaults(503, True, 30.0),
    "internal": CodeDefaults(500, True),
    # Not in the original's list: what happens to a stream on its way, rather than at the provider.
    "truncated": CodeDefaults(502, True),
    "invalid_response": CodeDefaults(502, False),
}
"""The error codes of the wire, each with its HTTP status, whether trying again may help, and when."""

_STATUS_CODES: Final[dict[int, str]] = {
    401: "unauthorized",
    402: "forbidden",
    403: "forbidden",
    404: "not_found",
    408: "timeout",
    413: "context_length_exceeded",
    429: "rate_limited",
    # "Cancelled", by somebody on the way: nothing is wrong with the request.
    499: "internal",
    500: "internal",
    502: "internal",
    503: "provider_unavailable",
    504: "timeout",
    529: "overloaded",
}


def code_for_status(status: int) -> str:
    """Return the error code for an HTTP status of 400 or more."""
    return _STATUS_CODES.get(status, "invalid_request" if status < 500 else "internal")


class ProviderError(StreamError):
    """Report a provider's refusal or failure, in words that may be shown to the user.

    `code` is one of `CODES` (others are kept as they are and treated as "internal"); `status` is the HTTP
    status to answer with while no byte has left; `temporary` says whether trying again may help;
    `retry_after` is in seconds. What you leave out is filled in from `CODES`. `request_id` is the provider's own name
    for the request, to quote when asking it what went wrong.
    """

    def __init__(
        self,
        code: str,
        message: str,
        status: int | None = None,
        temporary: bool | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        defaults = CODES.get(code, CODES["internal"])
        self.code = code
        self.message = message
        self.status = defaults.status if status is None else status
        self.temporary = defaults.temporary if temporary is None else temporary
        self.retry_after = defaults.retry_after if retry_after is None else retry_after
        self.request_id = request_id

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.code, self.message), self.__dict__
