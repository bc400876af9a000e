"""Errors in Google's words, and those that stand in a stream outside of any event."""

from __future__ import annotations

from typing import Any, Final

from gai_stream import _json
from gai_stream.dialects._errors import provider_error
from gai_stream.events import Failure, failure_from
from gai_stream.exceptions import CODES, DecodeError

__all__ = ["StrayError", "error_object"]

_STATUSES: Final[dict[str, str]] = {
    "invalid_request": "INVALID_ARGUMENT",
    "unauthorized": "UNAUTHENTICATED",
    "forbidden": "PERMISSION_DENIED",
    "not_found": "NOT_FOUND",
    "context_length_exceeded": "INVALID_ARGUMENT",
    "unsupported": "INVALID_ARGUMENT",
    "rate_limited": "RESOURCE_EXHAUSTED",
    "overloaded": "UNAVAILABLE",
    "safety_blocked": "INVALID_ARGUMENT",
    "timeout": "DEADLINE_EXCEEDED",
    "network": "UNAVAILABLE",
    "provider_unavailable": "UNAVAILABLE",
}

_LONGEST_ERROR: Final = 1 << 16


def error_object(failure: Failure, status: int | None = None) -> dict[str, Any]:
    """Return `failure` as the message that makes Google's SDKs raise APIError; without `status` its code's own."""
    number = CODES.get(failure.code, CODES["internal"]).status if status is None else status
    error: dict[str, Any] = {
        "code": number,
        "message": failure.message,
        "status": _STATUSES.get(failure.code, "INTERNAL"),
    }
    if failure.retry_after is not None:
        # Seconds as in the JSON form of a protobuf Duration, which has no exponent.
        delay = f"{failure.retry_after:.3f}".rstrip("0").rstrip(".")
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{delay}s"}]
    return {"error": error}


class StrayError:
    """Collect the lines of a JSON error that a server writes behind good events, without `data:`.

    It goes from a line that begins with a bracket to the next that begins with its closing one, or is one line.
    `failure` is what it tells of; `is_open` says that its end did not come.
    """

    def __init__(self) -> None:
        self.failure: Failure | None = None
        self._lines: list[bytes] = []
        self._size = 0

    @property
    def is_open(self) -> bool:
        """Whether an error has begun, and not ended."""
        return bool(self._lines)

    def take(self, line: bytes) -> None:
        """Take a line that is no part of any event."""
        begins = line.startswith((b"{", b"["))
        if self.failure is not None or not (self._lines or begins):
            return
        self._lines.append(line)
        self._size += len(line)
        closing = (b"]", b"}]") if self._lines[0].startswith(b"[") else (b"}",)
        ends = line.startswith(closing) or (len(self._lines) == 1 and line.rstrip().endswith(closing))
        if not ends and self._size <= _LONGEST_ERROR:
            return
        text, self._lines, self._size = b"\n".join(self._lines), [], 0
        try:
            value = _json.loads(text)
        except DecodeError:
            return
        body = value[0] if isinstance(value, list) and value else value
        if isinstance(body, dict) and body.get("error"):
            self.failure = failure_from(provider_error(body))
